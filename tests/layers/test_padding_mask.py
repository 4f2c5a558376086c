"""The mask of padding against NumPy's comparison."""

import keras
import numpy as np
import pytest

from kseq2seq.layers import PaddingMask

IDS = np.array([[5, 3, 0, 0, 2], [0, 0, 0, 0, 0], [0, 7, 0, 9, 1]])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_true_at_real_ids(dtype):
    mask = PaddingMask()(keras.ops.convert_to_tensor(IDS, dtype))
    assert keras.backend.standardize_dtype(mask.dtype) == "bool"
    np.testing.assert_array_equal(mask, IDS != 0)


def test_known_ahead_of_the_ids():
    mask = PaddingMask()(keras.Input((None,), dtype="int32"))
    assert (mask.shape, mask.dtype) == ((None, None), "bool")
