"""The recurrent decoder: its step and what runs it."""

from kseq2seq.layers.decoder.cell import (
    QUERIES,
    DecoderCell,
)
from kseq2seq.layers.decoder.rnn import (
    DecoderRNN,
    DecoderStart,
    DecoderStep,
)

__all__ = [
    "QUERIES",
    "DecoderCell",
    "DecoderRNN",
    "DecoderStart",
    "DecoderStep",
]
