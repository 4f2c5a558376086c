"""Word vectors in the embeddings of a model."""

import keras
import numpy as np
import pytest

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.models import build_model, set_pretrained_embeddings
from kseq2seq.tokenizers import train_tokenizer
from word_vectors import write

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
