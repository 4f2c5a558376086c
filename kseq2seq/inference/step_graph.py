"""One step of a decoder as a graph, whatever its encoder reads."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from kseq2seq.decoding import Search
from kseq2seq.inference.tokenizer_graphs import IDS, one_graph


def trace_step(
    encode: Any, step: Callable[..., Any], search: Search, *others: Any
) -> tuple[Callable[..., Any], bool]:
    """The graph of a step, for hypotheses and sources of any number and length.

    Args:
        encode: The graph that encodes a source, as of `one_graph`.
        step: The second half of the model, as of `quantized_halves`.
        search: The `Search` that the step is for.
        *others: Nested `tf.TensorSpec`s of the step's arguments behind the weights.

    Returns:
        A tuple of the graph and of whether it gives alignments.

    Raises:
        ValueError: If the search needs alignments and there are none.
    """
    states, memory, stored = step_specs(encode)
    graph = one_graph(IDS, states, memory, stored, *others)(step)
    _, _, extras = _structured_outputs(graph)
    has_attention = "alignment" in extras
    if search.coverage_penalty and not has_attention:
        raise ValueError(
            "`search` must have coverage_penalty=0 where a model has no attention. "
            f"Received: coverage_penalty={search.coverage_penalty}"
        )
    return graph, has_attention


def step_specs(encode: Any) -> tuple[Any, Any, Any]:
    """The nested `tf.TensorSpec`s of what a step takes behind the tokens.

    Args:
        encode: As for `trace_step`.

    Returns:
        A tuple `(states, memory, weights)`.
    """
    encoded: Any = _structured_outputs(encode)
    states = keras.tree.map_structure(
        lambda x: tf.TensorSpec([None, *x.shape], x.dtype), encoded["states"]
    )
    memory, stored = keras.tree.map_structure(
        lambda x: tf.TensorSpec(x.shape, x.dtype),
        (encoded["memory"], encoded["weights"]),
    )
    return states, memory, stored


def _structured_outputs(graph):
    return graph.get_concrete_function().structured_outputs
