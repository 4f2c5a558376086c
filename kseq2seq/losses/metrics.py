"""Metrics per real token: padding does not count."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from kseq2seq.losses.crossentropy import (
    check_shapes,
    nan_outside,
    real_tokens,
    token_crossentropy,
    token_weights,
)
from kseq2seq.losses.vocabulary_logits import VocabularyLogits
from kseq2seq.utils import PAD_ID, Tensor, check_integer


class _TokenMean(keras.metrics.Mean):
    """Mean over real tokens; a subclass says in `_values` of what.

    A label outside of the vocabulary is an error, or makes it NaN, as it does the loss.
    """

    # From labels and logits to a number for each label.
    _values: Callable[[Tensor, Tensor], Tensor]

    def __init__(
        self, name: str, dtype: str = "float32", ignore_class: int | None = PAD_ID
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.ignore_class = check_integer("ignore_class", ignore_class, optional=True)

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        y_true = ops.convert_to_tensor(y_true)
        weights = token_weights(y_true, sample_weight, self.ignore_class)
        check_shapes(y_true, y_pred)
        if isinstance(y_pred, VocabularyLogits) and self.ignore_class != PAD_ID:
            y_pred = y_pred.logits  # its real positions are those of another label
        if isinstance(y_pred, VocabularyLogits):
            labels = y_true
        else:
            # A label that is ignored need not be one of the vocabulary.
            is_real = real_tokens(y_true, self.ignore_class)
            labels = ops.where(is_real, ops.cast(y_true, "int32"), 0)
        values = ops.cast(self._values(labels, y_pred), "float32")
        values = nan_outside(values, labels, y_pred.shape[-1])
        # A weight of 0 would not silence an infinity.
        values = ops.where(ops.equal(weights, 0), 0.0, values)
        # Flat, since `Mean` would first divide each row by its padded length.
        super().update_state(ops.ravel(values), ops.ravel(weights))

    def get_config(self) -> dict[str, Any]:
        return {
            "ignore_class": self.ignore_class,
            "name": self.name,
            "dtype": self.dtype,
        }


@keras.saving.register_keras_serializable(package="kseq2seq")
class TokenAccuracy(_TokenMean):
    """Share of the real tokens whose logit is the largest.

    Under teacher forcing, that is: each token is guessed from the true tokens
    before it. Of logits that are equal, each counts as the largest.

    Args:
        ignore_class: Label of the positions that do not count, as of
            `MaskedCrossentropy`.
        name: Name of the metric.
        dtype: Dtype of its running sums. Defaults to float32.

    Call arguments:
        y_true: Integer labels of shape `(batch, length)`, 0 (`PAD_ID`) at padding.
        y_pred: Logits of shape `(batch, length, vocabulary)`.
        sample_weight: Weights of shape `(batch,)` or `(batch, length)`.

    Returns:
        A scalar from 0 to 1; 0 before the first real token.

    Example:

    >>> accuracy = TokenAccuracy()
    >>> logits = keras.ops.one_hot([[3, 1, 3]], 4)
    >>> accuracy.update_state([[3, 2, 0]], logits)
    >>> float(accuracy.result())
    0.5
    """

    def __init__(
        self,
        name: str = "token_accuracy",
        dtype: str = "float32",
        ignore_class: int | None = PAD_ID,
    ) -> None:
        super().__init__(name, dtype, ignore_class)

    def _values(self, labels, y_pred):
        if isinstance(y_pred, VocabularyLogits):
            return y_pred.correct(labels)
        of_labels = ops.take_along_axis(y_pred, labels[..., None], axis=-1)[..., 0]
        return of_labels >= ops.max(y_pred, axis=-1)


@keras.saving.register_keras_serializable(package="kseq2seq")
class Perplexity(_TokenMean):
    """Exponential of the mean cross-entropy per real token, without smoothing.

    The sums run over all the tokens of an epoch, so the result does not depend
    on how the data were batched, and it can be compared between models that
    share a vocabulary.

    Args:
        ignore_class: Label of the positions that do not count, as of
            `MaskedCrossentropy`.
        name: Name of the metric.
        dtype: Dtype of its running sums. Defaults to float32.

    Call arguments:
        y_true: Integer labels of shape `(batch, length)`, 0 (`PAD_ID`) at padding.
        y_pred: Logits of shape `(batch, length, vocabulary)`.
        sample_weight: Weights of shape `(batch,)` or `(batch, length)`.

    Returns:
        A scalar of at least 1; 1 before the first real token.

    Example:

    >>> perplexity = Perplexity()
    >>> perplexity.update_state([[3, 2, 0]], keras.ops.zeros((1, 3, 8)))
    >>> round(float(perplexity.result()), 4)  # as unsure as between 8 words
    8.0
    """

    def __init__(
        self,
        name: str = "perplexity",
        dtype: str = "float32",
        ignore_class: int | None = PAD_ID,
    ) -> None:
        super().__init__(name, dtype, ignore_class)

    def _values(self, labels, y_pred):
        if isinstance(y_pred, VocabularyLogits):
            return y_pred.crossentropies(labels)
        return token_crossentropy(labels, y_pred)

    def result(self) -> Tensor:
        return ops.exp(super().result())
