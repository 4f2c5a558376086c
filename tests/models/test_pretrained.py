"""Word vectors from files, and in a model's embeddings."""

import gzip

import keras
import numpy as np
import pytest

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.data import DataError, load_word_vectors
from kseq2seq.models import build_model, set_pretrained_embeddings
from kseq2seq.tokenizers import train_tokenizer

LINES = [
    "the 0.1 -2 3e-1",
    "dog 4 5 6",
    "Straße 7 8 9",
    ". . . 10 11 12",  # a word with blanks, as in GloVe 840B
    "dog 13 14 15",
    "a\u2028b 16 17 18",  # which is no end of line
]
VECTORS = {
    "the": [0.1, -2, 0.3],
    "dog": [4, 5, 6],
    "Straße": [7, 8, 9],
    ". . .": [10, 11, 12],
    "a\u2028b": [16, 17, 18],
}


def write(path, lines, header=None, end="\n"):
    lines = lines if header is None else [header, *lines]
    data = "".join(line + end for line in lines).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.gz"])
@pytest.mark.parametrize("header", [None, f"{len(LINES)} 3"])
# The program of word2vec writes a blank at the end of each line.
@pytest.mark.parametrize("end", ["\n", "\r\n", " \n"])
def test_words_are_read(tmp_path, name, header, end):
    path = write(tmp_path / name, LINES, header, end)
    actual = load_word_vectors(str(path), [*VECTORS, "cat", "strasse", "the"])
    assert list(actual) == list(VECTORS)
    for word, vector in actual.items():
        assert vector.dtype == "float32"
        np.testing.assert_array_equal(vector, np.float32(VECTORS[word]))


def test_only_what_is_asked_for_is_kept_and_parsed(tmp_path):
    path = write(tmp_path / "vectors.txt", [*LINES, "cat one two three"])
    path.write_bytes(path.read_bytes() + b"\xff\xfe 1 2 3\n")  # no UTF-8
    actual = load_word_vectors(path, ["dog"])
    assert list(actual) == ["dog"]
    assert load_word_vectors(path, []) == {}


@pytest.mark.parametrize("lines", [["dog 1 2"], ["1 2", "dog 1 2"]])
def test_a_byte_order_mark_is_no_letter(tmp_path, lines):
    path = write(tmp_path / "vectors.txt", lines)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_word_vectors(path, ["dog"])["dog"].tolist() == [1, 2]


def test_the_last_line_needs_no_end(tmp_path):
    path = write(tmp_path / "vectors.txt", LINES)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert "a\u2028b" in load_word_vectors(path, VECTORS)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "vectors.txt: expected a word.*empty"),
        (["2 3"], "vectors.txt: expected a word.*empty"),
        (["dog"], "vectors.txt, line 1: expected a word and its values.*0 values"),
        (["the 1 2", "dog 1"], "line 2: expected a word and 2 values.*1 values.*'dog'"),
        (["the 1 2", "dog 1 2 3"], "line 2: expected a word and 2 .*3 values.*'dog'"),
        (["the 1 2", "", "dog 1 2"], "line 2: expected a word and 2 values.*0 values"),
        (["2 2", "the 1 2", "dog 1"], "line 3: expected a word and 2 values"),
        (["the 1 2", "dog 1 x"], "line 2: expected numbers. Received: 'x'"),
        (["the 1 2", "dog nan 1"], "line 2: expected numbers. Received: 'nan'"),
        (["the 1 2", "dog inf 1"], "line 2: expected numbers. Received: 'inf'"),
        (["the 1 2", "dog 1 -4e38"], "line 2: expected numbers. Received: '-4e38'"),
        (["the 1 2", "dog  1"], "line 2: expected numbers. Received: ''"),
        (["the\t1\t2", "dog\t1\t2"], "line 1: expected a word and its .* blanks"),
        (["3 2", "the 1 2", "dog 1 2"], "line 3: the first .* 3 vectors .* after 2"),
        (["1 2", "the 1 2", "dog 1 2"], "line 3: the first .* 1 vectors .* after 2"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, lines, message):
    path = write(tmp_path / "vectors.txt", lines)
    with pytest.raises(DataError, match=message):
        load_word_vectors(path, ["dog"])


def test_a_single_word_is_no_list_of_words(tmp_path):
    with pytest.raises(ValueError, match="put a single one into a list.*'dog'"):
        load_word_vectors(tmp_path / "vectors.txt", "dog")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match="vectors.txt: no such file"):
        load_word_vectors(tmp_path / "vectors.txt", ["dog"])
    path = write(tmp_path / "vectors.gz", [f"word{i} {i} 2 3" for i in range(997)])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"vectors.gz, after line \d+: damaged file"):
        load_word_vectors(path, ["dog"])
    path.write_bytes(b"the 1 2 3\n")
    with pytest.raises(DataError, match="vectors.gz, after line 0: damaged file"):
        load_word_vectors(path, ["dog"])
    path.write_bytes(whole[:50] + bytes(100) + whole[150:])
    with pytest.raises(DataError, match=r"vectors.gz, after line \d+: damaged file"):
        load_word_vectors(path, ["dog"])


