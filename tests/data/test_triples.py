"""Triples of source, target and features."""

import math

import numpy as np
import pytest

from kseq2seq import data, train_tokenizers
from kseq2seq.callbacks import DecodeAndScore
from kseq2seq.data import as_triples
from kseq2seq.tokenizers import FeatureVocabulary

TRIPLES = [
    ("gehen", "ging", "V;PST"),
    ("gehen", "gehe", "V;PRS"),
    ("Hund", "Hunde", "N;PL"),
    ("gehen", "gieng", "V;PST"),
    ("Hund", "Hund", ""),
]


@pytest.mark.parametrize(
    "make",
    [
        list,
        iter,
        np.array,
        lambda rows: [list(row) for row in rows],
        lambda rows: [(a, f"{b}\r\n", f"{c}\n") for a, b, c in rows],
        lambda rows: [row if row[2] else row[:2] for row in rows],
        lambda rows: [row if row[2] else (*row[:2], math.nan) for row in rows],
    ],
)
def test_containers(make):
    assert as_triples(make(TRIPLES)) == TRIPLES


def test_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(TRIPLES, columns=["lemma", "form", "tags"])
    assert as_triples(frame) == TRIPLES
    frame.loc[4, "tags"] = None
    assert as_triples(frame) == TRIPLES
    assert as_triples(frame[["lemma", "form"]]) == [(*x[:2], "") for x in TRIPLES]


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([("a", "b", "c", "d")], r"features\); take two of each row.* in row 1"),
        ([("a",)], "make a tuple of two.* in row 1"),
        ([("a", "b", 3)], r"str\(value\).* in row 1"),
        ([("a", None, "c")], r"dropna\(\).* in row 1"),
        ("ab", "give a list of them. Received: 'ab'"),
    ],
)
def test_the_rest_is_refused(rows, match):
    with pytest.raises(ValueError, match=match) as error:
        as_triples(rows, "pairs")
    assert str(error.value).startswith("`pairs` must hold strings, (source, target) or")


def test_functions_of_pairs_name_those_that_keep_features():
    both = train_tokenizers([row[:2] for row in TRIPLES], kind="character")
    for call, name in (
        (data.split, "`split_triples`"),
        (data.group_references, "`group_triples`"),
        (lambda rows: DecodeAndScore(rows, *both), r"DecodeAndScore\(\.\.\., features"),
    ):
        with pytest.raises(
            ValueError, match=f"or keep features by .*{name}.* in row 1"
        ):
            call(TRIPLES)
    with pytest.raises(ValueError, match=r"for row in pairs\]\. Received"):
        data.split([(*row, "") for row in TRIPLES])


def test_parts_have_sources_of_their_own():
    triples = [(f"source {n % 31}", f"target {n}", f"F{n}") for n in range(67)]
    parts = data.split_triples(triples, (0.7, 0.3), seed=3)
    pairs = data.split([row[:2] for row in triples], (0.7, 0.3), seed=3)
    assert [[row[:2] for row in part] for part in parts] == [*pairs]
    assert sorted(row for part in parts for row in part) == sorted(triples)
    with pytest.raises(ValueError, match="part would be empty"):
        data.split_triples(triples[:2], (0.4, 0.3, 0.3))


def test_references_are_those_of_a_source_with_its_features():
    assert data.group_triples(iter(TRIPLES + TRIPLES[:1])) == (
        ["gehen", "gehen", "Hund", "Hund"],
        ["V;PST", "V;PRS", "N;PL", ""],
        [["ging", "gieng"], ["gehe"], ["Hunde"], ["Hund"]],
    )


def test_features_follow_the_source_in_a_batch():
    source, target = train_tokenizers([x[:2] for x in TRIPLES], kind="character")
    features = FeatureVocabulary.from_texts([x[2] for x in TRIPLES])
    rows = [*TRIPLES, ("", "x", "N"), ("gehen" * 9, "x", "N")]
    made = data.batches(
        rows, source, target, batch_size=3, buckets=(5, 11, 13), features=features
    )
    batches = list(made)
    assert [batch["source"].shape for batch, _ in batches] == [(3, 11), (2, 11)]
    read = [row for batch, _ in batches for row in batch["source"].numpy().tolist()]
    first = source.vocabulary_size
    for (text, _, tags), row in zip(TRIPLES, read, strict=True):
        ids = source.tokenize([text]).to_list()[0]
        # The ids of symbols go on from those of what is missing or unknown.
        symbols = filter(None, tags.split(";"))
        own = [2 + features.symbols.index(symbol) for symbol in symbols] or [0]
        ids += [first + id_ for id_ in own]
        assert row == ids + [0] * (len(row) - len(ids))
    pairs = [x[:2] for x in TRIPLES]
    inputs, _ = next(iter(data.batches(pairs, source, target, features=features)))
    assert inputs["source"][0, 6] == first  # behind "gehen" and EOS: missing
