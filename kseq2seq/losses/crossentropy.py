"""Cross-entropy per real token: padding does not count.

A token is real where its label is not `PAD_ID`. Losses and metrics take sparse labels
of shape `(batch, length)` and logits of shape `(batch, length, vocabulary)`. They
compute in float32 whatever the logits' dtype.

Glossary of shapes, used in the comments below: B batch size, T target length,
V vocabulary size.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kseq2seq.losses.vocabulary_logits import VocabularyLogits
from kseq2seq.utils import PAD_ID, Tensor, check_fraction, check_integer


@keras.saving.register_keras_serializable(package="kseq2seq")
class MaskedCrossentropy(keras.losses.Loss):
    """Mean cross-entropy per real token, with label smoothing.

    For a token with label `y`, logits `z` and label smoothing `e`:

        loss = -log softmax(z)[y] + e * (z[y] - mean(z))

    which is the cross-entropy with the target `(1 - e) * onehot(y) + e / V`, as
    in `keras.losses.CategoricalCrossentropy`, without making that target. The
    result is the mean over the real tokens of the batch, weighted by
    `sample_weight` where it is given, so padding a batch further does not
    change it. A batch without a real token has loss 0 and gradient 0. A label outside
    of the vocabulary is an error, or, with XLA and on a GPU, makes the loss NaN.

    The default reduction of Keras's losses divides by batch times length
    instead, padding included, and so makes the loss of short sentences small.

    The `loss` that `fit` and `evaluate` report is Keras's: the mean of the
    batches' losses, each weighted by its number of sentences. Batches of
    sentences of unlike lengths therefore count a long sentence's token for less
    than a short one's. For a mean over all the tokens of a data set, which does
    not depend on how it was batched, add the metric `Perplexity`, whose logarithm
    is the mean cross-entropy without smoothing.

    In `fit` and `evaluate` with TensorFlow, a model of `build_model` hands over
    `kseq2seq.losses.VocabularyLogits`, of which the loss computes the real positions
    alone. The numbers are the same.

    Args:
        label_smoothing: Share of the target spread evenly over the whole
            vocabulary, at least 0 and less than 1.
        ignore_class: Label of the positions that do not count: 0 (`PAD_ID`), as
            the tokenizers of this package pad. Where labels begin at 0, name another,
            such as -1, or `None` for none.
        name: Name of the loss.

    Call arguments:
        y_true: Integer labels of shape `(batch, length)`, 0 (`PAD_ID`) at padding.
        y_pred: Logits of shape `(batch, length, vocabulary)`.
        sample_weight: Weights of shape `(batch,)`, per sentence, or
            `(batch, length)`, per token. Defaults to 1.

    Returns:
        A float32 scalar, in nats per token.

    Raises:
        ValueError: If `label_smoothing` is not in [0, 1), or if the shapes of
            labels and logits do not fit.

    Example:

    >>> labels = [[4, 1, 0, 0]]  # two tokens and their padding
    >>> logits = keras.ops.zeros((1, 4, 5))
    >>> loss = MaskedCrossentropy(label_smoothing=0.1)(labels, logits)
    >>> round(float(loss), 4)  # log(5): every token is as likely
    1.6094

    Reference:
        [Szegedy et al., 2016](https://arxiv.org/abs/1512.00567), section 7
        (label smoothing).
    """

    def __init__(
        self,
        label_smoothing: float = 0.0,
        name: str = "masked_crossentropy",
        ignore_class: int | None = PAD_ID,
    ) -> None:
        super().__init__(
            name=name, reduction="mean_with_sample_weight", dtype="float32"
        )
        self.label_smoothing = float(check_fraction("label_smoothing", label_smoothing))
        self.ignore_class = check_integer("ignore_class", ignore_class, optional=True)

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        y_true = ops.convert_to_tensor(y_true)
        weights = token_weights(y_true, sample_weight, self.ignore_class)
        if not isinstance(y_pred, VocabularyLogits) or self.ignore_class != PAD_ID:
            # Padding is left out through Keras's own weighted mean.
            return super().__call__(y_true, y_pred, weights)
        check_shapes(y_true, y_pred)
        losses = y_pred.losses(y_true, self.label_smoothing)  # (B, T)
        losses = nan_outside(losses, y_true, y_pred.shape[-1])
        return mean_of(losses, y_true, weights)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        is_real = real_tokens(y_true, self.ignore_class)
        # A label that is ignored need not be one of the vocabulary.
        labels = ops.where(is_real, ops.cast(y_true, "int32"), 0)
        loss = token_crossentropy(labels, y_pred, self.label_smoothing)  # (B, T)
        # Zero weights would not silence an infinity.
        return ops.where(is_real, loss, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {
            "label_smoothing": self.label_smoothing,
            "ignore_class": self.ignore_class,
            "name": self.name,
        }


class _GivenLosses(keras.losses.Loss):
    """Losses that are computed already, reduced as Keras does."""

    def call(self, y_true, y_pred):
        return y_pred


def mean_of(losses: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of the losses of all tokens, as Keras's losses reduce it.

    Args:
        losses: Tensor of shape `(batch, length)`.
        labels: Tensor of the same shape.
        weights: Weights of the same shape, as `token_weights` gives them.

    Returns:
        A float32 scalar, scaled for the replicas of a strategy where there is one.
    """
    # By a name of its own: TensorFlow refuses one that begins with an underscore.
    given = _GivenLosses("given", "mean_with_sample_weight", "float32")
    return given(labels, losses, weights)


def real_tokens(labels: Tensor, ignore_class: int | None = PAD_ID) -> Tensor:
    """Which tokens count.

    Args:
        labels: Integer tensor of shape `(batch, length)`.
        ignore_class: Label of those that do not; `None` if all do.

    Returns:
        Boolean tensor of shape `(batch, length)`.
    """
    if ignore_class is None:
        return ops.ones_like(labels, "bool")
    return ops.not_equal(labels, ignore_class)


def token_weights(
    labels: Tensor,
    sample_weight: Tensor | None = None,
    ignore_class: int | None = PAD_ID,
) -> Tensor:
    """Weight of every token: 0 at padding, else `sample_weight` or 1.

    Args:
        labels: Integer tensor of shape `(batch, length)`.
        sample_weight: `None`, or a tensor of shape `(batch,)`, `(batch, 1)` or
            `(batch, length)`.
        ignore_class: Label of padding; `None` if there is none.

    Returns:
        A float32 tensor of shape `(batch, length)`.

    Raises:
        ValueError: If `sample_weight` has another shape.
    """
    weights = ops.cast(real_tokens(labels, ignore_class), "float32")
    if sample_weight is None:
        return weights
    factors = ops.convert_to_tensor(sample_weight, dtype="float32")
    if getattr(factors.shape, "rank", 0) is None:
        # A graph of TensorFlow that has seen weights of one axis, then of two.
        return weights * ops.reshape(factors, (ops.shape(weights)[0], -1))
    received = tuple(factors.shape)
    # Per sentence: (B,) must become (B, 1), or it would broadcast along time.
    for _ in range(len(weights.shape) - len(factors.shape)):
        factors = ops.expand_dims(factors, -1)
    sizes, expected = tuple(factors.shape), tuple(weights.shape)
    if len(sizes) != len(expected) or not all(
        size in (other, 1) or None in (size, other)
        for size, other in zip(sizes, expected, strict=True)
    ):
        raise ValueError(
            "`sample_weight` must have shape (batch,), for a weight of each row, or "
            "(batch, length), for one of each position. Received: sample_weight.shape="
            f"{received}, labels.shape={expected}"
        )
    return weights * factors


def token_crossentropy(
    labels: Tensor, logits: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of each token, at padding too.

    Args:
        labels: Integer tensor of shape `(batch, length)`.
        logits: Float tensor of shape `(batch, length, vocabulary)`.
        label_smoothing: Share of the target spread over the vocabulary.

    Returns:
        A float32 tensor of shape `(batch, length)`, in nats.

    Raises:
        ValueError: If `logits` has not the axes of `labels` and one more.
    """
    check_shapes(labels, logits)
    logits = ops.cast(logits, "float32")
    loss = ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    loss = nan_outside(loss, labels, logits.shape[-1])
    if label_smoothing == 0:
        return loss
    # Against the uniform distribution. The normaliser again rather than the
    # label's logit, since gathering from (B, T, V) is the slower of the two.
    uniform_loss = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
    return (1 - label_smoothing) * loss + label_smoothing * uniform_loss


def nan_outside(losses: Tensor, labels: Tensor, vocabulary_size: int) -> Tensor:
    """Losses that are NaN where a label is outside of the vocabulary.

    On a CPU such a label is an error. XLA and GPUs cannot raise one, and take the loss
    of another label.

    Args:
        losses: Float tensor of shape `(batch, length)`.
        labels: Integer tensor of the same shape.
        vocabulary_size: Number of labels, from 0 on.

    Returns:
        Tensor of the shape and dtype of `losses`.
    """
    labels = ops.cast(labels, "int32")
    inside = ops.logical_and(labels >= 0, labels < vocabulary_size)
    return ops.where(inside, losses, float("nan"))


def shapes_fit(first: Sequence[int | None], second: Sequence[int | None]) -> bool:
    """Whether two shapes may be the same, as far as they are known.

    Args:
        first: A shape, with `None` for sizes that are not known.
        second: Another one.

    Example:

    >>> shapes_fit((2, None), (2, 5)), shapes_fit((2, 3), (2, 5))
    (True, False)
    """
    return len(first) == len(second) and all(
        None in pair or pair[0] == pair[1] for pair in zip(first, second, strict=True)
    )


def check_shapes(labels: Tensor, logits: Tensor) -> None:
    """Checks that logits have the axes of labels and one of the vocabulary.

    Args:
        labels: Tensor of shape `(batch, length)`.
        logits: Tensor of shape `(batch, length, vocabulary)`.

    Raises:
        ValueError: If the shapes, as far as they are known, do not fit.
    """
    expected, received = tuple(logits.shape)[:-1], tuple(labels.shape)
    if not shapes_fit(expected, received):
        raise ValueError(
            "Labels must be ids of shape `(batch, length)` and logits of shape "
            "`(batch, length, vocabulary)`: sparse labels, not one-hot. Pass ids. "
            f"Received: labels.shape={received}, logits.shape={tuple(logits.shape)}"
        )
