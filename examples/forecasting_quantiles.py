#!/usr/bin/env python3
"""Forecasts a series with intervals: quantiles by attention, without a vocabulary.

    pip install statsmodels bokeh_sampledata
    python forecasting_quantiles.py co2 --plot forecast.png
    python forecasting_quantiles.py values.txt --season 24 --horizon 12

An LSTM reads two seasons; a decoder with attention writes quantiles of what comes. The
last fifth is the test, in which quantiles are tracked by what has come by then.
"""

import argparse

import keras
import numpy as np

from kseq2seq import evaluation, layers, plots
from kseq2seq.losses import QuantileLoss

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
SEASONS = {"co2": (52, 26), "sea": (24, 24)}  # with horizons: weeks, hours


def read_series(name):
    """Weekly CO2, hourly temperatures of the sea, or a file with a number a line."""
    if name == "co2":
        from statsmodels.datasets import co2

        return co2.load_pandas().data["co2"].interpolate().to_numpy()
    if name == "sea":
        from bokeh_sampledata.sea_surface_temperature import sea_surface_temperature

        celsius = sea_surface_temperature["temperature"].resample("1h").mean()
        return celsius.interpolate().to_numpy()
    return np.loadtxt(name, ndmin=1)


def make_windows(values, season, horizon):
    """Inputs, targets, mean and deviation of each time with a past and a future.

    Inputs and targets are relative to these. The decoder reads the value one season
    before (the naive forecast), that of two, the last value, and the time of season.
    """
    times = np.arange(2 * season, len(values) - horizon + 1)[:, None]
    before, ahead = times + np.arange(-2 * season, 0), times + np.arange(horizon)
    mean = values[before].mean(axis=1, keepdims=True)
    deviation = values[before].std(axis=1, keepdims=True) + 1e-6
    angles = 2 * np.pi * np.arange(len(values)) / season
    clock = [np.sin(angles), np.cos(angles)]

    def read(steps):
        return (values[steps] - mean) / deviation

    last = np.repeat(times - 1, horizon, axis=1)
    known = [read(ahead - season), read(ahead - 2 * season), read(last)]
    past = np.stack([read(before), *(x[before] for x in clock)], axis=-1)
    future = np.stack([*known, *(x[ahead] for x in clock)], axis=-1)
    return {"past": past, "future": future}, read(ahead), mean, deviation


def build_model(units):
    """The forecaster, which gives quantiles of shape (windows, horizon, quantiles)."""
    past = keras.Input((None, 3), name="past")
    future = keras.Input((None, 5), name="future")
    encoder = keras.layers.LSTM(units, return_sequences=True, return_state=True)
    memory, *states = encoder(past)
    cell = layers.DecoderCell(
        keras.layers.LSTMCell(units),
        attention=layers.BahdanauAttention(units),
        attentional=keras.layers.Dense(units, "tanh"),
    )
    outputs = layers.DecoderRNN(cell)(future, memory, initial_state=states)
    features = keras.layers.Concatenate()([keras.layers.Dropout(0.1)(outputs), future])
    changes = keras.layers.Dense(len(QUANTILES))(features)
    quantiles = future[..., :1] + keras.ops.sort(changes, axis=-1)  # none cross
    return keras.Model({"past": past, "future": future}, quantiles)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("series", help="co2, sea, or a file")
    numbers = {"season": 0, "horizon": 0, "units": 24, "epochs": 10, "seed": 0}
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"({default})")
    parser.add_argument("--plot", help="file to draw the last forecast into")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(options.seed)
    values = read_series(options.series)
    season, horizon = SEASONS.get(options.series, (options.season, options.horizon))
    if not 0 < horizon <= season <= len(values) / 10 or np.isnan(values).any():
        parser.error("needs 0 < --horizon <= --season, and 10 seasons without NaN")
    inputs, targets, mean, deviation = make_windows(values, season, horizon)
    first, test = (len(targets) * fifths // 5 for fifths in (3, 4))
    rows = slice(test - horizon)  # whose windows end ahead of the test
    seen = {name: x[rows] for name, x in inputs.items()}
    model = build_model(options.units)
    model.compile(keras.optimizers.Adam(0.003), QuantileLoss(QUANTILES))
    best = keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True)
    settings = {"epochs": options.epochs, "callbacks": [best], "verbose": 2}
    model.fit(seen, targets[rows], validation_split=0.25, **settings)
    forecasts = model.predict(inputs, verbose=0)[first:]
    tracked = evaluation.track_quantiles(forecasts, targets[first:], QUANTILES)
    tracked, targets = tracked[test - first :], targets[test:]
    naive, _, last, *_ = np.moveaxis(inputs["future"][test:], -1, 0)
    median = tracked[..., len(QUANTILES) // 2]
    for name, forecast in {"naive": naive, "last": last, "median": median}.items():
        error = np.mean(np.abs(forecast - targets) * deviation[test:])
        print(f"{name}: mean absolute error {error:.3f}")
    coverage = evaluation.interval_coverage(tracked, targets, QUANTILES)
    for promised, share in coverage.items():
        print(f"{promised:.0%} interval: holds {share:.1%}")
    if options.plot:
        forecast = mean[-1] + deviation[-1] * tracked[-1]
        history, actual = values[-3 * season : -horizon], values[-horizon:]
        figure = plots.forecast_plot(history, forecast, QUANTILES, actual)
        print(plots.save(figure, options.plot))


if __name__ == "__main__":
    main()
