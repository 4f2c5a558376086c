"""Checks of what an attention layer is called with, and masks of each query."""

from collections.abc import Mapping
from typing import Any

from keras import backend, ops

from kseq2seq.utils import Tensor


def check_inputs(
    name: str,
    query: Tensor,
    value: Tensor = None,
    key: Tensor = None,
    query_mask: Tensor = None,
    value_mask: Tensor = None,
    takes_kinds: bool = False,
) -> None:
    """Checks ranks, sizes and masks, as far as they are known.

    Args:
        name: Name of the layer, for messages.
        query: Tensor of shape `(batch, target_length, query_dim)`.
        value: Tensor of shape `(batch, source_length, value_dim)`.
        key: Tensor of shape `(batch, source_length, key_dim)`, or `None`.
        query_mask: Boolean tensor of shape `(batch, target_length)`, or `None`.
        value_mask: Boolean tensor of shape `(batch, source_length)`, or `None`.
        takes_kinds: Whether it may also be of integers.

    Raises:
        ValueError: If one of them has another shape, or a mask is no mask.

    Example:

    >>> check_inputs("Mine", keras.ops.ones((2, 3, 5)), keras.ops.ones((2, 7, 5)))
    """
    if isinstance(query, (list, tuple)):
        raise ValueError(
            f"{name} takes query, value and key as arguments of their own: call "
            "layer(query, value) or layer(query, value, key). "
            f"Received: a {type(query).__name__} of {len(query)} as `query`"
        )
    if value is None:
        raise ValueError(
            f"{name} must be called with a query and a value: layer(query, value). "
            "Received: value=None"
        )
    check_query(name, query)
    _check_shape(name, "query", query, ("batch", "target_length", "query_dim"))
    _check_shape(name, "value", value, ("batch", "source_length", "value_dim"))
    _check_same(name, "value", value, "query", query, axis=0)
    check_key(name, key, value)
    _check_mask(name, "query_mask", query_mask, "query", query)
    _check_mask(name, "value_mask", value_mask, "value", value, takes_kinds)


def check_key(name: str, key: Tensor | None, value: Tensor) -> None:
    """Checks rank and sizes of keys, as far as they are known.

    Args:
        name: Name of the layer, for messages.
        key: Tensor of shape `(batch, source_length, key_dim)`, or `None`.
        value: Tensor of shape `(batch, source_length, value_dim)`.

    Raises:
        ValueError: If there is a key of another shape, or a mask in its place.

    Example:

    >>> check_key("Mine", keras.ops.ones((2, 7, 3)), keras.ops.ones((2, 7, 5)))
    """
    if key is None:
        return
    if _is_mask(key):
        raise ValueError(
            f"`key` of {name} must be a float tensor. Pass a mask by its name, "
            "query_mask= or value_mask=. Received: a boolean tensor of shape "
            f"{_shape(key)}"
        )
    _check_shape(name, "key", key, ("batch", "source_length", "key_dim"))
    _check_same(name, "key", key, "value", value, axis=0)
    _check_same(name, "key", key, "value", value, axis=1)


def check_memory(
    name: str,
    memory: Tensor,
    mask: Tensor | None,
    names: tuple[str, str] = ("memory", "memory_mask"),
    takes_kinds: bool = False,
) -> None:
    """Checks what is read and its mask, as far as they are known.

    Args:
        name: Name of the layer, for messages.
        memory: Tensor of shape `(batch, source_length, size)`.
        mask: Boolean tensor of shape `(batch, source_length)`, or `None`.
        names: Names of both arguments.
        takes_kinds: Whether the mask may also be of integers.

    Raises:
        ValueError: If one of them has another shape, or the mask is no mask.

    Example:

    >>> check_memory("Mine", keras.ops.ones((2, 3, 5)), keras.ops.ones((2, 3), "bool"))
    """
    if memory is None:
        raise ValueError(
            f"{name} with attention must be given a memory, such as the outputs of an "
            "encoder. Received: memory=None"
        )
    axes = ("batch", "source_length", f"{names[0]}_dim")
    _check_shape(name, names[0], memory, axes)
    _check_mask(name, names[1], mask, names[0], memory, takes_kinds)


