"""SentencePiece tokenizers that run in the graph."""

from kseq2seq.tokenizers.offsets import (
    source_spans,
    target_spans,
)
from kseq2seq.tokenizers.tokenizer import (
    Tokenizer,
)
from kseq2seq.tokenizers.training import (
    KINDS,
    NORMALIZATIONS,
    train_tokenizer,
    train_tokenizers,
)
from kseq2seq.tokenizers.truncation import (
    Limits,
    Read,
    cut_bytes,
    reader,
)

__all__ = [
    "KINDS",
    "NORMALIZATIONS",
    "Limits",
    "Read",
    "Tokenizer",
    "cut_bytes",
    "reader",
    "source_spans",
    "target_spans",
    "train_tokenizer",
    "train_tokenizers",
]
