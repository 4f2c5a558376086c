"""Tokenizers against Python's sentencepiece, and text against itself."""

import keras
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kseq2seq.tokenizers import training
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID, UNK_ID
from tokenizer_texts import ALPHABET, WORDS, tokenizers_of_corpus

SPECIAL = ("</s>", "<s>", "<unk>", "<pad>")


@pytest.fixture(scope="module", name="tokenizers")
def tokenizers_():
    return tokenizers_of_corpus()


def decoded(tensor):
    return [value.decode() for value in tensor.numpy()]


TEXTS = st.lists(
    st.one_of(st.sampled_from(ALPHABET), st.sampled_from(SPECIAL)), max_size=23
).map("".join)


@settings(max_examples=60, deadline=None)
@given(TEXTS)
@example("")
@example(" ")
@example("  a   b ")
@example("<s> </s><pad>")
def test_text_comes_back(tokenizers, value):
    for kind in ("unigram", "bpe", "character"):
        ids = tokenizers[kind].tokenize([value])
        assert UNK_ID not in ids.values.numpy(), kind
        assert decoded(tokenizers[kind].detokenize(ids)) == [value], kind


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=7))
def test_words_come_back_with_single_blanks(tokenizers, words):
    ids = tokenizers["word"].tokenize(["  ".join(["", *words, ""])])
    assert ids.row_lengths().numpy().tolist() == [len(words) + 1]
    assert decoded(tokenizers["word"].detokenize(ids)) == [" ".join(words)]


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS | st.text(max_size=11), min_size=1, max_size=5))
@example(["</s>", "<s> </s>", "a</s>", "<unk>", "<pad>"])
def test_ids_are_those_of_sentencepiece_with_eos(tokenizers, values):
    for kind, tokenizer in tokenizers.items():
        oracle = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
        ids = tokenizer.tokenize(values).to_list()
        assert ids == [[*row, EOS_ID] for row in oracle.encode(values)], kind
        for row in ids:
            assert not {PAD_ID, BOS_ID, EOS_ID} & set(row[:-1]), kind


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_any_ids_give_the_text_that_sentencepiece_gives(tokenizers, data):
    for kind, tokenizer in tokenizers.items():
        size = tokenizer.vocabulary_size
        blank = tokenizer.tokenize([" "]).values[0].numpy()
        any_id = st.integers(0, size - 1) | st.just(blank)
        ids = data.draw(st.lists(any_id, min_size=1, max_size=13))
        before_end = ids[: ids.index(EOS_ID)] if EOS_ID in ids else ids
        kept = [i for i in before_end if i not in (PAD_ID, BOS_ID)]
        oracle = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
        [value] = decoded(tokenizer.detokenize([ids]))
        expected = oracle.decode(kept)
        if kind in ("unigram", "bpe") and kept[:1] == [UNK_ID]:
            expected = expected.removeprefix(" ")
        assert value == expected, kind


def test_detokenize_stops_at_the_first_eos_and_takes_dense_and_ragged(tokenizers):
    tokenizer = tokenizers["character"]
    a, b = tokenizer.tokenize(["ab"])[0, :2].numpy()
    rows = [[BOS_ID, a, PAD_ID, b, EOS_ID, a, EOS_ID], [b, b], [EOS_ID, a], []]
    expected = ["ab", "bb", "", ""]
    ragged = tf.ragged.constant(rows, tf.int64)
    assert decoded(tokenizer.detokenize(ragged)) == expected
    assert decoded(tokenizer.detokenize(ragged.to_tensor())) == expected
    assert decoded(tokenizer.detokenize(tf.zeros((0, 3), tf.int32))) == []
    assert decoded(tokenizer.detokenize(tf.zeros((2, 0), tf.int32))) == ["", ""]


