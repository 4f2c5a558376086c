import numpy as np
import pytest
from PIL import Image

from heatmaps import no_warnings
from kseq2seq.evaluation import METRICS, Metric
from kseq2seq.plots import save, training_curves
from kseq2seq.plots.curves import BEST_COLOR


@pytest.fixture(autouse=True)
def quiet(caplog):
    with no_warnings(caplog):
        yield


HISTORY = {
    "learning_rate": [1e-3, 2e-3, 1e-3, 5e-4],
    "bleu": [None, 11.5, np.inf, 10.25],
    "val_phone_error_rate": [40.0, 20.0, 10.0, 30.0],
    "loss": [4.0, 3.0, 2.0, 1.0],
    "val_loss": [4.5, 3.25, 3.5, 3.75],
    "token_accuracy": [0.1, 0.4, 0.3, 0.2],
}
BEST = {
    "loss": (2, 3.25),  # by validation, not by training
    "BLEU": (2, 11.5),
    "phone error rate": (3, 10.0),
    "token accuracy": (2, 0.4),
    "learning rate": None,
}


def test_curves_share_a_panel_by_quantity():
    figure = training_curves(HISTORY)
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    # The loss first, the learning rate last.
    assert list(panels) == list(BEST)
    curves = {x.get_label(): x for x in panels["loss"].lines}
    np.testing.assert_array_equal(curves["training"].get_xydata()[:, 0], [1, 2, 3, 4])
    np.testing.assert_array_equal(curves["training"].get_ydata(), HISTORY["loss"])
    np.testing.assert_array_equal(curves["validation"].get_ydata(), HISTORY["val_loss"])
    assert curves["training"].get_color() != curves["validation"].get_color()
    legend = [x.get_text() for x in panels["loss"].get_legend().get_texts()]
    assert legend == ["training", "validation"]
    # Epochs that have no number are stepped over.
    np.testing.assert_array_equal(
        panels["BLEU"].lines[0].get_xydata(), [(2, 11.5), (4, 10.25)]
    )
    assert len({axes.get_xlim() for axes in figure.axes}) == 1


@pytest.mark.parametrize("panel", BEST)
def test_the_best_epoch_is_marked(panel):
    figure = training_curves(HISTORY)
    (axes,) = (x for x in figure.axes if x.get_title(loc="left") == panel)
    marks = [x for x in axes.lines if x.get_markeredgecolor() == BEST_COLOR]
    told = axes.get_title(loc="right")
    if BEST[panel] is None:
        assert not marks and not told
    else:
        (mark,) = marks
        epoch, value = BEST[panel]
        np.testing.assert_array_equal(mark.get_xydata(), [(epoch, value)])
        assert told == f"best {value:.4g} at epoch {epoch}"


def test_falling_by_orders_of_magnitude_is_logarithmic():
    figure = training_curves(
        {"perplexity": [3000.0, 9.0], "loss": [3.0, 2.0], "bleu": [0.1, 30.0]}
    )
    scales = {x.get_title(loc="left"): x.get_yscale() for x in figure.axes}
    assert scales == {"perplexity": "log", "loss": "linear", "BLEU": "linear"}


@pytest.mark.parametrize(
    "history",
    [
        {"loss": [1.5], "bleu": [np.nan, 2]},
        HISTORY,
        {"loss": list(range(300, 0, -1))},
        {"loss": [0.0, -1.0]},
    ],
)
def test_curves_of_any_length_are_drawn(history, tmp_path):
    figure = training_curves(history)
    with Image.open(save(figure, tmp_path / "curves.png")) as image:
        assert image.size[0] > 500
    ticks = [x for axes in figure.axes for x in axes.get_xticks()]
    assert all(x == int(x) for x in ticks)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({}, "at least one number.*a history of nothing"),
        ({"loss": [], "bleu": [None]}, "at least one number.*loss, bleu"),
        ({"loss": "high"}, r"one list of numbers.*history\['loss'\]='high'"),
        ({"loss": 3.0}, r"one list of numbers.*history\['loss'\]=3.0"),
        ({"loss": [[1, 2]]}, r"one list of numbers.*\[\[1, 2\]\]"),
    ],
)
def test_histories_that_cannot_be_drawn(history, message):
    with pytest.raises(ValueError, match=message):
        training_curves(history)


def marks(figure):
    """Best epochs as told, by panel."""
    return {
        axes.get_title(loc="left"): axes.get_title(loc="right") for axes in figure.axes
    }


def test_metrics_of_the_table_have_their_label_and_direction(monkeypatch):
    metric = Metric(None, "F-score", higher_is_better=True)
    monkeypatch.setitem(METRICS, "f_rate", metric)
    history = {f"val_{name}": [1.0, 3.0, 2.0] for name in METRICS}
    best = marks(training_curves(history))
    for name, metric in METRICS.items():
        value, epoch = (3, 2) if metric.higher_is_better else (1, 1)
        assert best[metric.label] == f"best {value} at epoch {epoch}", name


def test_other_quantities_have_a_best_epoch_if_their_direction_is_given():
    history = {"val_f_score": [1.0, 2.0], "odd_rate": [9.0, 0.1], "lr": [3.0, 1.0]}
    assert set(marks(training_curves(history)).values()) == {""}
    directions = {"f_score": True, "odd_rate": False}
    figure = training_curves(history, higher_is_better=directions)
    assert marks(figure) == {
        "f score": "best 2 at epoch 2",
        "odd rate": "best 0.1 at epoch 2",
        "lr": "",
    }
    scales = [axes.get_yscale() for axes in figure.axes]
    assert scales == ["linear", "log", "linear"]
