"""Products with matrices in int8: a traced graph with others in their place.

Both factors are rounded, and multiplied and summed in whole numbers: of a matrix each
column to 127 steps of its own size, once; of what is multiplied by it each row to 255,
each time. So rows of a batch are independent.
"""

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kseq2seq.utils import Tensor

# The largest whole numbers. Processors without VNNI sum two products in 16 bits: the
# largest sum, 2 * 255 * 63, must not be cut off there.
LARGEST, LARGEST_OF_MATRIX = 127, 63
ZERO_POINT = 128  # of unsigned bytes: the kernel takes no signed ones on the left
# The operation of the products, in a SavedModel too.
INT8_OPERATION = "QuantizedMatMulWithBiasAndDequantize"
LEAST_MAGNITUDE = 1e-30  # of a row's largest entry: a row of zeros stays one


def int8_product(matrix: np.ndarray) -> Callable[[Tensor], Tensor]:
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

    def product(rows):
        largest = tf.reduce_max(tf.abs(rows), axis=1, keepdims=True)
        size = tf.maximum(largest, LEAST_MAGNITUDE) * (1 / LARGEST)
        # To the nearest whole number: a cast cuts off what is behind the point.
        whole = tf.cast(rows / size + (ZERO_POINT + 0.5), tf.uint8)
        # The matrix is a constant of the graph: else the kernel would bring it into
        # another order at each call. With these ranges a whole number is itself.
        sums = tf.raw_ops.QuantizedMatMulWithBiasAndDequantize(
            a=tf.bitcast(whole, tf.quint8),
            b=tf.constant(rounded, tf.qint8),
            bias=tf.constant(bias, tf.qint32),
            min_a=0.0,
            max_a=255.0,
            min_b=-127.0,
            max_b=127.0,
            min_freezed_output=0.0,  # the last two are not used
            max_freezed_output=1.0,
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
        function: Function `(*inputs, values)`, for use in graphs, of which `values`
            are those needed.
        needed: For each of the values whether it is used beside products.
        outputs: Nested `tf.TensorSpec`s of what it returns.
        num_products: Integer, how many products became ones in int8.
    """

    function: Callable[..., Any]
    needed: list[bool]
    outputs: Any
    num_products: int


def with_int8_products(
    function: Callable[..., Any],
    specs: Sequence[Any],
    matrices: Sequence[np.ndarray | tf.TensorSpec],
) -> Int8Graph:
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

    >>> def double_product(rows, values):
    ...     return 2.0 * tf.matmul(rows, values[0])
    >>> matrix = np.array([[0.5], [0.25]], "float32")
    >>> new = with_int8_products(double_product, [tf.TensorSpec([None, 2])], [matrix])
    >>> graph = tf.function(lambda rows: new.function(rows, []))
    >>> graph(tf.constant([[1.0, 3.0]])).numpy().round(1).tolist(), new.needed
    ([[2.5]], [False])
    """
    values = [tf.TensorSpec(x.shape, x.dtype) for x in matrices]
    traced = tf.function(function, autograph=False).get_concrete_function(
        *specs, values
    )
    inputs = [x.op.name for x in traced.inputs]
    num_inputs = len(inputs) - len(values)
    names = inputs[num_inputs:]
    known = {
        name: matrix
        for name, matrix in zip(names, matrices, strict=True)
        if isinstance(matrix, np.ndarray)
    }
    definition = traced.graph.as_graph_def()
    nodes, num_products = _multiply_in_int8(definition.node, known)
    nodes = _needed_nodes(nodes, [x.op.name for x in traced.outputs])
    del definition.node[:]
    definition.node.extend(nodes)
    left = {node.name for node in nodes}
    needed = [name in left for name in names]
    given_names = inputs[:num_inputs] + [name for name in names if name in left]
    outputs = [x.name for x in traced.outputs]

    def rewritten(*arguments):
        given = zip(given_names, tf.nest.flatten(arguments), strict=True)
        # Of this graph, even where they come from one around it.
        given = {name: tf.identity(x) for name, x in given if name in left}
        results = tf.graph_util.import_graph_def(definition, given, outputs, name="")
        for result, like in zip(results, traced.outputs, strict=True):
            result.set_shape(like.shape)
        return tf.nest.pack_sequence_as(traced.structured_outputs, results)

    return Int8Graph(rewritten, needed, traced.structured_outputs, num_products)


def _multiply_in_int8(nodes, matrices):
    """The nodes of a graph, in which products by matrices are made in int8.

    `matrices` is a dict from the names of nodes to arrays. Returns the nodes, and how
    many products there are.
    """
    by_name, matrices = {node.name: node for node in nodes}, dict(matrices)
    rewritten, num_products = [], 0
    for node in nodes:  # each behind those that it refers to
        if node.op == "Transpose" and node.input[0] in matrices:
            axes = tf.make_ndarray(by_name[node.input[1]].attr["value"].tensor)
            if list(axes) == [1, 0]:
                matrices[node.name] = matrices[node.input[0]].T
        elif node.op == "MatMul" and node.input[1] in matrices:
            matrix = matrices[node.input[1]]
            matrix = matrix.T if node.attr["transpose_b"].b else matrix
            rewritten += _product_nodes(node, matrix)
            num_products += 1
            continue
        rewritten.append(node)
    return rewritten, num_products


def _product_nodes(node, matrix):
    """The nodes of a product in int8, the last of which takes the place of `node`."""
    product = tf.function(int8_product(matrix), autograph=False)
    traced = product.get_concrete_function(tf.TensorSpec([None, len(matrix)]))
    (rows,), (result,) = traced.inputs, traced.outputs
    names = {rows.op.name: node.input[0], result.op.name: node.name}
    copies = []
    for original in traced.graph.as_graph_def().node:
        if original.name == rows.op.name:
            continue
        copied = copy.deepcopy(original)
        names.setdefault(original.name, f"{node.name}/in_int8/{original.name}")
        copied.name = names[original.name]
        # Of nodes with one output, as all these are, the name stands for it.
        copied.input[:] = [names[_node_of(x)] for x in original.input]
        copies.append(copied)
    return copies


def _needed_nodes(nodes, outputs):
    """The nodes on which one of the outputs depends."""
    by_name, needed, waiting = {node.name: node for node in nodes}, set(), [*outputs]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [_node_of(x) for x in by_name[name].input]
    return [node for node in nodes if node.name in needed]


def _node_of(reference):
    """The node in `name`, `name:index`, or `^name` (to wait for it)."""
    return reference.lstrip("^").partition(":")[0]
