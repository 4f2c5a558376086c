"""What runs a decoder cell: over a whole target in training, or step by step."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kseq2seq")
class DecoderRNN(keras.layers.RNN):
    """Runs a `DecoderCell` over a whole target sequence, for training.

    Keys are projected, padding is zeroed and dropout masks are drawn once, ahead
    of the loop; they travel through it as states that pass through unchanged.
    Between stacked cells one dropout mask serves all steps (Gal & Ghahramani).

    The target's padding needs no mask: it stands behind the real tokens, whose
    outputs cannot depend on it.

    Args:
        cell: The `DecoderCell`.
        dropout: Fraction to drop between stacked cells, from 0 to 1.
        seed: Integer seed of that dropout.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, target_length, input_dim)`.
        memory: Tensor of shape `(batch, source_length, memory_dim)`, or `None`
            for a cell without attention.
        memory_mask: Boolean tensor of shape `(batch, source_length)`.
        initial_state: List of the cells' states, of shape `(batch, units)`;
            zeros by default.
        training: Whether to apply dropout.

    Returns:
        Outputs of all steps, of shape `(batch, target_length, output_size)`.

    Raises:
        ValueError: If `dropout` is not in `[0, 1)`.

    Example:

    >>> from kseq2seq.layers import DecoderCell
    >>> cell = DecoderCell([keras.layers.GRUCell(8)], input_feeding=False)
    >>> tuple(DecoderRNN(cell)(keras.ops.ones((2, 3, 4))).shape)
    (2, 3, 8)

    Reference:
        [Gal & Ghahramani, 2016](https://arxiv.org/abs/1512.05287), section 4.
    """

    def __init__(self, cell, dropout=0.0, seed=None, **kwargs):
        super().__init__(cell, return_sequences=True, **kwargs)
        if not 0.0 <= dropout < 1.0:
            raise ValueError(
                "`dropout` must be at least 0 and less than 1. "
                f"Received: dropout={dropout!r}"
            )
        self.dropout = dropout
        self.seed = seed
        self.dropout_layer = keras.layers.Dropout(
            dropout, seed=seed, dtype=self.dtype_policy
        )

    def build(self, inputs_shape, memory_shape=None):
        step_shape = (inputs_shape[0], inputs_shape[-1])
        if not self.cell.built:
            self.cell.build(step_shape, memory_shape)
            self.cell.built = True

    def call(
        self, inputs, memory=None, memory_mask=None, initial_state=None, training=None
    ):
        if initial_state is None:
            zeros = ops.zeros_like(inputs[:, 0, :1])  # (B, 1)
            sizes = keras.tree.flatten([cell.state_size for cell in self.cell.cells])
            initial_state = [ops.repeat(zeros, size, axis=1) for size in sizes]
        states, memory = self.cell.start(initial_state, memory, memory_mask)
        memory = {**memory, **self._draw_dropout(inputs, memory, training)}
        return super().call(
            inputs, initial_state=[*states, memory], mask=None, training=training
        )

    def _draw_dropout(self, inputs, memory, training):
        batch, cells, drawn = ops.shape(inputs)[0], self.cell.cells, {}
        if memory:
            shape = (batch, 1, ops.shape(memory["value"])[1])
            mask = self.cell.attention.draw_dropout_mask(shape, training)
            if mask is not None:
                drawn["alignment_dropout"] = mask
        if training and self.dropout and len(cells) > 1:
            ones = [ops.ones((batch, c.output_size), self.compute_dtype) for c in cells]
            drawn["cell_dropout"] = [
                self.dropout_layer(x, training=True) for x in ones[:-1]
            ]
        return drawn

    def compute_output_spec(
        self, inputs, memory=None, memory_mask=None, initial_state=None, training=None
    ):
        shape = (*inputs.shape[:2], self.cell.output_size)
        return keras.KerasTensor(shape, self.compute_dtype)

    def compute_mask(self, inputs, memory=None, memory_mask=None, initial_state=None):
        return None

    def get_config(self):
        config = super().get_config()
        return {
            **{key: config[key] for key in ("name", "trainable", "dtype", "cell")},
            "dropout": self.dropout,
            "seed": self.seed,
        }


class _CellLayer(keras.layers.Layer):
    """A layer that uses a `DecoderCell` that another layer may own."""

    def __init__(self, cell, **kwargs):
        super().__init__(**kwargs)
        self.cell = cell

    def get_config(self):
        cell = keras.saving.serialize_keras_object(self.cell)
        return {**super().get_config(), "cell": cell}

    @classmethod
    def from_config(cls, config):
        cell = keras.saving.deserialize_keras_object(config["cell"])
        return cls(**{**config, "cell": cell})


@keras.saving.register_keras_serializable(package="kseq2seq")
class DecoderStart(_CellLayer):
    """What decoding starts from: states, and the memory with its keys projected.

    Args:
        cell: The `DecoderCell`, built.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        cell_states: List of tensors of shape `(batch, units)`.
        memory: Tensor of shape `(batch, source_length, memory_dim)`; left out
            without attention.
        memory_mask: Boolean tensor of shape `(batch, source_length)`.

    Returns:
        A tuple `(states, memory)` of a list and a dict, as `DecoderCell.start`.

    Example:

    >>> from kseq2seq.layers import DecoderCell
    >>> cell = DecoderCell([keras.layers.GRUCell(8)], input_feeding=False)
    >>> cell.build((None, 4))
    >>> states, memory = DecoderStart(cell)([keras.ops.ones((2, 8))])
    >>> len(states), memory
    (1, {})
    """

    def build(self, cell_states_shape, memory_shape=None):
        pass

    def call(self, cell_states, memory=None, memory_mask=None):
        return self.cell.start(cell_states, memory, memory_mask)


@keras.saving.register_keras_serializable(package="kseq2seq")
class DecoderStep(_CellLayer):
    """One step of a `DecoderCell` for the hypotheses of each source, for decoding.

    Args:
        cell: The `DecoderCell`; it keeps its weights.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, beam, input_dim)`.
        states: List of tensors of shape `(batch, beam, size)`.
        memory: Dict of tensors as in `DecoderCell.step`.

    Returns:
        A tuple `(output, states, alignment)`: a tensor of shape `(batch, beam,
        output_size)`, a list as `states`, and a tensor of shape `(batch, beam,
        source_length)`. Without attention there are the first two alone.

    Example:

    >>> from kseq2seq.layers import DecoderCell
    >>> cell = DecoderCell([keras.layers.GRUCell(8)], input_feeding=False)
    >>> step = DecoderStep(cell)
    >>> output, states = step(
    ...     keras.ops.ones((2, 3, 4)), [keras.ops.ones((2, 3, 8))], {}
    ... )
    >>> tuple(output.shape), tuple(states[0].shape)
    ((2, 3, 8), (2, 3, 8))
    """

    def build(self, inputs_shape, states_shape=None, memory_shape=None):
        if not self.cell.built:
            value_shape = (memory_shape or {}).get("value")
            self.cell.build((None, inputs_shape[-1]), value_shape)
            self.cell.built = True

    def call(self, inputs, states, memory):
        batch, beam, size = ops.shape(inputs)
        output, alignment, states = self.cell.step(
            ops.reshape(inputs, (-1, size)),
            [ops.reshape(state, (-1, state.shape[-1])) for state in states],
            memory,
        )
        output, *states = [
            ops.reshape(x, (batch, beam, x.shape[-1])) for x in (output, *states)
        ]
        return (output, states) if alignment is None else (output, states, alignment)

    def compute_output_spec(self, inputs, states, memory):
        shape, dtype = tuple(inputs.shape[:2]), self.compute_dtype
        output = keras.KerasTensor((*shape, self.cell.output_size), dtype)
        states = [keras.KerasTensor(state.shape, dtype) for state in states]
        if self.cell.attention is None:
            return output, states
        length = memory["value"].shape[1]
        return output, states, keras.KerasTensor((*shape, length), dtype)
