"""Scores between epochs, of texts that are known, and the warning at the end."""

import math
import re
from types import SimpleNamespace

import numpy as np
import pytest

from kseq2seq import Search, evaluation
from kseq2seq.callbacks import EpochScores

REFERENCES = [["ba"], ["edc", "cde"], ["cad"]]
TEXTS = ["ba", "cde", "c"]
# All attention on one position after the other, on one alone, and on all alike.
MOVING = np.eye(5)
STILL = np.repeat([[1.0, 0.0, 0.0, 0.0, 0.0]], 5, axis=0)
UNIFORM = np.full((5, 5), 0.2)
LOGS = ("val_alignment_sharpness", "val_alignment_coverage")


class Known(EpochScores):
    """It knows the texts, and counts what it is asked for."""

    def __init__(self, weights=None, metrics=("exact_match",), **options):
        given = {"search": None, "every": 1, "alignments": False, **options}
        super().__init__(REFERENCES, metrics, **given)
        self.weights, self.decoders, self.decoded = weights, [], 0

    def make_decoder(self, model):
        self.decoders.append(model)
        return SimpleNamespace(model=model)

    def decode(self, model):
        assert self._decoder_of(model).model is model
        self.decoded += 1
        best = [SimpleNamespace(text=x, alignment=self.weights) for x in TEXTS]
        return [[x, SimpleNamespace(text="no", alignment=None)] for x in best]


def end_epochs(callback, count, **logs):
    collected = []
    for epoch in range(count):
        collected.append(dict(logs))
        callback.on_epoch_end(epoch, collected[-1])
    return collected


def test_scores_are_those_of_the_best_texts():
    callback = Known(metrics=("exact_match", "character_error_rate"))
    callback.set_model("model")
    (logs,) = end_epochs(callback, 1, loss=2.0)
    names = callback.metrics
    expected = evaluation.evaluate(TEXTS, REFERENCES, names)
    assert logs == {"loss": 2.0} | {f"val_{x}": expected[x].value for x in names}
    assert logs["val_exact_match"] == pytest.approx(200 / 3)


def test_a_row_without_any_text_counts_as_an_empty_one():
    class Nothing(Known):
        def decode(self, model):
            return [[], *super().decode(model)[1:]]

    scores = Nothing(np.eye(5), alignments=True).score("model")
    assert scores["val_exact_match"] == pytest.approx(100 / 3)
    assert {*LOGS} < {*scores}


def test_only_every_few_epochs_are_scored_and_none_that_diverged():
    callback = Known(every=3)
    callback.set_model("model")
    collected = end_epochs(callback, 7)
    scored = [not math.isnan(logs["val_exact_match"]) for logs in collected]
    assert scored == [False, False, True, False, False, True, False]
    for loss in (math.nan, math.inf):
        logs = {"loss": loss}
        callback.on_epoch_end(2, logs)
        assert math.isnan(logs["val_exact_match"])
    assert callback.decoded == 2
    callback.on_epoch_end(2)  # without logs
    assert callback.decoded == 3


def test_a_model_has_one_decoder_from_before_the_training():
    callback = Known()
    callback.set_model("one")
    callback.on_train_begin()
    assert callback.decoders == ["one"] and callback.decoded == 0
    end_epochs(callback, 3)
    assert callback.decoders == ["one"]
    callback.score("another")
    assert callback.decoders == ["one", "another"]


def test_alignments_are_told_where_they_are_asked_for_and_there():
    asked = Known(MOVING, alignments=True).score("model")
    told = evaluation.alignment_statistics([MOVING] * 3)._asdict()
    assert asked["val_alignment"] == told.pop("information")
    for name, value in told.items():
        assert asked[f"val_alignment_{name}"] == value
    assert {*Known(MOVING).score("model")} == {"val_exact_match"}
    assert {*Known(None, alignments=True).score("model")} == {"val_exact_match"}


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        (MOVING, None),
        (UNIFORM, r"does not depend on the step \(val_alignment is 0.000, below 0.1"),
        (STILL, r"does not depend on the step \(val_alignment is 0.000, below 0.1"),
        (
            np.kron([[1.0, 0.0], [0.0, 1.0]], np.eye(7)[:1]),
            r"few tokens of the source \(val_alignment_coverage is 0\.\d+, below 0.5",
        ),
    ],
    ids=["moving", "uniform", "still", "few tokens"],
)
def test_a_model_that_has_not_learnt_to_align_is_told(caplog, weights, words):
    callback = Known(weights, alignments=True)
    callback.set_model("model")
    callback.on_train_begin()
    end_epochs(callback, 1)
    callback.on_train_end()
    assert len(caplog.messages) == (words is not None)
    if words is not None:
        assert re.search(words, caplog.messages[0])
    callback.on_train_begin()  # which forgets it
    callback.on_train_end()
    assert len(caplog.messages) == (words is not None)


def test_arguments_are_checked():
    assert Known(metrics="ter").metrics == ("ter",)
    assert Known().search == Search(beam_size=1)
    for options, message in [
        ({"metrics": "blue"}, "one of bleu, .* Received: metrics='blue'"),
        ({"every": 0}, "`every` must be .* of at least 1. Received: every=0"),
        ({"alignments": 1}, "`alignments` must be True or False.*alignments=1"),
        ({"search": 5}, "`search` must be a `kseq2seq.Search`.*search=5"),
    ]:
        with pytest.raises(ValueError, match=message):
            Known(**options)
