"""Attention layers and the recurrent decoder.

Glossary of shapes, used in every comment below:
- B: batch size.
- K: beam size, the hypotheses of one source (1 in training).
- T: target (query) length.
- S: source (value) length.
- U: attention units.
- D: feature size; Dq, Dk, Dv where query, key and value differ.
"""

from kseq2seq.layers.attention import (
    MECHANISMS,
    Attention,
    BahdanauAttention,
    ChunkwiseAttention,
    CoverageAttention,
    GlobalAttention,
    LocalMonotonicAttention,
    LocalPredictiveAttention,
    LocationSensitiveAttention,
    LuongAttention,
    Mechanism,
    MonotonicAttention,
    MultiHeadAttention,
    additive_score,
    chunk_alignment,
    dot_score,
    hard_alignment,
    hardmax,
    masked_probabilities,
    masked_softmax,
    parallel_alignment,
    sparsemax,
    successive_alignments,
    zero_padding,
)
from kseq2seq.layers.decoder import (
    QUERIES,
    DecoderCell,
    DecoderRNN,
    DecoderStart,
    DecoderStep,
)
from kseq2seq.layers.dropout import (
    Dropout,
)
from kseq2seq.layers.padding_mask import (
    PaddingMask,
)
from kseq2seq.layers.recurrent import (
    LSTM,
)
from kseq2seq.layers.vocabulary import (
    Logits,
    VocabularyEmbedding,
    VocabularyProduct,
    VocabularyProjection,
)

__all__ = [
    "LSTM",
    "MECHANISMS",
    "QUERIES",
    "Attention",
    "BahdanauAttention",
    "ChunkwiseAttention",
    "CoverageAttention",
    "DecoderCell",
    "DecoderRNN",
    "DecoderStart",
    "DecoderStep",
    "Dropout",
    "GlobalAttention",
    "LocalMonotonicAttention",
    "LocalPredictiveAttention",
    "LocationSensitiveAttention",
    "Logits",
    "LuongAttention",
    "Mechanism",
    "MonotonicAttention",
    "MultiHeadAttention",
    "PaddingMask",
    "VocabularyEmbedding",
    "VocabularyProduct",
    "VocabularyProjection",
    "additive_score",
    "chunk_alignment",
    "dot_score",
    "hard_alignment",
    "hardmax",
    "masked_probabilities",
    "masked_softmax",
    "parallel_alignment",
    "sparsemax",
    "successive_alignments",
    "zero_padding",
]
