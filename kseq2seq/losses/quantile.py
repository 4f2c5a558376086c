"""Loss of quantiles of numbers: forecasts without a vocabulary."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kseq2seq.losses.crossentropy import shapes_fit, token_weights
from kseq2seq.utils import Tensor, check_quantiles


@keras.saving.register_keras_serializable(package="kseq2seq")
class QuantileLoss(keras.losses.Loss):
    """Pinball loss: its minimum is at the quantiles of the targets.

    For a target `y` and the forecast `f` of its quantile `q`:

        loss = q * (y - f)          where y is at least f
        loss = (1 - q) * (f - y)    elsewhere

    that is, too low costs `q` and too high `1 - q` for each unit. The loss of a
    position is the mean over the quantiles. That of a single quantile 0.5 is half of
    the absolute error.

    The result is the mean over positions, weighted by `sample_weight` and by the mask
    that the forecast carries, if there are any, so padding a batch further does not
    change it. Where `sample_weight` is 0 the target may be anything, NaN included: this
    is how missing values are left out. A mask does not do that: pad targets with a
    number.

    Nothing keeps the quantiles of a forecast in order. A model has them in order by
    `keras.ops.sort(outputs, axis=-1)`, which makes no loss larger (Chernozhukov et al.,
    2010).

    Args:
        quantiles: Probabilities that rise, each above 0 and below 1.
        name: Name of the loss.

    Call arguments:
        y_true: Targets of shape `(batch, length)` or `(batch, length, 1)`; of single
            numbers, `(batch,)` or `(batch, 1)`.
        y_pred: Forecasts of shape `(batch, length, quantiles)`; of single numbers,
            `(batch, quantiles)`.
        sample_weight: Weights of shape `(batch,)`, for a series each, or
            `(batch, length)`, for a position each. Defaults to 1.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: If `quantiles` are no rising probabilities, or if the shapes do not
            fit.

    Example:

    >>> loss = QuantileLoss([0.1, 0.5, 0.9])
    >>> targets, forecasts = [[3.0, 5.0]], [[[2.0, 3.0, 4.0], [2.0, 3.0, 4.0]]]
    >>> round(float(loss(targets, forecasts)), 4)  # (0.2 + 2.2) / 3 / 2
    0.4

    Reference:
        Koenker & Bassett, [Regression Quantiles](https://www.jstor.org/stable/1913643),
        1978, equation 3.1; [Wen et al., 2017](https://arxiv.org/abs/1711.11053),
        section 3.1 (forecasts); [Chernozhukov et al.,
        2010](https://arxiv.org/abs/0704.3649) (sorting).
    """

    def __init__(self, quantiles: Sequence[float], name: str = "quantile_loss") -> None:
        super().__init__(
            name=name, reduction="mean_with_sample_weight", dtype="float32"
        )
        self.quantiles = check_quantiles("quantiles", quantiles)

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        y_pred = ops.convert_to_tensor(y_pred)  # a tensor keeps its mask
        targets = self._targets(ops.convert_to_tensor(y_true), y_pred)
        weights = token_weights(targets, sample_weight, None)
        # Zero weights would not silence a target that is missing.
        targets = ops.where(ops.equal(weights, 0), ops.zeros_like(targets), targets)
        return super().__call__(targets, y_pred, weights)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        quantiles = ops.convert_to_tensor(self.quantiles, dtype=y_pred.dtype)
        errors = self._targets(y_true, y_pred)[..., None] - y_pred
        losses = ops.maximum(quantiles * errors, (quantiles - 1) * errors)
        return ops.mean(losses, axis=-1)

    def _targets(self, y_true, y_pred):
        """The targets without an axis for quantiles, checked."""
        received = tuple(y_true.shape)
        *expected, size = tuple(y_pred.shape)
        if len(received) == len(expected) + 1 and received[-1] == 1:
            y_true = y_true[..., 0]
        fits = shapes_fit(tuple(y_true.shape), expected)
        if fits and size == len(self.quantiles):
            return y_true
        raise ValueError(
            "Forecasts must have one axis more than targets, with a number for each of "
            f"the {len(self.quantiles)} quantiles: end the model in "
            f"Dense({len(self.quantiles)}), or name other `quantiles`. "
            f"Received: targets.shape={received}, forecasts.shape={tuple(y_pred.shape)}"
        )

    def get_config(self) -> dict[str, Any]:
        return {"quantiles": list(self.quantiles), "name": self.name}
