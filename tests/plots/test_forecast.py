"""The plot of a forecast: what is drawn where, and what is refused."""

import numpy as np
import pytest

from kseq2seq import plots

HISTORY = np.array([3.0, np.nan, 5.0, 4.0, 6.0, 5.0, 7.0])
QUANTILES = [0.05, 0.25, 0.5, 0.75, 0.95]
FORECAST = np.sort(np.random.default_rng(0).normal(6, 2, (3, 5)), axis=1)


def bands(axes):
    """Label, lower and upper bound of each band, over the times of the forecast."""
    for band in axes.collections:
        vertices = band.get_paths()[0].vertices
        columns = [vertices[vertices[:, 0] == x, 1] for x in np.unique(vertices[:, 0])]
        yield band.get_label(), [c.min() for c in columns], [c.max() for c in columns]


def test_the_widest_band_is_of_the_outer_quantiles():
    figure = plots.forecast_plot(HISTORY, FORECAST, QUANTILES, actual=[6.0, 5.0, 8.0])
    (axes,) = figure.axes
    (wide, *outer), (narrow, *inner) = bands(axes)
    assert (wide, narrow) == ("90 %", "50 %")
    np.testing.assert_allclose(outer, FORECAST[:, [0, 4]].T)
    np.testing.assert_allclose(inner, FORECAST[:, [1, 3]].T)
    lines = {line.get_label(): line.get_xydata() for line in axes.lines}
    np.testing.assert_array_equal(lines["history"][:, 0], np.arange(-6, 1))
    np.testing.assert_array_equal(lines["history"][:, 1], HISTORY)
    np.testing.assert_array_equal(lines["median"], np.c_[[1, 2, 3], FORECAST[:, 2]])
    np.testing.assert_array_equal(lines["actual"][:, 1], [6, 5, 8])


def test_single_values_are_a_line_in_given_axes_over_dates():
    axes = plots.forecast_plot(HISTORY, FORECAST, QUANTILES).axes[0]
    axes.clear()
    dates = np.datetime64("2001-02-03") + np.arange(10)
    figure = plots.forecast_plot(HISTORY, [1, 2, 3], times=dates, title="$2", ax=axes)
    assert figure is axes.get_figure() and not axes.collections
    _, forecast = axes.lines
    assert (forecast.get_label(), axes.get_title("left")) == ("forecast", "$2")
    np.testing.assert_array_equal(forecast.get_xdata(orig=True), dates[7:])


def test_an_even_number_of_quantiles_has_no_line():
    (axes,) = plots.forecast_plot(HISTORY, FORECAST[:, :2], [0.2, 0.4]).axes
    assert [line.get_label() for line in axes.lines] == ["history"]
    assert [label for label, *_ in bands(axes)] == ["20 %"]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"history": FORECAST}, r"`history` must be one series .*\(3, 5\)"),
        ({"history": []}, r"at least one value.*Received: history.shape=\(0,\)"),
        ({"forecast": FORECAST[:, :4]}, r"each of its columns.*\(3, 4\), quantiles="),
        ({"quantiles": None}, r"the shape \(length,\).*\(3, 5\), quantiles=None"),
        ({"quantiles": [0.5, 0.1]}, "`quantiles` must be a list of at least one prob"),
        ({"forecast": FORECAST * np.nan}, "finite numbers.*Received: 15 numbers"),
        ({"actual": [1, 2]}, r"`actual` must be .* shape \(3,\).*shape=\(2,\)"),
        ({"times": np.arange(9)}, r"7 \+ 3 here. Received: times of shape \(9,\)"),
    ],
)
def test_what_does_not_fit_is_refused(changes, match):
    arguments = {"history": HISTORY, "forecast": FORECAST, "quantiles": QUANTILES}
    with pytest.raises(ValueError, match=match):
        plots.forecast_plot(**{**arguments, **changes})
