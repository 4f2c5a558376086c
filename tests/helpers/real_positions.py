"""A small model whose targets are mostly padding, and its batches."""

import dataclasses

import keras
import numpy as np

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.losses import MaskedCrossentropy, Perplexity, TokenAccuracy
from kseq2seq.models import build_model
from kseq2seq.utils import PAD_ID
from reference import randomize

# All different, so that a swapped axis cannot pass: batch, source, target, vocabulary,
# embedding.
B, S, T, V, E = 3, 7, 5, 29, 13
LENGTHS = (5, 1, 3)
REAL = np.arange(T) < np.array(LENGTHS)[:, None]
RNG = np.random.default_rng(0)
LABELS = np.where(REAL, RNG.integers(4, V, (B, T)), PAD_ID).astype("int32")
WEIGHTS = RNG.uniform(0.5, 2, (B, T)).astype("float32")
INPUTS = {
    "source": RNG.integers(4, 23, (B, S)).astype("int32"),
    "target": np.where(REAL, RNG.integers(4, V, (B, T)), PAD_ID).astype("int32"),
}
CONFIG = Seq2SeqConfig(
    source_vocabulary_size=23,
    target_vocabulary_size=V,
    embedding_size=E,
    units=E,
    attention="luong_dot",
    dropout=0.0,
    bidirectional=False,
)


def make_model(plain=False, **values):
    """A model with random weights, or the same graph as a model of Keras's own."""
    model = build_model(dataclasses.replace(CONFIG, **values))
    randomize(model, scale=0.4)
    return keras.Model(model.input, model.output) if plain else model


def compiled(model, **kwargs):
    arguments = {
        "optimizer": "sgd",
        "loss": MaskedCrossentropy(0.1),
        "metrics": [TokenAccuracy(), Perplexity()],
        "jit_compile": False,
        **kwargs,
    }
    model.compile(**arguments)
    return model
