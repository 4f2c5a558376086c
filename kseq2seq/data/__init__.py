"""Files to pairs of texts, and pairs to batches."""

from kseq2seq.data.batching import (
    DEFAULT_BUCKETS,
    batches,
    without_autotune,
)
from kseq2seq.data.date_pairs import (
    LOCALES,
    dates,
)
from kseq2seq.data.lines import (
    DataError,
    decoded,
    read_lines,
)
from kseq2seq.data.readers import (
    group_references,
    read_parallel,
    read_tfds,
    read_tsv,
    split,
)
from kseq2seq.data.word_vectors import (
    WORD_BEGINS,
    Coverage,
    load_word_vectors,
)

__all__ = [
    "DEFAULT_BUCKETS",
    "LOCALES",
    "WORD_BEGINS",
    "Coverage",
    "DataError",
    "batches",
    "dates",
    "decoded",
    "group_references",
    "load_word_vectors",
    "read_lines",
    "read_parallel",
    "read_tfds",
    "read_tsv",
    "split",
    "without_autotune",
]
