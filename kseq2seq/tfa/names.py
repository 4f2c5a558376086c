"""Roles of arrays that have the names of `tfa.seq2seq`.

A role is the end of a name, `memory_layer/kernel` or `attention_v`; for the arrays of
recurrent cells, of which there may be several, it is the whole name without what
TensorFlow puts behind it.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

QUERY_KERNEL, QUERY_BIAS = "query_layer/kernel", "query_layer/bias"
MEMORY_KERNEL, MEMORY_BIAS = "memory_layer/kernel", "memory_layer/bias"
JOINING_KERNEL, JOINING_BIAS = "attention_layer/kernel", "attention_layer/bias"
SCORE_BIAS = "attention_score_bias"
LAYERS = ("query_layer", "memory_layer", "attention_layer")
OF_MECHANISMS = {"attention_v", "attention_g", "attention_b", SCORE_BIAS}


class ArraysByRole(NamedTuple):
    """Arrays of a mapping and their names, by role.

    Attributes:
        arrays: The arrays, as NumPy has them.
        names: The names that they came with.
        cells: Paths of the recurrent cells, in the order of the mapping, or of the
            numbers that a checkpoint gives them. Such a path and the name of a
            variable, joined, are a role.
    """

    arrays: dict[str, np.ndarray]
    names: dict[str, str]
    cells: list[str]


def sort_by_role(weights: Mapping[str, Any]) -> ArraysByRole:
    """Sorts a mapping from names to arrays by the roles that the names tell.

    Args:
        weights: Mapping from the names that tensorflow-addons gave to arrays.

    Raises:
        ValueError: If two arrays have one role, or there is no mapping.
    """
    if not isinstance(weights, Mapping):
        raise ValueError(
            "`weights` must be a mapping from names to arrays; np.load gives that of "
            f"an .npz file. Received: weights={weights!r:.80}"
        )
    plain = {name: _plain(name) for name in weights}
    siblings = {}
    for name in plain.values():
        path, _, last = name.rpartition("/")
        siblings.setdefault(path, set()).add(last)
    by_role = ArraysByRole({}, {}, [])
    for name in weights:
        path, _, last = plain[name].rpartition("/")
        role = _role(path, last, siblings)
        if role in by_role.names:
            raise ValueError(
                f"`weights` must hold one array for {role}: leave out those of other "
                f"layers. Received: {by_role.names[role]!r} and {name!r}"
            )
        by_role.arrays[role], by_role.names[role] = np.asarray(weights[name]), name
        if last == "recurrent_kernel":
            by_role.cells.append(path)
    by_role.cells.sort(key=_number)  # what has no numbers keeps its order
    return by_role


def _number(path):
    """The place of a cell among stacked ones, where a checkpoint tells it."""
    place = re.search(r"(?:^|/)cells/(\d+)$", path)
    return int(place[1]) if place else 0


def _plain(name):
    """A name without what TensorFlow puts behind it."""
    return re.sub(r":\d+$", "", name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"))


def _role(path, last, siblings):
    """The role of a variable; `siblings` has the names under every path."""
    if "recurrent_kernel" not in siblings[path]:
        layer = _layer(path)
        if layer in LAYERS:
            return f"{layer}/{last}"
        if last in OF_MECHANISMS:
            return last
        if last in ("kernel", "bias") and _is_mechanism(path, siblings):
            return f"{_layer_without_name(path, siblings)}/{last}"
    return join(path, last)


def _layer(path):
    """The name of a layer, without the number that makes it unique."""
    if re.search(r"(^|/)_attention_layers/\d+$", path):
        return "attention_layer"
    return re.sub(r"_\d+$", "", path.rpartition("/")[2])


def _is_mechanism(path, siblings):
    name = path.rpartition("/")[2]
    own = [x for x, lasts in siblings.items() if lasts & OF_MECHANISMS]
    return name in [x.rpartition("/")[2] for x in own] or bool(
        re.search(r"(Bahdanau|Luong)(Monotonic)?Attention(_\d+)?$", name)
    )


def _layer_without_name(path, siblings):
    """Which layer's variables have the name of the mechanism that built it.

    A layer that was built before it was called gave its variables no name of its
    own: the query layer always, and the memory layer where the mechanism got its
    memory with its construction, and not by `setup_memory`. Then the memory layer
    was built together with the mechanism's own variables, and the query layer later.
    """
    additive = any("attention_v" in lasts for lasts in siblings.values())
    named = any(_layer(x) == "memory_layer" for x in siblings)
    if additive and (named or "attention_v" not in siblings[path]):
        return "query_layer"
    return "memory_layer"


def join(path: str, last: str) -> str:
    """The role of a recurrent cell's variable.

    Args:
        path: Path of the cell.
        last: Name of the variable.
    """
    return f"{path}/{last}" if path else last


def matrix_shape(by_role: ArraysByRole, role: str) -> tuple[int, int]:
    """The shape of a matrix.

    Args:
        by_role: An `ArraysByRole`.
        role: Role of the array.

    Raises:
        ValueError: If the array is no matrix.
    """
    shape = by_role.arrays[role].shape
    if len(shape) != 2:
        raise ValueError(
            f"{role} must be a matrix; leave other arrays out. "
            f"Received: shape={shape} of {by_role.names[role]!r}"
        )
    return shape[0], shape[1]


def check_arrays(by_role: ArraysByRole, expected: Mapping[str, Any]) -> None:
    """Checks that a mapping holds what a layer needs, and nothing else.

    Args:
        by_role: An `ArraysByRole`.
        expected: Dict from roles to shapes, in which `None` stands for any size.

    Raises:
        ValueError: If an array is missing, unknown or of another shape.
    """
    missing = [role for role in expected if role not in by_role.arrays]
    unknown = [by_role.names[role] for role in by_role.arrays if role not in expected]
    if missing or unknown:
        raise ValueError(
            "`weights` must hold the arrays of the layer and no others: leave out "
            "those of other layers, and make this one with the options that it had "
            "there (normalize or scale, attention_layer_size). "
            f"Missing{listed(missing)}. Unknown{listed(unknown)}. "
            f"Received{listed(by_role.names.values())}"
        )
    for role, shape in expected.items():
        received = by_role.arrays[role].shape
        if len(received) != len(shape) or any(
            size not in (None, own) for size, own in zip(shape, received, strict=True)
        ):
            raise ValueError(
                f"{role} must have the layer's shape, in which None is any size. "
                f"Expected: shape={shape}. "
                f"Received: shape={received} of {by_role.names[role]!r}"
            )


def listed(names: Iterable[str]) -> str:
    """Names for the end of an error.

    Args:
        names: The names; there may be none.
    """
    return f": {', '.join(names) or 'none'}"
