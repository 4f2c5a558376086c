"""Checks of what an attention layer is called with."""

from typing import Any

from keras import backend

from kseq2seq.utils import Tensor


def check_inputs(
    name: str,
    query: Tensor,
    value: Tensor = None,
    key: Tensor = None,
    query_mask: Tensor = None,
    value_mask: Tensor = None,
) -> None:
    """Checks ranks, sizes and masks, as far as they are known.

    Args:
        name: Name of the layer, for messages.
        query: Tensor of shape `(batch, target_length, query_dim)`.
        value: Tensor of shape `(batch, source_length, value_dim)`.
        key: Tensor of shape `(batch, source_length, key_dim)`, or `None`.
        query_mask: Boolean tensor of shape `(batch, target_length)`, or `None`.
        value_mask: Boolean tensor of shape `(batch, source_length)`, or `None`.

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
    if _rank(query) == 2:
        raise ValueError(
            f"`query` of {name} must have shape (batch, target_length, query_dim). "
            "Give one query in each row an axis for it, query[:, None], and take "
            f"context[:, 0]. Received: query.shape={_shape(query)}"
        )
    _check_shape(name, "query", query, ("batch", "target_length", "query_dim"))
    _check_shape(name, "value", value, ("batch", "source_length", "value_dim"))
    _check_same(name, "value", value, "query", query, axis=0)
    if key is not None:
        if _is_mask(key):
            raise ValueError(
                f"`key` of {name} must be a float tensor. Pass a mask by its name, "
                "query_mask= or value_mask=. Received: a boolean tensor of shape "
                f"{_shape(key)}"
            )
        _check_shape(name, "key", key, ("batch", "source_length", "key_dim"))
        _check_same(name, "key", key, "value", value, axis=0)
        _check_same(name, "key", key, "value", value, axis=1)
    _check_mask(name, "query_mask", query_mask, "query", query)
    _check_mask(name, "value_mask", value_mask, "value", value)


def _check_shape(layer: str, name: str, tensor: Tensor, axes: tuple[str, ...]) -> None:
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
    layer: str, name: str, mask: Tensor | None, other: str, reference: Tensor
) -> None:
    if mask is None:
        return
    length = "target_length" if name == "query_mask" else "source_length"
    _check_shape(layer, name, mask, ("batch", length))
    _check_same(layer, name, mask, other, reference, axis=0)
    _check_same(layer, name, mask, other, reference, axis=1)
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


def _rank(tensor: Any) -> int | None:
    return len(tensor.shape) if hasattr(tensor, "shape") else None
