"""Callback that lowers the learning rate, also in a resumed training."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kseq2seq.utils import check_integer, check_number


class ReduceOnPlateau(keras.callbacks.ReduceLROnPlateau):
    """`keras.callbacks.ReduceLROnPlateau` that goes on where a training was killed.

    Keras's begins anew with each `fit`: it forgets the best value and the epochs
    without a better one. This one reads them from the history. An epoch that was not
    scored counts neither way. Of equal scores, such as those of 0 with which a training
    begins, that of a lower `val_loss` counts as better, as the best epoch is chosen.

    Args:
        monitor: Name of the log.
        higher_is_better: Whether more of it is better.
        factor: Number that the learning rate is multiplied by.
        patience: Number of epochs without a better one after which it is lowered.
        history: The logs of the epochs before, dicts from name to number; read when
            training begins.

    Raises:
        ValueError: If `patience` is no positive integer, or `factor` not between 0 and
            1.

    Example:

    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.5), loss="mse")
    >>> callback = ReduceOnPlateau("loss", False, 0.1, 2, [{"loss": 0.0}] * 2)
    >>> _ = model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0, callbacks=[callback])
    >>> round(float(model.optimizer.learning_rate), 3)
    0.05
    """

    def __init__(
        self,
        monitor: str,
        higher_is_better: bool,
        factor: float,
        patience: int,
        history: Sequence[Mapping[str, float]] = (),
    ) -> None:
        mode = "max" if higher_is_better else "min"
        # Of 0 epochs Keras makes 1.
        patience = check_integer("patience", patience, 1)
        factor = check_number("factor", factor, above=0, below=1)
        # As the best epoch is chosen: however little it is better.
        super().__init__(monitor, factor, patience, mode=mode, min_delta=0.0)
        self.history = history

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Counts the epochs of the history, without a change of the rate."""
        super().on_train_begin(logs)
        self._best_loss = math.inf
        optimizer: Any = self.model.optimizer  # pyright: ignore
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
        for epoch, row in enumerate(self.history):
            self.on_epoch_end(epoch, dict(row))
        # The checkpoint has it already.
        optimizer.learning_rate = rate

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Lowers the rate if it is time, and adds `learning_rate` to the logs."""
        logs = {} if logs is None else logs
        score, loss = logs.get(self.monitor, 0.0), logs.get("val_loss", math.inf)
        if not math.isfinite(score):
            return
        former, is_lower = self.best, loss < self._best_loss
        if score == former and is_lower:
            self.wait = -1  # which Keras makes 0, as of a better one
        super().on_epoch_end(epoch, logs)
        if self.best != former or (score == former and is_lower):
            self._best_loss = loss
