#!/usr/bin/env python3
"""Forecasts the next day of hourly series: attention without a vocabulary.

    python forecast.py
    python forecast.py --alignment alignment.png

Source and target are numbers, not tokens. An LSTM reads four days, another one the
hours of the fifth, and attention finds the hours of the past that tell most. The loss
is the mean absolute error. Nothing is written step by step, since the decoder reads
hours, which are known, and not its own outputs: `model.predict` forecasts at once.
"""

import argparse

import keras
import numpy as np
from keras import layers, ops

import kseq2seq

PAST, FUTURE = 96, 24


def make_series(count, generator):
    """Series of five days: a rhythm of their own, a level that drifts, and noise."""
    hours = np.arange(PAST + FUTURE) + generator.integers(0, 24, (count, 1))
    angles = 2 * np.pi * hours / 24
    values = np.cumsum(generator.normal(0, 0.05, hours.shape), axis=1)
    for harmonic in (1, 2, 3):
        phase = generator.uniform(0, 2 * np.pi, (count, 1))
        values += np.sin(harmonic * angles + phase) / harmonic
    values += generator.normal(0, 0.5, hours.shape)
    values = values.astype("float32")[..., None]
    clock = np.stack([np.sin(angles), np.cos(angles)], axis=-1).astype("float32")
    past = np.concatenate([values, clock], axis=-1)[:, :PAST]
    return {"past": past, "clock": clock[:, PAST:]}, values[:, PAST:]


def build_models(units):
    """The forecaster, and a model of the same layers that gives its alignment."""
    past = keras.Input((None, 3), name="past")  # value, and the clock's hand
    clock = keras.Input((None, 2), name="clock")
    memory, *states = layers.LSTM(units, return_sequences=True, return_state=True)(past)
    outputs = layers.LSTM(units, return_sequences=True)(clock, initial_state=states)
    # Hours are compared by their hands, and what is read are values: where keys and
    # values differ, attention takes both.
    query = layers.Concatenate()([outputs, clock])
    key = layers.Concatenate()([memory, past])
    context, alignment = kseq2seq.layers.LuongAttention("scaled_general")(
        query, past, key, return_attention_scores=True
    )
    features = layers.Dense(units, "relu")(layers.Concatenate()([outputs, context]))
    forecast = context[..., :1] + layers.Dense(1)(features)
    inputs = {"past": past, "clock": clock}
    return keras.Model(inputs, forecast), keras.Model(inputs, alignment)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("series", 6000), ("epochs", 8), ("units", 32)):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"({default})")
    parser.add_argument("--alignment", help="file to draw the first alignment into")
    options = parser.parse_args(arguments)
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    inputs, targets = make_series(options.series, generator)
    test_inputs, test_targets = make_series(500, generator)

    model, alignment_model = build_models(options.units)
    model.compile(keras.optimizers.Adam(0.005), loss="mean_absolute_error")
    model.fit(inputs, targets, batch_size=64, epochs=options.epochs, verbose=2)

    def error(forecast):
        return float(ops.mean(ops.abs(forecast - test_targets)))

    days = test_inputs["past"][..., :1].reshape(500, PAST // 24, 24, 1)
    print(f"as yesterday       {error(days[:, -1]):.3f}")
    print(f"mean of four days  {error(days.mean(axis=1)):.3f}")
    print(f"with attention     {error(model.predict(test_inputs, verbose=0)):.3f}")
    if options.alignment:
        first = {name: values[:1] for name, values in test_inputs.items()}
        (weights,) = alignment_model.predict(first, verbose=0)
        # Every third hour, and what it reads in spans of three hours.
        weights = weights[::3].reshape(FUTURE // 3, PAST // 3, 3).sum(axis=-1)
        ago = ["" if n % 12 else f"{n} h" for n in range(-PAST, 0, 3)]
        hours = [f"+{n} h" for n in range(0, FUTURE, 3)]
        figure = kseq2seq.plots.alignment_heatmap(weights, ago, hours)
        print(kseq2seq.plots.save(figure, options.alignment))


if __name__ == "__main__":
    main()
