"""Sizes of padded labels, and the cross-entropy of them as a loop."""

import keras
import numpy as np

from kseq2seq.losses import MaskedCrossentropy, Perplexity, TokenAccuracy

# All different, so that a swapped axis cannot pass.
B, T, V = 3, 5, 7
LENGTHS = (5, 2, 1)


def log_softmax(row):
    row = row.astype("float64") - row.max()
    return row - np.log(np.exp(row).sum())


def reference(labels, logits, weights=None, smoothing=0.0):
    """Cross-entropy with the smoothed target, one real token at a time."""
    total = count = 0.0
    for b, length in enumerate(LENGTHS):
        for t in range(length):
            target = np.full(V, smoothing / V)
            target[labels[b, t]] += 1 - smoothing
            weight = 1.0 if weights is None else weights[b, t]
            total -= weight * target @ log_softmax(logits[b, t])
            count += weight
    return total / count


def compiled_model(smoothing=0.0, jit_compile=False):
    model = keras.Sequential([keras.Input((T,)), keras.layers.Embedding(V, V)])
    model.compile(
        keras.optimizers.Adam(0.1),
        loss=MaskedCrossentropy(smoothing),
        metrics=[TokenAccuracy(), Perplexity()],
        jit_compile=jit_compile,
    )
    return model
