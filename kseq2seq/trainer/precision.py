"""Speed of this machine in the precision that a training asks for."""

import time

import keras
import tensorflow as tf

# Rows and columns of matrices that are multiplied at full speed; number of runs.
SIZE, REPEATS = 1024, 5


def advice(precision: str) -> str | None:
    """A warning if a precision is slower than float32 on this machine.

    Args:
        precision: Name of a dtype policy of Keras, such as `"mixed_bfloat16"`.

    Returns:
        One line; `None` for float32, on a GPU, or if the precision is not slower.

    Example:

    >>> advice("float32") is None
    True
    """
    half = keras.dtype_policies.get(precision).compute_dtype
    if half == "float32" or tf.config.list_physical_devices("GPU"):
        return None
    slow, fast = product_rate(half), product_rate("float32")
    if slow >= fast:
        return None
    return (
        f"training.precision={precision} slows this training down: here matrices are "
        f"multiplied at {slow:.0f} GFLOP/s in {half} and {fast:.0f} in float32"
    )


def product_rate(dtype: str) -> float:
    """GFLOP/s of a matrix product on this machine, the best of a few runs.

    Args:
        dtype: Type of the matrices.
    """
    # Not random: a training with a seed would then draw other numbers.
    matrix = tf.ones((SIZE, SIZE), dtype)
    seconds = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        float(tf.matmul(matrix, matrix)[0, 0])
        seconds.append(time.perf_counter() - start)
    return 2 * SIZE**3 / min(seconds) / 1e9
