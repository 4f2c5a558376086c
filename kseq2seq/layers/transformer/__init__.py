"""The layers of a Transformer, and their step for decoding."""

from kseq2seq.layers.transformer.blocks import (
    TransformerDecoderLayer,
    TransformerEncoderLayer,
)
from kseq2seq.layers.transformer.positions import (
    SinusoidalPositions,
)
from kseq2seq.layers.transformer.steps import (
    TransformerStart,
    TransformerStep,
)

__all__ = [
    "SinusoidalPositions",
    "TransformerDecoderLayer",
    "TransformerEncoderLayer",
    "TransformerStart",
    "TransformerStep",
]
