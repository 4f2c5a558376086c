"""Gates and their gradients against differences of the formulas in NumPy."""

import numpy as np
from keras import ops

from kseq2seq.layers.recurrent import steps
from slopes import assert_slopes

B, U, T, D = 3, 5, 7, 2


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def gates_in_numpy(z, c):
    i, f, g, o = np.split(np.asarray(z, "float64"), 4, axis=1)
    i, f, o = (1 / (1 + np.exp(-x)) for x in (i, f, o))
    return [i, f, np.tanh(g), o], f * c + i * np.tanh(g)


def test_gates_and_cell_state_are_those_of_the_formulas():
    z, c = random(B, 4 * U), random(B, U, seed=1)
    gates, new_c = steps.gate(z, c)
    expected, expected_c = gates_in_numpy(z, c)
    np.testing.assert_allclose(np.stack(gates), expected, atol=1e-6)
    np.testing.assert_allclose(new_c, expected_c, atol=1e-6)


def test_gradients_are_slopes():
    z, c = random(B, 4 * U), random(B, U, seed=1)
    do, dc = random(B, U, seed=2), random(B, U, seed=3)
    gates = [ops.convert_to_tensor(x) for x in steps.gate(z, c)[0]]
    found = steps.gate_gradient(do, dc, c, gates)

    def total(z, c):
        (*_, o), new_c = gates_in_numpy(z, c)
        return np.sum(o * do) + np.sum(new_c * dc)

    assert_slopes(total, [z, c], found)


def test_the_gradient_of_weights_sums_over_steps_and_rows():
    inputs, gradients = random(T, B, D), random(T, B, U, seed=1)
    expected = np.einsum("tbd,tbu->du", inputs, gradients)
    found = steps.weight_gradient(inputs, gradients)
    np.testing.assert_allclose(found, expected, atol=1e-5)
