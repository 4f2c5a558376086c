"""The convolution of frames, against a loop over rows that are not padded."""

import numpy as np
import pytest

from kseq2seq.layers import FrameConvolution
from reference import randomize

LENGTHS, SIZE, FILTERS = (11, 6, 1), 3, 5


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [11, 12, 13])
def test_each_output_looks_around_twice_its_place(kernel_size, width):
    mask = np.arange(width) < np.array(LENGTHS)[:, None]
    rows = np.random.default_rng(0).normal(size=(3, width, SIZE))
    rows = np.where(mask[..., None], rows, np.nan).astype("float32")
    layer = FrameConvolution(FILTERS, kernel_size)
    layer(rows, mask)
    randomize(layer)
    kernel, bias = (np.asarray(x) for x in layer.weights)
    outputs = layer(rows, mask)
    assert outputs.shape == (3, -(-width // 2), FILTERS)
    for row, own, length in zip(rows, outputs, LENGTHS, strict=True):
        for place in range(-(-length // 2)):
            total = bias.astype("float64")
            for offset in range(kernel_size):
                frame = 2 * place + offset - (kernel_size - 1) // 2
                if 0 <= frame < length:
                    rows_of_kernel = kernel[offset * SIZE : (offset + 1) * SIZE]
                    total = total + row[frame] @ rows_of_kernel
            np.testing.assert_allclose(own[place], np.maximum(total, 0), atol=1e-5)


@pytest.mark.parametrize("name", ["filters", "kernel_size"])
def test_sizes_are_integers_of_at_least_1(name):
    with pytest.raises(ValueError, match=f"`{name}` must be .* Received: {name}=0"):
        FrameConvolution(**{"filters": 2, "kernel_size": 3, name: 0})
