"""Logits, padded labels and weights of the losses' and metrics' tests."""

import numpy as np
import pytest

from kseq2seq.utils import PAD_ID
from padded_labels import LENGTHS, B, T, V


@pytest.fixture
def logits():
    return np.random.default_rng(0).normal(size=(B, T, V)).astype("float32") * 3


@pytest.fixture
def labels():
    labels = np.random.default_rng(1).integers(1, V, size=(B, T)).astype("int32")
    labels[np.arange(T) >= np.array(LENGTHS)[:, None]] = PAD_ID
    return labels


@pytest.fixture
def weights():
    return np.random.default_rng(2).uniform(0.5, 2.0, size=(B, T)).astype("float32")
