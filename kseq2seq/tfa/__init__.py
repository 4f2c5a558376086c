"""Weights and names of `tfa.seq2seq`."""

from kseq2seq.tfa.weights import (
    load_attention,
    load_decoder_cell,
    make_attention,
    make_decoder_cell,
)

__all__ = [
    "load_attention",
    "load_decoder_cell",
    "make_attention",
    "make_decoder_cell",
]
