"""Losses of sparse probabilities, sparsemax and entmax: padding does not count."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers import masked_probabilities
from kseq2seq.losses.crossentropy import (
    check_shapes,
    nan_outside,
    real_tokens,
    token_weights,
)
from kseq2seq.losses.vocabulary_logits import VocabularyLogits
from kseq2seq.utils import (
    PAD_ID,
    Tensor,
    check_choice,
    check_fraction,
    check_integer,
)

# From the function of probabilities to its alpha.
ALPHAS = {"entmax15": 1.5, "sparsemax": 2.0}


@keras.saving.register_keras_serializable(package="kseq2seq")
class EntmaxLoss(keras.losses.Loss):
    """Mean loss per real token of a model whose probabilities can be exactly 0.

    It takes the place of `MaskedCrossentropy` where softmax is replaced by sparsemax or
    entmax. For a token with label `y` and logits `z`, with `p = entmax(z)`:

        loss = p . z + H(p) - z[y]
        H(p) = sum(p - p ** alpha) / (alpha * (alpha - 1))

    which is 0 as soon as the label has all of the probability, and whose gradient by
    the logits is `p - onehot(y)`. Label smoothing `e` sets `(1 - e) * onehot(y) +
    e / V` in place of the one-hot target.

    A model of `build_model` with the same `Seq2SeqConfig.output_probability_fn` is
    decoded with these probabilities: hypotheses of probability 0 leave the search.

    Args:
        probability_fn: `"entmax15"` (alpha 1.5) or `"sparsemax"` (alpha 2).
        label_smoothing: Share of the target spread evenly over the whole vocabulary,
            at least 0 and less than 1.
        ignore_class: Label of the positions that do not count, as of
            `MaskedCrossentropy`.
        name: Name of the loss.

    Call arguments:
        y_true: Integer labels of shape `(batch, length)`, 0 (`PAD_ID`) at padding.
        y_pred: Logits of shape `(batch, length, vocabulary)`.
        sample_weight: Weights of shape `(batch,)`, per sentence, or
            `(batch, length)`, per token. Defaults to 1.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: If an argument cannot be used, or if the shapes of labels and
            logits do not fit.

    Example:

    >>> loss = EntmaxLoss()
    >>> labels = [[1, 2, 0]]  # two tokens and their padding
    >>> sure = keras.ops.one_hot(labels, 4) * 2  # a lead of 2 gives all to one token
    >>> float(loss(labels, sure)), round(float(loss(labels, -sure)), 3)
    (0.0, 2.564)

    Reference:
        [Peters et al., 2019](https://arxiv.org/abs/1905.05702), section 3.2; label
        smoothing: [Peters & Martins, 2021](https://arxiv.org/abs/2103.10291).
    """

    def __init__(
        self,
        probability_fn: str = "entmax15",
        label_smoothing: float = 0.0,
        name: str = "entmax_loss",
        ignore_class: int | None = PAD_ID,
    ) -> None:
        super().__init__(
            name=name, reduction="mean_with_sample_weight", dtype="float32"
        )
        self.probability_fn = check_choice("probability_fn", probability_fn, ALPHAS)
        self.label_smoothing = float(check_fraction("label_smoothing", label_smoothing))
        self.ignore_class = check_integer("ignore_class", ignore_class, optional=True)

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        y_true = ops.convert_to_tensor(y_true)
        if isinstance(y_pred, VocabularyLogits):
            y_pred = y_pred.logits
        # Padding is left out through Keras's own weighted mean.
        weights = token_weights(y_true, sample_weight, self.ignore_class)
        return super().__call__(y_true, y_pred, weights)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        check_shapes(y_true, y_pred)
        is_real = real_tokens(y_true, self.ignore_class)
        # A label that is ignored need not be one of the vocabulary.
        labels = ops.where(is_real, ops.cast(y_true, "int32"), 0)
        logits = ops.cast(y_pred, "float32")
        losses = _losses(labels, logits, self.probability_fn, self.label_smoothing)
        losses = nan_outside(losses, labels, logits.shape[-1])
        # Zero weights would not silence an infinity.
        return ops.where(is_real, losses, 0.0)

    def get_config(self) -> dict[str, Any]:
        return {
            "probability_fn": self.probability_fn,
            "label_smoothing": self.label_smoothing,
            "ignore_class": self.ignore_class,
            "name": self.name,
        }


def _losses(labels, logits, probability_fn, smoothing):
    """The loss of each token, `(batch, length)`; see `EntmaxLoss`."""
    size, alpha = logits.shape[-1], ALPHAS[probability_fn]
    # As a constant: the derivative of the rest by it is 0.
    p = ops.stop_gradient(masked_probabilities(logits, None, probability_fn))
    # From the label's logit on, since all may be large.
    of_label = ops.take_along_axis(logits, labels[..., None], axis=-1)
    distances = logits - of_label
    losses = ops.sum(p * distances, axis=-1) + _entropy(p, alpha)
    if smoothing:
        target_entropy = _entropy_of_smoothed(size, alpha, smoothing)
        losses = losses - smoothing * ops.mean(distances, axis=-1) - target_entropy
    return losses


def _entropy(p, alpha):
    """Tsallis entropy of the last axis."""
    powers = p * ops.sqrt(p) if alpha == 1.5 else ops.square(p)
    return ops.sum(p - powers, axis=-1) / (alpha * (alpha - 1))


def _entropy_of_smoothed(size, alpha, smoothing):
    other = smoothing / size
    label = 1 - smoothing + other
    powers = label**alpha + (size - 1) * other**alpha
    return (1 - powers) / (alpha * (alpha - 1))
