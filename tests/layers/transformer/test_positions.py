"""Sinusoidal positions."""

import pytest
from keras import ops

from kseq2seq.layers import SinusoidalPositions


@pytest.mark.parametrize("shape", [(2, 3, 1), (2, 3, 7), (3, 6)])
def test_positions_are_of_vectors_of_one_size(shape):
    layer = SinusoidalPositions()
    layer(ops.ones((2, 3, 6)))
    with pytest.raises(ValueError, match=r"\(batch, length, 6\).*Received: inputs"):
        layer(ops.ones(shape))
