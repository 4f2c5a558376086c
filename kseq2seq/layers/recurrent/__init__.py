"""Recurrent layers, and loops over time."""

from kseq2seq.layers.recurrent.layer_norm_lstm import (
    LAYER_NORM_LSTM_STEPS,
    LayerNormLSTM,
    LayerNormLSTMCell,
)
from kseq2seq.layers.recurrent.lstm import (
    LSTM,
    LSTM_STEPS,
    is_default_lstm,
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
    run_step,
    run_steps,
)
from kseq2seq.layers.recurrent.steps import (
    Steps,
    as_tensor,
    supports_custom_gradient,
    weight_gradient,
)
from kseq2seq.layers.recurrent.transition import (
    TransitionCell,
)

__all__ = [
    "LAYER_NORM_LSTM_STEPS",
    "LSTM",
    "LSTM_STEPS",
    "LayerNormLSTM",
    "LayerNormLSTMCell",
    "RegularizedCell",
    "RegularizedRNN",
    "Steps",
    "TransitionCell",
    "as_tensor",
    "is_cell",
    "is_default_lstm",
    "run_step",
    "run_steps",
    "scan",
    "supports_custom_gradient",
    "weight_gradient",
    "with_steps",
]
