"""Callback that scores and keeps the moving average of the weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import keras
import numpy as np
from keras import ops


class AveragedWeights(keras.callbacks.Callback):
    """Shows validation, and callbacks behind this one, the average of the weights.

    The optimizer must keep that average: `Adam(0.003, use_ema=True,
    ema_momentum=0.999)`. Training itself goes on with its own weights, which are put
    back bit by bit; after `fit` the model has the average, as always in Keras. It
    replaces `keras.callbacks.SwapEMAWeights(swap_on_epoch=True)`, which rounds both
    while it swaps them, and which leaves the wrong ones in the model where training
    stops early.

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
        self._weights: list[Any] | None = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Checks that there is an average."""
        self._weights = None
        # At the end of a `fit` before, Keras has put the average in.
        _part_from_average(self._trained_model().trainable_variables)
        optimizer: Any = self._trained_model().optimizer
        # That of a loss in float16 is inside of another one.
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)
        if not optimizer.use_ema:
            raise ValueError(
                "The optimizer must keep an average of the weights: make it with "
                f"use_ema=True. Received: {type(optimizer).__name__} with "
                f"use_ema={optimizer.use_ema}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Puts back the weights that training goes on with."""
        self._put_back()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Puts the average in the place of the weights."""
        self._put_in()

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Puts back the weights."""
        self._put_back()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Puts the average in the place of the weights, for the callbacks behind."""
        self._put_in()

    @contextmanager
    def own_weights(self) -> Iterator[None]:
        """Gives the model the weights that training goes on with, for a checkpoint."""
        is_average = self._weights is not None
        self._put_back()
        try:
            yield
        finally:
            if is_average:
                self._put_in()

    def _trained_model(self) -> keras.Model:
        return cast(keras.Model, self.model)

    def _put_in(self) -> None:
        if self._weights is None:
            model = self._trained_model()
            variables = model.trainable_variables
            self._weights = [np.array(ops.convert_to_numpy(x)) for x in variables]
            # What Keras does at the end of `fit`.
            cast(Any, model.optimizer).finalize_variable_values(variables)
            _part_from_average(variables)

    def _put_back(self) -> None:
        if self._weights is not None:
            variables = self._trained_model().trainable_variables
            for variable, value in zip(variables, self._weights, strict=True):
                variable.assign(value)
            self._weights = None


def _part_from_average(variables: list[Any]) -> None:
    """Gives variables arrays of their own, where the backend assigns without a copy.

    JAX's training deletes the arrays it was given, and cannot be given one twice.
    """
    for variable in variables:
        variable.assign(ops.copy(variable))
