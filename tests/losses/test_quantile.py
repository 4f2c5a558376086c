"""The pinball loss against a loop of its definition, and by what minimises it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.losses import QuantileLoss

B, T = 3, 5
QUANTILES = (0.05, 0.3, 0.5, 0.9)
GENERATOR = np.random.default_rng(0)
TARGETS = GENERATOR.normal(size=(B, T)).astype("float32")
FORECASTS = GENERATOR.normal(size=(B, T, len(QUANTILES))).astype("float32")
WEIGHTS = GENERATOR.uniform(0.5, 2, size=(B, T)).astype("float32")
LENGTHS = (5, 2, 1)
REAL = np.arange(T) < np.array(LENGTHS)[:, None]


def expected(weights):
    """Weighted mean of the positions' losses, each the mean over quantiles."""
    total = 0.0
    for row, time in np.ndindex(B, T):
        for number, quantile in enumerate(QUANTILES):
            too_low = float(TARGETS[row, time] - FORECASTS[row, time, number])
            cost = quantile * too_low if too_low >= 0 else (quantile - 1) * too_low
            total += weights[row, time] * cost / len(QUANTILES)
    return total / weights.sum()


@pytest.mark.parametrize(
    ("sample_weight", "weights"),
    [
        (None, np.ones((B, T))),
        (WEIGHTS, WEIGHTS),
        (WEIGHTS[:, 0], np.repeat(WEIGHTS[:, :1], T, axis=1)),
        (REAL, REAL.astype(float)),
    ],
)
def test_matches_the_loop(sample_weight, weights):
    loss = QuantileLoss(QUANTILES)
    for targets in (TARGETS, TARGETS[..., None]):
        received = loss(targets, FORECASTS, sample_weight)
        assert float(received) == pytest.approx(expected(weights), rel=1e-5)


def test_single_numbers_and_the_median():
    received = QuantileLoss([0.5])(TARGETS[:, 0], FORECASTS[:, 0, :1])
    half = keras.losses.MeanAbsoluteError()(TARGETS[:, :1], FORECASTS[:, 0, :1]) / 2
    assert float(received) == pytest.approx(float(half), rel=1e-6)


def test_the_mask_of_a_forecast_counts():
    model = keras.Sequential([keras.layers.Masking(), keras.layers.Dense(4)])
    inputs = FORECASTS * REAL[..., None]
    loss = QuantileLoss(QUANTILES)
    received = loss(TARGETS, model(inputs), WEIGHTS)
    plain = loss(TARGETS, model(inputs).numpy(), WEIGHTS * REAL)
    assert float(received) == pytest.approx(float(plain), rel=1e-6)


def test_what_is_missing_has_no_loss_and_no_gradient():
    targets = np.where(REAL, TARGETS, np.nan)
    forecasts = tf.Variable(FORECASTS)
    with tf.GradientTape() as tape:
        loss = QuantileLoss(QUANTILES)(targets, forecasts, REAL)
    gradient = tape.gradient(loss, forecasts).numpy()
    assert float(loss) == pytest.approx(expected(REAL.astype(float)), rel=1e-5)
    assert np.all(gradient[REAL] != 0) and not np.any(gradient[~REAL])


def test_quantiles_minimise_it():
    sample = np.random.default_rng(1).gamma(2.0, size=(1, 67)).astype("float32")
    for quantile in QUANTILES:
        loss = QuantileLoss([quantile])
        losses = [float(loss(sample, np.full((1, 67, 1), x))) for x in sample[0]]
        best = sample[0, np.argmin(losses)]
        below = np.mean(sample <= best)
        assert abs(below - quantile) < 1.01 / 67


def test_a_model_with_it_is_loaded(tmp_path):
    inputs = keras.Input((T, 2))
    model = keras.Model(inputs, keras.layers.Dense(len(QUANTILES))(inputs))
    model.compile("sgd", QuantileLoss(QUANTILES))
    model.save(tmp_path / "model.keras")
    loss = keras.models.load_model(tmp_path / "model.keras").loss
    assert (loss.quantiles, loss.name) == (QUANTILES, "quantile_loss")


@pytest.mark.parametrize(
    "quantiles", [[], [0, 0.5], [0.5, 0.5], [0.9, 0.1], [1.5], "0.5", 0.5, [True], None]
)
def test_quantiles_must_be_rising_probabilities(quantiles):
    with pytest.raises(ValueError, match="each above 0 and below 1 .*Received: quant"):
        QuantileLoss(quantiles)


@pytest.mark.parametrize(
    ("targets", "forecasts"),
    [
        (TARGETS, FORECASTS[..., :3]),
        (TARGETS[:, :4], FORECASTS),
        (FORECASTS, FORECASTS),
        (TARGETS[0], FORECASTS),
    ],
)
def test_shapes_must_fit(targets, forecasts):
    with pytest.raises(ValueError, match=r"end the model in Dense\(4\).*targets.shape"):
        QuantileLoss(QUANTILES)(targets, forecasts)