def check_query(name: str, query: Tensor) -> None:
    """Refuses queries without a time axis, whose rows would be mixed.

    Args:
        name: Name of the layer, for messages.
        query: Tensor of shape `(batch, target_length, query_dim)`.

    Raises:
        ValueError: If it has two axes.
    """
    if _rank(query) == 2:
        raise ValueError(
            f"`query` of {name} must have shape (batch, target_length, query_dim). "
            "Give one query in each row an axis for it, query[:, None], and take "
            f"context[:, 0]. Received: query.shape={_shape(query)}"
        )


def check_attend(
    name: str, query: Tensor, memory: Any, state: Any = (), num_states: int = 0
) -> None:
    """Checks the axes of what one step of attention is given.

    Args:
        name: Name of the layer, for messages.
        query: Tensor of shape `(batch, num_queries, query_dim)`.
        memory: Dict that `prepare` returned.
        state: Tuple of tensors of shape `(batch, num_queries, size)`.
        num_states: Number of them that the layer needs.

    Raises:
        ValueError: If one has other axes, which would mix rows, or is missing.

    Example:

    >>> check_attend("Mine", keras.ops.ones((2, 1, 5)), {})
    """
    check_query(name, query)
    if hasattr(memory, "shape"):
        raise ValueError(
            f"`memory` of {name} must be the dict that `prepare(value)` returned. "
            f"Received: a tensor of shape {_shape(memory)}"
        )
    if not num_states:
        return
    shapes = list(map(_shape_or_type, state))
    if len(shapes) != num_states or any(len(shape) != 3 for shape in shapes):
        raise ValueError(
            f"`state` of {name} must be a tuple of {num_states} tensors of shape "
            "(batch, num_queries, size): what the step before returned, or at first "
            "those of `initial_state` with an axis for the queries, each[:, None]. "
            f"Received: shapes {shapes}"
        )


def check_states(
    states: list[Tensor], sizes: list[int], others: Tensor | None = None
) -> None:
    """Checks the states that a decoder starts from.

    Args:
        states: List of tensors of shape `(batch, size)`.
        sizes: The sizes that its cells ask for.
        others: Tensor of `batch` rows that they go with, or `None`.

    Raises:
        ValueError: If they are fewer or more, or of other shapes.

    Example:

    >>> from keras import ops
    >>> check_states([ops.ones((2, 3)), ops.ones((2, 3))], [3, 3])
    """
    is_list = isinstance(states, (list, tuple))
    given = list(map(_shape_or_type, states)) if is_list else "of no list"
    batch = None if others is None else _shape(others)[0]
    fits = is_list and len(given) == len(sizes)
    if not fits or not all(
        isinstance(shape, tuple)
        and len(shape) == 2
        and shape[1] in (None, size)
        and (None in (shape[0], batch) or shape[0] == batch)
        for shape, size in zip(given, sizes, strict=True)
    ):
        rows = "" if batch is None else f" and batch {batch}"
        raise ValueError(
            "`initial_state` must be a list of the states of all cells, the lowest "
            f"first, here {len(sizes)} tensors of shape (batch, size) with sizes "
            f"{sizes}{rows}: an LSTM has two, a GRU one. Dense layers change sizes. "
            f"Received: shapes {given}"
        )


