"""Weights in fewer bits, and products in int8."""

from kseq2seq.inference.quantization.apply import (
    with_weights,
)
from kseq2seq.inference.quantization.int8_matmul import (
    int8_product,
    with_int8_products,
)
from kseq2seq.inference.quantization.storage import (
    compressed,
)

__all__ = [
    "compressed",
    "int8_product",
    "with_int8_products",
    "with_weights",
]
