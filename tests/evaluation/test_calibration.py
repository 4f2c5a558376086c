"""Calibration, beside loops, and lists that are drawn from a known temperature."""

import math

import numpy as np
import pytest

from kseq2seq.evaluation import (
    Calibration,
    expected_calibration_error,
    fit_calibration,
)

SCORES = [[-0.5, -1.5, -3], [-0.2, -2], [-0.7, -0.9, -1.1, -1.2], [-1], [-2, -2.5]]
CORRECT = [
    [True, False, False],
    [False, False],
    # The same text by other tokens.
    [False, True, True, False],
    [True],
    [False, True],
]


def softmax(scores, temperature):
    powers = [math.exp(score / temperature) for score in scores]
    return [power / sum(powers) for power in powers]


def log_loss(temperature):
    """Of lists that hold a right one."""
    total = 0.0
    for scores, correct in zip(SCORES, CORRECT, strict=True):
        pairs = zip(softmax(scores, temperature), correct, strict=True)
        if any(correct):
            total -= math.log(sum(p for p, is_right in pairs if is_right))
    return total


def test_the_temperature_is_that_of_a_search_in_small_steps():
    calibration = fit_calibration(SCORES, CORRECT)
    tried = np.geomspace(0.05, 20.0, 40_001)
    expected = min(tried, key=log_loss)
    assert calibration.temperature == pytest.approx(expected, rel=1e-3)
    assert calibration.share == 4 / 5
    for scores in SCORES:
        wanted = np.array(softmax(scores, calibration.temperature)) * 4 / 5
        np.testing.assert_allclose(calibration.probabilities(scores), wanted)


def error_by_hand(probabilities, correct, num_bins):
    total = 0.0
    for number in range(num_bins):
        low, high = number / num_bins, (number + 1) / num_bins
        held = [
            pair
            for pair in zip(probabilities, correct, strict=True)
            if low < pair[0] <= high or (number == 0 and pair[0] == 0)
        ]
        if held:
            confidence = sum(p for p, _ in held) / len(held)
            accuracy = sum(is_right for _, is_right in held) / len(held)
            total += len(held) / len(probabilities) * abs(confidence - accuracy)
    return total


@pytest.mark.parametrize("num_bins", [1, 7, 10])
def test_the_error_is_that_of_bins(num_bins):
    rng = np.random.default_rng(3)
    probabilities = np.concatenate([rng.random(101), [0.0, 1.0, 0.1, 0.5]])
    correct = rng.random(105) < 0.3
    received = expected_calibration_error(probabilities, correct, num_bins)
    expected = error_by_hand(probabilities.tolist(), correct.tolist(), num_bins)
    assert received == pytest.approx(expected, abs=1e-12)


def test_a_known_temperature_comes_back():
    rng, temperature, share = np.random.default_rng(5), 3.7, 0.8
    scores = -np.sort(rng.exponential(4.0, (6007, 5)), axis=1)
    correct = np.zeros(scores.shape, bool)
    for number, row in enumerate(scores.tolist()):
        if rng.random() < share:
            correct[number, rng.choice(5, p=softmax(row, temperature))] = True
    calibration = fit_calibration(scores, correct)
    assert calibration.temperature == pytest.approx(temperature, rel=0.1)
    assert calibration.share == pytest.approx(share, abs=0.02)
    assert calibration.error < 0.03 < 0.2 < calibration.error_before
    best = [calibration.probabilities(row)[0] for row in scores]
    error = error_by_hand(best, correct[:, 0].tolist(), 10)
    assert calibration.error == pytest.approx(error, abs=1e-9)
    # However large scores are, as long texts have them.
    far = fit_calibration(scores * 50.0 - 1e4, correct)
    assert far.temperature == pytest.approx(50 * calibration.temperature, rel=1e-3)


def test_lists_of_which_none_is_right():
    calibration = fit_calibration([[-1.0, -2.0]], [[False, False]])
    assert calibration[:2] == (1.0, 0.0) and calibration.error == 0.0
    assert not calibration.probabilities([-1.0]).any()


@pytest.mark.parametrize(
    ("scores", "correct"),
    [
        ([[-1.0], [-2.0]], [[True], [False]]),
        ([[-2.0] * 2, [-0.3] * 3], [[True, False], [False, True, False]]),
        ([[-1.0, -2.0], [-0.3, -0.9]], [[True, True], [True, True]]),
    ],
)
def test_lists_that_are_as_probable_at_all_temperatures(scores, correct):
    assert fit_calibration(scores, correct).temperature == 1.0


@pytest.mark.parametrize(
    ("scores", "correct", "message"),
    [
        ([], [], "`scores` must hold lists of finite numbers"),
        ([[]], [[]], "`scores` must hold lists of finite numbers, none of them empty"),
        ([[-np.inf]], [[True]], "`scores` must hold lists of finite.*inf"),
        ([["a"]], [[True]], "`scores` must hold lists of finite numbers.*'a'"),
        (3, [[True]], "`scores` must hold lists of finite numbers.*3"),
        ([[-1.0]], [[True, False]], "`correct` must hold a boolean for each"),
        ([[-1.0]], [[1]], "`correct` must hold a boolean for each"),
        ([[-1.0]], [], "`correct` must hold a boolean for each"),
        ([[-1.0, -2.0]], [[True, False]], "temperature is beyond 0.001"),
        ([[-1.0, -2.0]], [[False, True]], "temperature is beyond 1000"),
    ],
)
def test_what_gives_no_calibration(scores, correct, message):
    with pytest.raises(ValueError, match=message):
        fit_calibration(scores, correct)


def test_arguments_of_the_error_are_checked():
    for probabilities, correct in (
        ([], []), ([0.5], [True, False]), ([1.5], [True]), ([0.5], [1]),
        ([np.nan], [True]),
    ):  # fmt: skip
        with pytest.raises(ValueError, match="`probabilities` must be numbers from 0"):
            expected_calibration_error(probabilities, correct)
    with pytest.raises(ValueError, match="`num_bins` must be an integer of at least 1"):
        expected_calibration_error([0.5], [True], num_bins=0)
    with pytest.raises(ValueError, match="`scores` must hold lists of finite"):
        Calibration(1.0, 1.0, 0.0, 0.0).probabilities([])
