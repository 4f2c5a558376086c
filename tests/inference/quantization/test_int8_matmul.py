"""Products in int8, against NumPy's whole numbers."""

import platform
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.inference import int8_product

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64"),
    reason="TensorFlow has these products on x86 alone",
)


def drawn(*shape):
    rng = np.random.default_rng(sum(shape))
    return rng.standard_normal(shape).astype("float32")


def rounded(x, axis, largest):
    """Whole numbers from `-largest` to `largest` and the size of a step."""
    step = np.abs(x).max(axis=axis, keepdims=True).astype("float64") / largest
    step = np.where(step > 0, step, 1)
    return np.floor(x / step + 0.5).astype("int64"), step


@pytest.mark.parametrize("shape", [(1, 5, 7), (3, 17, 13), (67, 257, 131)])
def test_a_product_is_that_of_whole_numbers(shape):
    rows, inner, columns = shape
    x, matrix = drawn(rows, inner), drawn(inner, columns) * drawn(columns)
    matrix[:, 2] = 0.0
    x[0] *= 1e-6  # no row's size says anything of another's
    (left, size), (right, step) = rounded(x, 1, 127), rounded(matrix, 0, 63)
    expected = (left @ right) * size * step
    actual = tf.function(int8_product(matrix))(x).numpy()
    assert actual.dtype == "float32" and actual.shape == (rows, columns)
    # A number halfway between two whole ones may become either.
    tolerance = 2 * size * np.abs(matrix).max()
    assert (np.abs(actual - expected) < tolerance).all()
    exact = (np.abs(actual - expected) <= 1e-5 * np.abs(expected) + 1e-12).mean()
    assert exact > 0.9
    plain = x.astype("float64") @ matrix
    error = np.abs(actual - plain).mean(axis=1) / np.abs(plain).mean(axis=1)
    assert error.max() < 0.04


def test_rows_are_on_their_own_and_zeros_stay_zeros():
    matrix, x = drawn(13, 11), drawn(5, 13)
    x[1], x[3] = 0.0, 1e20
    product = tf.function(int8_product(matrix))
    actual = product(x).numpy()
    assert (actual[1] == 0).all() and np.isfinite(actual).all()
    for row in range(5):
        alone = product(x[row : row + 1])[0]
        np.testing.assert_allclose(alone, actual[row], rtol=1e-6)
    assert product(x[:0]).shape == (0, 11)


def test_processors_without_vnni_cut_nothing_off():
    # The largest sums that there are: all of a row and of a column at its largest.
    code = (
        "import numpy as np, tensorflow as tf\n"
        "from kseq2seq.inference.quantization.int8_matmul import int8_product\n"
        "product = tf.function(int8_product(np.ones((512, 64), 'float32')))\n"
        "for sign in (1.0, -1.0):\n"
        "    print(product(sign * tf.ones((5, 512))).numpy().mean())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_ENABLE_ONEDNN_OPTS": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    np.testing.assert_allclose([float(x) for x in done.stdout.split()], [512, -512])
