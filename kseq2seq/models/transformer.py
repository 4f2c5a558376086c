"""Encoder and decoder of a Transformer, as parts of a model and of its halves."""

from typing import Any

import keras
from keras import ops

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import (
    Dropout,
    SinusoidalPositions,
    TransformerDecoderLayer,
    TransformerEncoderLayer,
    TransformerStart,
    TransformerStep,
)
from kseq2seq.models.sizes import decoder_layers
from kseq2seq.models.source import Source
from kseq2seq.utils import Tensor

# Where embeddings or frames have another size than the layers.
_INPUT_LAYERS = {"source": "encoder_input", "target": "decoder_input"}


def encode_transformer(config: Seq2SeqConfig, source: Source) -> Any:
    """The encoder of a Transformer.

    Args:
        config: The `Seq2SeqConfig` of the model.
        source: The `Source`.

    Returns:
        The memory, of shape `(batch, source_length, units)`.
    """
    values = embed_positions(config, source.vectors, "source")
    for level in range(config.encoder_layers):
        layer = TransformerEncoderLayer(**_sizes(config), name=f"encoder_{level}")
        values = layer(values, mask=source.mask)
    return _normalization("encoder_norm")(values)


def decode_transformer(
    config: Seq2SeqConfig, inputs: Any, memory: Any, memory_mask: Any
) -> tuple[Any, Any]:
    """The decoder of a Transformer, for a whole target.

    Args:
        config: The `Seq2SeqConfig` of the model.
        inputs: The result of `embed_positions` for the target.
        memory: The result of `encode_transformer`.
        memory_mask: Booleans of shape `(batch, source_length)`.

    Returns:
        A tuple of the outputs, of shape `(batch, target_length, units)`, and the
        alignment, of shape `(batch, target_length, source_length)`; `None` if the model
        does not copy.
    """
    outputs, alignment = inputs, None
    for level in range(config.decoder_layers):
        layer = TransformerDecoderLayer(**_sizes(config), name=f"decoder_{level}")
        aligns = config.copying and level == config.decoder_layers - 1
        outputs = layer(
            outputs,
            memory,
            memory_mask=memory_mask,
            return_attention_scores=aligns,
        )
        outputs, alignment = outputs if aligns else (outputs, None)
    return _normalization("decoder_norm")(outputs), alignment


def embed_positions(config: Seq2SeqConfig, embedded: Any, side: str) -> Any:
    """Vectors as the first layer of a Transformer's encoder or decoder reads them.

    Args:
        config: The `Seq2SeqConfig` of the model.
        embedded: Embeddings, or frames, of shape `(batch, length, size)`.
        side: "source" or "target".

    Returns:
        Tensor of shape `(batch, length, units)`.
    """
    if config.units != embedded.shape[-1]:
        name = _INPUT_LAYERS[side]
        embedded = keras.layers.Dense(config.units, use_bias=False, name=name)(embedded)
    # Embeddings that the softmax uses too begin small; see `embedding_initializer`.
    is_small = config.tie_embeddings
    if side == "source":
        is_small = is_small and not config.source_frame_size
    scale = config.embedding_size**0.5 if is_small else 1.0
    positions = SinusoidalPositions(scale, name=f"{side}_positions")
    return Dropout(config.dropout, name=f"{side}_dropout")(positions(embedded))


def _sizes(config):
    return {
        "units": config.units,
        "num_heads": config.num_heads,
        "feed_forward_size": config.feed_forward_size,
        "dropout": config.dropout,
    }


def _normalization(name):
    return keras.layers.LayerNormalization(epsilon=1e-6, name=name)


def is_transformer(layers: dict[str, Any]) -> bool:
    """Whether a model is a Transformer.

    Args:
        layers: Dict from the names of a model's layers to the layers.
    """
    return isinstance(layers.get("decoder_0"), TransformerDecoderLayer)


def start_transformer(layers: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """First states and memory, as of `kseq2seq.layers.TransformerStart`.

    Args:
        layers: Dict from the names of a model's layers to the layers.
    """
    own = decoder_layers(layers)
    start = TransformerStart(own, dtype=own[0].dtype_policy, name="decoder_start")
    mask = layers["source_mask"].output
    return start(layers["encoder_norm"].output, memory_mask=mask)


def step_transformer(
    layers: dict[str, Any], tokens: Any, states: list[Any], memory: dict[str, Any]
) -> tuple[Any, Any, list[Any], Any]:
    """One step of the decoder for the hypotheses of each source.

    Args:
        layers: Dict from the names of a model's layers to the layers.
        tokens: int32 of shape `(batch, beam)`, the last tokens.
        states: As of `kseq2seq.layers.TransformerStep`.
        memory: Likewise.

    Returns:
        A tuple of the decoder's inputs, its outputs, the new states and the alignment.
    """
    embedded = layers["target_embedding"](tokens)
    if _INPUT_LAYERS["target"] in layers:
        embedded = layers[_INPUT_LAYERS["target"]](embedded)
    inputs = layers["target_positions"](embedded, states[0][..., 0])
    own = decoder_layers(layers)
    step = TransformerStep(own, dtype=own[0].dtype_policy, name="decoder_step")
    outputs, states, alignment = step(inputs, states, memory)
    return inputs, layers["decoder_norm"](outputs), states, alignment


def mean_memory(memory: dict[str, Tensor]) -> Tensor:
    """The mean of the encoder's outputs, padding not counted.

    Args:
        memory: As of `kseq2seq.layers.TransformerStart`.

    Returns:
        Tensor of shape `(batch, units)`, in float32.
    """
    real = ops.cast(memory["mask"], "float32")[..., None]
    total = ops.sum(ops.cast(memory["value"], "float32") * real, axis=1)
    return total / ops.maximum(ops.sum(real, axis=1), 1.0)
