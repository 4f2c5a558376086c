"""Text to text: the functions of `Translator` and of every export."""

from kseq2seq.inference.base import (
    Answers,
)
from kseq2seq.inference.quantization import (
    compressed,
    int8_product,
    with_int8_products,
    with_weights,
)
from kseq2seq.inference.results import (
    Translation,
    by_length,
    check_inputs,
    check_texts,
    encode,
    find_signature,
)
from kseq2seq.inference.saved_model import (
    SAVED_MODEL_FILE,
    SEARCH_FILE,
    SavedTranslator,
    Signature,
    find_saved_model,
)
from kseq2seq.inference.text_to_text import (
    TEXT,
    search_texts,
    serve,
    signatures,
)

__all__ = [
    "SAVED_MODEL_FILE",
    "SEARCH_FILE",
    "TEXT",
    "Answers",
    "SavedTranslator",
    "Signature",
    "Translation",
    "by_length",
    "check_inputs",
    "check_texts",
    "compressed",
    "encode",
    "find_saved_model",
    "find_signature",
    "int8_product",
    "search_texts",
    "serve",
    "signatures",
    "with_int8_products",
    "with_weights",
]
