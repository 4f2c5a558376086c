"""The source of a model, ids or frames, as vectors that the encoder reads."""

from typing import Any, NamedTuple

import keras
from keras import ops

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import (
    TEXT_KIND,
    FrameConvolution,
    FrameMask,
    PaddingMask,
    SourceKinds,
    SpecAugment,
)


class Source(NamedTuple):
    """The symbolic tensors of a source.

    Attributes:
        vectors: Of shape `(batch, length, size)`.
        mask: Booleans of shape `(batch, length)`: what the encoder reads.
        memory_mask: The mask of the encoder's outputs, output of the layer
            `source_mask`. Of gated features it tells the kinds of positions.
    """

    vectors: Any
    mask: Any
    memory_mask: Any


def source_inputs(config: Seq2SeqConfig) -> dict[str, Any]:
    """The inputs of a model that its encoder reads, by their names.

    Args:
        config: The `Seq2SeqConfig` of the model.

    Example:

    >>> config = Seq2SeqConfig(source_frame_size=7, target_vocabulary_size=13)
    >>> sorted(source_inputs(config))
    ['frame_mask', 'frames']
    """
    if not config.source_frame_size:
        return {"source": keras.Input((None,), dtype="int32", name="source")}
    shape = (None, config.source_frame_size)
    return {
        "frames": keras.Input(shape, dtype="float32", name="frames"),
        "frame_mask": keras.Input((None,), dtype="bool", name="frame_mask"),
    }


def read_source(config: Seq2SeqConfig, inputs: dict[str, Any]) -> Source:
    """The vectors and masks that the encoder reads of a model's inputs.

    Args:
        config: The `Seq2SeqConfig` of the model.
        inputs: The result of `source_inputs` for it.

    Raises:
        ValueError: If an option in `config.spec_augment` does not fit the layer.

    Example:

    >>> config = Seq2SeqConfig(
    ...     source_frame_size=7, target_vocabulary_size=13, units=6, convolutions=1
    ... )
    >>> read_source(config, source_inputs(config)).vectors.shape
    (None, None, 6)
    """
    if config.source_frame_size:
        return _read_frames(config, inputs["frames"], inputs["frame_mask"])
    embedding = keras.layers.Embedding(
        config.source_vocabulary_size + config.feature_vocabulary_size,
        config.embedding_size,
        embeddings_initializer=embedding_initializer(config),
        name="source_embedding",
    )
    ids = inputs["source"]
    if config.features == "gated":
        kinds = SourceKinds(config.source_vocabulary_size, name="source_mask")(ids)
        return Source(embedding(ids), ops.equal(kinds, TEXT_KIND), kinds)
    mask = PaddingMask(name="source_mask")(ids)
    return Source(embedding(ids), mask, mask)


def embedding_initializer(config: Seq2SeqConfig) -> Any:
    """The initializer of the embeddings of both sides.

    Args:
        config: The `Seq2SeqConfig` of the model.
    """
    # Values as small as Keras's leave an LSTM's gates hardly moved by what it reads: a
    # model takes epochs to begin to learn. But rows that are softmax weights too must
    # be small; the source's are as small beside them, since larger ones were no gain.
    size = config.embedding_size
    return keras.initializers.RandomNormal(
        stddev=size**-0.5 if config.tie_embeddings else 1.0
    )


def _read_frames(config, frames, frame_mask):
    memory_mask = FrameMask(config.time_reduction, name="source_mask")(frame_mask)
    mask = frame_mask
    # Whatever stands in padding, also NaN, of which a gradient times 0 would be NaN.
    frames = ops.where(ops.expand_dims(mask, -1), frames, 0)
    if config.spec_augment:
        frames = _spec_augment(config)(frames, mask)
    for number in range(config.convolutions):
        name = f"encoder_convolution_{number}"
        frames = FrameConvolution(config.memory_size, name=name)(frames, mask)
        mask = FrameMask(2, name=f"{name}_mask")(mask)
    return Source(frames, mask, memory_mask)


def _spec_augment(config):
    try:
        return SpecAugment(name="spec_augment", **config.spec_augment)
    except (TypeError, ValueError) as error:
        raise ValueError(
            "SpecAugment cannot be made with "
            f"spec_augment={dict(config.spec_augment)!r}: {error}"
        ) from error