def test_runs_in_the_graph(tokenizers):
    tokenizer = tokenizers["bpe"]

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string)], reduce_retracing=True
    )
    def there_and_back(texts):
        ids = tokenizer.tokenize(texts)
        return ids, tokenizer.detokenize(ids), tokenizer.detokenize(ids.to_tensor())

    for texts in (["ab  c", "", " 日本"], ["é"], []):
        ids, ragged, dense = there_and_back(tf.constant(texts, tf.string))
        assert ids.dtype == tf.int32
        assert ids.to_list() == tokenizer.tokenize(texts).to_list()
        assert decoded(ragged) == decoded(dense) == texts


def test_survives_new_seeds_and_sessions(tokenizers):
    """TensorFlow drops all kernels then, and with them what they hold."""
    tokenizer = tokenizers["unigram"]
    in_graph = tf.function(
        lambda texts: tokenizer.detokenize(tokenizer.tokenize(texts))
    )
    for forget in (lambda: keras.utils.set_random_seed(1), keras.utils.clear_session):
        assert decoded(in_graph(tf.constant(["a b"]))) == ["a b"]
        forget()
        assert decoded(tokenizer.detokenize(tokenizer.tokenize(["a b"]))) == ["a b"]
        assert decoded(in_graph(tf.constant(["a b"]))) == ["a b"]


def test_saved_model(tokenizers, tmp_path):
    """Nothing tracked, and read by the loader that TensorFlow Serving has."""
    archive = keras.export.ExportArchive()
    archive.add_endpoint(
        "serving_default",
        lambda text: tokenizers["bpe"].detokenize(tokenizers["bpe"].tokenize(text)),
        input_signature=[tf.TensorSpec([None], tf.string, name="text")],
    )
    archive.write_out(str(tmp_path / "1"), verbose=False)
    texts = [b" ab  c", "日本".encode()]
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "1"))
        signature = loaded.signature_def["serving_default"]
        [output] = signature.outputs.values()
        feed = {signature.inputs["text"].name: texts}
        assert session.run(output.name, feed).tolist() == texts


def test_bytes_that_are_not_utf8_are_unknown_not_an_error(tokenizers):
    ids = tokenizers["character"].tokenize(tf.constant([b"a\xffb"]))
    assert ids.to_list()[0][1] == UNK_ID
    assert decoded(tokenizers["character"].detokenize(ids)) == ["a ⁇ b"]


def test_pieces(tokenizers):
    ids = tokenizers["word"].tokenize(["日本 HH"])[0]
    assert tokenizers["word"].pieces(ids) == ["▁日本", "▁HH", "</s>"]


@pytest.mark.parametrize("kind", training.KINDS)
def test_file_is_sentencepieces_own(tokenizers, kind, tmp_path):
    path = tmp_path / "text.model"
    path.write_text("old")
    tokenizers[kind].save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["text.model"]
    restored = training.Tokenizer.load(path)
    assert restored.model == tokenizers[kind].model
    oracle = sentencepiece.SentencePieceProcessor(model_file=str(path))
    assert restored.vocabulary_size == oracle.vocab_size()
    assert restored.tokenize(["ab é"]).to_list() == [[*oracle.encode("ab é"), EOS_ID]]


def test_texts_must_be_a_batch(tokenizers):
    with pytest.raises(ValueError, match="put a single text into a list.*'ab'"):
        tokenizers["bpe"].tokenize("ab")


def test_loading_errors(tmp_path):
    path = tmp_path / "text.model"
    for content in (b"", b"no model at all"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="text.model: Not a SentencePiece model"):
            training.Tokenizer.load(path)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["ab"]),
        model_prefix=str(path.with_suffix("")),
        model_type="char",
        vocab_size=5,
        minloglevel=2,
    )
    with pytest.raises(ValueError, match=r"be 0, 1, 2 and 3.*Received: \(-1, 0, 1, 2"):
        training.Tokenizer.load(path)
    with pytest.raises(FileNotFoundError):
        training.Tokenizer.load(tmp_path / "missing.model")
