"""Weights of the layers of `tfa.seq2seq` in the layers of this package.

tensorflow-addons is not needed: the weights come as a mapping from the names that it
gave them to arrays. Both kinds of names are known, those of the variables of a layer,

    weights = {weight.name: weight.numpy() for weight in wrapper.weights}

and those of a checkpoint that TensorFlow wrote:

    reader = tf.train.load_checkpoint("checkpoints/ckpt-7")
    weights = {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name.startswith("decoder/wrapper/")
    }

Only the ends of names count, so it does not matter in what model the layers were. What
an array is for is told from its name, never from its shape; where a name of your own
says too little, rename the key to `query_layer/kernel`, `memory_layer/kernel` or
`attention_layer/kernel`.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from kseq2seq.layers import (
    Attention,
    BahdanauAttention,
    DecoderCell,
    LuongAttention,
    MonotonicAttention,
)
from kseq2seq.tfa.names import (
    JOINING_BIAS,
    JOINING_KERNEL,
    MEMORY_BIAS,
    MEMORY_KERNEL,
    QUERY_BIAS,
    QUERY_KERNEL,
    SCORE_BIAS,
    check_arrays,
    join,
    listed,
    matrix_shape,
    sort_by_role,
)

# Names of the arrays here, by their roles there.
BAHDANAU_NAMES = {
    QUERY_KERNEL: "query_kernel",
    MEMORY_KERNEL: "key_kernel",
    "attention_v": "score_vector",
    "attention_g": "score_gain",
    "attention_b": "score_bias",
    QUERY_BIAS: "query_bias",
    MEMORY_BIAS: "key_bias",
}
LUONG_NAMES = {MEMORY_KERNEL: "key_kernel", "attention_g": "scale"}

CELL_WEIGHTS = ("kernel", "recurrent_kernel", "bias")
GATES = {keras.layers.LSTMCell: 4, keras.layers.GRUCell: 3}


def make_attention(weights: Mapping[str, Any], **options: Any) -> Attention:
    """The attention layer whose weights these are, with these weights.

    Args:
        weights: Mapping from the names that tensorflow-addons gave to arrays: those
            of one attention mechanism.
        **options: Passed to the layer: what no array tells, such as
            `probability_fn="hardmax"`, or `hard=True` for a monotonic mechanism of
            mode `"hard"`.

    Returns:
        A built `BahdanauAttention` or `LuongAttention`, the latter with the score
        `"general"`, since tensorflow-addons projects the memory; of a monotonic
        mechanism a `MonotonicAttention` with that as its `score` and `hard=False`,
        as the modes `"parallel"` and `"recursive"` are.

    Raises:
        ValueError: If an array is missing, unknown, ambiguous or of a wrong shape.

    Example:

    >>> import numpy as np
    >>> layer = make_attention({
    ...     "LuongAttention/attention_g:0": np.ones(()),
    ...     "LuongAttention/memory_layer/kernel:0": np.ones((13, 5)),
    ... })
    >>> type(layer).__name__, layer.score, layer.use_scale
    ('LuongAttention', 'general', True)
    """
    attention = _new_attention(sort_by_role(weights).arrays, options)
    load_attention(attention, weights)
    return attention


def make_decoder_cell(weights: Mapping[str, Any], **options: Any) -> DecoderCell:
    """The decoder cell whose step is that of an `AttentionWrapper`.

    The wrapped cell may be an `LSTMCell`, a `GRUCell`, or a `StackedRNNCells` of such.
    `DecoderRNN` runs the result over a whole target, as `BasicDecoder` with a
    `TrainingSampler` did.

    Args:
        weights: Mapping from the names that tensorflow-addons gave to arrays: those
            of one `AttentionWrapper`, with its attention mechanism and cells. The
            arrays of stacked cells come from the bottom up.
        **options: Passed to the attention layer, as in `make_attention`.

    Returns:
        A built `DecoderCell`. Activations are those that `tf.keras` and
        tensorflow-addons have by default; for others make a `DecoderCell` and call
        `load_decoder_cell`.

    Raises:
        ValueError: If an array is missing, unknown, ambiguous or of a wrong shape.

    Example:

    >>> import numpy as np
    >>> cell = make_decoder_cell({
    ...     "attention_wrapper/attention_layer/kernel:0": np.ones((18, 4)),
    ...     "attention_wrapper/lstm_cell/kernel:0": np.ones((7, 20)),
    ...     "attention_wrapper/lstm_cell/recurrent_kernel:0": np.ones((5, 20)),
    ...     "attention_wrapper/lstm_cell/bias:0": np.ones((20,)),
    ...     "LuongAttention/memory_layer/kernel:0": np.ones((13, 5)),
    ... })
    >>> cell.output_size, cell.state_size
    (4, [5, 5, 4])
    """
    by_role = sort_by_role(weights)
    _check_are_stacked(by_role)
    arrays, attentional = by_role.arrays, None
    if JOINING_KERNEL in arrays:
        _, units = matrix_shape(by_role, JOINING_KERNEL)
        attentional = keras.layers.Dense(units, use_bias=JOINING_BIAS in arrays)
    cells = [_new_cell(by_role, path) for path in by_role.cells]
    cell = DecoderCell(cells, _new_attention(arrays, options), attentional)
    load_decoder_cell(cell, weights)
    return cell


def load_attention(attention: Attention, weights: Mapping[str, Any]) -> None:
    """Gives an attention layer the weights of its like in tensorflow-addons.

    Either all weights of the layer are set, or none.

    Args:
        attention: A `BahdanauAttention`, a `LuongAttention` with the score
            `"general"`, or a `MonotonicAttention` whose `score` is one of them;
            built here if it is not yet.
        weights: Mapping from the names that tensorflow-addons gave to arrays.

    Raises:
        ValueError: If the layer has no like, or an array is missing, unknown,
            ambiguous or of another shape than the layer's.

    Example:

    >>> import numpy as np
    >>> layer = BahdanauAttention(5)
    >>> load_attention(layer, {
    ...     "BahdanauAttention/attention_v:0": np.ones((5,)),
    ...     "BahdanauAttention/kernel:0": np.ones((11, 5)),  # the query layer's
    ...     "BahdanauAttention/memory_layer/kernel:0": np.ones((13, 5)),
    ... })
    >>> tuple(layer.query_kernel.shape), tuple(layer.key_kernel.shape)
    ((11, 5), (13, 5))
    """
    by_role = sort_by_role(weights)
    check_arrays(by_role, _attention_shapes(attention))
    _assign_attention(attention, by_role.arrays)


def load_decoder_cell(cell: DecoderCell, weights: Mapping[str, Any]) -> None:
    """Gives a decoder cell the weights of an `AttentionWrapper`.

    Either all weights of the cell are set, or none. The attention layer of
    tensorflow-addons takes the cell's output before the context, and ours behind it:
    the rows of its kernel change places.

    Args:
        cell: A `DecoderCell` with `query="current"` and `input_feeding=True`, whose
            `attentional` is a `Dense` layer, or `None` where the wrapper had no
            attention layer; built here if it is not yet.
        weights: Mapping from the names that tensorflow-addons gave to arrays, those
            of stacked cells from the bottom up.

    Raises:
        ValueError: If the cell's step is not that of an `AttentionWrapper`, or an
            array is missing, unknown, ambiguous or of another shape than the cell's.

    Example:

    >>> import numpy as np
    >>> cell = DecoderCell([keras.layers.GRUCell(5)], LuongAttention("general"))
    >>> load_decoder_cell(cell, {
    ...     "attention_wrapper/gru_cell/kernel:0": np.ones((16, 15)),
    ...     "attention_wrapper/gru_cell/recurrent_kernel:0": np.ones((5, 15)),
    ...     "attention_wrapper/gru_cell/bias:0": np.ones((2, 15)),
    ...     "LuongAttention/memory_layer/kernel:0": np.ones((13, 5)),
    ... })
    >>> cell.output_size  # that of the context, since there is no attention layer
    13
    """
    _check_is_wrapper(cell)
    by_role = sort_by_role(weights)
    if len(by_role.cells) != len(cell.cells):
        raise ValueError(
            "`weights` must hold the arrays of as many recurrent cells as the decoder "
            f"cell has, {len(cell.cells)}: leave out others, such as the encoder's. "
            f"Received: those of {len(by_role.cells)}{listed(by_role.cells)}"
        )
    memory_size: Any = None  # refused below where one is needed
    if MEMORY_KERNEL in by_role.arrays:
        memory_size, _ = matrix_shape(by_role, MEMORY_KERNEL)
    # What feeds back into the first cell, beside its input.
    fed_size = memory_size if cell.attentional is None else cell.attentional.units
    check_arrays(by_role, _wrapper_shapes(cell, by_role.cells, memory_size))
    kernel = by_role.arrays[join(by_role.cells[0], "kernel")]
    if len(kernel) <= fed_size:
        raise ValueError(
            f"The kernel of the first cell must have more than {fed_size} rows, which "
            "are those of what attention feeds back; the others are for the input. "
            f"Received: shape={kernel.shape} of {join(by_role.cells[0], 'kernel')!r}"
        )
    if not cell.built:
        cell.build((None, len(kernel) - fed_size), (None, None, memory_size))
    _assign_decoder_cell(cell, by_role)


def _new_attention(arrays, options):
    if SCORE_BIAS in arrays:
        others = {role: array for role, array in arrays.items() if role != SCORE_BIAS}
        return MonotonicAttention(
            _new_attention(others, {}), **{"hard": False, **options}
        )
    scaled = "attention_g" in arrays
    if "attention_v" in arrays:
        units, use_bias = arrays["attention_v"].size, QUERY_BIAS in arrays
        return BahdanauAttention(units, use_bias, normalize=scaled, **options)
    return LuongAttention("general", use_scale=scaled, **options)


def _new_cell(by_role, path):
    role = join(path, "recurrent_kernel")
    units, columns = matrix_shape(by_role, role)
    bias = by_role.arrays.get(join(path, "bias"))
    if columns == 4 * units:
        return keras.layers.LSTMCell(units, use_bias=bias is not None)
    if columns == 3 * units:
        reset_after = bias is None or bias.ndim == 2
        return keras.layers.GRUCell(
            units, use_bias=bias is not None, reset_after=reset_after
        )
    raise ValueError(
        "A recurrent kernel must have four times as many columns as rows, as an "
        "LSTMCell's, or three times as many, as a GRUCell's. "
        f"Received: shape={(units, columns)} of {by_role.names[role]!r}"
    )


def _check_are_stacked(by_role):
    if not by_role.cells:
        raise ValueError(
            "`weights` must hold the arrays of a recurrent cell, of names that end in "
            "/kernel, /recurrent_kernel and /bias; for a mechanism alone there is "
            f"`make_attention`. Received{listed(by_role.names.values())}"
        )
    if len({path.rpartition("/")[0] for path in by_role.cells}) > 1:
        raise ValueError(
            "`weights` must hold the arrays of one recurrent cell, or of cells stacked "
            "under one name: leave out others, such as the encoder's. "
            f"Received: those of{listed(by_role.cells)}"
        )


def _check_is_wrapper(cell):
    if not isinstance(cell, DecoderCell):
        raise ValueError(
            "`cell` must be a DecoderCell; that of a DecoderRNN is its `cell`. "
            f"Received: cell={cell!r}"
        )
    kinds = tuple(GATES)
    fits = (
        isinstance(cell.attentional, (keras.layers.Dense, type(None)))
        and all(isinstance(own, kinds) for own in cell.cells)
        and cell.query == "current"
        and cell.input_feeding
        and not cell.residual
        and cell.has_usual_wiring
    )
    if not fits:
        raise ValueError(
            "`cell` must make the step of an AttentionWrapper: of cells that are "
            "LSTMCell or GRUCell, with query='current', input_feeding=True, "
            "residual=False, no context_to_cells, query_cell='last' and an "
            "`attentional` that is a Dense layer or None. "
            f"Received: cells={[type(own).__name__ for own in cell.cells]}, "
            f"query={cell.query!r}, input_feeding={cell.input_feeding}, "
            f"residual={cell.residual}, context_to_cells={cell.context_to_cells}, "
            f"query_cell={cell.query_cell!r}, attentional={cell.attentional}"
        )


def _attention_shapes(attention, query_size=None):
    """Arrays that a layer needs, with their shapes; `None` stands for any size."""
    kind, memory_size = type(attention), None  # what extends one has other weights
    if kind is MonotonicAttention:
        return _attention_shapes(attention.score, query_size) | {SCORE_BIAS: ()}
    if kind is BahdanauAttention:
        units = (attention.units,)
        if attention.built:
            query_size, _ = attention.query_kernel.shape
            memory_size, _ = attention.key_kernel.shape
        shapes = {
            QUERY_KERNEL: (query_size, *units),
            MEMORY_KERNEL: (memory_size, *units),
            "attention_v": units,
        }
        if attention.normalize:
            shapes |= {"attention_g": (), "attention_b": units}
        if attention.use_bias:
            shapes |= {QUERY_BIAS: units, MEMORY_BIAS: units}
        return shapes
    if kind is LuongAttention and attention.score == "general":
        if attention.built:
            memory_size, query_size = attention.key_kernel.shape
        shapes = {MEMORY_KERNEL: (memory_size, query_size)}
        return shapes | ({"attention_g": ()} if attention.use_scale else {})
    raise ValueError(
        "Attention must be a BahdanauAttention, a LuongAttention with "
        "score='general', or a MonotonicAttention with one of them, since that is "
        "what tensorflow-addons has. Received: "
        f"{kind.__name__} with score={getattr(attention, 'score', None)!r}"
    )


def _wrapper_shapes(cell, paths, memory_size):
    """The same for a decoder cell."""
    shapes: dict[str, tuple[int | None, ...]] = {
        **_attention_shapes(cell.attention, cell.cells[-1].units)
    }
    if cell.attentional is not None:
        rows = None if memory_size is None else memory_size + cell.cells[-1].units
        shapes[JOINING_KERNEL] = (rows, cell.attentional.units)
        if cell.attentional.use_bias:
            shapes[JOINING_BIAS] = (cell.attentional.units,)
    below = None
    for own, path in zip(cell.cells, paths, strict=True):
        gates = next(count for kind, count in GATES.items() if isinstance(own, kind))
        columns = gates * own.units
        rows = own.kernel.shape[0] if own.built else below
        shapes[join(path, "kernel")] = (rows, columns)
        shapes[join(path, "recurrent_kernel")] = (own.units, columns)
        if own.use_bias:
            twice = getattr(own, "reset_after", False)
            shapes[join(path, "bias")] = (2, columns) if twice else (columns,)
        below = own.units
    return shapes


def _assign_attention(attention, arrays):
    monotonic = isinstance(attention, MonotonicAttention)
    score = attention.score if monotonic else attention
    bahdanau = isinstance(score, BahdanauAttention)
    if not attention.built:
        memory_size, units = arrays[MEMORY_KERNEL].shape
        query_size = arrays[QUERY_KERNEL].shape[0] if bahdanau else units
        attention.build((None, None, query_size), (None, None, memory_size))
    for role, name in (BAHDANAU_NAMES if bahdanau else LUONG_NAMES).items():
        if role in arrays:
            getattr(score, name).assign(arrays[role])
    if monotonic:
        attention.score_bias.assign(arrays[SCORE_BIAS])


def _assign_decoder_cell(cell, by_role):
    _assign_attention(cell.attention, by_role.arrays)
    for own, path in zip(cell.cells, by_role.cells, strict=True):
        for name in CELL_WEIGHTS:
            role = join(path, name)
            if role in by_role.arrays:
                getattr(own, name).assign(by_role.arrays[role])
    if cell.attentional is not None:
        # From rows of [output; context] to rows of [context; output].
        kernel = np.roll(by_role.arrays[JOINING_KERNEL], -cell.cells[-1].units, axis=0)
        cell.attentional.kernel.assign(kernel)
        if cell.attentional.use_bias:
            cell.attentional.bias.assign(by_role.arrays[JOINING_BIAS])
