"""The machine and the devices that a training runs on."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import keras

from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import TrainingSettings
from kseq2seq.utils import check_installed


def check_machine(settings: TrainingSettings) -> None:
    """Refuses what this machine cannot run, before any data is read.

    Args:
        settings: The section [training].

    Raises:
        ValueError: If TensorBoard, the backend TensorFlow or a device is asked for that
            is not there.
    """
    check_backend()
    check_devices(settings.devices)
    if settings.tensorboard:
        check_installed("tensorboard")


def check_backend() -> None:
    """Refuses another backend before the first step, not at the first scores.

    Raises:
        SettingsError: If Keras's backend is not TensorFlow.
    """
    backend = keras.config.backend()
    if backend != "tensorflow":
        raise SettingsError(
            "A training from settings needs TensorFlow, which runs its tokenizers: "
            "set KERAS_BACKEND=tensorflow, or train by a script, as "
            "examples/train_jax_processes.py does. "
            f"Received: Keras with backend {backend!r}"
        )


def check_devices(devices: Sequence[str]) -> None:
    """Refuses devices that are not there, before any data is read.

    Args:
        devices: Names such as "GPU:0".

    Raises:
        SettingsError: If there is no such device, or one is named twice.
    """
    if not devices:
        return
    import tensorflow as tf

    names = [x.name for x in tf.config.list_logical_devices()]
    short = [name.removeprefix("/device:") for name in names]
    unknown = [x for x in devices if x not in names and x not in short]
    if unknown or len({*devices}) < len(devices):
        raise SettingsError(
            f"training.devices must be some of {', '.join(short)}, each once. "
            f"Received: {list(devices)}"
        )


def on_devices(devices: Sequence[str]) -> AbstractContextManager:
    """The scope in which a model is made or loaded that several devices train.

    Args:
        devices: Names such as "GPU:0"; none for the device that the backend chooses.

    Returns:
        A context manager.
    """
    if not devices:
        return nullcontext()
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(list(devices)).scope()
