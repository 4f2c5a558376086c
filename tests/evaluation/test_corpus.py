"""Scores against sacreBLEU called directly and against brute-force edit distance."""

import itertools
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF, TER

from kseq2seq import evaluation
from kseq2seq.evaluation import METRICS, Score, edit_distance, evaluate

HYPOTHESES = [
    "The cat sat on a mat.",
    "Zwei Hunde laufen durch den Schnee",
    "Ein Mädchen liest.",
    "",
    "a man in red is riding his bike",
]
# 1, 3, 2, 1 and 2 accepted references.
REFERENCES = [
    ["The cat sat on the mat."],
    [
        "Zwei Hunde rennen durch Schnee",
        "Hunde laufen im Schnee",
        "Zwei Hunde im Schnee",
    ],
    ["Ein Mädchen liest.", "Ein Mädchen liest ein Buch."],
    ["Nothing was said."],
    ["a man in red rides his bike", "on his bike a man in red is riding"],
]
FIRST = [references[0] for references in REFERENCES]
STREAMS = list(itertools.zip_longest(*REFERENCES))  # None where there is no more
SACREBLEU = {"bleu": BLEU, "chrf": CHRF, "ter": TER}
ERROR_RATES = ("word_error_rate", "character_error_rate", "phone_error_rate")
OURS = (*ERROR_RATES, "exact_match")


def brute_force(first, second):
    """Edit distance by its recursive definition, as a table."""
    table = np.zeros((len(first) + 1, len(second) + 1), int)
    table[:, 0], table[0] = range(len(first) + 1), range(len(second) + 1)
    for i, j in np.ndindex(len(first), len(second)):
        replaced = table[i, j] + (first[i] != second[j])
        table[i + 1, j + 1] = min(table[i, j + 1] + 1, table[i + 1, j] + 1, replaced)
    return table[-1, -1]


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_edit_distance_matches_brute_force(first, second):
    assert edit_distance(first, second) == brute_force(first, second)
    words = list(map(str.upper, first)), list(map(str.upper, second))
    assert edit_distance(*words) == brute_force(first, second)


@pytest.mark.parametrize("length", [63, 64, 65, 131])
def test_edit_distance_of_sequences_longer_than_a_machine_word(length):
    random = np.random.default_rng(length)
    first, second = random.integers(5, size=length), random.integers(5, size=101)
    assert edit_distance(first.tolist(), second.tolist()) == brute_force(first, second)


@pytest.mark.parametrize("name", SACREBLEU)
@pytest.mark.parametrize("bootstrap", [0, 101])
def test_several_references_match_sacrebleu(name, bootstrap):
    metric = SACREBLEU[name]()
    expected = metric.corpus_score(HYPOTHESES, STREAMS, n_bootstrap=bootstrap)
    score = METRICS[name](HYPOTHESES, REFERENCES, bootstrap)
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
        score = METRICS[name](HYPOTHESES, references)
        assert score.value == expected.score
        assert score.signature == str(metric.get_signature())
        assert "nrefs:1|" in score.signature


def test_bleu_takes_the_tokenizer_of_the_language():
    hypotheses, references = ["我喜欢猫和狗。"], ["我喜欢小猫和狗。"]
    expected = BLEU(tokenize="zh").corpus_score(hypotheses, [references]).score
    score = evaluation.bleu(hypotheses, references, tokenize="zh")
    assert score.value == expected > 10 and "tok:zh" in score.signature
    assert evaluation.bleu(hypotheses, references).value == 0


def nearest(name, hypotheses, references):
    """Edits and lengths of the nearest references, by trying all."""
    split = list if name == "character_error_rate" else str.split
    edits = length = 0
    for hypothesis, accepted in zip(hypotheses, references, strict=True):
        distances = [brute_force(split(hypothesis), split(x)) for x in accepted]
        edits += min(distances)
        length += max(
            len(split(x))
            for x, distance in zip(accepted, distances, strict=True)
            if distance == min(distances)
        )
    return edits, length


@pytest.mark.parametrize("name", ERROR_RATES)
def test_error_rates_match_brute_force(name):
    edits, length = nearest(name, HYPOTHESES, REFERENCES)
    score = METRICS[name](HYPOTHESES, REFERENCES)
    assert score.value == pytest.approx(100 * edits / length)
    edits, length = nearest(name, HYPOTHESES, [[x] for x in FIRST])
    score = METRICS[name](HYPOTHESES, FIRST)
    assert score.value == pytest.approx(100 * edits / length)


def test_error_rates_by_hand():
    # 1 edit of 3 words; 2 of 4, nearer than 3 of 5 would be.
    hypotheses = ["a b c", "a b c d"]
    references = [["a x c"], ["x y z d e", "a b x y"]]
    assert evaluation.word_error_rate(hypotheses, references).value == 100 * 3 / 7
    # Blanks are characters, and a word may be longer than one.
    assert evaluation.character_error_rate(["ab c"], ["abcd"]).value == 50.0
    assert evaluation.phone_error_rate(["HH AH0"], ["HH EH0 L"]).value == 100 * 2 / 3


