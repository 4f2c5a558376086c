"""Attention mechanisms and their contract."""

from kseq2seq.layers.attention.bahdanau import (
    BahdanauAttention,
)
from kseq2seq.layers.attention.base import (
    Attention,
)
from kseq2seq.layers.attention.building import (
    build_attention,
    new_initializer,
)
from kseq2seq.layers.attention.chunkwise import (
    ChunkwiseAttention,
)
from kseq2seq.layers.attention.coverage import (
    CoverageAttention,
)
from kseq2seq.layers.attention.gated_features import (
    GatedFeaturesAttention,
)
from kseq2seq.layers.attention.global_attention import (
    GlobalAttention,
)
from kseq2seq.layers.attention.inputs import (
    check_decoder_inputs,
    check_memory,
    check_states,
)
from kseq2seq.layers.attention.local import (
    LocalMonotonicAttention,
    LocalPredictiveAttention,
)
from kseq2seq.layers.attention.location_sensitive import (
    LocationSensitiveAttention,
)
from kseq2seq.layers.attention.luong import (
    LuongAttention,
)
from kseq2seq.layers.attention.mechanisms import (
    MECHANISMS,
    Mechanism,
    gate_features,
)
from kseq2seq.layers.attention.monotonic import (
    MonotonicAttention,
)
from kseq2seq.layers.attention.monotonic_alignment import (
    chunk_alignment,
    hard_alignment,
    parallel_alignment,
    successive_alignments,
)
from kseq2seq.layers.attention.multi_head import (
    MultiHeadAttention,
)
from kseq2seq.layers.attention.scores import (
    additive_score,
    dot_score,
    entmax15,
    hardmax,
    masked_probabilities,
    masked_softmax,
    sparsemax,
    zero_padding,
)

__all__ = [
    "MECHANISMS",
    "Attention",
    "BahdanauAttention",
    "ChunkwiseAttention",
    "CoverageAttention",
    "GatedFeaturesAttention",
    "GlobalAttention",
    "LocalMonotonicAttention",
    "LocalPredictiveAttention",
    "LocationSensitiveAttention",
    "LuongAttention",
    "Mechanism",
    "MonotonicAttention",
    "MultiHeadAttention",
    "additive_score",
    "build_attention",
    "check_decoder_inputs",
    "check_memory",
    "check_states",
    "chunk_alignment",
    "dot_score",
    "entmax15",
    "gate_features",
    "hard_alignment",
    "hardmax",
    "masked_probabilities",
    "masked_softmax",
    "new_initializer",
    "parallel_alignment",
    "sparsemax",
    "successive_alignments",
    "zero_padding",
]
