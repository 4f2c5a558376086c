"""Copies of models in another precision."""

from typing import Any

import keras

from kseq2seq.models.nan import check_no_nan


def is_float32(model: keras.Model) -> bool:
    """Whether all layers of a model compute in float32.

    Args:
        model: A model of `kseq2seq.build_model`.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> is_float32(build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6)))
    True
    """
    config = model.get_config()
    return _with_policy(config, "float32") == config


def float32_copy(model: keras.Model) -> keras.Model:
    """A model with the same weights that computes in float32 throughout.

    Args:
        model: A model of `kseq2seq.build_model`, of any dtype policy.

    Returns:
        A `keras.Model` of its own layers and variables.
    """
    return _copy(model, "float32")


def float16_copy(model: keras.Model) -> keras.Model:
    """A model with its weights in float16, to store: half of the bytes.

    `float32_copy` of it has the weights rounded to float16, and computes in float32.

    Args:
        model: The result of `kseq2seq.build_model`, of any dtype policy.

    Returns:
        A `keras.Model` of its own layers and variables.

    Raises:
        ValueError: If a weight is too large for float16.
    """
    for weight in model.weights:
        if keras.ops.max(keras.ops.abs(weight)) > 65_504:
            raise ValueError(
                "Weights must be at most 65,504 to be stored in float16: store float32 "
                f"instead. Received: larger ones in {weight.path}"
            )
    return _copy(model, "float16")


def portable_copy(model: keras.Model) -> keras.Model:
    """A float32 copy of a model whose graph runs on any device.

    Args:
        model: A model of `kseq2seq.build_model`, of any dtype policy.

    Returns:
        A `keras.Model` of its own layers and variables.

    Raises:
        ValueError: If a weight is NaN.
    """
    check_no_nan(model)
    model = float32_copy(model)
    # Where a GPU is visible, layers would choose operations that no CPU has. The
    # copy is for graphs alone, so that nothing has to be set back.
    for layer in _with_sublayers(model.layers):
        if hasattr(layer, "use_cudnn"):
            layer.use_cudnn = False
    return model


def _with_sublayers(layers):
    """The layers, and with a bidirectional one both of its own."""
    for layer in layers:
        yield layer
        if isinstance(layer, keras.layers.Bidirectional):
            yield from (layer.forward_layer, layer.backward_layer)


def _copy(model: keras.Model, dtype: str) -> keras.Model:
    copy = type(model).from_config(_with_policy(model.get_config(), dtype))
    copy.set_weights(model.get_weights())
    return copy


def _with_policy(config: Any, dtype: str) -> Any:
    """A layer's config, however deep, with `dtype` for every dtype policy."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": dtype}}
        return {key: _with_policy(value, dtype) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_with_policy(value, dtype) for value in config)
    return config
