"""Recurrent layers, and loops over time."""

from kseq2seq.layers.recurrent.layer_norm_lstm import (
    LayerNormLSTMCell,
)
from kseq2seq.layers.recurrent.lstm import (
    LSTM,
    as_tensor,
    is_default_lstm,
    lstm_step,
    lstm_step_gradient,
    supports_custom_gradient,
    weight_gradient,
)
from kseq2seq.layers.recurrent.regularized import (
    RegularizedCell,
    RegularizedRNN,
    is_cell,
)
from kseq2seq.layers.recurrent.scans import (
    scan,
    with_steps,
)
from kseq2seq.layers.recurrent.step_loop import (
    run_steps,
)
from kseq2seq.layers.recurrent.transition import (
    TransitionCell,
)

__all__ = [
    "LSTM",
    "LayerNormLSTMCell",
    "RegularizedCell",
    "RegularizedRNN",
    "TransitionCell",
    "as_tensor",
    "is_cell",
    "is_default_lstm",
    "lstm_step",
    "lstm_step_gradient",
    "run_steps",
    "scan",
    "supports_custom_gradient",
    "weight_gradient",
    "with_steps",
]
