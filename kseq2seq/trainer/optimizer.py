"""The optimizer that the section [optimizer] asks for."""

import logging
from typing import Any

import keras

from kseq2seq.optimizers import Adam
from kseq2seq.trainer.schedules import SCHEDULES
from kseq2seq.trainer.settings import Settings

_logger = logging.getLogger("kseq2seq")


def make_optimizer(settings: Settings, num_steps: int) -> Adam:
    """Adam with the options of the settings; warns if there are too few batches.

    Args:
        settings: The `Settings`.
        num_steps: Number of batches that a model is going to be trained with in all.
    """
    options, ema = settings.optimizer, settings.training.ema
    _warn_of_few_steps(settings, num_steps)
    rate: Any = SCHEDULES[options.schedule].make(
        float(options.learning_rate), num_steps, options.warmup_steps
    )
    steps = options.accumulation_steps
    average = {"use_ema": True, "ema_momentum": ema} if ema else {}
    return Adam(
        rate,
        global_clipnorm=options.clip_norm or None,
        weight_decay=options.weight_decay or None,
        gradient_accumulation_steps=steps if steps > 1 else None,
        **average,
    )


def _warn_of_few_steps(settings: Settings, num_steps: int) -> None:
    """Warns of settings that need more batches than the training has."""
    options, ema = settings.optimizer, settings.training.ema
    window = round(1 / (1 - ema))  # of the moving average
    needed = {
        f"optimizer.warmup_steps = {options.warmup_steps}, at whose end the learning "
        "rate is reached": options.warmup_steps,
        f"optimizer.accumulation_steps = {options.accumulation_steps}, behind which "
        "weights are first changed": options.accumulation_steps,
        f"training.ema = {ema}, an average over some {window} batches, which keeps "
        "to the first of them": window if ema else 0,
    }
    for what, least in needed.items():
        if least > num_steps:
            _logger.warning(
                "the training has %d batches in all, too few for %s: lower it, or "
                "train for longer",
                num_steps,
                what,
            )


def leave_out_vectors(model: keras.Model) -> None:
    """Leaves biases, scales and other vectors out of weight decay.

    Keras does not write this into files: a model that was loaded needs it again.

    Args:
        model: The compiled model, before it is trained.
    """
    optimizer: Any = model.optimizer
    # With a loss in float16, a `LossScaleOptimizer` wraps it.
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    vectors = [x for x in model.trainable_variables if len(x.shape) < 2]
    optimizer.exclude_from_weight_decay(var_list=vectors)
