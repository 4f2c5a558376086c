"""Instructions of this machine's processor for products in int8."""

import logging
import platform
import re
from pathlib import Path

import numpy as np
import tensorflow as tf

from kseq2seq.inference.quantization.int8_matmul import int8_product
from kseq2seq.utils import PathLike

_logger = logging.getLogger("kseq2seq")
# As Linux calls the instructions, of 512 and of 256 bits.
_VNNI = {"avx512_vnni", "avx_vnni"}


def has_vnni(processor: PathLike = "/proc/cpuinfo") -> bool | None:
    """Whether the processor has instructions for products in int8 (VNNI).

    Args:
        processor: Path of the file in which Linux describes it.

    Returns:
        A `bool`; `None` where there is no such file, or it does not tell.

    Example:

    >>> has_vnni("no such file") is None
    True
    """
    try:
        text = Path(processor).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    flags = re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)
    return bool(_VNNI & {*flags[1].split()}) if flags else None


def computes_int8() -> bool:
    """Whether TensorFlow computes products in int8 in this process.

    It does so by oneDNN, which it leaves off on processors without VNNI unless the
    environment says otherwise.

    Example:

    >>> isinstance(computes_int8(), bool)
    True
    """
    product = tf.function(int8_product(np.ones((3, 2), "float32")), autograph=False)
    try:
        product(tf.ones((1, 3)))
    except tf.errors.InternalError:  # its operation has no output
        return False
    return True


class ProductsError(ValueError):
    """Products in int8 that a processor or a model has not."""


def check_processor() -> None:
    """Checks that products in int8 can be computed here, and tells if they are fast.

    Raises:
        ProductsError: If TensorFlow has none for the processor, or leaves them off.
    """
    kind = platform.machine()
    if kind not in ("x86_64", "AMD64"):
        raise ProductsError(
            "`products` must be 'float32' on this machine: TensorFlow computes in int8 "
            f"on x86 processors alone. Received: products='int8' on {kind or 'another'}"
        )
    if not computes_int8():
        raise ProductsError(
            "Products in int8 need oneDNN, which TensorFlow leaves off on processors "
            "without VNNI: set TF_ENABLE_ONEDNN_OPTS=1 in the environment before "
            "Python starts, or leave int8 out: here it may be slower than float32. "
            "Received: products in int8"
        )
    vnni = has_vnni()
    if vnni:
        _logger.info("products with large matrices are in int8: the processor has VNNI")
    else:
        lacks = "has no VNNI" if vnni is False else "does not tell whether it has VNNI"
        _logger.warning(
            "products with large matrices are in int8, but the processor %s: without "
            "it they may be slower than in float32",
            lacks,
        )
