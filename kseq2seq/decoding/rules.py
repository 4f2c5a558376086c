"""What binds a search: its arguments, checked, as the rules of the loop."""

import numpy as np
from keras import ops, tree

from kseq2seq.decoding.loop import Rules
from kseq2seq.decoding.step import check_shape


def make_rules(initial_state, max_length, min_length, eos_id, bos_id, forbidden_ids):
    """The `Rules` of a search with these arguments of `decoding.greedy_search`."""
    check_integer("eos_id", eos_id, 0)
    check_integer("bos_id", bos_id, 0)
    if not isinstance(forbidden_ids, (tuple, list)):
        raise ValueError(
            "`forbidden_ids` must be a tuple of integers, which may be empty. "
            f"Received: forbidden_ids={forbidden_ids!r}"
        )
    for forbidden_id in forbidden_ids:
        check_integer("forbidden_ids", forbidden_id, 0)
    batch = batch_size(initial_state)
    longest = _limit("max_length", max_length, 1, batch)
    shortest = _limit("min_length", min_length, 0, batch)
    fixed, fixed_least = is_integer(max_length), is_integer(min_length)
    if fixed and fixed_least and min_length > max_length:
        raise ValueError(
            "`min_length` must be at most `max_length`. "
            f"Received: min_length={min_length}, max_length={max_length}"
        )
    return Rules(
        max_length=longest,
        min_length=None if fixed_least and min_length == 0 else shortest,
        buffer_length=int(max_length) if fixed else ops.max(longest, initial=1),
        eos_id=eos_id,
        bos_id=bos_id,
        forbidden_ids=tuple(forbidden_ids),
    )


def batch_size(initial_state):
    """Number of rows of a state, an integer or a scalar tensor."""
    leaves = tree.flatten(initial_state)
    if not leaves or any(len(ops.shape(leaf)) == 0 for leaf in leaves):
        raise ValueError(
            "`initial_state` must hold one or more tensors of shape (batch, ...). "
            f"Received: initial_state={initial_state!r}"
        )
    return ops.shape(leaves[0])[0]


def _limit(name, value, least, batch):
    """An int32 tensor of shape `(B,)`, or `(1,)` for an integer."""
    if is_integer(value):
        check_integer(name, value, least)
        return ops.full((1,), int(value), dtype="int32")
    if "int" not in str(getattr(value, "dtype", None)):
        raise ValueError(
            f"`{name}` must be an integer, or an integer tensor of shape (batch,). "
            f"Received: {name}={value!r}"
        )
    check_shape(f"`{name}`", value, (batch if isinstance(batch, int) else None,))
    return ops.cast(value, "int32")


def is_integer(value):
    """Whether a value is an integer of Python or NumPy, and no bool."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def check_integer(name, value, least):
    """Refuses what is no integer of at least `least`."""
    if not is_integer(value) or value < least:
        raise ValueError(
            f"`{name}` must be an integer of at least {least}. "
            f"Received: {name}={value!r}"
        )


def check_number(name, value, above=None, least=None, most=None):
    """Refuses what is no finite number within the bounds given."""
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = fits and abs(value) < float("inf") and (most is None or value <= most)
    if not fits or (value <= above if least is None else value < least):
        bound = f"above {above}" if least is None else f"of at least {least}"
        bound += "" if most is None else f" and at most {most}"
        raise ValueError(
            f"`{name}` must be a finite number {bound}. Received: {name}={value!r}"
        )
