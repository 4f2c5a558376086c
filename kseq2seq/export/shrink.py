"""A SavedModel's graph in fewer bytes, with the same operations on the same values.

What is traced from Python says again and again what can be said once: equal constants
and shapes, results that nobody uses, long names of scopes, shapes that TensorFlow
infers when it loads. In a small model that is more than all its weights.
"""

from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

# For Python, while it traces.
TRACING_ATTRIBUTES = (
    "_output_shapes",
    "_read_only_resource_inputs",
    "_collective_manager_ids",
    "_has_manual_control_dependencies",
)
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def slim(path):
    """Rewrites a `saved_model.pb` in fewer bytes.

    Within each function equal operations without state become one, unused ones go, and
    names become short. Names of functions, of their arguments and results, and of
    operations that share something by their name stay.

    Args:
        path: Path of the file.
    """
    path = Path(path)
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for meta_graph in saved.meta_graphs:
        # Without attributes of default values nobody has to be told of the operations.
        meta_graph.meta_info_def.ClearField("stripped_op_list")
        meta_graph.meta_info_def.stripped_default_attrs = True
        for node in meta_graph.graph_def.node:
            _drop_attributes(node)
        exposed = meta_graph.object_graph_def.concrete_functions
        for function in meta_graph.graph_def.library.function:
            if function.signature.name not in exposed:
                _drop_users_names(function)
            for node in function.node_def:
                _drop_attributes(node)
            _drop_unused(function)
            while _merge_equal(function):
                pass
            _drop_unused(function)
            _shorten(function)
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _drop_attributes(node):
    """Leaves out what TensorFlow finds by itself, and what it takes for granted."""
    for name in TRACING_ATTRIBUTES:
        node.attr.pop(name, None)
    node.ClearField("experimental_debug_info")
    definition = op_def_registry.get(node.op)
    for attribute in definition.attr if definition else ():
        if attribute.HasField("default_value") and attribute.name in node.attr:
            # The session's configuration at the time is nobody else's.
            given = node.attr[attribute.name]
            if attribute.name == "config_proto" or given == attribute.default_value:
                node.attr.pop(attribute.name)


def _drop_users_names(function):
    """Leaves out what Python called the arguments of a loop's body or condition."""
    for attributes in function.arg_attr.values():
        attributes.attr.pop("_user_specified_name", None)


def _drop_unused(function):
    """Removes operations on which neither a result nor an effect depends."""
    nodes = {node.name: node for node in function.node_def}
    needed = set()
    waiting = [*map(_node_of, function.ret.values()), *function.control_ret.values()]
    while waiting:
        name = waiting.pop()
        if name in nodes and name not in needed:  # else it is an argument
            needed.add(name)
            waiting += map(_node_of, nodes[name].input)
    kept = [node for node in function.node_def if node.name in needed]
    _replace_nodes(function, kept)


def _merge_equal(function):
    """Lets one operation stand for its equals; whether there were any."""
    first, instead = {}, {}
    for node in function.node_def:
        if _has_state(node):
            continue
        name, node.name = node.name, ""
        key = node.SerializeToString(deterministic=True)
        node.name = name
        if first.setdefault(key, name) != name:
            instead[name] = first[key]
    _rename(function, instead)
    kept = [node for node in function.node_def if node.name not in instead]
    _replace_nodes(function, kept)
    return bool(instead)


def _shorten(function):
    taken = {argument.name for argument in function.signature.input_arg}
    taken |= {node.name for node in function.node_def if _keeps_name(node)}
    names, count = {}, 0
    for node in function.node_def:
        if _keeps_name(node):
            continue
        while (name := _in_letters(count)) in taken:
            count += 1
        count += 1
        names[node.name] = name
    _rename(function, names)
    for node in function.node_def:
        node.name = names.get(node.name, node.name)


def _rename(function, names):
    """Replaces nodes' names wherever a function refers to a node."""
    for node in function.node_def:
        node.input[:] = [_renamed(x, names) for x in node.input]
    for results in (function.ret, function.control_ret):
        for key, reference in list(results.items()):
            results[key] = _renamed(reference, names)


def _renamed(reference, names):
    """`name`, `name:output:index` or `^name` (to wait for it), with another name."""
    name = _node_of(reference)
    return reference.replace(name, names.get(name, name), 1)


def _node_of(reference):
    return reference.lstrip("^").partition(":")[0]


def _replace_nodes(function, nodes):
    nodes = list(nodes)
    del function.node_def[:]
    function.node_def.extend(nodes)


def _has_state(node):
    """Whether an operation may do or give something else each time."""
    definition = op_def_registry.get(node.op)
    return definition is None or definition.is_stateful


def _keeps_name(node):
    """Whether what an operation holds is found again by its name."""
    definition = op_def_registry.get(node.op)
    return definition is None or any(x.name == "shared_name" for x in definition.attr)


def _in_letters(count):
    """A name from a number: a, b, ..., a0, b0, ..."""
    name = "abcdefghijklmnopqrstuvwxyz"[count % 26]
    count //= 26
    while count:
        count -= 1
        name += DIGITS[count % 36]
        count //= 36
    return name
