"""Fine-tuning: weights of a model for another one, and parts that stay as they are."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
from keras import ops

from kseq2seq.layers import Attention, DecoderRNN
from kseq2seq.models.nan import check_no_nan
from kseq2seq.utils import check_choice

# Prefixes of the names that `build_model` gives to the layers of each part.
_PREFIXES = {
    "embeddings": ("source_embedding", "target_embedding"),
    "encoder": ("encoder_", "features_memory"),
    "bridge": ("bridge_",),
    "attention": (),  # by their kind, since a user's own has a name of its own
    "decoder": ("decoder", "attentional", "pair_features", "marginal"),
    "output": ("projection", "copying"),
}
PARTS = tuple(_PREFIXES)
# Axes of the weights that have a place for each symbol.
_SYMBOLS = {
    "source_embedding/embeddings": 0,
    "target_embedding/embeddings": 0,
    "projection/kernel": 1,
    "projection/bias": 0,
}


def transfer_weights(
    model: keras.Model, former: keras.Model, num_features: tuple[int, int] = (0, 0)
) -> dict[str, int]:
    """Gives a new model the weights of one that was trained.

    Vocabularies may be larger than they were: the first rows are those of the former
    model, and the rows of new symbols stay as the new model has them.

    Args:
        model: The result of `kseq2seq.build_model` for the former config with other
            sizes of vocabularies.
        former: The model that was trained.
        num_features: The `feature_vocabulary_size` of both configs. Ids of features
            stand behind those of the source, and so move on with new symbols.

    Returns:
        Dict of the numbers of new symbols, `source` (features not included) and
        `target`.

    Raises:
        ValueError: If a weight of the one does not fit that of the other, or is NaN.
            `model` is as it was then.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> former = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> sizes["target_vocabulary_size"] += 2
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> transfer_weights(model, former)
    {'source': 0, 'target': 2}
    """
    check_no_nan(former)
    ours, theirs = _named_weights(model), _named_weights(former)
    if ours.keys() != theirs.keys():
        others = sorted(ours.keys() ^ theirs.keys())
        raise ValueError(
            "`model` must be built with the former model's config, but for the sizes "
            f"of vocabularies. Received: models that differ in {', '.join(others)}"
        )
    values = {
        name: _grown(name, ours[name], theirs[name], num_features) for name in ours
    }
    for name, value in values.items():
        ours[name].assign(value)
    new = {
        side: int(ours[name].shape[0] - theirs[name].shape[0])
        for side in ("source", "target")
        for name in (f"{side}_embedding/embeddings",)
        if name in ours  # frames have no symbols
    }
    source = new.get("source", 0) - num_features[0] + num_features[1]
    return {**new, "source": source}


def _named_weights(model: keras.Model) -> dict[str, Any]:
    """The weights by the names of their layers, the same for each model of a config."""
    named: dict[str, Any] = {}
    for layer in model.layers:
        for place, weight in enumerate(layer.weights):
            name = f"{layer.name}/{weight.name}"
            named[f"{name}_{place}" if name in named else name] = weight
    return named


def _grown(name, ours, theirs, num_features=(0, 0)):
    """The value of a weight, of the shape that the new model has."""
    if name == "source_embedding/embeddings" and any(num_features):
        sizes = [
            rows.shape[0] - count
            for rows, count in zip((ours, theirs), num_features, strict=True)
        ]
        both = ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs)
        parts = zip(*map(np.split, both, [[size] for size in sizes]), strict=True)
        return np.concatenate([_grown(name, *part) for part in parts])
    value = ops.convert_to_numpy(theirs)
    if tuple(ours.shape) == value.shape:
        return value
    axis = _SYMBOLS.get(name)
    shape = list(value.shape)
    if axis is not None and len(ours.shape) == len(shape):
        shape[axis] = max(ours.shape[axis], value.shape[axis])
    if tuple(ours.shape) != tuple(shape):
        raise ValueError(
            f"The weight {name} must have the former model's shape, or more rows for "
            "new symbols: build the model with the former config. Received: shape "
            f"{tuple(ours.shape)} instead of {value.shape}"
        )
    grown = np.array(ops.convert_to_numpy(ours))
    grown[tuple(slice(size) for size in value.shape)] = value
    return grown


def freeze(model: keras.Model, parts: Iterable[str]) -> None:
    """Keeps parts of a model from being trained; to be called before `compile`.

    Args:
        model: The result of `kseq2seq.build_model`.
        parts: Words of `PARTS`: "embeddings" (both sides), "encoder", "bridge",
            "attention", "decoder" (its cells and what follows on attention) and
            "output".

    Raises:
        ValueError: If a part is none of these, the model has no weights in it, or
            nothing would be left to train.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> freeze(model, ["encoder", "embeddings"])
    >>> model.get_layer("encoder_0").trainable
    False
    """
    if isinstance(parts, str):
        raise ValueError(
            "`parts` must be a list of words; put a single one into a list. "
            f"Received: parts={parts!r}"
        )
    parts = list(parts)
    for part in parts:
        check_choice("parts", part, PARTS)
        layers = [layer for layer in _layers_of(model, part) if layer.weights]
        if not layers:
            raise ValueError(
                f"`parts` must be parts with weights that the model has. Received: "
                f"{part!r}, of which this model has none; leave it out"
            )
        for layer in layers:
            layer.trainable = False
    if not model.trainable_weights:
        raise ValueError(
            f"`parts` must leave something to train. Received: {', '.join(parts)}"
        )


def _layers_of(model, part):
    decoders = [x for x in model.layers if isinstance(x, DecoderRNN)]
    if part == "attention":
        inner = [x.cell.attention for x in decoders if x.cell.attention is not None]
        return [*(x for x in model.layers if isinstance(x, Attention)), *inner]
    if part == "decoder" and decoders:
        cell = decoders[0].cell
        others = [cell.attentional] if cell.attentional is not None else []
        return [*cell.cells, *others]
    names = tuple(_PREFIXES[part])
    return [x for x in model.layers if x.name.startswith(names)]
