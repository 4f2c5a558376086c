"""The learning rate on a plateau, also of a training that was interrupted."""

import math

import keras
import numpy as np
import pytest

from kseq2seq.trainer import ReduceOnPlateau, RunFolder

# Better, worse twice, not scored, worse, better, equal, worse, worse.
SCORES = [2.0, 1.0, 0.5, math.nan, 1.5, 3.0, 3.0, 2.0, 1.0]


class Scores(keras.callbacks.Callback):
    """Gives each epoch the score of a list."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_bleu"] = SCORES[epoch]


def fit(model, folder, first, last):
    """Trains from one epoch to another on a little data; returns its logs."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    plateau = ReduceOnPlateau("val_bleu", True, 0.5, 2, folder.history)
    model.fit(
        x,
        y,
        batch_size=5,
        initial_epoch=first,
        epochs=last,
        shuffle=False,
        callbacks=[Scores(), plateau, folder],
        verbose=0,
    )
    return [row.get("learning_rate", math.nan) for row in folder.history]


def make_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.5), "mse")
    return model


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Rates and weights after all epochs in one go."""
    model = make_model()
    folder = RunFolder(tmp_path_factory.mktemp("run"), "val_bleu", True)
    return fit(model, folder, 0, len(SCORES)), model.get_weights()


def test_rates_fall_when_scores_do_not_rise(uninterrupted):
    # The rate of each epoch: it was lowered after two without a better one.
    wanted = [0.5, 0.5, 0.5, math.nan, 0.25, 0.25, 0.25, 0.25, 0.125]
    np.testing.assert_allclose(uninterrupted[0], wanted)


@pytest.mark.parametrize("epoch", [2, 4])
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    uninterrupted, tmp_path, epoch
):
    fit(make_model(), RunFolder(tmp_path, "val_bleu", True), 0, epoch)
    folder = RunFolder(tmp_path, "val_bleu", True)
    model = folder.restore()
    rates = fit(model, folder, epoch, len(SCORES))
    np.testing.assert_array_equal(rates, uninterrupted[0])
    for ours, theirs in zip(model.get_weights(), uninterrupted[1], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("factor", "patience", "message"),
    [
        (0.5, 0, "`patience` must be an integer of at least 1. .*patience=0"),
        (0.5, 1.5, "`patience` must be an integer of at least 1. .*patience=1.5"),
        (0.0, 2, "`factor` must be .* 0 .*factor=0.0"),
        (1.0, 2, "`factor` must be .* 1. .*factor=1.0"),
    ],
)
def test_arguments_are_checked(factor, patience, message):
    with pytest.raises(ValueError, match=message):
        ReduceOnPlateau("val_bleu", True, factor, patience)


def test_of_equal_scores_a_lower_loss_is_better():
    model = make_model()
    callback = ReduceOnPlateau("val_bleu", True, 0.5, 1)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, loss in enumerate([3.0, 2.0, 1.0, 1.0, 0.5, 0.7]):
        callback.on_epoch_end(epoch, {"val_bleu": 0.0, "val_loss": loss})
        rates.append(float(model.optimizer.learning_rate))
    np.testing.assert_allclose(rates, [0.5, 0.5, 0.5, 0.25, 0.25, 0.125])