def check_decoder_inputs(
    name: str,
    inputs: Tensor,
    memory: Tensor | None,
    memory_mask: Tensor | None,
    target_mask: Tensor | None = None,
    takes_kinds: bool = False,
) -> None:
    """Checks ranks, sizes and masks of a decoder's inputs, as far as they are known.

    Args:
        name: Name of the layer, for messages.
        inputs: Tensor of shape `(batch, target_length, input_dim)`.
        memory: Tensor of shape `(batch, source_length, memory_dim)`, or `None`.
        memory_mask: Boolean tensor of shape `(batch, source_length)`, or `None`.
        target_mask: Boolean tensor of shape `(batch, target_length)`, or `None`.
        takes_kinds: Whether the memory's mask may also be of integers.

    Raises:
        ValueError: If one of them has another shape or no step, or a mask is no mask.

    Example:

    >>> check_decoder_inputs("Mine", keras.ops.ones((2, 3, 5)), None, None)
    """
    _check_shape(name, "inputs", inputs, ("batch", "target_length", "input_dim"))
    _check_mask(name, "target_mask", target_mask, "inputs", inputs)
    if _shape(inputs)[1] == 0:
        raise ValueError(
            f"`inputs` of {name} must have at least one step: an empty target begins "
            "with BOS, too, so that there is EOS to predict. "
            f"Received: inputs.shape={_shape(inputs)}"
        )
    if memory is not None:
        check_memory(name, memory, memory_mask, takes_kinds=takes_kinds)
        _check_same(name, "memory", memory, "inputs", inputs, axis=0)


def check_attention_mask(
    name: str, takes: bool, query: Tensor, value: Tensor, options: Mapping[str, Any]
) -> None:
    """Checks the other masks of `keras.layers.MultiHeadAttention`, if one is given.

    Args:
        name: Name of the layer, for messages.
        takes: Whether the layer takes a mask of each query's own.
        query: Tensor of shape `(batch, target_length, query_dim)`.
        value: Tensor of shape `(batch, source_length, value_dim)`.
        options: Call arguments by their names; `attention_mask` is a boolean tensor of
            shape `(batch, target_length, source_length)`, or with 1 as batch.

    Raises:
        ValueError: If the layer does not take it, or it is no such mask.

    Example:

    >>> tensor = keras.ops.ones((2, 3, 5))
    >>> check_attention_mask("Mine", True, tensor, tensor, {"use_causal_mask": True})
    """
    for other in ("mask", "key_mask"):
        if options.get(other) is not None:
            raise ValueError(
                f"{name} takes no `{other}`: pass query_mask= for the queries, and "
                "value_mask= for values and keys, which have the same positions. "
                f"Received: {other}={options[other]!r:.80}"
            )
    mask, causal = options.get("attention_mask"), options.get("use_causal_mask", False)
    if mask is None and not causal:
        return
    if not takes:
        given = "use_causal_mask=True" if mask is None else "an attention_mask"
        raise ValueError(
            f"{name} takes no mask of each query's own, since a query depends on what "
            "those ahead of it have read, or the layer does not say that it can. Hide "
            "positions from all queries with value_mask=, or use LuongAttention, "
            "BahdanauAttention, MultiHeadAttention or local attention. "
            f"Received: {given}"
        )
    if mask is None:
        return
    shown = "attention_mask"
    _check_shape(name, shown, mask, ("batch", "target_length", "source_length"))
    sizes = (query, 0, "batch size"), (query, 1, "length"), (value, 1, "length")
    for axis, (reference, reference_axis, what) in enumerate(sizes):
        size, expected = _shape(mask)[axis], _shape(reference)[reference_axis]
        is_one_for_all = axis == 0 and size == 1
        if None not in (size, expected) and size != expected and not is_one_for_all:
            raise ValueError(
                f"`{shown}` of {name} must have shape (batch, target_length, "
                f"source_length), as query and value have; its {what} on axis {axis} "
                f"is another. Received: {shown}.shape={_shape(mask)}, query.shape="
                f"{_shape(query)}, value.shape={_shape(value)}"
            )
    _check_boolean(name, shown, mask)


