"""Float32 copies of models."""

from typing import Any

import keras


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
    return _in_float32(config) == config


def float32_copy(model: keras.Model) -> keras.Model:
    """A model with the same weights that computes in float32 throughout.

    Args:
        model: A model of `kseq2seq.build_model`, of any dtype policy.

    Returns:
        A `keras.Model` of its own layers and variables.
    """
    copy = type(model).from_config(_in_float32(model.get_config()))
    copy.set_weights(model.get_weights())
    return copy


def portable_copy(model: keras.Model) -> keras.Model:
    """A float32 copy of a model whose graph runs on any device.

    Args:
        model: A model of `kseq2seq.build_model`, of any dtype policy.

    Returns:
        A `keras.Model` of its own layers and variables.
    """
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


def _in_float32(config: Any) -> Any:
    """A layer's config, however deep, with float32 for every dtype policy."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(value) for value in config)
    return config
