"""Layers that run a decoder cell: over a whole target, or step by step."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention import check_decoder_inputs, check_states
from kseq2seq.layers.decoder import fused
from kseq2seq.layers.decoder.cell import DecoderCell
from kseq2seq.layers.decoder.checks import check_input_size, check_step
from kseq2seq.layers.dropout import Dropout
from kseq2seq.layers.nested import NestedLayers
from kseq2seq.layers.recurrent import run_step, run_steps, with_steps
from kseq2seq.utils import Tensor, check_fraction

# Arguments of `keras.layers.RNN` that `DecoderRNN` does not have.
_ARGUMENTS_OF_RNN = (
    "return_sequences",
    "return_state",
    "go_backwards",
    "stateful",
    "unroll",
    "zero_output_for_mask",
)


@keras.saving.register_keras_serializable(package="kseq2seq")
class DecoderRNN(NestedLayers, keras.layers.Layer):
    """Runs a `DecoderCell` over a whole target sequence, for training.

    Ahead of the loop, keys are projected, padding is zeroed, and all random numbers of
    attention are drawn. Between stacked cells one dropout mask serves all steps (Gal &
    Ghahramani).

    Padding of the target is behind the real tokens, and so changes none of their
    outputs. A loss that attention adds needs `target_mask` to leave it out.

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
        target_mask: Boolean tensor of shape `(batch, target_length)`: the positions
            that count in a loss that attention adds; all by default.
        return_attention_scores: Whether to return the alignment as well.
        training: Whether to apply dropout.

    Returns:
        Outputs of all steps, of shape `(batch, target_length, output_size)`; with
        `return_attention_scores=True` a tuple `(outputs, alignment)`, the latter of
        shape `(batch, target_length, source_length)`.

    Raises:
        ValueError: If `cell` is no `DecoderCell`, `dropout` is not in `[0, 1)`, an
            argument of `keras.layers.RNN` is given, an alignment is asked for without
            attention, or what it is called with does not fit.

    Example:

    >>> from kseq2seq.layers import DecoderCell
    >>> cell = DecoderCell([keras.layers.GRUCell(8)], input_feeding=False)
    >>> tuple(DecoderRNN(cell)(keras.ops.ones((2, 3, 4))).shape)
    (2, 3, 8)

    Reference:
        [Gal & Ghahramani, 2016](https://arxiv.org/abs/1512.05287), section 4.
    """

    def __init__(
        self,
        cell: DecoderCell,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        given = [name for name in _ARGUMENTS_OF_RNN if name in kwargs]
        if given:
            raise ValueError(
                "DecoderRNN runs forward over whole targets, keeps no state and "
                "returns all outputs: leave out arguments of `keras.layers.RNN`, and "
                "use `DecoderStep` for single steps. "
                f"Received: {', '.join(f'{name}={kwargs[name]!r}' for name in given)}"
            )
        super().__init__(**kwargs)
        self.supports_masking = True
        self.cell = _check_cell(cell)
        self.dropout = check_fraction("dropout", dropout)
        self.seed = seed
        self.dropout_layer = Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def build(self, inputs_shape: Any, memory_shape: Any = None) -> None:
        step_shape = (inputs_shape[0], inputs_shape[-1])
        if not self.cell.built:
            self.cell.build(step_shape, memory_shape)
            self.cell.built = True

    def __call__(
        self,
        inputs: Any,
        memory: Any = None,
        memory_mask: Any = None,
        initial_state: Any = None,
        **kwargs: Any,
    ) -> Any:
        # Before Keras builds the layer, which would fail with another error.
        name, attention = type(self).__name__, self.cell.attention
        check_decoder_inputs(
            name,
            inputs,
            memory,
            memory_mask,
            kwargs.get("target_mask"),
            takes_kinds=attention is not None and attention.takes_kinds,
        )
        check_input_size(name, inputs, self.cell.input_size)
        if attention is not None and memory is None:
            raise ValueError(
                f"{name} with attention must be called with a memory, such as the "
                "outputs of an encoder: decoder(inputs, memory). Received: memory=None"
            )
        # By name, and without `None`, so that Keras fills in the mask that a memory
        # carries.
        given = {
            "memory": memory,
            "memory_mask": memory_mask,
            "initial_state": initial_state,
        }
        given = {x: value for x, value in given.items() if value is not None}
        return super().__call__(inputs, **given, **kwargs)

    def call(
        self,
        inputs: Tensor,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
        initial_state: list[Tensor] | None = None,
        target_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        self._check_attention(return_attention_scores)
        inputs = with_steps(inputs)
        sizes = keras.tree.flatten([cell.state_size for cell in self.cell.cells])
        if initial_state is None:
            zeros = ops.zeros_like(inputs[:, 0, :1])  # (B, 1)
            initial_state = [ops.repeat(zeros, size, axis=1) for size in sizes]
        else:
            check_states(initial_state, sizes, inputs)
        states, prepared = self.cell.start(initial_state, memory, memory_mask)
        prepared = {**prepared, **self._draw_dropout(inputs, training)}
        if training and fused.supports(self.cell):
            return fused.decode(
                self.cell, inputs, initial_state, prepared, return_attention_scores
            )
        attention = self.cell.attention
        has_loss = attention is not None and attention.has_alignment_loss
        with_alignment = has_loss or return_attention_scores
        outputs = self._run(inputs, states, prepared, with_alignment, training)
        if not with_alignment:
            return outputs
        size = self.cell.output_size
        outputs, alignment = outputs[..., :size], outputs[..., size:]
        if attention is not None and has_loss:
            self.add_loss(attention.alignment_loss(alignment, target_mask))
        return (outputs, alignment) if return_attention_scores else outputs

    def _run(self, inputs, states, memory, with_alignment, training):
        """Outputs of all steps; with the alignment on the same axis, if it is kept."""
        cell, draws = self.cell, {}
        if cell.attention is not None:
            draws = cell.attention.draw(memory, ops.shape(inputs)[1], training)
        if training:
            draws = {**draws, **cell.draw(inputs)}

        def step(inputs, states, memory, draws):
            output, alignment, states = cell.step(
                inputs, states, memory, 1, draws, bool(training)
            )
            if with_alignment and alignment is not None:
                output = ops.concatenate([output, alignment[:, 0]], axis=-1)
            return output, states

        return run_steps(step, inputs, states, memory, draws, cell.dtype_policy)

    def _check_attention(self, return_attention_scores):
        if return_attention_scores and self.cell.attention is None:
            raise ValueError(
                "`return_attention_scores` needs a cell with attention; leave it out, "
                "or give the cell one. Received: a DecoderCell with attention=None"
            )

    def _draw_dropout(self, inputs, training):
        batch, cells = ops.shape(inputs)[0], self.cell.cells
        if not training or not self.dropout or len(cells) < 2:
            return {}
        ones = [ops.ones((batch, c.output_size), self.compute_dtype) for c in cells]
        drawn = [self.dropout_layer(x, training=True) for x in ones[:-1]]
        return {"cell_dropout": drawn}

    def compute_output_spec(
        self,
        inputs: keras.KerasTensor,
        memory: keras.KerasTensor | None = None,
        memory_mask: keras.KerasTensor | None = None,
        initial_state: list[keras.KerasTensor] | None = None,
        target_mask: keras.KerasTensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        self._check_attention(return_attention_scores)
        batch, length = inputs.shape[:2]
        dtype = self.compute_dtype
        outputs = keras.KerasTensor((batch, length, self.cell.output_size), dtype)
        if not return_attention_scores or memory is None:
            return outputs
        shape = (batch, length, memory.shape[1])
        return outputs, keras.KerasTensor(shape, dtype)

    def compute_mask(
        self,
        inputs: Any,
        memory: Any = None,
        memory_mask: Any = None,
        initial_state: Any = None,
    ) -> None:
        return None

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "dropout": self.dropout,
            "seed": self.seed,
        }


def _check_cell(cell):
    if isinstance(cell, DecoderCell):
        return cell
    raise ValueError(
        "`cell` must be a DecoderCell; make one of recurrent cells, "
        f"DecoderCell(cells, input_feeding=False). Received: cell={cell!r}"
    )


class _CellLayer(NestedLayers, keras.layers.Layer):
    """Base class of layers that call a `DecoderCell`, which another one may own."""

    def __init__(self, cell: DecoderCell, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.cell = _check_cell(cell)

    def get_config(self) -> dict[str, Any]:
        cell = keras.saving.serialize_keras_object(self.cell)
        return {**super().get_config(), "cell": cell}


@keras.saving.register_keras_serializable(package="kseq2seq")
class DecoderStart(_CellLayer):
    """First states of decoding, and the memory with its keys projected.

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

    def build(self, cell_states_shape: Any, memory_shape: Any = None) -> None:
        pass

    def call(
        self,
        cell_states: list[Tensor],
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Any:
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

    Raises:
        ValueError: If inputs or states have other numbers of axes.

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

    def __init__(self, cell: DecoderCell, **kwargs: Any) -> None:
        # Attention may keep sums in float32, whatever the cells compute in.
        super().__init__(cell, autocast=False, **kwargs)

    def build(
        self, inputs_shape: Any, states_shape: Any = None, memory_shape: Any = None
    ) -> None:
        if not self.cell.built:
            shapes = memory_shape if isinstance(memory_shape, dict) else {}
            value_shape = shapes.get("value")
            self.cell.build((None, inputs_shape[-1]), value_shape)
            self.cell.built = True

    def call(self, inputs: Tensor, states: list[Tensor], memory: dict[str, Any]) -> Any:
        check_step(type(self).__name__, inputs, states, memory, self.cell.state_size)
        check_input_size(type(self).__name__, inputs, self.cell.input_size)
        batch, beam, size = ops.shape(inputs)
        count = len(self.cell.state_size)
        of_cells = [ops.cast(x, self.compute_dtype) for x in states[:count]]
        states = [*of_cells, *states[count:]]

        def step(inputs, states, memory, draws):
            return self.cell.step(inputs, states, memory, beam, draws)

        # All sizes are given: without rows, a size of -1 has no value.
        output, alignment, states = run_step(
            step,
            ops.reshape(inputs, (batch * beam, size)),
            [ops.reshape(x, (batch * beam, ops.shape(x)[-1])) for x in states],
            memory,
            self.dtype_policy,
        )
        output, *states = [
            ops.reshape(x, (batch, beam, ops.shape(x)[-1])) for x in (output, *states)
        ]
        return (output, states) if alignment is None else (output, states, alignment)

    def compute_output_spec(
        self,
        inputs: keras.KerasTensor,
        states: list[keras.KerasTensor],
        memory: dict[str, keras.KerasTensor],
    ) -> Any:
        check_step(type(self).__name__, inputs, states, memory, self.cell.state_size)
        check_input_size(type(self).__name__, inputs, self.cell.input_size)
        shape, dtype = tuple(inputs.shape[:2]), self.compute_dtype
        output = keras.KerasTensor((*shape, self.cell.output_size), dtype)
        count = len(self.cell.state_size)
        states = [
            keras.KerasTensor(x.shape, dtype if place < count else x.dtype)
            for place, x in enumerate(states)
        ]
        if self.cell.attention is None:
            return output, states
        length = memory["value"].shape[1]
        return output, states, keras.KerasTensor((*shape, length), dtype)
