"""Layers from features to logits."""

from typing import Any, NamedTuple

import keras
from keras import ops

from kseq2seq.utils import Tensor, check_choice

# Hardmax is left out: nothing could be learnt.
OUTPUT_PROBABILITY_FNS = ("softmax", "sparsemax", "entmax15")


class VocabularyProduct(NamedTuple):
    """The matrix and the bias that make logits of features.

    Attributes:
        kernel: Tensor of shape `(size, vocabulary)`, or `(vocabulary, size)` if
            `transposed`.
        bias: Tensor of shape `(vocabulary,)`, or `None`.
        transposed: Whether the kernel is an embedding's matrix.

    Example:

    >>> layer = VocabularyProjection(7)
    >>> _ = layer(keras.ops.ones((2, 3, 5)))
    >>> product = layer.product()
    >>> tuple(product.kernel.shape), tuple(product.bias.shape), product.transposed
    ((5, 7), (7,), False)
    """

    kernel: Tensor
    bias: Tensor | None
    transposed: bool


@keras.saving.register_keras_serializable(package="kseq2seq")
class VocabularyProjection(keras.layers.Dense):
    """`keras.layers.Dense` to logits, which tells the matrix that it multiplies by.

    Args:
        units: Size of the vocabulary.
        **kwargs: Passed to `keras.layers.Dense`.

    Call arguments:
        inputs: Float tensor of shape `(batch, ..., features)`.

    Returns:
        Tensor of shape `(batch, ..., units)`, in the layer's compute dtype.

    Example:

    >>> tuple(VocabularyProjection(7)(keras.ops.ones((2, 3, 5))).shape)
    (2, 3, 7)
    """

    def call(self, inputs: Tensor, training: Any = None) -> Tensor:
        if len(inputs.shape) < 4:
            return super().call(inputs, training=training)
        logits = super().call(_rows(inputs), training=training)
        return ops.reshape(logits, (*ops.shape(inputs)[:-1], self.units))

    def product(self) -> VocabularyProduct | None:
        """The matrix and the bias as they are now.

        Returns:
            A `VocabularyProduct`; `None` if the layer does more than multiply by
            a matrix of floats and add a bias.
        """
        if self.activation is not keras.activations.linear or self.quantization_mode:
            return None
        bias = None if self.bias is None else ops.copy(self.bias)
        return VocabularyProduct(ops.copy(self.kernel), bias, transposed=False)

    def quantize(
        self, mode: str | None = None, type_check: bool = True, config: Any = None
    ) -> None:
        """`keras.layers.Dense.quantize`, for this class as well.

        Args:
            mode: Mode of quantisation, such as `"int8"`.
            type_check: Whether to refuse a subclass, whose weights may be others.
            config: A `keras.quantizers.QuantizationConfig`, or `None`.
        """
        is_subclass = type(self) is not VocabularyProjection
        super().quantize(mode, type_check=type_check and is_subclass, config=config)


@keras.saving.register_keras_serializable(package="kseq2seq")
class VocabularyEmbedding(keras.layers.ReversibleEmbedding):
    """`keras.layers.ReversibleEmbedding`, which tells the matrix that it multiplies by.

    Args:
        input_dim: Size of the vocabulary.
        output_dim: Size of the embeddings.
        **kwargs: Passed to `keras.layers.ReversibleEmbedding`.

    Call arguments:
        inputs: Integer ids of any shape, or with `reverse` float tensors of shape
            `(batch, ..., output_dim)`.
        reverse: Whether to make logits instead of embeddings.

    Returns:
        Embeddings of shape `inputs.shape + (output_dim,)`, or logits of shape
        `(batch, ..., input_dim)`, in the layer's compute dtype.

    Example:

    >>> embedding = VocabularyEmbedding(7, 5)
    >>> tuple(embedding(embedding(keras.ops.ones((2, 3))), reverse=True).shape)
    (2, 3, 7)

    Reference:
        [Press & Wolf, 2017](https://arxiv.org/abs/1608.05859).
    """

    def call(self, inputs: Tensor, reverse: bool = False) -> Tensor:
        if not reverse or len(inputs.shape) < 4:
            return super().call(inputs, reverse=reverse)
        logits = super().call(_rows(inputs), reverse=True)
        return ops.reshape(logits, (*ops.shape(inputs)[:-1], self.input_dim))

    def product(self) -> VocabularyProduct | None:
        """The matrix as it is now.

        Returns:
            A `VocabularyProduct`; `None` if the layer does more for logits than
            multiply by its embeddings in their own precision.
        """
        tied = self.tie_weights and not self.logit_soft_cap and not self.reverse_dtype
        if not tied or self.quantization_mode:
            return None
        return VocabularyProduct(ops.copy(self.embeddings), None, transposed=True)

    def quantize(
        self, mode: str | None = None, type_check: bool = True, config: Any = None
    ) -> None:
        """`keras.layers.ReversibleEmbedding.quantize`, for this class as well.

        Args:
            mode: Mode of quantisation, such as `"int8"`.
            type_check: Whether to refuse a subclass, whose weights may be others.
            config: A `keras.quantizers.QuantizationConfig`, or `None`.
        """
        is_subclass = type(self) is not VocabularyEmbedding
        super().quantize(mode, type_check=type_check and is_subclass, config=config)


def _rows(features):
    """Two axes in place of four; `attention.scores.project_energy` says why."""
    return ops.reshape(features, (-1, features.shape[-1]))


@keras.saving.register_keras_serializable(package="kseq2seq")
class Logits(keras.layers.Layer):
    """Logits in float32, whatever the policy is.

    Args:
        probability_fn: Function that the model's search applies: `"softmax"`,
            `"sparsemax"` or `"entmax15"`. The layer itself gives logits.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor of any shape and dtype.

    Returns:
        Tensor of the same shape in float32.

    Example:

    >>> Logits()(keras.ops.ones((2, 3, 7), "bfloat16")).dtype.name
    'float32'
    """

    def __init__(self, probability_fn: str = "softmax", **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs}, autocast=False)
        self.probability_fn = check_choice(
            "probability_fn", probability_fn, OUTPUT_PROBABILITY_FNS
        )
        self.supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        return ops.cast(inputs, "float32")

    def compute_output_spec(self, inputs: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "probability_fn": self.probability_fn}
