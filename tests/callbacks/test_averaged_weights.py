"""The moving average of the weights: what is scored, and what is trained."""

import keras
import numpy as np
import pytest

from backends import run_on
from kseq2seq import Adam
from kseq2seq.callbacks import AveragedWeights

RNG = np.random.default_rng(0)
DATA = RNG.normal(size=(15, 3)), RNG.normal(size=(15, 2))


def make_model(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mse")
    return model


class Recorder(keras.callbacks.Callback):
    """Keeps the weights after each batch, in tests and at the end of each epoch."""

    def __init__(self, stop_after=None, averaged=None):
        super().__init__()
        self.stop_after, self.averaged = stop_after, averaged
        self.steps, self.tested, self.ends, self.own = [], [], [], []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.model.get_weights())

    def on_test_batch_end(self, batch, logs=None):
        self.tested.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.ends.append(self.model.get_weights())
        if self.averaged is not None:
            with self.averaged.own_weights():
                self.own.append(self.model.get_weights())
            self.ends.append(self.model.get_weights())
        self.model.stop_training = epoch == self.stop_after


def fit(model, recorder, *callbacks, epochs=3):
    options = {"batch_size": 5, "shuffle": False, "verbose": 0, "epochs": epochs}
    callbacks = [*callbacks, recorder]
    model.fit(*DATA, validation_data=DATA, callbacks=callbacks, **options)
    return recorder


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("stop_after", [None, 1])
@pytest.mark.parametrize("scaled", [False, True])
def test_the_average_is_scored_and_the_weights_are_trained(stop_after, scaled):
    plain = fit(make_model(Adam(0.1)), Recorder(stop_after))
    averaged = AveragedWeights()
    optimizer = Adam(0.1, use_ema=True, ema_momentum=0.7)
    if scaled:
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer, initial_scale=1.0)
    model = make_model(optimizer)
    seen = fit(model, Recorder(stop_after, averaged), averaged)
    for ours, theirs in zip(seen.steps, plain.steps, strict=True):
        if not scaled:
            assert same(ours, theirs)
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)
    # The first weights, then a share of each that follow.
    means, average = [], None
    for weights in seen.steps:
        average = [
            new if average is None else 0.7 * old + 0.3 * new
            for old, new in zip(average or weights, weights, strict=True)
        ]
        means.append(average)
    for epoch, step in enumerate(range(2, len(seen.steps), 3)):
        for actual in (
            seen.tested[step],
            seen.ends[2 * epoch],
            seen.ends[2 * epoch + 1],
        ):
            np.testing.assert_allclose(actual[0], means[step][0], rtol=1e-5)
        assert same(seen.own[epoch], seen.steps[step])
    assert same(model.get_weights(), seen.ends[-1])
    assert not same(seen.ends[-1], seen.own[-1])


def test_an_optimizer_without_an_average_is_refused():
    with pytest.raises(ValueError, match=r"make it with use_ema=True. Received: Adam"):
        fit(make_model(Adam(0.1)), Recorder(), AveragedWeights())


def test_on_jax_training_goes_on_behind_the_average():
    # Keras puts the average's own arrays in, which JAX deletes in the next step.
    run_on(
        "jax",
        """
import keras
import numpy as np
from kseq2seq.callbacks import AveragedWeights

data = np.eye(5, 3), np.eye(5, 2)
optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.7)
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
model.compile(optimizer, "mse")
options = {"validation_data": data, "epochs": 2, "verbose": 0}
for _ in range(2):
    logs = model.fit(*data, callbacks=[AveragedWeights()], **options).history
assert logs["val_loss"][1] < logs["val_loss"][0]
""",
    )
