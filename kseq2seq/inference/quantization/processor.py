"""Instructions of this machine's processor for products in int8."""

import logging
import platform
import re
from pathlib import Path

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


class ProductsError(ValueError):
    """Products in int8 that a processor or a model has not."""


def check_processor() -> None:
    """Checks that products in int8 can be computed here, and tells if they are fast.

    Raises:
        ProductsError: If TensorFlow has none for the processor.
    """
    kind = platform.machine()
    if kind not in ("x86_64", "AMD64"):
        raise ProductsError(
            "`products` must be 'float32' on this machine: TensorFlow computes in int8 "
            f"on x86 processors alone. Received: products='int8' on {kind or 'another'}"
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
