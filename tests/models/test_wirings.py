"""Encoders of several wirings, against NumPy loops of the papers."""

import keras
import numpy as np
import pytest

import reference
from kseq2seq.models import encoder_model
from small_models import SOURCE, make_model

LENGTHS = (7, 3)
STEPS = {"lstm": reference.lstm_step, "gru": reference.gru_step}


def run(step, cell, vectors, units):
    """Outputs of all steps, and the last state."""
    state, outputs = (np.zeros(units),) * (2 if step is STEPS["lstm"] else 1), []
    further = [reference.named_weights(one) for one in cell.further]
    step = reference.transition(step, reference.named_weights(cell.cell), further)
    for x in vectors:
        state = step(x, state)
        outputs.append(state[0])
    return np.array(outputs), state


def expected_encoder(model, step, ids, num_bidirectional, residual_from):
    """Outputs of the last layer and the last states of each, of one sentence."""
    x = np.asarray(model.get_layer("source_embedding").embeddings, float)[ids]
    all_states = []
    for level in range(3):
        layer = model.get_layer(f"encoder_{level}")
        if level < num_bidirectional:
            output, states = run(step, layer.forward_layer.cell, x, 3)
            other, other_states = run(step, layer.backward_layer.cell, x[::-1], 3)
            output = np.concatenate([output, other[::-1]], axis=1)
            states = [
                np.concatenate(pair) for pair in zip(states, other_states, strict=True)
            ]
        else:
            output, states = run(step, layer.cell, x, 6)
        x = output + x if level + 1 >= residual_from else output
        all_states += states
    return x, all_states


@pytest.mark.parametrize(
    ("num_bidirectional", "residual_from", "cell"), [(1, 3, "lstm"), (2, 2, "gru")]
)
def test_the_lower_layers_read_both_ways(num_bidirectional, residual_from, cell):
    model = make_model(
        "gnmt",
        bidirectional_layers=num_bidirectional,
        residual_from=residual_from,
        cell=cell,
        transition_depth=2,
    )
    reference.randomize(model, scale=0.4)
    encoded = encoder_model(model)(SOURCE)
    for row, length in enumerate(LENGTHS):
        outputs, states = expected_encoder(
            model, STEPS[cell], SOURCE[row, :length], num_bidirectional, residual_from
        )
        value = encoded["memory"]["value"][row, :length]
        np.testing.assert_allclose(value, outputs, atol=1e-5)
        for actual, expected in zip(encoded["states"], states, strict=True):
            np.testing.assert_allclose(actual[row], expected, atol=1e-5)


@pytest.mark.parametrize("name", ["first_query", "gnmt", "hard"])
def test_variational_dropout_is_the_same_at_all_positions(name):
    options = {"dropout": 0.4, "encoder_layers": 2}
    if name == "gnmt":
        options["residual_from"] = 2
    model = make_model(name, **options, variational_dropout=True)
    plain = make_model(name, **options)
    names = {x.name for x in model.layers if isinstance(x, keras.layers.Dropout)}
    assert names >= {"source_dropout", "encoder_0_dropout", "memory"}
    assert names >= {"target_dropout", "output_dropout"}
    for layer in map(model.get_layer, names):
        ones = np.ones((5, *(7,) * (len(layer.input.shape) - 2), 101), "float32")
        factors = np.asarray(layer(ones, training=True)).reshape(5, -1, 101)
        np.testing.assert_array_equal(factors, factors[:, :1] * np.ones_like(factors))
        assert abs(np.mean(factors[:, 0] == 0) - 0.4) < 0.15
        assert (factors[0] != factors[1]).any()
        others = np.asarray(plain.get_layer(layer.name)(ones, training=True))
        others = others.reshape(factors.shape)
        assert (others != others[:, :1]).any()
