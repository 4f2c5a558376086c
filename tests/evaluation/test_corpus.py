"""Scores against sacreBLEU called directly."""

import re
from urllib.error import URLError

import pytest
from sacrebleu.metrics import BLEU, CHRF, TER

from kseq2seq import evaluation
from kseq2seq.evaluation import METRICS
from sentences import FIRST, HYPOTHESES, REFERENCES, STREAMS

SACREBLEU = {"bleu": BLEU, "chrf": CHRF, "ter": TER}


@pytest.mark.parametrize("name", SACREBLEU)
@pytest.mark.parametrize("bootstrap", [0, 101])
def test_several_references_match_sacrebleu(name, bootstrap):
    metric = SACREBLEU[name]()
    expected = metric.corpus_score(HYPOTHESES, STREAMS, n_bootstrap=bootstrap)
    score = METRICS[name].function(HYPOTHESES, REFERENCES, bootstrap)
    assert score.value == expected.score
    assert score.signature == str(metric.get_signature())
    assert "nrefs:var" in score.signature
    if bootstrap:
        middle, width = sum(score.interval) / 2, score.interval[1] - score.interval[0]
        assert middle == pytest.approx(expected._mean)
        assert width == pytest.approx(2 * expected._ci)
        assert width > 1 and "bs:101|seed:12345" in score.signature
    else:
        assert score.interval is None and "seed" not in score.signature


@pytest.mark.parametrize("name", SACREBLEU)
def test_one_reference_matches_sacrebleu_however_it_is_written(name):
    metric = SACREBLEU[name]()
    expected = metric.corpus_score(HYPOTHESES, [FIRST])
    for references in (FIRST, [[reference] for reference in FIRST], tuple(FIRST)):
        score = METRICS[name].function(HYPOTHESES, references)
        assert score.value == expected.score
        assert score.signature == str(metric.get_signature())
        assert "nrefs:1|" in score.signature


def test_bleu_takes_the_tokenizer_of_the_language():
    hypotheses, references = ["我喜欢猫和狗。"], ["我喜欢小猫和狗。"]
    expected = BLEU(tokenize="zh").corpus_score(hypotheses, [references]).score
    score = evaluation.bleu(hypotheses, references, tokenize="zh")
    assert score.value == expected > 10 and "tok:zh" in score.signature
    assert evaluation.bleu(hypotheses, references).value == 0


def test_exact_match_is_exact():
    references = [["a", "b"], ["a"], ["é"], ["A"]]
    score = evaluation.exact_match(["b", "a ", "e\u0301", "a"], references)
    assert score.value == 25.0  # neither blanks, composition nor case are forgiven


@pytest.mark.parametrize(
    "error",
    [
        URLError("no route to host"),
        TimeoutError("timed out"),
        RuntimeError("\nPlease install them.\n\n    pip install sacrebleu[ja]\n"),
        ImportError("Please install the sentencepiece library"),
        SystemExit(1),
    ],
)
def test_a_tokenizer_that_sacrebleu_cannot_load(monkeypatch, error):
    def fail(**_):
        raise error

    monkeypatch.setattr(BLEU, "__init__", lambda self, **_: fail())
    reason = re.escape(" ".join(str(error).split()))
    message = f"tokenize='flores200', for which it says: {reason}.*tokenize='13a'"
    with pytest.raises(ValueError, match=message) as raised:
        evaluation.bleu(["a"], ["a"], tokenize="flores200")
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match="There must be hypotheses"):
        evaluation.bleu([], [], tokenize="flores200")
