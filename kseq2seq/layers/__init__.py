"""Attention layers and the recurrent decoder.

Glossary of shapes, used in every comment below:
- B: batch size.
- K: beam size, the hypotheses of one source (1 in training).
- T: target (query) length.
- S: source (value) length.
- U: attention units.
- D: feature size; Dq, Dk, Dv where query, key and value differ.

`from kseq2seq.layers import *` leaves out the names that `keras.layers` has too:
`Attention`, `Dropout`, `LSTM` and `MultiHeadAttention`. Import these by name.
"""

from kseq2seq.layers.attention import (
    MECHANISMS,
    BahdanauAttention,
    ChunkwiseAttention,
    CoverageAttention,
    GatedFeaturesAttention,
    GlobalAttention,
    LocalMonotonicAttention,
    LocalPredictiveAttention,
    LocationSensitiveAttention,
    LuongAttention,
    Mechanism,
    MonotonicAttention,
    additive_score,
    chunk_alignment,
    dot_score,
    entmax15,
    gate_features,
    hard_alignment,
    hardmax,
    masked_probabilities,
    masked_softmax,
    parallel_alignment,
    sparsemax,
    successive_alignments,
    zero_padding,
)
from kseq2seq.layers.attention import Attention as Attention
from kseq2seq.layers.attention import MultiHeadAttention as MultiHeadAttention
from kseq2seq.layers.copying import (
    CopiedIds,
    PointerGenerator,
)
from kseq2seq.layers.decoder import (
    QUERIES,
    QUERY_CELLS,
    DecoderCell,
    DecoderRNN,
    DecoderStart,
    DecoderStep,
)
from kseq2seq.layers.dropout import Dropout as Dropout
from kseq2seq.layers.frames import (
    FrameConvolution,
    FrameMask,
    FrameStack,
    LogMel,
    SpecAugment,
)
from kseq2seq.layers.hard_attention import (
    HARD_ATTENTIONS,
    AlignmentMarginal,
    MarginalStep,
)
from kseq2seq.layers.padding_mask import (
    PaddingMask,
)
from kseq2seq.layers.pair_features import (
    CellOutput,
    PairFeatures,
)
from kseq2seq.layers.recurrent import LSTM as LSTM
from kseq2seq.layers.recurrent import (
    LayerNormLSTM,
    LayerNormLSTMCell,
    RegularizedCell,
    RegularizedRNN,
    TransitionCell,
)
from kseq2seq.layers.source_kinds import (
    TEXT_KIND,
    FeaturesMemory,
    SourceKinds,
)
from kseq2seq.layers.transformer import (
    SinusoidalPositions,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    TransformerStart,
    TransformerStep,
)
from kseq2seq.layers.vocabulary import (
    OUTPUT_PROBABILITY_FNS,
    Logits,
    VocabularyEmbedding,
    VocabularyProduct,
    VocabularyProjection,
)

# Without the names that `keras.layers` has too, which a star import would replace. They
# are imported `as` themselves, which tells type checkers that they are public.
__all__ = [
    "HARD_ATTENTIONS",
    "MECHANISMS",
    "OUTPUT_PROBABILITY_FNS",
    "QUERIES",
    "QUERY_CELLS",
    "TEXT_KIND",
    "AlignmentMarginal",
    "BahdanauAttention",
    "CellOutput",
    "ChunkwiseAttention",
    "CopiedIds",
    "CoverageAttention",
    "DecoderCell",
    "DecoderRNN",
    "DecoderStart",
    "DecoderStep",
    "FeaturesMemory",
    "FrameConvolution",
    "FrameMask",
    "FrameStack",
    "GatedFeaturesAttention",
    "GlobalAttention",
    "LayerNormLSTM",
    "LayerNormLSTMCell",
    "LocalMonotonicAttention",
    "LocalPredictiveAttention",
    "LocationSensitiveAttention",
    "LogMel",
    "Logits",
    "LuongAttention",
    "MarginalStep",
    "Mechanism",
    "MonotonicAttention",
    "PaddingMask",
    "PairFeatures",
    "PointerGenerator",
    "RegularizedCell",
    "RegularizedRNN",
    "SinusoidalPositions",
    "SourceKinds",
    "SpecAugment",
    "TransformerDecoderLayer",
    "TransformerEncoderLayer",
    "TransformerStart",
    "TransformerStep",
    "TransitionCell",
    "VocabularyEmbedding",
    "VocabularyProduct",
    "VocabularyProjection",
    "additive_score",
    "chunk_alignment",
    "dot_score",
    "entmax15",
    "gate_features",
    "hard_alignment",
    "hardmax",
    "masked_probabilities",
    "masked_softmax",
    "parallel_alignment",
    "sparsemax",
    "successive_alignments",
    "zero_padding",
]
