import os
import subprocess
import sys

import pytest

from kseq2seq import evaluation
from kseq2seq.evaluation import METRICS, Metric, evaluate, ratio_score
from paths import ROOT
from sentences import FIRST, HYPOTHESES, REFERENCES


@pytest.mark.parametrize("name", METRICS)
def test_seed_of_the_interval(name, monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "11")
    first, again, other = (
        METRICS[name].function(
            HYPOTHESES * 31, REFERENCES * 31, bootstrap=53, seed=seed
        )
        for seed in (7, 7, 8)
    )
    assert first == again
    assert first.value == other.value and first.interval != other.interval
    assert "seed:7|" in first.signature and "seed:8|" in other.signature
    assert os.environ["SACREBLEU_SEED"] == "11"
    monkeypatch.delenv("SACREBLEU_SEED")
    METRICS[name].function(HYPOTHESES, REFERENCES)
    assert "SACREBLEU_SEED" not in os.environ


@pytest.mark.parametrize("name", METRICS)
def test_direction(name):
    perfect = METRICS[name].function(FIRST, REFERENCES, bootstrap=2)
    worst = METRICS[name].function(["zzz"] * len(FIRST), REFERENCES)
    assert (perfect.value > worst.value) == METRICS[name].higher_is_better
    assert perfect.value == pytest.approx(100 if METRICS[name].higher_is_better else 0)
    assert perfect.interval == pytest.approx((perfect.value, perfect.value))


def test_evaluate_gives_each_metric_in_order():
    names = ("ter", "exact_match", "bleu")
    scores = evaluate(HYPOTHESES, REFERENCES, names, bootstrap=23, seed=5)
    assert list(scores) == list(names)
    for name in names:
        expected = METRICS[name].function(HYPOTHESES, REFERENCES, bootstrap=23, seed=5)
        assert scores[name] == expected
    assert list(evaluate(HYPOTHESES, FIRST)) == ["bleu", "chrf"]
    assert list(evaluate(HYPOTHESES, FIRST, "ter")) == ["ter"]


def sentences_of_a_length(hypotheses, references, bootstrap=0, seed=12345):
    """Share of the hypotheses that are as long as a reference."""
    counts = [
        (len(hypothesis) in map(len, accepted), 1)
        for hypothesis, accepted in zip(hypotheses, references, strict=True)
    ]
    return ratio_score("length", "refs:any", counts, references, bootstrap, seed)


def test_a_metric_from_outside(monkeypatch):
    """The table is all that `evaluate` and the figures look at."""
    metric = Metric(sentences_of_a_length, "same length", higher_is_better=True)
    monkeypatch.setitem(METRICS, "length", metric)
    scores = evaluate(["ab", "c"], [["xy", "z"], ["zz"]], ["bleu", "length"], 50)
    assert list(scores) == ["bleu", "length"]
    assert scores["length"].value == 50.0 and scores["length"].interval
    assert str(scores["length"]).startswith("length|nrefs:var|bs:50|seed:12345|refs")
    assert evaluation.check_metrics("length") == ["length"]


BAD = [
    (["a"], ["a", "b"], {}, "1 hypotheses, 2 references"),
    ([], [], {}, "must be hypotheses.*0 hypotheses"),
    ("a", ["a"], {}, "must be lists.*hypotheses='a'"),
    (["a"], "a", {}, "must be lists.*references='a'"),
    (
        ["a", "b"],
        [["a"], []],
        {},
        r"at least one reference.*sentence 2.*references=\[\]",
    ),
    (["a", None], ["a", "b"], {}, "strings all.*sentence 2: hypothesis=None"),
    (["a"], [["a", None]], {}, "strings all.*sentence 1.*None"),
    (["a"], ["a"], {"bootstrap": 1}, "at least 2.*bootstrap=1"),
    (["a"], ["a"], {"bootstrap": -3}, "at least 0.*bootstrap=-3"),
    (["a"], ["a"], {"bootstrap": 0.5}, "an integer.*bootstrap=0.5"),
]


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("hypotheses", "references", "options", "message"), BAD)
def test_bad_input(name, hypotheses, references, options, message):
    with pytest.raises(ValueError, match=message):
        METRICS[name].function(hypotheses, references, **options)


def test_unknown_names():
    for names in (["bleu", "blue"], "blue"):
        with pytest.raises(
            ValueError, match="`metrics` must be one of bleu, chrf,.*metrics='blue'"
        ):
            evaluate(["a"], ["a"], metrics=names)
    with pytest.raises(ValueError, match="at least one of bleu.*Received: none"):
        evaluate(["a"], ["a"], metrics=[])
    with pytest.raises(ValueError, match="13a,.*zh.*tokenize='blue'"):
        evaluation.bleu(["a"], ["a"], tokenize="blue")


def test_the_table_costs_nothing_to_read():
    """The command names the metrics in its help."""
    code = "import sys; from kseq2seq.evaluation import METRICS; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"numpy", "sacrebleu", "keras"} & set(done.stdout.split())
