"""Layers of a pointer-generator: tokens that are copied from the source.

Glossary of shapes, used in the comments below: B batch size, T target length or beam
size, S source length, V target vocabulary.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kseq2seq.layers.attention import new_initializer
from kseq2seq.utils import PAD_ID, Tensor, check_integer, with_bounded_gradient

# Far below the logarithm of any probability, and finite, for the sake of gradients.
_LEAST_LOGARITHM = -1e9


@keras.saving.register_keras_serializable(package="kseq2seq")
class CopiedIds(keras.layers.Layer):
    """The target id that each source id is copied as.

    Args:
        target_ids: For each source id its target id, a list of integers; `PAD_ID` for
            what cannot be copied.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        ids: Integer tensor of shape `(batch, source_length)`.

    Returns:
        int32 tensor of the same shape.

    Raises:
        ValueError: If `target_ids` is no list of integers of at least 0.

    Example:

    >>> layer = CopiedIds([0, 1, 0, 3, 6, 5])
    >>> ids = keras.ops.convert_to_tensor([[4, 5, 3, 0]])
    >>> keras.ops.convert_to_numpy(layer(ids)).tolist()
    [[6, 5, 3, 0]]
    """

    def __init__(self, target_ids: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_ids = [check_integer("target_ids", x, least=0) for x in target_ids]

    def call(self, ids: Tensor) -> Tensor:
        table = ops.convert_to_tensor(np.array(self.target_ids, "int32"))
        return ops.take(table, ops.cast(ids, "int32"), axis=0)

    def compute_output_spec(self, ids: keras.KerasTensor) -> keras.KerasTensor:
        return keras.KerasTensor(ids.shape, "int32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_ids": self.target_ids}


@keras.saving.register_keras_serializable(package="kseq2seq")
class PointerGenerator(keras.layers.Layer):
    """Logits of a mixture of two ways to the next token: to generate it, or to copy it.

    With the probabilities `P = softmax(logits)` of the vocabulary, the alignment `a`
    of the step, the decoder's features `f` and its input `e`:

        g = sigmoid(w . [f; e] + b)
        p(v) = (1 - (1 - g) * c) * P(v) + (1 - g) * sum(a[i] for copied[i] == v)
        c = sum(a[i] for what can be copied)

    where `c` is 1 unless the attention looks at what cannot be copied, such as
    features, or at nothing, as a monotonic one may: then a token is generated. All of
    it is computed in float32, and in logarithms: no token that is generated has
    probability 0.

    In the paper the vector `w` sees context and state of the decoder, which the
    features of our decoders are made of.

    Args:
        kernel_initializer: Initializer of `w`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        logits: Tensor of shape `(batch, target_length, vocabulary)`.
        features: Tensor of shape `(batch, target_length, size)`, of which the logits
            are made.
        embedded: Tensor of shape `(batch, target_length, embedding_size)`: the last
            tokens.
        alignment: Tensor of shape `(batch, target_length, source_length)`, at least 0,
            with sums of at most 1, and 0 at padding.
        copied: int32 tensor of shape `(batch, source_length)`, as `CopiedIds` returns
            it: the target id of each position, `PAD_ID` for what cannot be copied.

    Returns:
        Log-probabilities of shape `(batch, target_length, vocabulary)`, in float32:
        logits to every loss, metric and search.

    Example:

    >>> layer, alignment = PointerGenerator(), [[[0.25, 0.75, 0.0]]]
    >>> logits, vector = keras.ops.zeros((1, 1, 8)), keras.ops.zeros((1, 1, 2))
    >>> log_probs = layer(
    ...     logits,
    ...     vector,
    ...     vector,
    ...     keras.ops.convert_to_tensor(alignment),
    ...     keras.ops.convert_to_tensor([[5, 6, 0]]),
    ... )
    >>> probabilities = keras.ops.convert_to_numpy(keras.ops.exp(log_probs))
    >>> probabilities[0, 0, 4:7].round(4).tolist()
    [0.0625, 0.1875, 0.4375]

    Reference:
        [See et al., 2017](https://arxiv.org/abs/1704.04368), section 2.2.
    """

    def __init__(
        self, kernel_initializer: Any = "glorot_uniform", **kwargs: Any
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs}, autocast=False)
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)

    def build(
        self,
        logits_shape: Any,
        features_shape: Any = None,
        embedded_shape: Any = None,
        alignment_shape: Any = None,
        copied_shape: Any = None,
    ) -> None:
        size = features_shape[-1] + embedded_shape[-1]
        self.kernel = self.add_weight(
            shape=(size, 1),
            initializer=new_initializer(self.kernel_initializer),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(1,), initializer="zeros", name="bias")

    def call(
        self,
        logits: Tensor,
        features: Tensor,
        embedded: Tensor,
        alignment: Tensor,
        copied: Tensor,
    ) -> Tensor:
        logits, features, embedded, kernel, bias = (
            ops.cast(x, "float32")
            for x in (logits, features, embedded, self.kernel, self.bias)
        )
        alignment = ops.cast(with_bounded_gradient(alignment), "float32")
        gate = ops.matmul(ops.concatenate([features, embedded], axis=-1), kernel)
        gate = gate + bias  # (B, T, 1)
        log_copy = ops.log_sigmoid(-gate)
        can_be_copied = ops.cast(ops.not_equal(copied, PAD_ID), "float32")
        alignment = alignment * can_be_copied[:, None]  # (B, T, S)
        rest = 1.0 - ops.sum(alignment, axis=-1, keepdims=True)
        log_generate = _log_of_sum(ops.log_sigmoid(gate), log_copy + _logarithm(rest))
        # Of the size of the logits; a scatter would be another operation on each of
        # the runtimes that models are exported to.
        places = ops.one_hot(copied, logits.shape[-1], dtype="float32")  # (B, S, V)
        copies = log_copy + _logarithm(ops.matmul(alignment, places))
        return _log_of_sum(log_generate + ops.log_softmax(logits), copies)

    def compute_output_spec(
        self,
        logits: keras.KerasTensor,
        features: keras.KerasTensor,
        embedded: keras.KerasTensor,
        alignment: keras.KerasTensor,
        copied: keras.KerasTensor,
    ) -> keras.KerasTensor:
        return keras.KerasTensor(logits.shape, "float32")

    def get_config(self) -> dict[str, Any]:
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return {**super().get_config(), "kernel_initializer": initializer}


def _logarithm(shares: Tensor) -> Tensor:
    """The logarithm, and the least one where there is no share."""
    positive = shares > 0
    # What is not chosen must have a gradient, too.
    return ops.where(
        positive, ops.log(ops.where(positive, shares, 1.0)), _LEAST_LOGARITHM
    )


def _log_of_sum(x: Tensor, y: Tensor) -> Tensor:
    """The logarithm of the sum of what two tensors are the logarithms of."""
    # `ops.logaddexp` has an operation that ONNX lacks.
    highest = ops.stop_gradient(ops.maximum(x, y))
    return highest + ops.log(ops.exp(x - highest) + ops.exp(y - highest))
