"""The operations of a function's graph."""

import tensorflow as tf


def products_of_four_axes(function, *specs):
    """Products that repeat a matrix along the first two of four axes.

    TensorFlow's (oneDNN) write beyond their memory where the second of these has size 1
    and the others change. `keras.ops.matmul` makes them with Keras 3.12, which Python
    3.10 has, and none with later ones.
    """
    graph = tf.function(function).get_concrete_function(*specs).graph
    return [
        operation
        for operation in graph.get_operations()
        if operation.type.startswith("BatchMatMul")
        and [x.shape.rank for x in operation.inputs] == [4, 2]
    ]
