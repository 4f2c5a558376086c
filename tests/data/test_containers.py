"""Pairs in the containers that people have them in, against the plain list."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq2seq import data
from kseq2seq.callbacks import DecodeAndScore
from kseq2seq.data import as_pairs, as_texts
from kseq2seq.evaluation import DEFAULT_METRICS
from kseq2seq.tokenizers import train_tokenizer, train_tokenizers

PAIRS = [("ab", "x"), ("ba", "y z"), ("b", "z\u2028x")]
SOURCES, TARGETS = zip(*PAIRS, strict=True)


class Frame:
    """Stands in for a data frame of pandas."""

    def __init__(self, columns):
        self.columns = list(columns)
        self.values = list(columns.values())

    def itertuples(self, index, name):
        assert not index and name is None
        return zip(*self.values, strict=True)


class PolarsFrame(Frame):
    """Stands in for a data frame of polars."""

    itertuples = property()  # it has none

    def iter_rows(self):
        return zip(*self.values, strict=True)


TAKEN = {
    "list": lambda: PAIRS,
    "tuple": lambda: tuple(PAIRS),
    "lists": lambda: [list(pair) for pair in PAIRS],
    "zip": lambda: zip(SOURCES, TARGETS, strict=True),
    "generator": lambda: (pair for pair in PAIRS),
    "dict's items": lambda: dict(PAIRS).items(),
    "array": lambda: np.array(PAIRS),
    "array of objects": lambda: np.array(PAIRS, dtype=object),
    "rows of an array": lambda: list(np.array(PAIRS)),
    "frame": lambda: Frame({"en": SOURCES, "de": TARGETS}),
    "polars": lambda: PolarsFrame({"en": SOURCES, "de": TARGETS}),
    "readlines": lambda: [(source + "\n", target + "\r\n") for source, target in PAIRS],
}


@pytest.mark.parametrize("container", TAKEN)
def test_plain_containers_are_taken(container):
    make = TAKEN[container]
    taken = as_pairs(make())
    assert taken == PAIRS
    assert all(type(text) is str for pair in taken for text in pair)
    expected = train_tokenizers(PAIRS, kind="character")
    tokenizers = train_tokenizers(make(), kind="character")
    assert [x.model for x in tokenizers] == [x.model for x in expected]
    assert batched(make(), tokenizers) == batched(PAIRS, tokenizers)
    assert data.split(make(), (0.5, 0.5)) == data.split(PAIRS, (0.5, 0.5))
    assert data.group_references(make()) == data.group_references(PAIRS)
    callback = DecodeAndScore(make(), *tokenizers, DEFAULT_METRICS)
    assert (callback.sources, callback.references) == data.group_references(PAIRS)


def batched(pairs, tokenizers):
    dataset = data.batches(pairs, *tokenizers, batch_size=9)
    return [(x["source"].numpy().tolist(), y.numpy().tolist()) for x, y in dataset]


def test_pandas():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"en": SOURCES, "de": TARGETS}, index=[7, 7, 8])
    assert as_pairs(frame) == as_pairs(frame.to_numpy()) == PAIRS
    assert as_pairs(pandas.Series(PAIRS)) == PAIRS
    for missing in (None, math.nan, pandas.NA, pandas.NaT):
        with pytest.raises(ValueError, match=r"frame\.dropna\(\).* in row 2"):
            as_pairs(pandas.DataFrame([("a", "b"), ("a", missing)]))
    with pytest.raises(ValueError, match=r"\['source', 'target'\]\].*'id', 'en', 'de'"):
        as_pairs(frame.assign(id=1)[["id", "en", "de"]])


NESTED = r"such as \[\(row\['translation'\]\['en'\], row\['translation'\]\['fr'\]\) for"
REFUSED = {
    "dicts": ([*PAIRS, {"en": "a", "fr": "b"}],
              r"\[\(row\['en'\], row\['fr'\]\) for row in pairs\].* in row 4"),
    "dicts with ids": ([{"id": 3, "en": "a", "fr": "b"}], r"row\['en'\], row\['fr'\]"),
    "Hugging Face": ([{"translation": {"en": "a", "fr": "b"}}], NESTED),
    "empty dicts": ([{}], r"row\['source'\], row\['target'\]\).* in row 1"),
    "triples": ([("a", "b", "c")], r"\(row\[0\], row\[1\]\) .*'c'\) in row 1"),
    "array of three": (np.array([("a", "b", "c")]), r"\(row\[0\], row\[1\]\)"),
    "singles": ([("a",)], r"make a tuple of two.*\('a',\) in row 1"),
    "texts of two": (["ab", "cd"], r"zip\(sources, targets\).*'ab' in row 1"),
    "array of texts": (np.array(["ab", "cd"]), r"zip\(sources, targets\).* in row 1"),
    "None": ([*PAIRS, ("a", None)], r"dropna\(\).*\('a', None\) in row 4"),
    "NaN": ([*PAIRS, (math.nan, "a")], r"dropna\(\).*nan, 'a'\) in row 4"),
    "NaN of NumPy": ([(np.float32("nan"), "a")], r"dropna\(\)"),
    "numbers": ([("a", 3)], r"str\(value\).*\('a', 3\) in row 1"),
    "bytes": ([("a", b"b")], r"text\.decode\(\).* in row 1"),
    "array of bytes": (np.array([(b"a", b"b")]), r"text\.decode\(\).* in row 1"),
    "surrogates": ([("a", "\udc80")], r"surrogates.*as UTF-8.* in row 1"),
    "lists in pairs": ([("a", ["b", "c"])], r"str\(value\).* in row 1"),
    "tensors": (tf.constant(PAIRS), r"make a tuple of two.*EagerTensor in row 1"),
    "tf.data": (tf.data.Dataset.from_tensor_slices(([*SOURCES], [*TARGETS])),
                r"\(source\.decode\(\), target\.decode\(\)\) .*Dataset"),
    "columns": ({"en": [*SOURCES], "de": [*TARGETS]}, r"zip\(columns\['en'\]"),
    "set": ({*PAIRS}, r"sorted\(pairs\)"),
    "frame of three": (Frame({"id": [1], "en": ["a"], "de": ["b"]}),
                       r"frame\[\['source', 'target'\]\], among \['id', 'en', 'de'\]"),
    "text": ("ab", "give a list of them. Received: 'ab'"),
    "number": (3, "give a list of them. Received: 3 of type int"),
    "nothing": (None, "give a list of them. Received: None"),
    "array of nothing": (np.array("ab"), r"of shape \(n, 2\)"),
}  # fmt: skip


@pytest.mark.parametrize("container", REFUSED)
def test_the_rest_is_refused_with_its_remedy(container):
    pairs, message = REFUSED[container]
    tokenizer = train_tokenizer(["ab"], kind="character")
    for use in (
        as_pairs,
        data.split,
        data.group_references,
        lambda pairs: train_tokenizers(pairs, kind="character"),
        lambda pairs: data.batches(pairs, tokenizer, tokenizer),
        lambda pairs: DecodeAndScore(pairs, tokenizer, tokenizer),
    ):
        with pytest.raises(ValueError, match=message) as error:
            use(pairs)
        assert str(error.value).startswith("`pairs` must hold pairs of strings")
        assert len(str(error.value)) < 500


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=5))
def test_text_is_kept_but_for_its_line_ends(pairs):
    taken = as_pairs(iter(pairs))
    assert taken == [(a.rstrip("\r\n"), b.rstrip("\r\n")) for a, b in pairs]
    assert as_pairs(taken) == taken


def test_long_values_are_cut_in_errors():
    with pytest.raises(ValueError) as error:
        as_pairs([("a" * 9999, 3)])
    assert len(str(error.value)) < 300


def test_as_texts():
    assert as_texts(iter(["a\n", " b"])) == ["a", " b"]
    assert as_texts(np.array(["a", "b"]), "lines") == ["a", "b"]
    for texts in ("a", b"a", {"a": 1}, None):
        with pytest.raises(ValueError, match="`lines` must be a list of strings. Rec"):
            as_texts(texts, "lines")
    with pytest.raises(ValueError, match=r"dropna.*nan of type float as number 2"):
        as_texts(["a", math.nan])


def test_pairs_with_a_blank_side_are_no_batches(caplog):
    tokenizer = train_tokenizer(["ab"], kind="character")
    pairs = [("a", "b"), ("a", "\u200b"), (" ", "b"), ("b", "a")]
    dataset = data.batches(pairs, tokenizer, tokenizer)
    assert sum(len(labels) for _, labels in dataset) == 2
    assert "Left out 2 of 4 pairs, whose source or target is blank" in caplog.text
    with pytest.raises(ValueError, match="at least one pair with text .* 2 pairs"):
        data.batches(pairs[1:3], tokenizer, tokenizer)
