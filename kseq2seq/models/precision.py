"""Float32 copies of models."""

import keras


def is_float32(model):
    """Whether all layers of a model compute in float32."""
    config = model.get_config()
    return _in_float32(config) == config


def float32_copy(model):
    """A model with the same weights that computes in float32 throughout.

    Args:
        model: What `kseq2seq.build_model` returned, of any dtype policy.

    Returns:
        A `keras.Model` of its own layers and variables.
    """
    copy = type(model).from_config(_in_float32(model.get_config()))
    copy.set_weights(model.get_weights())
    return copy


def portable_copy(model):
    """A float32 copy of a model whose graph runs on any device.

    Args:
        model: What `kseq2seq.build_model` returned, of any dtype policy.

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


def _in_float32(config):
    """A layer's config, however deep, with float32 for every dtype policy."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(value) for value in config)
    return config
