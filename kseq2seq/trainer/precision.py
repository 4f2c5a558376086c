"""Whether this machine is fast in the precision that a training asks for."""

import time

# Rows and columns of matrices large enough to be multiplied at full speed; times.
SIZE, REPEATS = 1024, 5


def advice(precision):
    """What to say of a precision that slows a training down here, if it does.

    Args:
        precision: Name of a dtype policy of Keras, such as `"mixed_bfloat16"`.

    Returns:
        A `str` of one line, or `None`: of float32, and where there is a GPU.
    """
    import keras
    import tensorflow as tf

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


def product_rate(dtype):
    """GFLOP/s of a matrix product on this machine, the best of a few times."""
    import tensorflow as tf

    # No random numbers, of which a training with a seed would then draw others.
    x = tf.ones((SIZE, SIZE), dtype)
    seconds = []
    for _ in range(1 + REPEATS):
        start = time.perf_counter()
        float(tf.matmul(x, x)[0, 0])
        seconds.append(time.perf_counter() - start)
    return 2 * SIZE**3 / min(seconds) / 1e9
