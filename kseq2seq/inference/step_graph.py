"""The halves of a model as graphs: of a step, whatever the encoder reads."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from kseq2seq.decoding import Search
from kseq2seq.inference.tokenizer_graphs import IDS, one_graph


class HalfGraphs(NamedTuple):
    """The graphs of the two halves of a model that reads ids.

    Attributes:
        encode: Graph from source ids.
        step: Graph of a step.
        has_attention: Whether it gives alignments.
    """

    encode: Any
    step: Any
    has_attention: bool


def trace_halves(
    halves: tuple[Callable[..., Any], Callable[..., Any]], search: Search
) -> HalfGraphs:
    """The graphs of both halves.

    Args:
        halves: A tuple `(encode, step)`, as of `quantized_halves`.
        search: The `Search` that they are for.

    Raises:
        ValueError: If the search needs alignments and there are none.
    """
    encode = one_graph(IDS)(halves[0])
    return HalfGraphs(encode, *trace_step(encode, halves[1], search))


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
