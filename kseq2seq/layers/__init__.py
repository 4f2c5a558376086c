"""Attention layers and the recurrent decoder.

Glossary of shapes, used in every comment below:
- B: batch size.
- K: beam size, the hypotheses of one source (1 in training).
- T: target (query) length.
- S: source (value) length.
- U: attention units.
- D: feature size; Dq, Dk, Dv where query, key and value differ.
"""

from kseq2seq.layers.attention import Attention as Attention
from kseq2seq.layers.attention import GlobalAttention as GlobalAttention
from kseq2seq.layers.bahdanau import BahdanauAttention as BahdanauAttention
from kseq2seq.layers.chunkwise import ChunkwiseAttention as ChunkwiseAttention
from kseq2seq.layers.coverage import CoverageAttention as CoverageAttention
from kseq2seq.layers.decoder import DecoderRNN as DecoderRNN
from kseq2seq.layers.decoder import DecoderStart as DecoderStart
from kseq2seq.layers.decoder import DecoderStep as DecoderStep
from kseq2seq.layers.decoder_cell import DecoderCell as DecoderCell
from kseq2seq.layers.dropout import Dropout as Dropout
from kseq2seq.layers.local import LocalMonotonicAttention as LocalMonotonicAttention
from kseq2seq.layers.local import LocalPredictiveAttention as LocalPredictiveAttention
from kseq2seq.layers.location import (
    LocationSensitiveAttention as LocationSensitiveAttention,
)
from kseq2seq.layers.lstm import LSTM as LSTM
from kseq2seq.layers.luong import LuongAttention as LuongAttention
from kseq2seq.layers.monotonic import MonotonicAttention as MonotonicAttention
from kseq2seq.layers.multi_head import MultiHeadAttention as MultiHeadAttention
from kseq2seq.layers.padding_mask import PaddingMask as PaddingMask
from kseq2seq.layers.vocabulary import Logits as Logits
from kseq2seq.layers.vocabulary import VocabularyEmbedding as VocabularyEmbedding
from kseq2seq.layers.vocabulary import VocabularyProjection as VocabularyProjection
