"""Sizes of a model, told by its layers, which are found by their names."""

import math
from typing import Any

import keras

from kseq2seq.layers import FrameConvolution, FrameStack


def vocabulary_sizes(model: keras.Model) -> tuple[int, int]:
    """The numbers of source and target ids that a model was built with.

    Args:
        model: A model of `build_model`, or the same loaded from a file.

    Returns:
        A tuple `(source_vocabulary_size, target_vocabulary_size)`, features among the
        first, which is 0 where the source are frames.

    Raises:
        ValueError: If `model` does not come from `build_model`.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> vocabulary_sizes(build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6)))
    (11, 13)
    """
    layers = layers_by_name(model)
    names = ["target_embedding"]
    if "frames" not in layers:
        names.insert(0, "source_embedding")
    if not layers.keys() >= {*names}:
        raise foreign_model(layers)
    *source, target = (layers[name].input_dim for name in names)
    return (source or [0])[0], target


def frame_size(model: keras.Model) -> int:
    """The size of the frames that a model reads.

    Args:
        model: A model of `build_model`, or the same loaded from a file.

    Returns:
        `source_frame_size` of its config: 0 for a model that reads ids.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_frame_size": 7, "target_vocabulary_size": 13}
    >>> frame_size(build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6)))
    7
    """
    layers = layers_by_name(model)
    return int(layers["frames"].output.shape[-1]) if "frames" in layers else 0


def time_reduction(model: keras.Model) -> int:
    """Number of frames that become one position of the memory.

    Args:
        model: A model of `build_model` that reads frames, or the same loaded.

    Raises:
        ValueError: If the model reads no frames.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_frame_size": 7, "target_vocabulary_size": 13}
    >>> time_reduction(build_model(Seq2SeqConfig(**sizes, units=6, convolutions=2)))
    4
    """
    layers = layers_by_name(model)
    if "frames" not in layers:
        raise ValueError(
            "`model` must read frames: build it with source_frame_size. "
            f"Received: a model of layers {', '.join(layers)}"
        )
    kinds = (FrameConvolution, FrameStack)
    return math.prod(x.factor for x in model.layers if isinstance(x, kinds))


def layers_by_name(model: keras.Model) -> dict[str, Any]:
    """The layers of a model by their names.

    Args:
        model: A `keras.Model`.

    Raises:
        ValueError: If it is none.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(
            "`model` must be a Keras model; load one from a .keras file by "
            "`kseq2seq.load_model`, and a run folder by `Translator.load`. "
            f"Received: {model!r:.80}"
        )
    return {layer.name: layer for layer in model.layers}


def decoder_layers(layers: dict[str, Any]) -> list[Any]:
    """The layers `decoder_0`, `decoder_1` and so on, the lowest first.

    Args:
        layers: The result of `layers_by_name` for a model.
    """
    numbered: list[Any] = []
    while f"decoder_{len(numbered)}" in layers:
        numbered.append(layers[f"decoder_{len(numbered)}"])
    return numbered


def foreign_model(layers: dict[str, Any]) -> ValueError:
    """The error for a model that does not come from `build_model`.

    Args:
        layers: The result of `layers_by_name` for it.
    """
    return ValueError(
        "`model` must come from `build_model`: its layers are found by their "
        f"names. Received: a model of layers {', '.join(layers)}"
    )
