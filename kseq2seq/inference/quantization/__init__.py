"""Weights in fewer bits, and products in int8."""

from kseq2seq.inference.quantization.apply import (
    quantized_halves,
    step_in_int8,
)
from kseq2seq.inference.quantization.int8_matmul import (
    INT8_OPERATION,
    int8_product,
    with_int8_products,
)
from kseq2seq.inference.quantization.processor import (
    ProductsError,
    check_processor,
)
from kseq2seq.inference.quantization.storage import (
    store_weights,
    stored_variables,
)

__all__ = [
    "INT8_OPERATION",
    "ProductsError",
    "check_processor",
    "int8_product",
    "quantized_halves",
    "step_in_int8",
    "store_weights",
    "stored_variables",
    "with_int8_products",
]