def mask_by_query(
    mask: Tensor, query: Tensor, attention_mask: Tensor | None, causal: bool
) -> Tensor:
    """The positions that each query may read.

    Args:
        mask: Boolean tensor of shape `(batch, source_length)`: what all may read.
        query: Tensor of shape `(batch, target_length, query_dim)`.
        attention_mask: Boolean tensor of shape `(batch, target_length,
            source_length)`, or `None` for no other restriction.
        causal: Whether the query at position `t` may read the positions up to `t` only.

    Returns:
        Boolean tensor of shape `(batch, target_length, source_length)`.

    Example:

    >>> mask, query = keras.ops.ones((1, 3), "bool"), keras.ops.ones((1, 2, 5))
    >>> masks = mask_by_query(mask, query, None, causal=True)
    >>> keras.ops.convert_to_numpy(masks).astype(int).tolist()
    [[[1, 0, 0], [1, 1, 0]]]
    """
    mask = ops.logical_and(mask[:, None], ops.ones_like(query[:, :, :1], "bool"))
    if attention_mask is not None:
        mask = ops.logical_and(mask, attention_mask)
    if causal:
        place = ops.cumsum(ops.ones_like(mask, "int32"), axis=1)
        position = ops.cumsum(ops.ones_like(mask, "int32"), axis=2)
        mask = ops.logical_and(mask, position <= place)
    return mask


def _check_shape(layer: str, name: str, tensor: Tensor, axes: tuple[str, ...]) -> None:
    if hasattr(tensor, "row_splits"):
        raise ValueError(
            f"`{name}` of {layer} must be dense: call to_tensor(), and make its mask "
            "by tf.sequence_mask(ragged.row_lengths()). Received: a ragged tensor of "
            f"shape {_shape(tensor)}"
        )
    if not hasattr(tensor, "shape"):
        raise ValueError(
            f"`{name}` of {layer} must be a tensor of shape ({', '.join(axes)}). "
            f"Received: {name}={tensor!r:.80}"
        )
    if _rank(tensor) != len(axes):
        raise ValueError(
            f"`{name}` of {layer} must have shape ({', '.join(axes)}). "
            f"Received: {name}.shape={_shape(tensor)}"
        )


def _check_same(
    layer: str, name: str, tensor: Tensor, other: str, reference: Tensor, axis: int
) -> None:
    size, expected = _shape(tensor)[axis], _shape(reference)[axis]
    if None not in (size, expected) and size != expected:
        what = ("batch size", "length")[axis]
        raise ValueError(
            f"`{name}` of {layer} must have the {what} of `{other}`. Received: "
            f"{name}.shape={_shape(tensor)}, {other}.shape={_shape(reference)}"
        )


def _check_mask(
    layer: str,
    name: str,
    mask: Tensor | None,
    other: str,
    reference: Tensor,
    takes_kinds: bool = False,
) -> None:
    if mask is None:
        return
    of_target = name in ("query_mask", "target_mask")
    length = "target_length" if of_target else "source_length"
    if hasattr(mask, "shape") and _rank(mask) == 1:  # the lengths of tfa.seq2seq
        raise ValueError(
            f"`{name}` of {layer} must be boolean, of shape (batch, {length}). Make it "
            f"of lengths by ops.arange({length}) < lengths[:, None]. "
            f"Received: {name}.shape={_shape(mask)}"
        )
    _check_shape(layer, name, mask, ("batch", length))
    _check_same(layer, name, mask, other, reference, axis=0)
    _check_same(layer, name, mask, other, reference, axis=1)
    is_kinds = "int" in backend.standardize_dtype(mask.dtype)
    if not (takes_kinds and is_kinds):
        _check_boolean(layer, name, mask)


def _check_boolean(layer: str, name: str, mask: Tensor) -> None:
    if not _is_mask(mask):
        raise ValueError(
            f"`{name}` of {layer} must be boolean, True at the positions to keep. A "
            "float mask may mean the opposite: of one that is added to scores, 0 and "
            f"-1e9, pass {name} > -1; of one of 1 and 0, pass {name} > 0. "
            f"Received: {name} of dtype {backend.standardize_dtype(mask.dtype)}"
        )


def _is_mask(tensor: Any) -> bool:
    return backend.standardize_dtype(tensor.dtype) == "bool"


def _shape(tensor: Any) -> tuple[int | None, ...]:
    return tuple(tensor.shape)


def _shape_or_type(value: Any) -> Any:
    return _shape(value) if hasattr(value, "shape") else type(value).__name__


def _rank(tensor: Any) -> int | None:
    return len(tensor.shape) if hasattr(tensor, "shape") else None
