"""Gradients against differences of a function written in NumPy."""

import numpy as np


def assert_slopes(function, values, gradients, rtol=1e-4, step=1e-6):
    """Along a random direction of each value; `function` computes in float64."""
    rng = np.random.default_rng(3)
    values = [np.asarray(x, "float64") for x in values]
    for place, gradient in enumerate(gradients):
        direction = rng.normal(size=values[place].shape)
        sides = []
        for sign in (1, -1):
            moved = list(values)
            moved[place] = values[place] + sign * step * direction
            sides.append(function(*moved))
        slope = (sides[0] - sides[1]) / (2 * step)
        received = np.sum(np.asarray(gradient) * direction)
        np.testing.assert_allclose(received, slope, rtol, err_msg=f"number {place}")
