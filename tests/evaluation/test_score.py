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
