"""Cross-entropy of attention with an alignment that it is to learn.

Glossary of shapes, used in the comments below: B batch size, T target length, S source
length.
"""

from typing import Any

import keras
from keras import ops

from kseq2seq.losses.crossentropy import shapes_fit, token_weights
from kseq2seq.utils import Tensor, with_bounded_gradient

# In place of a weight of 0, which has no logarithm; smaller than those of a softmax.
_LEAST = 1e-30


@keras.saving.register_keras_serializable(package="kseq2seq")
class AlignmentCrossentropy(keras.losses.Loss):
    """Mean cross-entropy of attention weights, per token that has an alignment.

    For a token with the given alignment `a`, a distribution over the source, and the
    attention `w`:

        loss = -sum(a * log(w))

    A token whose alignment is all 0, as at padding, counts nothing. The result is the
    mean over the others, weighted by `sample_weight` where it is given, and 0 where
    there are none.

    Args:
        name: Name of the loss.

    Call arguments:
        y_true: The alignment, of shape `(batch, target_length, source_length)`, 0 at
            padding.
        y_pred: Attention weights of the same shape.
        sample_weight: Weights of shape `(batch,)`, per sentence, or `(batch,
            target_length)`, per token. Defaults to 1.

    Returns:
        A float32 scalar, in nats per token.

    Raises:
        ValueError: If the shapes do not fit.

    Example:

    >>> alignment = [[[1, 0, 0], [0, 0.5, 0.5], [0, 0, 0]]]  # the last is padding
    >>> attention = [[[0.5, 0.25, 0.25], [0, 0.5, 0.5], [1, 0, 0]]]
    >>> round(float(AlignmentCrossentropy()(alignment, attention)), 4)  # log(2)
    0.6931

    Reference:
        [Chen et al., 2016](https://arxiv.org/abs/1607.01628), guided alignment, by
        cross-entropy.
    """

    def __init__(self, name: str = "alignment_crossentropy") -> None:
        super().__init__(
            name=name, reduction="mean_with_sample_weight", dtype="float32"
        )

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        _check_shapes(y_true, y_pred)
        weights = aligned_token_weights(y_true, sample_weight)
        # Ahead of Keras, whose own cast lets gradients be infinite in float16.
        return super().__call__(y_true, with_bounded_gradient(y_pred), weights)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        is_linked = y_true > 0
        # Elsewhere there is no logarithm, and no gradient.
        weights = ops.where(is_linked, ops.cast(y_pred, "float32"), 1.0)
        logs = ops.log(ops.maximum(weights, _LEAST))
        return -ops.sum(ops.cast(y_true, "float32") * logs, axis=-1)  # (B, T)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


def aligned_token_weights(
    alignment: Tensor, sample_weight: Tensor | None = None
) -> Tensor:
    """Weight of every token: 0 without an alignment, else `sample_weight` or 1.

    Args:
        alignment: Tensor of shape `(batch, target_length, source_length)`.
        sample_weight: As of `AlignmentCrossentropy`.

    Returns:
        A float32 tensor of shape `(batch, target_length)`.

    Raises:
        ValueError: If `sample_weight` has another shape.
    """
    is_aligned = ops.any(alignment > 0, axis=-1)
    # As labels: 0 is padding.
    return token_weights(ops.cast(is_aligned, "int32"), sample_weight)


def _check_shapes(alignment, attention):
    shapes = tuple(alignment.shape), tuple(attention.shape)
    if len(shapes[0]) != 3 or not shapes_fit(*shapes):
        raise ValueError(
            "The alignment and the attention must both be of shape `(batch, "
            "target_length, source_length)`: give an alignment of these tokens, padded "
            f"alike. Received: alignment.shape={shapes[0]}, attention.shape={shapes[1]}"
        )
