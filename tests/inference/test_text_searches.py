"""Searches of texts in Python: their order, and arguments that are refused."""

import numpy as np
import pytest

from kseq2seq import Search, Translator
from translators import PAIRS, TEXTS, tiny_translator

SEARCH = Search(beam_size=3, max_length=11)


@pytest.fixture(scope="module")
def translator():
    return tiny_translator()


def test_n_best_are_different_and_ordered(translator):
    search = Search(beam_size=3, num_hypotheses=3, length_penalty=0.7, max_length=11)
    for best in translator.translate([text for text in TEXTS if text], search):
        assert len({one.text for one in best}) == 3
        scores = [one.score for one in best]
        assert scores == sorted(scores, reverse=True)
        for one in best:
            penalty = ((5 + len(one.target_tokens)) / 6) ** 0.7
            np.testing.assert_allclose(one.score, one.log_prob / penalty, rtol=1e-5)


@pytest.mark.parametrize("texts", ["a dog", b"a dog", ["a dog", 3], [b"a dog"]])
def test_texts_must_be_a_list_of_strings(translator, texts):
    with pytest.raises(ValueError, match="list of strings.*Received: .*(dog|3)"):
        translator(texts)


def test_other_arguments_are_checked(translator):
    with pytest.raises(ValueError, match=r"Search\(beam_size=5\).*search=5"):
        translator.translate(TEXTS, 5)
    with pytest.raises(ValueError, match=r"goes to `translate\(.*beam=Search\("):
        translator(TEXTS, Search())
    with pytest.raises(ValueError, match=r"`text` must be a string.*text=\['a'\]"):
        translator.plot(["a"])
    with pytest.raises(ValueError, match=r"`text` must be a string.*text=\['a'\]"):
        translator.alternatives(["a"], "")
    with pytest.raises(ValueError, match="`model` must be a Keras model.*'runs/a'"):
        Translator("runs/a", *[translator.source_tokenizer] * 2)
    for wrong in (0, 2.0, True):
        with pytest.raises(ValueError, match=f"batch_size={wrong}"):
            translator.translate(TEXTS, SEARCH, batch_size=wrong)
    for ask in (translator.score, translator.align):
        with pytest.raises(ValueError, match=r"pairs of strings.*', 3\) in row 2"):
            ask([PAIRS[0], (PAIRS[1][0], 3)])


@pytest.mark.parametrize(
    "wrong",
    [
        {"beam_size": 0},
        {"beam_size": 2.0},
        {"num_hypotheses": True},
        {"length_penalty": -0.1},
        {"coverage_penalty": float("nan")},
        {"max_length": 0},
        {"max_length_factor": float("inf")},
        {"max_length_offset": 0.5},
        {"num_groups": 0},
        {"diversity": 0},
        {"pattern": ""},
    ],
)
def test_search_is_checked(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(ValueError, match=f"`{name}` must be.*{name}={value}"):
        Search(**wrong)
