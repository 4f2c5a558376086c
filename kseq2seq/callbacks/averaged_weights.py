"""Callback that scores and keeps the moving average of the weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import keras
import numpy as np
from keras import ops


class AveragedWeights(keras.callbacks.Callback):
    """Gives the model the average of its weights for validation and later callbacks.

    The optimizer must keep that average: `Adam(0.003, use_ema=True,
    ema_momentum=0.999)`. Training goes on with its own weights, which are restored
    exactly; after `fit` the model has the average, as always in Keras. This callback
    replaces `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)`, which rounds both
    sets of weights when it swaps them, and leaves the wrong set in the model if
    training stops early.

    Put it before `DecodeAndScore` and before callbacks that write the model.

    Raises:
        ValueError: If the optimizer keeps no average when training begins.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
    >>> model.compile(optimizer, loss="mse")
    >>> data = np.ones((4, 2)), np.ones((4, 1))
    >>> history = model.fit(
    ...     *data, validation_data=data, callbacks=[AveragedWeights()], verbose=0
    ... )

    Reference:
        [Polyak & Juditsky, 1992](https://doi.org/10.1137/0330046), with exponential
        weights.
    """

    def __init__(self) -> None:
        super().__init__()
        # The weights of the training, while the model has the average.
        self._weights: list[Any] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Checks that there is an average."""
        self._weights = None
        # A `fit` before has left the average in the model.
        _copy_arrays(self._trained_model().trainable_variables)
        optimizer: Any = self._trained_model().optimizer
        # With a loss in float16, a `LossScaleOptimizer` wraps it.
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not optimizer.use_ema:
            raise ValueError(
                "The optimizer must keep an average of the weights: make it with "
                f"use_ema=True. Received: {type(optimizer).__name__} with "
                f"use_ema={optimizer.use_ema}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Restores the weights of the training."""
        self._restore_weights()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Gives the model the average."""
        self._use_average()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Restores the weights of the training."""
        self._restore_weights()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Gives the model the average, for later callbacks."""
        self._use_average()

    @contextmanager
    def own_weights(self) -> Iterator[None]:
        """Gives the model the weights of the training, for a checkpoint."""
        is_average = self._weights is not None
        self._restore_weights()
        try:
            yield
        finally:
            if is_average:
                self._use_average()

    def _trained_model(self) -> keras.Model:
        return cast(keras.Model, self.model)

    def _use_average(self) -> None:
        if self._weights is None:
            model = self._trained_model()
            variables = model.trainable_variables
            self._weights = [np.array(ops.convert_to_numpy(x)) for x in variables]
            # What Keras does at the end of `fit`.
            cast(Any, model.optimizer).finalize_variable_values(variables)
            _copy_arrays(variables)

    def _restore_weights(self) -> None:
        if self._weights is not None:
            variables = self._trained_model().trainable_variables
            for variable, value in zip(variables, self._weights, strict=True):
                variable.assign(value)
            self._weights = None


def _copy_arrays(variables: list[Any]) -> None:
    """Copies the arrays of variables, which may share them with the optimizer.

    Some backends assign an array without a copy. A training step of JAX deletes the
    arrays that it was given, and cannot take the same one twice.
    """
    for variable in variables:
        variable.assign(ops.copy(variable))
