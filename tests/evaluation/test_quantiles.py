"""Coverage and tracking of quantiles, against loops and the law of large numbers."""

import numpy as np
import pytest

from kseq2seq.evaluation import interval_coverage, track_quantiles

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
N, T = 7, 3
GENERATOR = np.random.default_rng(0)
TARGETS = GENERATOR.normal(size=(N, T))
FORECASTS = np.sort(GENERATOR.normal(size=(N, T, 5)), axis=-1)


def test_coverage_is_a_share_of_all_targets():
    expected = {}
    for promised, low, high in [(0.8, 0, 4), (0.4, 1, 3)]:
        inside = [
            FORECASTS[n, t, low] <= TARGETS[n, t] <= FORECASTS[n, t, high]
            for n, t in np.ndindex(N, T)
        ]
        expected[promised] = np.mean(inside)
    assert interval_coverage(FORECASTS, TARGETS, QUANTILES) == pytest.approx(expected)
    exact = np.repeat(TARGETS[..., None], 2, axis=-1)
    assert interval_coverage(exact, TARGETS, [0.25, 0.75]) == {0.5: 1.0}


def test_missing_targets_count_nowhere():
    given = [[1.0, 3.0]] * 3
    assert interval_coverage(given, [2.0, np.nan, 9.0], [0.1, 0.9]) == {0.8: 0.5}
    targets = [[1.0], [np.nan], [np.nan], [1.0], [1.0]]
    tracked = track_quantiles(np.zeros((5, 1, 1)), targets, [0.5], rate=0.5)
    assert tracked.ravel().tolist() == [0.0, 0.25, 0.25, 0.25, 0.5]


def test_tracking_follows_what_is_over():
    rate, expected = 0.3, np.empty_like(FORECASTS)
    for step in range(T):
        for number, quantile in enumerate(QUANTILES):
            offset, moved = 0.0, []
            for time in range(N):
                window = time - 1 - step
                if window >= 0:
                    is_below = TARGETS[window, step] <= moved[window]
                    offset += rate * (quantile - is_below)
                moved.append(FORECASTS[time, step, number] + offset)
            expected[:, step, number] = moved
    received = track_quantiles(FORECASTS, TARGETS, QUANTILES, rate)
    np.testing.assert_allclose(received, np.sort(expected, axis=-1))
    # What is still to come has no part in it.
    later = TARGETS.copy()
    later[np.add.outer(np.arange(N), np.arange(T)) >= 4] += 9.0
    changed = track_quantiles(FORECASTS, later, QUANTILES, rate)
    np.testing.assert_array_equal(changed[:5], received[:5])
    assert np.any(changed[5:] != received[5:])


def test_there_may_be_fewer_windows_than_steps():
    few = track_quantiles(FORECASTS[:2], TARGETS[:2], QUANTILES, rate=0.3)
    all_ = track_quantiles(FORECASTS, TARGETS, QUANTILES, rate=0.3)
    np.testing.assert_array_equal(few, all_[:2])
    alone = track_quantiles(FORECASTS[:1], TARGETS[:1], QUANTILES)
    np.testing.assert_array_equal(alone, FORECASTS[:1])


def test_tracked_intervals_hold_though_the_forecast_is_wrong():
    targets = np.random.default_rng(1).normal(size=(3000, 1)) + 5.0
    forecasts = np.zeros((3000, 1, 5))
    tracked = track_quantiles(forecasts, targets, QUANTILES, rate=0.05)[500:]
    coverage = interval_coverage(tracked, targets[500:], QUANTILES)
    assert coverage == pytest.approx({0.8: 0.8, 0.4: 0.4}, abs=0.02)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"forecasts": FORECASTS[..., :4]}, r"the 5 quantiles.*\(7, 3, 4\), targets"),
        ({"targets": TARGETS[:5]}, r"axes of `targets`.*targets.shape=\(5, 3\)"),
        (
            {"forecasts": FORECASTS * np.nan},
            "no NaN.*105 forecasts and 0 targets",
        ),
        ({"targets": TARGETS * np.nan}, "at least one number.*0 forecasts and 21"),
        ({"quantiles": [0.9, 0.1]}, "`quantiles` must be a list"),
        ({"rate": 0}, "`rate` must be a finite number above 0"),
        ({"forecasts": FORECASTS[0], "targets": TARGETS[0]}, "stack rolling windows"),
    ],
)
def test_what_does_not_fit_is_refused(changes, match):
    arguments = {"forecasts": FORECASTS, "targets": TARGETS, "quantiles": QUANTILES}
    with pytest.raises(ValueError, match=match):
        track_quantiles(**{**arguments, **changes})


def test_an_interval_has_two_bounds():
    with pytest.raises(ValueError, match=r"two at least.*quantiles=\[0.5\]"):
        interval_coverage(FORECASTS[..., :1], TARGETS, [0.5])
