"""LSTM layers trained by hand-laid gradients."""

from kseq2seq.layers.recurrent.lstm import (
    LSTM,
    as_tensor,
    can_be_laid_out,
    is_plain,
    lstm_step,
    lstm_step_gradient,
    weight_gradient,
)
from kseq2seq.layers.recurrent.scans import (
    scan,
)

__all__ = [
    "LSTM",
    "as_tensor",
    "can_be_laid_out",
    "is_plain",
    "lstm_step",
    "lstm_step_gradient",
    "scan",
    "weight_gradient",
]
