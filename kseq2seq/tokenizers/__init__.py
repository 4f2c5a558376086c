"""SentencePiece tokenizers that run in the graph."""

from kseq2seq.tokenizers.copying import (
    copied_ids,
)
from kseq2seq.tokenizers.extension import (
    EXTENDABLE_KINDS,
    add_symbols,
    kind_of,
)
from kseq2seq.tokenizers.features import (
    FeatureVocabulary,
    with_features,
)
from kseq2seq.tokenizers.lookup import (
    look_up,
)
from kseq2seq.tokenizers.offsets import (
    source_spans,
    target_spans,
)
from kseq2seq.tokenizers.tokenizer import (
    Tokenizer,
    composed,
)
from kseq2seq.tokenizers.training import (
    KINDS,
    NORMALIZATIONS,
    SUBWORD_KINDS,
    train_tokenizer,
    train_tokenizers,
)
from kseq2seq.tokenizers.truncation import (
    Limits,
    TruncatedIds,
    cut_bytes,
    tokenize_truncated,
)
from kseq2seq.tokenizers.word_vectors import (
    train_word_vectors,
)

__all__ = [
    "EXTENDABLE_KINDS",
    "KINDS",
    "NORMALIZATIONS",
    "SUBWORD_KINDS",
    "FeatureVocabulary",
    "Limits",
    "Tokenizer",
    "TruncatedIds",
    "add_symbols",
    "composed",
    "copied_ids",
    "cut_bytes",
    "kind_of",
    "look_up",
    "source_spans",
    "target_spans",
    "tokenize_truncated",
    "train_tokenizer",
    "train_tokenizers",
    "train_word_vectors",
    "with_features",
]
