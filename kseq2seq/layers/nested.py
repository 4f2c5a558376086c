"""Configs of layers that are made around other layers."""

from typing import Any, TypeVar

import keras

Class = TypeVar("Class")


class NestedLayers:
    """Mixin for layers, ahead of their base class: makes them of a config.

    A config, as `get_config` returns it, has in place of each inner layer what
    `keras.saving.serialize_keras_object` makes of it.

    Example:

    >>> from kseq2seq.layers import LocalMonotonicAttention, LuongAttention
    >>> config = LocalMonotonicAttention(LuongAttention("dot")).get_config()
    >>> LocalMonotonicAttention.from_config(config).score.score
    'dot'
    """

    @classmethod
    def from_config(cls: type[Class], config: dict[str, Any]) -> Class:
        return cls(**keras.saving.deserialize_keras_object(config))
