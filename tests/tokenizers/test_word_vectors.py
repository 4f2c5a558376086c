"""Vectors of pieces, trained by gensim, as embeddings."""

import keras
import numpy as np
import pytest

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.data import load_word_vectors
from kseq2seq.models import build_model, set_pretrained_embeddings
from kseq2seq.plots import nearest_words
from kseq2seq.tokenizers import train_tokenizer, train_word_vectors
from kseq2seq.utils import EXTRAS

pytest.importorskip("gensim")

SIZE = 7
# Words of two kinds, each beside others of its kind.
RNG = np.random.default_rng(0)
KINDS = (["red", "blue", "green", "grey"], ["one", "two", "three", "four"])
TEXTS = [" ".join(RNG.choice(KINDS[i % 2], 5)) for i in range(1000)]


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, kind="word")


@pytest.mark.parametrize("algorithm", ["skip_gram", "cbow"])
def test_words_of_a_kind_are_near(tokenizer, algorithm, tmp_path):
    path = tmp_path / "vectors.txt"
    options = {"size": SIZE, "epochs": 30}
    count = train_word_vectors(TEXTS, tokenizer, path, algorithm=algorithm, **options)
    pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
    vectors = load_word_vectors(path, pieces)
    assert count == len(vectors) == 10  # BOS and EOS among them
    words = {name: x for name, x in vectors.items() if name.startswith("▁")}
    for kind in KINDS:
        for word in kind:
            near = {name for name, _ in nearest_words(words, f"▁{word}", 3)}
            assert near == {f"▁{x}" for x in kind if x != word}
    # The same once more, and of another deviation.
    again = tmp_path / "again.txt"
    options |= {"algorithm": algorithm, "deviation": 0.25}
    train_word_vectors(iter(TEXTS), tokenizer, again, **options)
    for name, vector in load_word_vectors(again, pieces).items():
        np.testing.assert_allclose(vector, vectors[name] / 4, rtol=1e-3, atol=1e-5)


def test_they_start_the_embeddings_of_all_pieces(tmp_path):
    """Also of those that begin no word."""
    tokenizer = train_tokenizer(TEXTS, kind="character")
    path = tmp_path / "vectors.txt"
    train_word_vectors(TEXTS, tokenizer, path, SIZE)
    size = tokenizer.vocabulary_size
    sizes = {"source_vocabulary_size": size, "target_vocabulary_size": size}
    model = build_model(Seq2SeqConfig(**sizes, embedding_size=SIZE, units=4))
    coverage = set_pretrained_embeddings(model, "target", tokenizer, path)
    assert coverage == (size - 2, size - 2)  # all but PAD and UNK
    pieces = tokenizer.pieces(range(size))
    vectors = load_word_vectors(path, pieces)
    layer = model.get_layer("target_embedding")
    rows = keras.ops.convert_to_numpy(layer.embeddings)
    for id_ in range(2, size):
        np.testing.assert_array_equal(rows[id_], vectors[pieces[id_]])
    assert rows[2:].std() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        (TEXTS, {"algorithm": "glove"}, "`algorithm` must be one of skip_gram, cbow"),
        (TEXTS, {"size": 0}, "`size` must be an integer of at least 1"),
        (TEXTS, {"deviation": 0}, "`deviation` must be .* above 0"),
        (["", " "], {}, "none of which has a piece"),
        ("a dog runs", {}, "put a single one into a list. Received: 'a dog runs'"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    tokenizer, texts, options, message, tmp_path
):
    with pytest.raises(ValueError, match=message):
        train_word_vectors(texts, tokenizer, tmp_path / "vectors.txt", **options)
    assert not [*tmp_path.iterdir()]


def test_its_extra_is_named(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setitem(EXTRAS, "vectors", ("gensim_absent",))
    with pytest.raises(ValueError, match=r'pip install "kseq2seq\[vectors\]"'):
        train_word_vectors(TEXTS, tokenizer, tmp_path / "vectors.txt")
