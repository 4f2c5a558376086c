"""Tokenizers as graphs, beside the tokenizers themselves."""

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import FeatureVocabulary, Limits, Search, train_tokenizers
from kseq2seq.decoding import Hypotheses
from kseq2seq.inference.tokenizer_graphs import TokenizerGraphs, check_vocabularies
from kseq2seq.utils import EOS_ID, UNK_ID

PAIRS = [("a dog runs", "ein Hund rennt"), ("we go home", "wir gehen heim")]
FEATURES = FeatureVocabulary(["N", "PL", "V"])


@pytest.fixture(scope="module")
def tokenizers():
    return train_tokenizers(PAIRS, kind="character")


def padded(rows):
    most = max(map(len, rows))
    return [row + [0] * (most - len(row)) for row in rows]


def test_texts_become_ids_within_limits(tokenizers):
    graphs = TokenizerGraphs(*tokenizers, limits=Limits(max_tokens=5), max_length=3)
    texts = tf.constant(["a dog", "we", ""])
    source = graphs.source_ids(texts)
    kept = tokenizers[0].tokenize(["a do", "we", ""]).to_list()
    kept[0] = [*kept[0][:4], EOS_ID]
    assert source.ids.numpy().tolist() == padded(kept)
    assert source.truncated.numpy().tolist() == [True, False, False]
    # A target may be as long as one that is written.
    target = graphs.read_target(tf.constant(["ein", "ei"]))
    assert target.truncated.numpy().tolist() == [True, False]
    assert target.ids.shape == (2, 3)
    plain = TokenizerGraphs(*tokenizers).source_ids(texts)
    assert plain.ids.numpy().tolist() == padded(tokenizers[0].tokenize(texts).to_list())


def test_features_stand_behind_the_text(tokenizers):
    graphs = TokenizerGraphs(*tokenizers, FEATURES)
    first = tokenizers[0].vocabulary_size
    texts = tf.constant(["go", "we"])
    ids = graphs.source_ids(texts, tf.constant(["V;PL", "N"])).ids.numpy()
    go, we = tokenizers[0].tokenize(["go", "we"]).to_list()
    symbols = {x: first + FEATURES.labels.index(x) for x in ("N", "PL", "V")}
    expected = padded([[*go, symbols["V"], symbols["PL"]], [*we, symbols["N"]]])
    assert ids.tolist() == expected
    missing = graphs.source_ids(texts).ids.numpy()
    assert (missing[:, -1] == first).all()
    names = graphs.source_pieces(tf.constant(ids)).numpy()
    tokens = graphs.source_tokens([x for x in ids[0] if x])
    assert [x.decode() for x in names[0]] == tokens
    assert tokens == ["g", "o", "</s>", "V", "PL"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="`features` must have as"):
        graphs.source_ids(texts, tf.constant(["V"]))
    with pytest.raises(ValueError, match="without features. Received: "):
        TokenizerGraphs(*tokenizers).source_ids(texts, tf.constant(["V", "N"]))


def test_ids_become_texts_and_pieces(tokenizers):
    graphs = TokenizerGraphs(*tokenizers)
    texts = ["ein Hund", "", "wir"]
    ids = tokenizers[1].tokenize(texts).to_tensor()
    assert [x.decode() for x in graphs.write(ids).numpy()] == texts
    pieces = [[x.decode() for x in row] for row in graphs.target_pieces(ids).numpy()]
    assert pieces[2][:4] == tokenizers[1].pieces(ids[2, :4].numpy().tolist())
    assert graphs.target_texts() == tokenizers[1].piece_texts()


def hypotheses_of(ids, alignments=None):
    return Hypotheses(tf.constant(ids), None, None, None, alignments)


def test_unknown_tokens_are_written_as_the_word_attended_to(tokenizers):
    graphs = TokenizerGraphs(*tokenizers)
    texts = tf.constant(["we run", "dog"])
    source = graphs.source_ids(texts)
    ids = np.full((2, 2, 2), EOS_ID, "int32")
    ids[..., 0] = UNK_ID
    weights = np.zeros((2, 2, 2, source.ids.shape[1]), "float32")
    weights[0, 0, 0, 0] = weights[0, 1, 0, 4] = weights[1, :, 0, 1] = 1.0
    hypotheses = hypotheses_of(ids, tf.constant(weights))
    search = Search(forbid_unknown=False, replace_unknown=True)
    written = graphs.write_all(texts, source, hypotheses, search).numpy()
    assert written.tolist() == [[b"we", b"run"], [b"dog", b"dog"]]
    words = Search(forbid_unknown=False, replace_unknown=(("run", "rennt"),))
    written = graphs.write_all(texts, source, hypotheses, words).numpy()
    assert written.tolist() == [[b"we", b"rennt"], [b"dog", b"dog"]]
    # Of a search that does not ask for it they are what the tokenizer writes.
    written = graphs.write_all(texts, source, hypotheses_of(ids), Search())
    plain = tokenizers[1].detokenize([[UNK_ID, EOS_ID]]).numpy()[0]
    assert {*written.numpy().ravel()} == {plain}
    with pytest.raises(ValueError, match="attention, which tells.*Received: .*=True"):
        graphs.write_all(texts, source, hypotheses_of(ids), search)


def test_alignments_are_needed_where_words_are_taken_from_the_source(tokenizers):
    replacing = Search(forbid_unknown=False, replace_unknown=True)
    plain = TokenizerGraphs(*tokenizers)
    assert not plain.copies and not plain.needs_alignments(Search())
    assert plain.needs_alignments(replacing)
    copied = [UNK_ID] * tokenizers[0].vocabulary_size
    copying = TokenizerGraphs(*tokenizers, copied_ids=copied)
    assert copying.copies and copying.needs_alignments(Search())


def test_sizes_must_be_the_model_s(tokenizers):
    source, target = (x.vocabulary_size for x in tokenizers)
    extra = FEATURES.vocabulary_size
    check_vocabularies((source, target), *tokenizers, None)
    check_vocabularies((source + extra, target), *tokenizers, FEATURES)
    for sizes, features, message in [
        ((0, target), None, "must read texts.*Received: a model of frames"),
        ((source + 1, target), None, f"source .* {source + 1} ids.*: {source} ids$"),
        ((source, target + 7), None, f"target .* {target + 7} ids.*: {target} ids$"),
        (
            (source, target),
            FEATURES,
            f"{source + extra} ids, of which {extra} are of f",
        ),
    ]:
        with pytest.raises(ValueError, match=message):
            check_vocabularies(sizes, *tokenizers, features)
