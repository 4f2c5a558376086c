"""Layers from features to logits, which leave with them what they were made of.

See `kseq2seq.layers.head_tf`, which makes a loss of it.
"""

import keras
from keras import ops

from kseq2seq.layers.head_tf import hand_on, leave


@keras.saving.register_keras_serializable(package="kseq2seq")
class VocabularyProjection(keras.layers.Dense):
    """`keras.layers.Dense` to logits, from which a loss is computed faster.

    Args:
        units: Size of the vocabulary.
        **kwargs: Passed to `keras.layers.Dense`.

    Call arguments:
        inputs: Float tensor of shape `(batch, ..., features)`; what logits of shape
            `(batch, length, vocabulary)` were made of stays with them.

    Returns:
        Tensor of shape `(batch, ..., units)`, in the layer's compute dtype.

    Example:

    >>> tuple(VocabularyProjection(7)(keras.ops.ones((2, 3, 5))).shape)
    (2, 3, 7)
    """

    def call(self, inputs):
        logits = super().call(inputs)
        plain = (
            self.activation is keras.activations.linear and not self.quantization_mode
        )
        if not plain or len(inputs.shape) != 3:
            return logits
        return leave(logits, inputs, self.kernel, self.bias)

    def quantize(self, *args, **kwargs):
        # Keras refuses it to subclasses, whose weights may be others.
        super().quantize(*args, **{**kwargs, "type_check": False})


@keras.saving.register_keras_serializable(package="kseq2seq")
class VocabularyEmbedding(keras.layers.ReversibleEmbedding):
    """`keras.layers.ReversibleEmbedding`, whose logits make a loss faster.

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

    def call(self, inputs, reverse=False):
        result = super().call(inputs, reverse=reverse)
        plain = self.tie_weights and not self.logit_soft_cap and not self.reverse_dtype
        plain = plain and not self.quantization_mode
        if not reverse or not plain or len(inputs.shape) != 3:
            return result
        return leave(result, inputs, self.embeddings, transposed=True)

    def quantize(self, *args, **kwargs):
        # Keras refuses it to subclasses, whose weights may be others.
        super().quantize(*args, **{**kwargs, "type_check": False})


@keras.saving.register_keras_serializable(package="kseq2seq")
class Logits(keras.layers.Layer):
    """Logits in float32, whatever the policy is.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor of any shape and dtype.

    Returns:
        Tensor of the same shape in float32.

    Example:

    >>> Logits()(keras.ops.ones((2, 3, 7), "bfloat16")).dtype.name
    'float32'
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs}, autocast=False)
        self.supports_masking = True

    def call(self, inputs):
        return hand_on(inputs, ops.cast(inputs, "float32"))

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, "float32")
