"""Files to pairs of texts, and pairs to batches.

A reader is a file here with a function that returns `Pairs`, and a line below.
"""

from kseq2seq.data.batching import batches
from kseq2seq.data.bucketing import DEFAULT_BUCKETS, without_autotune
from kseq2seq.data.containers import (
    Pairs,
    Triples,
    as_pairs,
    as_texts,
    as_triples,
)
from kseq2seq.data.corpora import Corpus, Part, corpus, tfds_corpus
from kseq2seq.data.date_pairs import LOCALES, dates
from kseq2seq.data.dialogues import (
    REPLIES,
    TURN_SEPARATOR,
    join_turns,
    read_dialogues,
)
from kseq2seq.data.frame_batches import (
    DEFAULT_FRAME_BUCKETS,
    FrameBatches,
    frame_batches,
)
from kseq2seq.data.frame_files import (
    FrameFile,
    read_frame_table,
    read_wav_samples,
    read_wav_table,
    wav_sample_rate,
)
from kseq2seq.data.frames import (
    as_frame_pairs,
    read_frames,
    write_frames,
)
from kseq2seq.data.jsonl import read_jsonl
from kseq2seq.data.lines import (
    PACKED_SUFFIXES,
    DataError,
    iter_lines,
    read_lines,
    stream_lines,
)
from kseq2seq.data.links import (
    WordLinks,
    check_links,
    format_links,
    parse_links,
    read_links,
    words_of_spans,
)
from kseq2seq.data.memory import MemoryBatches
from kseq2seq.data.noise import add_noise
from kseq2seq.data.pairs import (
    group_references,
    split,
    without_empty_sides,
)
from kseq2seq.data.parallel import read_linked, read_parallel
from kseq2seq.data.samples import sample
from kseq2seq.data.segmentations import sample_segmentations
from kseq2seq.data.shards import shard_rows
from kseq2seq.data.streaming import Stream, stream
from kseq2seq.data.tfds import read_tfds
from kseq2seq.data.tfrecords import read_tfrecords, write_tfrecords
from kseq2seq.data.triples import group_triples, split_triples
from kseq2seq.data.tsv import read_tsv
from kseq2seq.data.word_vectors import (
    WORD_BEGINS,
    Coverage,
    load_word_vectors,
)

__all__ = [
    "DEFAULT_BUCKETS",
    "DEFAULT_FRAME_BUCKETS",
    "LOCALES",
    "PACKED_SUFFIXES",
    "REPLIES",
    "TURN_SEPARATOR",
    "WORD_BEGINS",
    "Corpus",
    "Coverage",
    "DataError",
    "FrameBatches",
    "FrameFile",
    "MemoryBatches",
    "Pairs",
    "Part",
    "Stream",
    "Triples",
    "WordLinks",
    "add_noise",
    "as_frame_pairs",
    "as_pairs",
    "as_texts",
    "as_triples",
    "batches",
    "check_links",
    "corpus",
    "dates",
    "format_links",
    "frame_batches",
    "group_references",
    "group_triples",
    "iter_lines",
    "join_turns",
    "load_word_vectors",
    "parse_links",
    "read_dialogues",
    "read_frame_table",
    "read_frames",
    "read_jsonl",
    "read_lines",
    "read_linked",
    "read_links",
    "read_parallel",
    "read_tfds",
    "read_tfrecords",
    "read_tsv",
    "read_wav_samples",
    "read_wav_table",
    "sample",
    "sample_segmentations",
    "shard_rows",
    "split",
    "split_triples",
    "stream",
    "stream_lines",
    "tfds_corpus",
    "wav_sample_rate",
    "without_autotune",
    "without_empty_sides",
    "words_of_spans",
    "write_frames",
    "write_tfrecords",
]