SIZE = 3


def model_for(tokenizer, **values):
    sizes = {"embedding_size": SIZE, "units": 4, **values}
    size = tokenizer.vocabulary_size
    return build_model(
        Seq2SeqConfig(
            source_vocabulary_size=size, target_vocabulary_size=size + 2, **sizes
        )
    )


def rows(model, side="source"):
    layer = model.get_layer(f"{side}_embedding")
    return np.array(keras.ops.convert_to_numpy(layer.embeddings))


def test_words_take_their_vectors_and_others_keep_theirs(tmp_path):
    tokenizer = train_tokenizer(["the Dog Cat DOG cats The"], kind="word")
    model = model_for(tokenizer)
    before = rows(model)
    lines = ["the 1 2 3", "dog 4 5 6", "DOG 7 8 9", "</s> 10 11 12", "▁cats 1 1 1"]
    path = write(tmp_path / "vectors.txt", lines)
    coverage = set_pretrained_embeddings(model, "source", tokenizer, path)
    assert coverage == (4, 6) and (coverage.covered, coverage.pieces) == (4, 6)
    expected = {
        "▁the": [1, 2, 3],
        "▁The": [1, 2, 3],
        "▁Dog": [4, 5, 6],
        "▁DOG": [7, 8, 9],
    }
    pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
    assert set(expected) | {"▁Cat", "▁cats", "</s>"} <= set(pieces)
    for id_, piece in enumerate(pieces):
        vector = expected.get(piece, before[id_])
        np.testing.assert_array_equal(rows(model)[id_], np.float32(vector))


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_pieces_that_begin_a_word(tmp_path, kind):
    texts = ["the dogs bark", "the dog barks", "a barking dog"] * 7
    tokenizer = train_tokenizer(texts, {"unigram": 20, "bpe": 29}[kind], kind)
    pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
    inner = next(piece for piece in pieces[4:] if not piece.startswith("▁"))
    begin = next(piece for piece in pieces[4:] if len(piece) > 2 and piece[0] == "▁")
    model = model_for(tokenizer)
    before = rows(model)
    lines = [f"{inner} 1 2 3", f"{begin[1:]} 4 5 6", "nothing 7 8 9"]
    path = write(tmp_path / "vectors.txt", lines)
    actual, count = set_pretrained_embeddings(model, "source", tokenizer, path)
    begins = [piece for piece in pieces if piece[0] == "▁" and len(piece) > 1]
    assert (actual, count) == (1 + (f"▁{inner}" in begins), len(begins))
    after = rows(model)
    np.testing.assert_array_equal(after[pieces.index(begin)], [4, 5, 6])
    own = pieces.index(inner)
    np.testing.assert_array_equal(after[own], before[own])
    if "▁" in pieces:
        blank = pieces.index("▁")
        np.testing.assert_array_equal(after[blank], before[blank])


def test_the_target_has_its_own(tmp_path):
    tokenizer = train_tokenizer(["the dog"], kind="word")
    size = tokenizer.vocabulary_size
    model = build_model(
        Seq2SeqConfig(
            source_vocabulary_size=size + 2,
            target_vocabulary_size=size,
            embedding_size=3,
            units=4,
            tie_embeddings=True,
        )
    )
    before = rows(model)
    path = write(tmp_path / "vectors.txt", ["dog 4 5 6"])
    assert set_pretrained_embeddings(model, "target", tokenizer, path).covered == 1
    np.testing.assert_array_equal(rows(model), before)
    row = tokenizer.tokenize(["dog"]).numpy()[0][0]
    np.testing.assert_array_equal(rows(model, "target")[row], [4, 5, 6])


def test_what_does_not_fit_together(tmp_path):
    tokenizer = train_tokenizer(["the dog"], kind="word")
    model, path = model_for(tokenizer), write(tmp_path / "vectors.txt", ["dog 4 5"])
    before = rows(model)
    with pytest.raises(
        ValueError, match="`side` must be one of source, target.*side='both'"
    ):
        set_pretrained_embeddings(model, "both", tokenizer, path)
    with pytest.raises(ValueError, match="`model` must be a Keras model.*'a.keras'"):
        set_pretrained_embeddings("a.keras", "source", tokenizer, path)
    other = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="only")])
    with pytest.raises(ValueError, match="embeddings of that side.*'source'.*only"):
        set_pretrained_embeddings(other, "source", tokenizer, path)
    message = "model's target.*vocabulary_size=6.*target_vocabulary_size=8"
    with pytest.raises(ValueError, match=message):
        set_pretrained_embeddings(model, "target", tokenizer, path)
    message = "vectors.txt.*Build it with embedding_size=2.*of 2, a model of 3"
    with pytest.raises(ValueError, match=message):
        set_pretrained_embeddings(model, "source", tokenizer, path)
    np.testing.assert_array_equal(rows(model), before)