@pytest.mark.parametrize("name", OURS)
def test_order_of_references_does_not_matter(name):
    # One edit from either, of 2 symbols or of 4.
    references = [["a b", "a b d e"], ["a"]]
    turned = [accepted[::-1] for accepted in references]
    metric = METRICS[name]
    assert metric(["a b d", "b"], references) == metric(["a b d", "b"], turned)


def test_exact_match_is_exact():
    references = [["a", "b"], ["a"], ["é"], ["A"]]
    score = evaluation.exact_match(["b", "a ", "e\u0301", "a"], references)
    assert score.value == 25.0  # neither blanks, composition nor case are forgiven


@pytest.mark.parametrize("name", ERROR_RATES)
def test_empty_references(name):
    assert METRICS[name](["", ""], ["", ""]).value == 0.0
    assert METRICS[name](["a b", ""], ["", ""]).value == 100.0
    assert METRICS[name](["", ""], ["a", "b b"]).value == 100.0


@pytest.mark.parametrize("name", OURS)
def test_interval_of_our_own_metrics(name):
    random = np.random.default_rng(0)
    # 300 sentences, a fifth of them wrong: binomial, so the spread is known.
    wrong = random.permutation(300) < 60
    hypotheses = ["x" if is_wrong else "a" for is_wrong in wrong]
    score = METRICS[name](hypotheses, ["a"] * 300, bootstrap=500)
    low, high = score.interval
    assert low < score.value < high
    expected = 2 * 1.96 * 100 * np.sqrt(0.2 * 0.8 / 300)
    assert high - low == pytest.approx(expected, rel=0.15)
    assert "|bs:500|seed:12345|" in score.signature
    again = METRICS[name](hypotheses, ["a"] * 300, bootstrap=500)
    assert again == score


@pytest.mark.parametrize("name", METRICS)
def test_seed_of_the_interval(name, monkeypatch):
    monkeypatch.setenv("SACREBLEU_SEED", "11")
    first, again, other = (
        METRICS[name](HYPOTHESES * 31, REFERENCES * 31, bootstrap=53, seed=seed)
        for seed in (7, 7, 8)
    )
    assert first == again
    assert first.value == other.value and first.interval != other.interval
    assert "seed:7|" in first.signature and "seed:8|" in other.signature
    assert os.environ["SACREBLEU_SEED"] == "11"
    monkeypatch.delenv("SACREBLEU_SEED")
    METRICS[name](HYPOTHESES, REFERENCES)
    assert "SACREBLEU_SEED" not in os.environ


@pytest.mark.parametrize("name", METRICS)
def test_direction(name):
    perfect = METRICS[name](FIRST, REFERENCES, bootstrap=2)
    worst = METRICS[name](["zzz"] * len(FIRST), REFERENCES)
    assert (perfect.value > worst.value) == evaluation.higher_is_better(name)
    assert perfect.value == pytest.approx(
        100 if evaluation.higher_is_better(name) else 0
    )
    assert perfect.interval == pytest.approx((perfect.value, perfect.value))


def test_evaluate_gives_each_metric_in_order():
    names = ("ter", "exact_match", "bleu")
    scores = evaluate(HYPOTHESES, REFERENCES, names, bootstrap=23, seed=5)
    assert list(scores) == list(names)
    for name in names:
        expected = METRICS[name](HYPOTHESES, REFERENCES, bootstrap=23, seed=5)
        assert scores[name] == expected
    assert list(evaluate(HYPOTHESES, FIRST)) == ["bleu", "chrf"]
    assert list(evaluate(HYPOTHESES, FIRST, "ter")) == ["ter"]


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
    (["a"], ["a"], {"bootstrap": -3}, "at least 2.*bootstrap=-3"),
    (["a"], ["a"], {"bootstrap": 0.5}, "at least 2.*bootstrap=0.5"),
]


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("hypotheses", "references", "options", "message"), BAD)
def test_bad_input(name, hypotheses, references, options, message):
    with pytest.raises(ValueError, match=message):
        METRICS[name](hypotheses, references, **options)


def test_unknown_names():
    for call in (
        lambda: evaluate(["a"], ["a"], metrics=["bleu", "blue"]),
        lambda: evaluate(["a"], ["a"], metrics="blue"),
        lambda: evaluation.higher_is_better("blue"),
    ):
        with pytest.raises(
            ValueError, match=r"there are bleu, chrf,.*Received: 'blue'"
        ):
            call()
    with pytest.raises(ValueError, match=r"'13a'.*'zh'.*tokenize='blue'"):
        evaluation.bleu(["a"], ["a"], tokenize="blue")
