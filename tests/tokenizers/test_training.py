"""Tokenizers against Python's sentencepiece, and text against itself."""

import random
import re

import keras
import pytest
import sentencepiece
import tensorflow as tf
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kseq2seq.tokenizers import training
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID, UNK_ID

# All kinds of blanks and line ends, accents, two scripts, and all that "</s>" needs.
ALPHABET = "abcdeknpsu </>éß日本\t\n\r\u00a0\u2028\u3000"
SPECIAL = ("</s>", "<s>", "<unk>", "<pad>")
WORDS = ("HH", "AH0", "<a>", "日本", "a\u00a0b")


def corpus():
    rng = random.Random(0)
    letters = ALPHABET.replace(" ", "")
    words = ["".join(rng.choices(letters, k=rng.randint(1, 5))) for _ in range(97)]
    # Each letter also by itself: next to "</s>" the trainer may overlook it.
    return [" ".join(rng.choices(words, k=7)) for _ in range(211)] + list(letters)


@pytest.fixture(scope="module", name="tokenizers")
def tokenizers_():
    kinds = ("unigram", "bpe", "character")
    tokenizers = {kind: training.train_tokenizer(corpus(), 71, kind) for kind in kinds}
    tokenizers["word"] = training.train_tokenizer([" ".join(WORDS)], kind="word")
    return tokenizers


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


@pytest.mark.parametrize("kind", training.KINDS)
def test_training_is_repeatable(tokenizers, kind):
    texts, size = ([" ".join(WORDS)], 8000) if kind == "word" else (corpus(), 71)
    again = training.train_tokenizer(iter(texts), size, kind)
    assert again.model == tokenizers[kind].model


def test_vocabulary_size(tokenizers):
    assert tokenizers["unigram"].vocabulary_size == 71
    assert tokenizers["bpe"].vocabulary_size == 71
    # The blank counts, and the four special ids.
    assert tokenizers["character"].vocabulary_size == len(ALPHABET) + 4
    assert tokenizers["word"].vocabulary_size == len(WORDS) + 4
    few = training.train_tokenizer(["a a a b b c"], 6, "word")
    assert few.pieces(range(6))[4:] == ["▁a", "▁b"]
    assert len(tokenizers["character"].model) < 2000


def test_long_texts_count_too():
    tokenizer = training.train_tokenizer(["b" * 3, "a" * 9973], kind="character")
    assert tokenizer.pieces(range(tokenizer.vocabulary_size))[4:] == ["a", "b"]


def test_normalization():
    folded = training.train_tokenizer(
        ["ＡＢ ab"], kind="character", normalization="nfkc_cf"
    )
    assert decoded(folded.detokenize(folded.tokenize(["ＡB"]))) == ["ab"]
    plain = training.train_tokenizer(["ＡＢ ab"], kind="character")
    assert decoded(plain.detokenize(plain.tokenize(["Ａb"]))) == ["Ａb"]


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_digits_may_be_pieces_of_their_own(kind):
    texts = [f"at {year}" for year in range(1900, 2500, 7)]
    whole, split = (
        training.train_tokenizer(
            texts, 31, kind, split_digits=split_digits, allow_smaller=True
        )
        for split_digits in (False, True)
    )
    sizes = [
        max(sum(x.isdigit() for x in piece) for piece in tokenizer.pieces(ids))
        for tokenizer in (whole, split)
        for ids in [range(4, tokenizer.vocabulary_size)]
    ]
    assert sizes[0] > 1 and sizes[1] == 1
    assert split.pieces(split.tokenize(["at 1907"])[0])[-5:] == [*"1907", "</s>"]


PAIRS = [("ab ab", "x y"), ("ba", "y z")]


def test_a_tokenizer_for_each_side():
    source, target = training.train_tokenizers(PAIRS, kind=("character", "word"))
    assert sorted(source.pieces(range(4, 7))) == ["a", "b", "▁"]
    assert sorted(target.pieces(range(4, 7))) == ["▁x", "▁y", "▁z"]
    source, target = training.train_tokenizers(PAIRS, (6, 7), "character")
    assert (source.vocabulary_size, target.vocabulary_size) == (6, 7)


def test_one_tokenizer_for_both_sides():
    source, target = training.train_tokenizers(PAIRS, kind="word", shared=True)
    assert source is target
    assert sorted(source.pieces(range(4, source.vocabulary_size))) == [
        "▁ab", "▁ba", "▁x", "▁y", "▁z"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "char"}, "`kind` must be one of unigram, .*kind='char'"),
        ({"normalization": "nfc"}, "`normalization` must be one of.*'nfc'"),
        ({"vocabulary_size": 4}, "at least 5.*vocabulary_size=4"),
        ({"vocabulary_size": 8e3}, r"must be an integer.*vocabulary_size=8000\.0"),
        ({"texts": "ab"}, "`texts` must be a list of strings. Received: 'ab'"),
        ({"texts": ["", " "]}, "`texts` must hold text"),
        ({"texts": ["ab"]}, r"at most \d+, or train on more.*=8000, kind='unigram'"),
        ({"texts": ["ab"], "kind": "bpe"}, r"at most \d+.*kind='bpe'"),
        ({"vocabulary_size": 5, "kind": "bpe"}, "at least 14.*vocabulary_size=5"),
        ({"texts": ["\u2581 \u2581"], "kind": "word"}, "'▁', U\\+2581, is its b"),
        (
            {"texts": ["a b", "日" * 2700], "kind": "word"},
            r"at most 7,996 bytes.*blanks between.*Received: one of 8,100.*'日日.*\.\.",
        ),
        ({"texts": ["\u2585"]}, "in characters that show.*Received: .*\u2585"),
        ({"texts": ["ab", None]}, r"list of strings; leave out.*None as number 2"),
        ({"texts": [b"ab"]}, "decode bytes.*as number 1"),
        ({"texts": 3}, "list of strings. Received: 3 of type int"),
        ({"split_digits": 1}, "`split_digits` must be True or False.*Received: .*1"),
        ({"split_digits": True, "kind": "word"}, "unless `kind` is 'un.*kind='word'"),
    ],
)
def test_training_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        training.train_tokenizer(**{"texts": ["abcdefghi"], **arguments})


@pytest.mark.parametrize(
    ("size", "remedy"), [("too small", "at least"), ("too large", "at most")]
)
def test_the_size_that_an_error_names_is_accepted(size, remedy):
    start = 5 if size == "too small" else 8000
    with pytest.raises(ValueError) as error:
        training.train_tokenizer(corpus(), start, "unigram")
    named = int(re.search(rf"{remedy} (\d+)", str(error.value))[1])
    assert training.train_tokenizer(corpus(), named).vocabulary_size == named


def test_errors_of_pairs():
    with pytest.raises(ValueError, match="Target tokenizer: .*at most.*'unigram'"):
        training.train_tokenizers(PAIRS, kind=("character", "unigram"))
    with pytest.raises(ValueError, match=r"one value with shared=True.*\('bpe', 'w"):
        training.train_tokenizers(PAIRS, kind=("bpe", "word"), shared=True)
    with pytest.raises(ValueError, match=r"a pair of them with shared=False.*\(5,\)"):
        training.train_tokenizers(PAIRS, vocabulary_size=(5,))


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
