"""The recurrent decoder: its step and what runs it."""

from kseq2seq.layers.decoder.cell import (
    QUERIES,
    QUERY_CELLS,
    DecoderCell,
)
from kseq2seq.layers.decoder.rnn import (
    DecoderRNN,
    DecoderStart,
    DecoderStep,
)

__all__ = [
    "QUERIES",
    "QUERY_CELLS",
    "DecoderCell",
    "DecoderRNN",
    "DecoderStart",
    "DecoderStep",
]
