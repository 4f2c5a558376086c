"""Checks of what a decoder is made of, and of what its single steps are given."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import keras

from kseq2seq.layers.recurrent import RegularizedCell, is_cell
from kseq2seq.utils import Tensor


def check_cells(cells: Any) -> list[Any]:
    """Checks the cells of a decoder.

    Args:
        cells: A cell, or a list of cells.

    Returns:
        The cells as a list, each without dropout.

    Raises:
        ValueError: If there is none, something else, or one with dropout.

    Example:

    >>> len(check_cells(keras.layers.GRUCell(3)))
    1
    """
    given = cells
    if isinstance(cells, keras.layers.StackedRNNCells):
        cells = cells.cells
    elif isinstance(cells, keras.layers.Layer):
        cells = [cells]
    cells = list(cells) if isinstance(cells, (list, tuple)) else []
    if not cells or not all(map(is_cell, cells)):
        raise ValueError(
            "`cells` must be a recurrent cell, or a list of at least one cell, such as "
            "keras.layers.LSTMCell(units); a layer such as LSTM runs a whole sequence "
            f"and is none. Received: cells={given!r}"
        )
    for cell in cells:
        _check_has_no_dropout(cell)
    return cells


def _check_has_no_dropout(cell):
    if isinstance(cell, RegularizedCell):  # which keeps no mask
        cell = cell.cell
    for name in ("dropout", "recurrent_dropout"):
        if getattr(cell, name, 0):
            # Such a cell keeps its mask until Keras's own loop takes it away.
            raise ValueError(
                f"`cells` must have no {name} of their own: one mask would serve all "
                "batches. Use `DecoderRNN(cell, dropout=...)`. "
                f"Received: {type(cell).__name__} with {name}={getattr(cell, name)}"
            )


def check_residual(cells: Sequence[Any], first: int) -> None:
    """Checks that outputs can be added to what they are made of.

    Args:
        cells: List of the cells.
        first: The first cell whose input is added to its output, counted from 1.

    Raises:
        ValueError: If a cell from this one on has not the size of the one below it.

    Example:

    >>> check_residual([keras.layers.GRUCell(3), keras.layers.GRUCell(3)], first=2)
    """
    sizes = [cell.output_size for cell in cells]
    # One of a single number would be added to all of those above it.
    if any(sizes[i] != sizes[i - 1] for i in range(first - 1, len(sizes))):
        raise ValueError(
            "`residual` adds the output of the cell below to that of a cell: give them "
            "the same units, or leave such cells out with `residual_from`. "
            f"Received: cells of {sizes} units, residual_from={first}"
        )


def check_attention(attention: Any, attentional: Any) -> None:
    """Checks the attention of a decoder, and the layer behind it.

    Args:
        attention: Attention layer, or `None`.
        attentional: Layer from context and cell output to the step's output, or `None`.

    Raises:
        ValueError: If one of them is no layer, or there is an `attentional` alone.

    Example:

    >>> check_attention(None, None)
    """
    is_layer = isinstance(attention, keras.layers.Layer)
    attends = is_layer and callable(getattr(attention, "attend", None))
    if attention is not None and not attends:
        raise ValueError(
            "`attention` must be an attention layer, such as those of "
            f"`kseq2seq.layers`, or None. Received: attention={attention!r}"
        )
    if attention is None and attentional is not None:
        raise ValueError(
            "`attentional` joins the context of attention with the cells' output: "
            "leave it out without `attention`. "
            f"Received: attention={attention}, attentional={attentional}"
        )
    if attentional is not None and not isinstance(attentional, keras.layers.Layer):
        raise ValueError(
            "`attentional` must be a layer, such as keras.layers.Dense(units, 'tanh'), "
            f"or None. Received: attentional={attentional!r}"
        )


def check_step(
    name: str, inputs: Tensor, states: Any, memory: Any, sizes: Sequence[int | None]
) -> None:
    """Checks what a single step of some hypotheses is given.

    Args:
        name: Name of the layer, for messages.
        inputs: Tensor of shape `(batch, beam, input_dim)`.
        states: List of tensors of shape `(batch, beam, size)`.
        memory: Dict of tensors as in `DecoderCell.step`.
        sizes: Sizes of the states but those of attention.

    Raises:
        ValueError: If one has another shape, there are fewer states, or the memory is
            not prepared.

    Example:

    >>> from keras import ops
    >>> check_step("Mine", ops.ones((2, 1, 3)), [ops.ones((2, 1, 5))], {}, [5])
    """
    if hasattr(memory, "shape"):
        raise ValueError(
            f"`memory` of {name} must be the dict that `DecoderStart` returned. "
            f"Received: a tensor of shape {tuple(memory.shape)}"
        )
    shapes = [tuple(x.shape) for x in states]
    of_inputs = tuple(inputs.shape)
    ranks = {len(shape) for shape in (of_inputs, *shapes)}
    fits = ranks == {3} and len(shapes) >= len(sizes)
    if not fits or not all(
        None in pair or pair[0] == pair[1]
        for shape, size in zip_longest(shapes, sizes)
        for pair in zip(shape, (*of_inputs[:2], size), strict=True)
    ):
        raise ValueError(
            f"{name} takes inputs of shape (batch, beam, input_dim), and a list of at "
            f"least {len(sizes)} states of shape (batch, beam, size), with sizes "
            f"{list(sizes)}: those of `DecoderStart` get an axis for the hypotheses, "
            "state[:, None]. "
            f"Received: inputs.shape={of_inputs}, states of shapes {shapes}"
        )


def check_input_size(name: str, inputs: Tensor, expected: int | None) -> None:
    """Checks that inputs are of the size that a cell has weights for.

    Args:
        name: Name of the layer, for messages.
        inputs: Tensor of shape `(batch, ..., input_dim)`.
        expected: The size that the cell was built for, or `None`.

    Raises:
        ValueError: If they are not, or neither of the sizes is known.

    Example:

    >>> from keras import ops
    >>> check_input_size("Mine", ops.ones((2, 1, 3)), 3)
    """
    size = inputs.shape[-1]
    known = {size, expected} - {None}
    if len(known) != 1:
        raise ValueError(
            f"`inputs` of {name} must have a last axis of a known size, that for which "
            "the cell has weights: make another cell for others. Received: "
            f"inputs.shape={tuple(inputs.shape)}, for weights of size {expected}"
        )
