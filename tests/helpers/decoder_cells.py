"""Decoder cells of all kinds, and inputs for them."""

import keras
import numpy as np

import reference
from kseq2seq.layers import (
    BahdanauAttention,
    DecoderCell,
    LayerNormLSTMCell,
    LuongAttention,
)

# All different, so that a swapped axis cannot pass. M is the size of the memory, H
# of the cells, A of the attentional vector.
B, K, T, S, D, M, H, U, A = 2, 3, 5, 7, 11, 13, 17, 19, 23
LENGTHS = (7, 4)
MASK = np.arange(S) < np.array(LENGTHS)[:, None]
ATTENTIONS = {
    "none": lambda: None,
    "bahdanau": lambda: BahdanauAttention(U, use_bias=True, normalize=True),
    "general": lambda: LuongAttention("general", use_scale=True),
    "concat": lambda: LuongAttention("concat", U),
}
CELLS = {
    "lstm": keras.layers.LSTMCell,
    "gru": keras.layers.GRUCell,
    "layer_norm_lstm": LayerNormLSTMCell,
}


def make_cell(attention, cell, count, query, input_feeding, residual, wiring=None):
    attentional = keras.layers.Dense(A, "tanh") if attention != "none" else None
    return DecoderCell(
        [CELLS[cell](H) for _ in range(count)],
        ATTENTIONS[attention](),
        attentional,
        input_feeding=input_feeding,
        query=query,
        residual=residual,
        **(wiring or {}),
    )


def built(cell):
    cell.build((None, D), (None, None, M) if cell.attention else None)
    # Small weights, or rounding errors grow from step to step.
    reference.randomize(cell, scale=0.3)
    return cell


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def random_states(cell, *shape):
    sizes = keras.tree.flatten([own.state_size for own in cell.cells])
    return [0.5 * random(*shape, size, seed=9 + i) for i, size in enumerate(sizes)]


class Echo(keras.layers.Layer):
    """A recurrent cell that hands its input on, and remembers nothing."""

    state_size = output_size = D

    def call(self, inputs, states):
        return inputs, states


def one_cell():
    return [keras.layers.GRUCell(H)]
