"""Products with matrices in int8: a traced graph with others in their place.

Both factors are rounded, and multiplied and summed in whole numbers: of a matrix each
column to 127 steps of its own size, once; of what is multiplied by it each row to 255,
each time. So no row of a batch has any influence on another.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

# Of what is rounded. Processors without VNNI sum two products in 16 bits: the largest,
# 2 * 255 * 63, must not be cut off there.
LARGEST, LARGEST_OF_MATRIX = 127, 63
ZERO_POINT = 128  # of unsigned bytes: the kernel takes no signed ones on the left
LEAST_SIZE = 1e-30  # of a row's largest entry: a row of zeros stays one


def int8_product(matrix):
    """A function that multiplies by a matrix in int8.

    Args:
        matrix: NumPy array of shape `(input_dim, units)`, float32.

    Returns:
        A function from a float32 tensor of shape `(batch, input_dim)` to one of shape
        `(batch, units)`. Rows of zeros give exactly zeros.

    Example:

    >>> product = int8_product(np.array([[0.5, -2.0], [0.25, 1.0]], "float32"))
    >>> np.allclose(product(tf.constant([[1.0, 3.0]])), [[1.25, 1.0]], atol=0.05)
    True

    Reference:
        [Jacob et al., 2018](https://arxiv.org/abs/1712.05877), section 2, with zero
        points of 0.
    """
    step = np.abs(matrix).max(axis=0, keepdims=True) / LARGEST_OF_MATRIX
    step = np.where(step > 0, step, 1).astype("float32")
    rounded = np.round(matrix / step).astype("int8")
    # Takes away what the zero point of the other factor adds.
    bias = -ZERO_POINT * rounded.sum(axis=0, dtype="int32")
    rounded = rounded.view(tf.qint8.as_numpy_dtype)
    bias = bias.view(tf.qint32.as_numpy_dtype)

    def product(x):
        largest = tf.reduce_max(tf.abs(x), axis=1, keepdims=True)
        size = tf.maximum(largest, LEAST_SIZE) * (1 / LARGEST)
        # To the nearest whole number: a cast cuts off what is behind the point.
        whole = tf.cast(x / size + (ZERO_POINT + 0.5), tf.uint8)
        # The matrix is a constant of the graph: else the kernel would bring it into
        # another order at each call.
        sums = tf.raw_ops.QuantizedMatMulWithBiasAndDequantize(
            a=tf.bitcast(whole, tf.quint8),
            b=tf.constant(rounded, tf.qint8),
            bias=tf.constant(bias, tf.qint32),
            **{"min_a": 0.0, "max_a": 255.0},  # a whole number is itself
            **{"min_b": -127.0, "max_b": 127.0},
            **{"min_freezed_output": 0.0, "max_freezed_output": 1.0},  # not used
            Toutput=tf.float32,
            input_quant_mode="SCALED",
        )
        # As a product of matrices, which is several times as fast as multiplying a
        # column by a row.
        return sums * tf.matmul(size, step)

    return product


class Int8Graph(NamedTuple):
    """A function whose products are in int8, and what it still needs.

    Attributes:
        function: Function `(*inputs, values)`, for use in graphs.
        needed: For each of `values` whether it is used, beside products. Any tensor
            may be given for one that is not.
        outputs: Nested `tf.TensorSpec`s of what it returns.
        num_products: Integer, how many products became ones in int8.
    """

    function: Callable
    needed: list
    outputs: Any
    num_products: int


def with_int8_products(function, specs, matrices):
    """A function with its products by matrices made in int8.

    The function is traced, and in its graph each product of two axes by one of the
    matrices, or by one transposed, becomes an `int8_product`. Those within loops stay.

    Args:
        function: Function `(*inputs, values)` of nested tensors, of which `values` is
            a list of float32 tensors, and all that it uses are arguments.
        specs: List of nested `tf.TensorSpec`s of its inputs.
        matrices: For each of `values` a NumPy array, the value that it always has, or
            a `tf.TensorSpec` of one that is not to be multiplied by in int8.

    Returns:
        An `Int8Graph`.

    Example:

    >>> def double_product(x, values):
    ...     return 2.0 * tf.matmul(x, values[0])
    >>> matrix = np.array([[0.5], [0.25]], "float32")
    >>> new = with_int8_products(double_product, [tf.TensorSpec([None, 2])], [matrix])
    >>> graph = tf.function(lambda x: new.function(x, [0.0]))
    >>> graph(tf.constant([[1.0, 3.0]])).numpy().round(1).tolist(), new.needed
    ([[2.5]], [False])
    """
    values = [tf.TensorSpec(x.shape, x.dtype) for x in matrices]
    traced = tf.function(function, autograph=False).get_concrete_function(
        *specs, values
    )
    inputs = [x.op.name for x in traced.inputs]
    names = inputs[len(inputs) - len(values) :]
    known = {
        name: matrix
        for name, matrix in zip(names, matrices, strict=True)
        if isinstance(matrix, np.ndarray)
    }
    definition = traced.graph.as_graph_def()
    num_products = _multiply_in_int8(definition, known)
    outputs = [x.name for x in traced.outputs]
    _keep_needed(definition, [x.op.name for x in traced.outputs])
    left = {node.name for node in definition.node}

    def rewritten(*arguments):
        given = zip(inputs, tf.nest.flatten(arguments), strict=True)
        # Of this graph, even where they come from one around it.
        given = {x: tf.identity(y) for x, y in given if x in left}
        results = tf.graph_util.import_graph_def(definition, given, outputs, name="")
        for result, like in zip(results, traced.outputs, strict=True):
            result.set_shape(like.shape)
        return tf.nest.pack_sequence_as(traced.structured_outputs, results)

    needed = [name in left for name in names]
    return Int8Graph(rewritten, needed, traced.structured_outputs, num_products)


def _multiply_in_int8(definition, known):
    """Lets nodes call a product in int8 that multiply by a known matrix.

    `known` is a dict from the names of nodes to arrays. It grows by those transposed.
    Returns how many nodes do.
    """
    num_products = 0
    nodes = {node.name: node for node in definition.node}
    for node in list(definition.node):  # each behind those that it refers to
        if node.op == "Transpose" and node.input[0] in known:
            axes = tf.make_ndarray(nodes[node.input[1]].attr["value"].tensor)
            if list(axes) == [1, 0]:
                known[node.name] = known[node.input[0]].T
        elif node.op == "MatMul" and node.input[1] in known:
            matrix = known[node.input[1]]
            matrix = matrix.T if node.attr["transpose_b"].b else matrix
            del node.input[1]
            node.op = "PartitionedCall"
            node.attr.clear()
            node.attr["f"].func.name = _add_product(definition.library, matrix)
            for name in ("Tin", "Tout"):
                node.attr[name].list.type.append(tf.float32.as_datatype_enum)
            num_products += 1
    return num_products


def _add_product(library, matrix):
    """The name of a new function of a library, which multiplies by a matrix."""
    product = tf.function(int8_product(matrix), autograph=False)
    graph = product.get_concrete_function(tf.TensorSpec([None, len(matrix)]))
    definition = library.function.add()
    definition.CopyFrom(graph.function_def)
    # The name that it has is freed together with `product`.
    definition.signature.name += "_int8"
    context.context().add_function_def(definition)
    return definition.signature.name


def _keep_needed(definition, outputs):
    """Removes nodes on which no output depends."""
    nodes = {node.name: node for node in definition.node}
    needed, waiting = set(), list(outputs)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [x.lstrip("^").partition(":")[0] for x in nodes[name].input]
    kept = [node for node in definition.node if node.name in needed]
    del definition.node[:]
    definition.node.extend(kept)
