"""The vocabulary of features, against dictionaries of Python."""

import json
import pickle

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kseq2seq.tokenizers import (
    FeatureVocabulary,
    Limits,
    tokenize_truncated,
    train_tokenizer,
    with_features,
)

SYMBOLS = ["V", "PST", "größer", "a b", "=", "N", "\N{EARTH GLOBE EUROPE-AFRICA}"]


def ids_by_hand(vocabulary, text):
    """Ids of a string of features, by a dictionary."""
    known = {symbol: n for n, symbol in enumerate(vocabulary.symbols, 2)}
    parts = [part.strip() for part in text.split(vocabulary.separator)]
    return [known.get(part, 1) for part in parts if part] or [0]


@pytest.mark.parametrize("separator", [";", ",", "--", "|", " "])
def test_ids(separator):
    symbols = [x for x in SYMBOLS if separator != " " or " " not in x]
    vocabulary = FeatureVocabulary(symbols, separator)
    assert vocabulary.vocabulary_size == len(symbols) + 2 == len(vocabulary.labels)
    texts = [
        separator.join(symbols),
        "",
        f"{separator} V {separator}{separator}x",
        "größer",
        "grosser",
        "v",
        f"\tPST\n{separator}V",
        " ",
    ]
    ids = vocabulary.tokenize(texts)
    assert ids.dtype == tf.int32
    assert ids.to_list() == [ids_by_hand(vocabulary, text) for text in texts]
    assert vocabulary.tokenize(tf.constant([], tf.string)).to_list() == []


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.text("abcdé🌍", min_size=1, max_size=3), min_size=1, unique=True),
    st.lists(st.lists(st.text("abcdé🌍", max_size=3), max_size=4), min_size=1),
)
def test_any_symbols(symbols, rows):
    vocabulary = FeatureVocabulary(symbols)
    texts = [";".join(row) for row in rows]
    expected = [ids_by_hand(vocabulary, text) for text in texts]
    assert vocabulary.tokenize(texts).to_list() == expected


def test_thousands_of_symbols_in_a_graph():
    symbols = [f"tag={n}" for n in range(3001)]
    vocabulary = FeatureVocabulary(symbols)
    graph = tf.function(
        vocabulary.tokenize, input_signature=[tf.TensorSpec([None], tf.string)]
    )
    assert graph(tf.constant([";".join(symbols)])).to_list() == [[*range(2, 3003)]]
    # Constants alone: nothing that a SavedModel would have to keep beside its graph.
    kinds = {op.type for op in graph.get_concrete_function().graph.get_operations()}
    assert not any("Table" in kind or "Resource" in kind for kind in kinds)


def test_a_vocabulary_of_texts_is_sorted_and_tells_what_it_lacks():
    vocabulary = FeatureVocabulary.from_texts(["V; PST", "", "N;V"], ";")
    assert vocabulary.symbols == ("N", "PST", "V")
    assert vocabulary.labels[:2] == ("<missing>", "<unknown>")
    unknown = vocabulary.unknown(["V;x;y", " y ", "N", ""])
    assert list(unknown.items()) == [("y", 2), ("x", 1)]


def test_files(tmp_path):
    vocabulary = FeatureVocabulary(SYMBOLS, ",")
    path = tmp_path / "features.json"
    vocabulary.save(path)
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content == {"separator": ",", "symbols": SYMBOLS}
    for again in (FeatureVocabulary.load(path), pickle.loads(pickle.dumps(vocabulary))):
        assert again == vocabulary and hash(again) == hash(vocabulary)
    assert vocabulary != FeatureVocabulary(SYMBOLS, ";") and vocabulary != SYMBOLS
    assert "9" in repr(vocabulary)
    for damage in ("", "[]", '{"symbols": []}', '{"symbols": [], "separator": ";"}'):
        path.write_text(damage)
        with pytest.raises(ValueError, match=r"features\.json must be JSON with `sep"):
            FeatureVocabulary.load(path)
    with pytest.raises(FileNotFoundError):
        FeatureVocabulary.load(tmp_path / "none")


@pytest.mark.parametrize(
    ("symbols", "separator", "match"),
    [
        (["a", "b", "a"], ";", "`symbols` must be .* Received: 'a', 2 times"),
        (["a;b"], ";", "without the separator ';'. Received: 'a;b', 1 times"),
        ([" a"], ";", "white space around .* Received: ' a'"),
        ([""], ";", "Received: '', 1 times"),
        ([], ";", "`symbols` must hold one feature or more"),
        (["a"], "", "`separator` must hold at least one character"),
        (["a"], 3, "`separator` must be a string"),
        ([3], ";", "`symbols` must be a list of strings"),
    ],
)
def test_what_cannot_be_is_refused(symbols, separator, match):
    with pytest.raises(ValueError, match=match):
        FeatureVocabulary(symbols, separator)


def test_ids_of_both_have_limits_for_themselves():
    tokenizer = train_tokenizer(["abcdé"], kind="character")
    vocabulary = FeatureVocabulary(["V", "PST", "N"])
    texts = ["abécd", "", "ab", "d"]
    features = ["V", "N;N", "PST;V;N;V", ""]
    limits = Limits(max_bytes=7, max_tokens=3)
    source = tokenize_truncated(tokenizer, tf.constant(texts), limits)
    first = tokenizer.vocabulary_size
    result = with_features(source, tf.constant(features), vocabulary, first, limits)
    assert result.truncated.numpy().tolist() == [True, False, True, False]
    expected = []
    for text, tags in zip(texts, features, strict=True):
        own = tokenizer.tokenize([text]).to_list()[0]
        own = [*own[:2], 3] if len(own) > 3 else own
        # "PST;V;N;V" is cut after seven bytes.
        expected.append(
            own + [first + x for x in ids_by_hand(vocabulary, tags[:7])[:3]]
        )
    length = max(map(len, expected))
    assert result.ids.numpy().tolist() == [
        x + [0] * (length - len(x)) for x in expected
    ]
    for row, (text, ids) in enumerate(zip(texts, expected, strict=True)):
        end = len(text.encode())
        is_feature = np.array(ids) >= first
        for offsets in (result.starts, result.ends):
            offsets = offsets.numpy()[row]
            assert (offsets[: len(ids)][is_feature] == end).all()
            assert (offsets[len(ids) :] == 0).all()
        kept = slice(len(ids) - is_feature.sum())
        for ours, theirs in (
            (result.starts, source.starts),
            (result.ends, source.ends),
        ):
            np.testing.assert_array_equal(ours[row, kept], theirs[row, kept])
    nothing = tokenize_truncated(tokenizer, tf.constant([], tf.string), limits)
    none = tf.constant([], tf.string)
    assert with_features(nothing, none, vocabulary, first, limits).ids.shape[0] == 0
