"""One decoder step: recurrent cells, attention and input feeding."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention import (
    Attention,
    build_attention,
    check_memory,
    check_states,
)
from kseq2seq.layers.decoder.checks import (
    check_attention,
    check_cells,
    check_residual,
)
from kseq2seq.layers.nested import NestedLayers
from kseq2seq.layers.recurrent import RegularizedCell
from kseq2seq.utils import Tensor, check_boolean, check_choice, check_integer

QUERIES = ("current", "previous")
QUERY_CELLS = ("last", "first")


@keras.saving.register_keras_serializable(package="kseq2seq")
class DecoderCell(NestedLayers, keras.layers.Layer):
    """Stacked recurrent cells that attend to a memory at every step.

    With `query="current"` (Luong), for an input `x_t`, the cells' state
    `s_{t-1}` and the last attentional vector `a_{t-1}`:

        h_t, s_t = cells([x_t; a_{t-1}], s_{t-1})
        context_t = attention(h_t, memory)
        a_t = attentional([context_t; h_t])

    and without `input_feeding` the cells see `x_t` alone. With
    `query="previous"` (Bahdanau) attention comes first, its query is the output of
    the step before, and its context enters the cells:

        context_t = attention(h_{t-1}, memory)
        h_t, s_t = cells([x_t; context_t], s_{t-1})
        a_t = attentional([context_t; h_t])

    Without attention the step is the cells alone, and `a_t` is `h_t`.

    With `query_cell="first"` the query is the output of the first cell, not of the
    last. With `context_to_cells` the context enters the other cells, too: the input of
    the cell `l` above the first is `[h^{l-1}_t; context_t]` (Wu et al.).

    The cell keeps nothing between calls; each call gets the memory. A memory of `batch`
    rows is never repeated for the hypotheses of a row, which are `batch * beam` rows of
    inputs and states.

    Args:
        cells: List of recurrent cells, such as `keras.layers.LSTMCell`, from the
            bottom up, without dropout, which `DecoderRNN` applies. A single cell stands
            for a list of one.
        attention: Subclass of `kseq2seq.layers.Attention`, or `None`.
        attentional: Layer from context and cell output to the step's output,
            such as `Dense(units, "tanh", use_bias=False)`; with `None` the context
            itself is the output.
        input_feeding: Whether the last attentional vector enters the cells.
        query: `"current"` or `"previous"`: the step whose output is the query of
            attention. With `"previous"` there is no input feeding.
        residual: Whether cells above the first add their input, without a context
            that enters with it, to their output.
        residual_from: The first cell that does, counted from 1: 2 or more.
        query_cell: `"last"` or `"first"`: the cell whose output is the query.
        context_to_cells: Whether the context enters all cells above the first. It needs
            `query="previous"` or `query_cell="first"`, so that it is known before.
        **kwargs: Passed to `keras.layers.Layer`.

    Raises:
        ValueError: If `cells` is empty, holds no cell or one with dropout, if
            `attention` is no attention layer, if there is an `attentional` without it
            or that is no layer, or if `query`, `input_feeding`, `residual`,
            `query_cell` or `context_to_cells` does not fit.

    Example:

    >>> from kseq2seq.layers import DecoderRNN, LuongAttention
    >>> cell = DecoderCell(
    ...     [keras.layers.LSTMCell(8)],
    ...     attention=LuongAttention("general"),
    ...     attentional=keras.layers.Dense(5, "tanh", use_bias=False),
    ... )
    >>> inputs, memory = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 7, 6))
    >>> outputs = DecoderRNN(cell)(inputs, memory)
    >>> tuple(outputs.shape)
    (2, 3, 5)

    Reference:
        - [Luong et al., 2015](https://arxiv.org/abs/1508.04025), sections 3.1
          (equation 5) and 3.3.
        - [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473), A.2.2.
        - [Wu et al., 2016](https://arxiv.org/abs/1609.08144), section 3 and figure 1,
          for `query_cell`, `context_to_cells` and `residual_from`.
    """

    def __init__(
        self,
        cells: keras.layers.Layer | list[keras.layers.Layer],
        attention: Attention | None = None,
        attentional: keras.layers.Layer | None = None,
        input_feeding: bool = True,
        query: str = "current",
        residual: bool = False,
        residual_from: int = 2,
        query_cell: str = "last",
        context_to_cells: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        cells = check_cells(cells)
        check_attention(attention, attentional)
        query = check_choice("query", query, QUERIES)
        input_feeding = check_boolean("input_feeding", input_feeding)
        if input_feeding and (attention is None or query == "previous"):
            raise ValueError(
                "`input_feeding` needs attention with query='current': there is no "
                "attentional vector to feed without attention, and with "
                "query='previous' the context enters the cells instead. "
                f"Received: attention={attention}, query={query!r}"
            )
        self.cells: list[Any] = cells
        self.attention = attention
        self.attentional = attentional
        self.input_feeding = input_feeding
        self.query = query
        self.residual = check_boolean("residual", residual)
        self.residual_from = check_integer("residual_from", residual_from, least=2)
        if self.residual:
            check_residual(cells, self.residual_from)
        self.query_cell = check_choice("query_cell", query_cell, QUERY_CELLS)
        self.context_to_cells = check_boolean("context_to_cells", context_to_cells)
        self._check_context()
        self.input_size: Any = None  # integers, once built
        self.context_size: Any = None

    def _check_context(self):
        comes_last = self.query == "current" and self.query_cell == "last"
        if self.context_to_cells and (self.attention is None or comes_last):
            raise ValueError(
                "`context_to_cells` needs attention whose context is known before the "
                "cells above the first: query='previous' or query_cell='first'. "
                f"Received: attention={self.attention}, query={self.query!r}, "
                f"query_cell={self.query_cell!r}"
            )

    @property
    def has_usual_wiring(self) -> bool:
        """Whether `query_cell`, `context_to_cells` and `residual_from` are defaults."""
        is_last = self.query_cell == "last" and not self.context_to_cells
        return is_last and self.residual_from == 2

    @property
    def state_size(self) -> list[int]:
        """Sizes of the states: those of each cell, then the attentional vector.

        The states of attention, which follow, are not among them: their sizes may
        depend on the memory.
        """
        sizes = keras.tree.flatten([cell.state_size for cell in self.cells])
        return [*sizes, self.output_size] if self.input_feeding else sizes

    @property
    def output_size(self) -> int:
        """Size of the step's output; it may be known only once the cell is built."""
        if self.attention is None:
            return self.cells[-1].output_size
        if self.attentional is None:
            return self.context_size
        units = getattr(self.attentional, "units", None)
        if units is None:  # of a layer whose output depends on its input
            size = self.context_size + self.cells[-1].output_size
            units = self.attentional.compute_output_shape((None, size))[-1]
        return units

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise ValueError(
            "DecoderCell is not called, since its memory comes with each step: run it "
            "with DecoderRNN(cell)(inputs, memory), or by single steps with `start` "
            "and `step`, DecoderStart and DecoderStep. Received: a call"
        )

    def build(self, inputs_shape: Any, memory_shape: Any = None) -> None:
        if self.attention is not None and memory_shape is None:
            raise ValueError(
                "DecoderCell with attention must be built with the shape of its "
                "memory, build(inputs_shape, memory_shape), as DecoderRNN does; "
                "keras.layers.RNN has no memory. Received: memory_shape=None"
            )
        self.input_size = size = inputs_shape[-1]
        if self.attention is not None:
            self.context_size = memory_shape[-1]
        if self.input_feeding:
            size += self.output_size
        elif self.query == "previous" and self.attention is not None:
            size += self.context_size
        for cell in self.cells:
            if not cell.built:
                cell.build((None, size))
            size = cell.output_size
            size += self.context_size if self.context_to_cells else 0
        if self.attention is None:
            return
        size, query_cell = self.cells[-1].output_size, self.cells[self._query_level]
        query_shape = (None, None, query_cell.output_size)
        build_attention(self.attention, query_shape, (None, None, self.context_size))
        if self.attentional is not None and not self.attentional.built:
            self.attentional.build((None, self.context_size + size))
            self.attentional.built = True

    def start(
        self,
        cell_states: list[Tensor],
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> tuple[list[Tensor], dict[str, Any]]:
        """First states and memory, computed once ahead of the loop.

        Args:
            cell_states: List of tensors of shape `(batch, units)`, as
                `state_size` of the cells asks for.
            memory: Tensor of shape `(batch, source_length, memory_dim)`; left
                out without attention.
            memory_mask: Boolean tensor of shape `(batch, source_length)`.

        Returns:
            A tuple `(states, memory)`: the list of states to start from, each of
            shape `(batch, size)`: those of the cells, an attentional vector of zeros
            where there is input feeding, and what attention starts from; and the
            dict that attention prepared.

        Raises:
            ValueError: If states, memory or mask have other shapes, or if the mask is
                not boolean.
        """
        sizes = keras.tree.flatten([cell.state_size for cell in self.cells])
        check_states(cell_states, sizes, memory)
        states = list(cell_states)
        if self.input_feeding:
            zeros = ops.zeros_like(states[0][:, :1])  # (B, 1)
            states.append(ops.repeat(zeros, self.output_size, axis=1))
        if self.attention is None:
            return states, {}
        name, takes_kinds = type(self).__name__, self.attention.takes_kinds
        check_memory(name, memory, memory_mask, takes_kinds=takes_kinds)
        memory = self.attention.prepare(memory, value_mask=memory_mask)
        return [*states, *self.attention.initial_state(memory)], memory

    def step(
        self,
        inputs: Tensor,
        states: list[Tensor],
        memory: dict[str, Any],
        beam: Any = 1,
        draws: dict[str, Tensor] | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor | None, list[Tensor]]:
        """One step for every row; a pure function.

        Args:
            inputs: Tensor of shape `(batch * beam, input_dim)`.
            states: List of tensors of shape `(batch * beam, size)`, of the order
                that `start` gives.
            memory: Dict of tensors, as `start` gives. In training perhaps also
                `cell_dropout`, a list of factors for the inputs of the cells above
                the first.
            beam: Number of hypotheses of each source.
            draws: Tensors drawn by attention and cells for this step; `None` outside of
                training.
            training: Whether this is training.

        Returns:
            A tuple `(output, alignment, states)` of shapes
            `(batch * beam, output_size)` and `(batch, beam, source_length)`, and
            a list as `states`. Without attention the alignment is `None`.
        """
        cell_states, others = self._split_states(states)
        fed = [others.pop(0)] if self.input_feeding else []
        attention, query_level = self.attention, self._query_level
        context = alignment = None
        if attention is not None and self.query == "previous":
            query = cell_states[query_level][0]
            context, alignment, others = self._attend(
                attention, query, memory, others, beam, draws, training
            )
            fed = [context]
        output, new_states = inputs, []
        if fed:
            output = ops.concatenate([inputs, *fed], axis=-1)
        for level, own in enumerate(cell_states):
            output, own = self._run_cell(level, output, context, own, memory, draws)
            new_states += own
            if (
                attention is not None
                and self.query == "current"
                and level == query_level
            ):
                context, alignment, others = self._attend(
                    attention, output, memory, others, beam, draws, training
                )
        if attention is None:
            return output, None, new_states
        if self.attentional is None:
            output = context
        else:
            output = self.attentional(ops.concatenate([context, output], axis=-1))
        fed = [output] if self.input_feeding else []
        return output, alignment, [*new_states, *fed, *others]

    @property
    def _query_level(self):
        """Index of the cell whose output is the query of attention."""
        return 0 if self.query_cell == "first" else len(self.cells) - 1

    def _split_states(self, states):
        """A list of the states of each cell, and the list of all others."""
        by_cell, first = [], 0
        for cell in self.cells:
            count = len(keras.tree.flatten(cell.state_size))
            by_cell.append(list(states[first : first + count]))
            first += count
        return by_cell, list(states[first:])

    def _attend(self, attention, query, memory, state, beam, draws, training):
        batch = ops.shape(memory["mask"])[0]

        # All sizes are given: without rows, a size of -1 has no value.
        def by_source(x):  # (B * K, D) to (B, K, D)
            return ops.reshape(x, (batch, beam, ops.shape(x)[-1]))

        def by_row(x):  # and back
            return ops.reshape(x, (batch * beam, ops.shape(x)[-1]))

        context, alignment, state = attention.attend(
            by_source(query),
            memory,
            tuple(by_source(x) for x in state),
            draws,
            training,
        )
        return by_row(context), alignment, [by_row(x) for x in state]

    def draw(self, inputs: Tensor) -> dict[str, Tensor]:
        """Random numbers of the cells for all steps of a training.

        Args:
            inputs: Tensor of shape `(batch, target_length, input_dim)`.

        Returns:
            A dict of tensors of shape `(batch, target_length, units)`. `step` gets
            their part of its time step in `draws`.
        """
        return {
            f"cell_{level}_{name}": drawn
            for level, cell in enumerate(self.cells)
            if isinstance(cell, RegularizedCell)
            for name, drawn in cell.draw(inputs).items()
        }

    def _run_cell(self, level, below, context, states, memory, draws):
        """Output and new states of a cell, given the output of the one below."""
        cell, masks = self.cells[level], memory.get("cell_dropout")
        if level and masks is not None:
            below = below * masks[level - 1]
        entering = below
        if level and self.context_to_cells:
            entering = ops.concatenate([below, context], axis=-1)
        given = [entering, states]
        if isinstance(cell, RegularizedCell):
            given.append(_draws_of_level(draws or {}, level))
        output, new_states = cell(*given)
        if self.residual and level + 1 >= self.residual_from:
            output = output + below
        return output, keras.tree.flatten(new_states)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "cells": [serialize(cell) for cell in self.cells],
            "attention": serialize(self.attention),
            "attentional": serialize(self.attentional),
            "input_feeding": self.input_feeding,
            "query": self.query,
            "residual": self.residual,
            "residual_from": self.residual_from,
            "query_cell": self.query_cell,
            "context_to_cells": self.context_to_cells,
        }


def _draws_of_level(draws, level):
    prefix = f"cell_{level}_"
    return {
        name.removeprefix(prefix): drawn[:, 0]
        for name, drawn in draws.items()
        if name.startswith(prefix)
    }
