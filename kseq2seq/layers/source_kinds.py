"""Layers for a source whose ids are those of a text and of its features."""

from typing import Any

import keras
from keras import ops

from kseq2seq.utils import PAD_ID, Tensor, check_integer

TEXT_KIND, FEATURE_KIND = 1, 2


@keras.saving.register_keras_serializable(package="kseq2seq")
class SourceKinds(keras.layers.Layer):
    """The kind of each id of a source: padding 0, text 1, feature 2.

    Args:
        first_feature: The lowest id of a feature.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        ids: Integer tensor of shape `(batch, length)`, `PAD_ID` at padding.

    Returns:
        int32 tensor of shape `(batch, length)`.

    Raises:
        ValueError: If `first_feature` is no integer above 0.

    Example:

    >>> kinds = SourceKinds(first_feature=9)
    >>> ids = keras.ops.convert_to_tensor([[5, 8, 3, 9, 12, 0]])
    >>> keras.ops.convert_to_numpy(kinds(ids)).tolist()
    [[1, 1, 1, 2, 2, 0]]
    """

    def __init__(self, first_feature: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.first_feature = check_integer("first_feature", first_feature, least=1)

    def call(self, ids: Tensor) -> Tensor:
        is_real = ops.cast(ops.not_equal(ids, PAD_ID), "int32")
        return is_real + ops.cast(ops.greater_equal(ids, self.first_feature), "int32")

    def compute_output_spec(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(ids.shape, "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "first_feature": self.first_feature}


@keras.saving.register_keras_serializable(package="kseq2seq")
class FeaturesMemory(keras.layers.Layer):
    """Memory of a text and its features: the latter from a dense layer with tanh.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        outputs: Tensor of shape `(batch, length, size)`: the encoder's outputs for the
            text.
        embedded: Tensor of shape `(batch, length, embedding_size)`: the embeddings of
            all ids.
        kinds: The result of `SourceKinds` for them.

    Returns:
        Tensor of shape `(batch, length, size)`: `outputs`, and at features
        `tanh(W embedded + b)`.

    Example:

    >>> outputs, embedded = keras.ops.ones((1, 3, 5)), keras.ops.zeros((1, 3, 2))
    >>> kinds = keras.ops.convert_to_tensor([[1, 1, 2]])
    >>> memory = FeaturesMemory()(outputs, embedded, kinds)
    >>> keras.ops.convert_to_numpy(memory[0, :, 0]).tolist()
    [1.0, 1.0, 0.0]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def build(
        self, outputs_shape: Any, embedded_shape: Any = None, kinds_shape: Any = None
    ) -> None:
        size = outputs_shape[-1]
        self.kernel = self.add_weight(shape=(embedded_shape[-1], size), name="kernel")
        self.bias = self.add_weight(shape=(size,), initializer="zeros", name="bias")

    def call(self, outputs: Tensor, embedded: Tensor, kinds: Tensor) -> Tensor:
        is_feature = ops.equal(kinds, FEATURE_KIND)[..., None]
        features = ops.tanh(ops.matmul(embedded, self.kernel) + self.bias)
        return ops.where(is_feature, features, outputs)

    def compute_mask(self, outputs: Any, outputs_mask: Any = None) -> None:
        # The mask that the encoder's outputs carry leaves features out.
        return None

    def compute_output_spec(
        self,
        outputs: keras.KerasTensor,
        embedded: keras.KerasTensor,
        kinds: keras.KerasTensor,
    ) -> keras.KerasTensor:
        return keras.KerasTensor(outputs.shape, self.compute_dtype)
