"""Devices of a training."""

import pytest
import tensorflow as tf

from backends import run_on
from kseq2seq import trainer
from kseq2seq.trainer.devices import check_devices, on_devices
from kseq2seq.trainer.schema import SettingsError


def test_devices_are_those_of_a_mirrored_strategy():
    with on_devices([]):
        assert not tf.distribute.has_strategy()
    with on_devices(["CPU:0"]):
        strategy = tf.distribute.get_strategy()
        assert isinstance(strategy, tf.distribute.MirroredStrategy)


@pytest.mark.parametrize("devices", [["GPU:97"], ["CPU:0", "CPU:0"]])
def test_devices_must_be_there(devices):
    with pytest.raises(SettingsError, match=r"some of CPU:0.*, each once\. Received"):
        check_devices(devices)


def test_other_backends_are_refused_before_anything_is_made(monkeypatch, tmp_path):
    settings = trainer.read_settings(trainer.find_recipe("dates"))
    monkeypatch.setattr("keras.config.backend", lambda: "jax")
    with pytest.raises(SettingsError, match="needs TensorFlow.*Received: .*'jax'"):
        trainer.prepare(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


ODD = """
    import sys
    from kseq2seq import trainer
    from replicas import make_two_cpus

    make_two_cpus()
    losses = []
    for devices in ("['CPU:0', 'CPU:1']", "[]"):
        settings = trainer.read_settings(
            trainer.find_recipe("dates"),
            [
                "data.limit=97",
                "batches.batch_size=7",
                "batches.buckets=[31]",
                "model.units=8",
                "model.dropout=0.0",
                "training.epochs=1",
                "training.seed=5",
                f"training.devices={devices}",
            ],
        )
        folder = f"{sys.argv[1]}/{len(losses)}"
        training = trainer.prepare(settings, folder)
        trainer.fit(training)
        losses.append(training.run_folder.history[0]["val_loss"])
    assert abs(losses[0] / losses[1] - 1) < 1e-4, losses
"""


def test_batches_that_two_devices_cannot_share_equally_train(tmp_path):
    run_on("tensorflow", ODD, tmp_path)
