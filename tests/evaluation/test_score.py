import numpy as np
import pytest

from kseq2seq import evaluation
from kseq2seq.evaluation import METRICS, Score
from sentences import ERROR_RATES, HYPOTHESES, REFERENCES

OURS = (*ERROR_RATES, "exact_match")


@pytest.mark.parametrize("name", OURS)
def test_order_of_references_does_not_matter(name):
    # One edit from either, of 2 symbols or of 4.
    references = [["a b", "a b d e"], ["a"]]
    turned = [accepted[::-1] for accepted in references]
    metric = METRICS[name].function
    assert metric(["a b d", "b"], references) == metric(["a b d", "b"], turned)


@pytest.mark.parametrize("name", OURS)
def test_interval_of_our_own_metrics(name):
    random = np.random.default_rng(0)
    # 300 sentences, a fifth of them wrong: binomial, so the spread is known.
    wrong = random.permutation(300) < 60
    hypotheses = ["x" if is_wrong else "a" for is_wrong in wrong]
    score = METRICS[name].function(hypotheses, ["a"] * 300, bootstrap=500)
    low, high = score.interval
    assert low < score.value < high
    expected = 2 * 1.96 * 100 * np.sqrt(0.2 * 0.8 / 300)
    assert high - low == pytest.approx(expected, rel=0.15)
    assert "|bs:500|seed:12345|" in score.signature
    again = METRICS[name].function(hypotheses, ["a"] * 300, bootstrap=500)
    assert again == score


def test_a_score_prints_on_one_line():
    assert str(Score("BLEU", 34.125, "nrefs:1|tok:13a")) == (
        "BLEU|nrefs:1|tok:13a = 34.12"
    )
    assert str(Score("BLEU", 34.0, "nrefs:1", (33.004, 35.1))) == (
        "BLEU|nrefs:1 = 34.00 (95 % between 33.00 and 35.10)"
    )
    signature = evaluation.phone_error_rate(HYPOTHESES, REFERENCES).signature
    setting = "nrefs:var|refs:nearest|case:mixed|unit:phone|kseq2seq:"
    assert signature.startswith(setting) and len(signature) > len(setting)


def test_no_minus_zero_is_printed():
    score = Score("BLEU", -0.0, "nrefs:1", (-0.004, 0.001))
    assert str(score) == "BLEU|nrefs:1 = 0.00 (95 % between 0.00 and 0.00)"
    assert "between -0.01 and" in str(score._replace(interval=(-0.006, 0.0)))
    # Resamples of which a few have a match give an interval around 0.
    hypotheses = ["a b c d e"] * 40
    references = ["a b c d e", *["v w x y z"] * 39]
    for name in METRICS:
        score = METRICS[name].function(hypotheses, references, bootstrap=50)
        assert "-0.00" not in str(score)


@pytest.mark.parametrize("blank", ["", " ", "\u200b"])
@pytest.mark.parametrize("number", range(len(METRICS)))
def test_blank_references_are_told_once(number, blank, caplog):
    name = list(METRICS)[number]
    # As many sentences in no other case: the same are told but once.
    rest = ["e"] * (100 * number + 10 * len(blank) + ord(blank or "0") % 10)
    hypotheses = ["a", "b", "c", "d", *rest]
    references = ["a", ["b", blank], "c", blank, *rest]
    score = METRICS[name].function(hypotheses, references)
    told = f"2 of {len(references)} sentences have a blank reference"
    assert caplog.messages[0].startswith(told)
    assert "the first is number 2." in caplog.messages[0]
    assert caplog.records[0].name == "kseq2seq"
    # They count, as sacreBLEU counts them, for each metric and after each epoch.
    assert METRICS[name].function(hypotheses, references) == score
    assert len(caplog.messages) == 1
    METRICS[name].function(["a"], ["b"])
    assert len(caplog.messages) == 1
