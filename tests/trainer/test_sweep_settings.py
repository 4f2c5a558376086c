"""Which settings a sweep tries."""

import math

import pytest

from kseq2seq.trainer import read_sweep
from kseq2seq.trainer.schema import SettingsError


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "own.toml"
        path.write_text(text)
        return read_sweep(path)

    return read_text


GRID = """
[data]
format = "dates"
[training]
seed = 5
[model]
units = 6
[sweep.model]
units = [8, 16]
[sweep.batches]
buckets = [[10], [20, 30]]
"""


def test_a_grid_is_every_combination(read):
    runs = read(GRID)
    assert [x.name for x in runs] == [f"00{n}-seed5" for n in (1, 2, 3, 4)]
    assert [x.changes for x in runs] == [
        {"model.units": units, "batches.buckets": buckets}
        for units in (8, 16)
        for buckets in ([10], [20, 30])
    ]
    for run in runs:
        assert run.settings.model["units"] == run.changes["model.units"]
        assert list(run.settings.batches.buckets) == run.changes["batches.buckets"]
        assert run.settings.training.seed == 5


def test_each_setting_is_trained_with_each_seed(read):
    runs = read(GRID + "[sweep]\nseeds = [3, 7]\n")
    names = [x.name for x in runs[:3]]
    assert names == ["001-seed3", "001-seed7", "002-seed3"]
    assert [x.seed for x in runs] == [3, 7] * 4
    assert [x.settings.training.seed for x in runs] == [3, 7] * 4
    assert [x.changes for x in read("[sweep]\nseeds = [3, 7]\n")] == [{}, {}]


VARIANTS = """
[sweep.variants.plain]
[sweep.variants."two layers"]
model = {encoder_layers = 2, residual = true}
optimizer.learning_rate = 0.007
"""


def test_settings_of_a_variant_are_tried_together(read):
    runs = read(GRID + VARIANTS)
    assert [tuple(x.changes.values()) for x in runs] == [
        (name, units, buckets)
        for name in ("plain", "two layers")
        for units in (8, 16)
        for buckets in ([10], [20, 30])
    ]
    assert list(runs[0].changes) == ["variant", "model.units", "batches.buckets"]
    for run in runs:
        layers, residual, rate = {
            "plain": (1, False, 0.001),
            "two layers": (2, True, 0.007),
        }[run.changes["variant"]]
        model = {"encoder_layers": 1, "residual": False} | run.settings.model
        assert (model["encoder_layers"], model["residual"]) == (layers, residual)
        assert run.settings.optimizer.learning_rate == rate
        assert run.settings.model["units"] == run.changes["model.units"]
    drawn = read("[sweep]\ndraws = 2\n" + VARIANTS)
    assert {x.changes["variant"] for x in drawn} == {"plain", "two layers"}


def test_a_switch_may_be_what_is_tried(read):
    base = "[optimizer]\nplateau_patience = 3\n[sweep]\n"
    runs = read(base + '[sweep.optimizer]\nschedule = ["constant", "plateau"]\n')
    assert [x.settings.optimizer.plateau_patience for x in runs] == [3, 3]
    with pytest.raises(SettingsError, match="no effect without optimizer.schedule"):
        read(base + "seeds = [1, 2]")


DRAWS = """
[sweep]
draws = 200
[sweep.optimizer]
learning_rate = {min = 1e-4, max = 1e-2, log = true}
clip_norm = {min = 1.0, max = 3.0}
[sweep.model]
units = {min = 6, max = 14, step = 4}
encoder_layers = {min = 1, max = 8, log = true}
cell = ["lstm", "gru"]
"""


def test_draws_are_spread_as_asked_for_and_the_same_again(read):
    runs = read(DRAWS)
    drawn = {name: [x.changes[name] for x in runs] for name in runs[0].changes}
    rates = drawn["optimizer.learning_rate"]
    assert 1e-4 <= min(rates) < 2e-4 and 5e-3 < max(rates) <= 1e-2
    below = sum(rate < 1e-3 for rate in rates)  # half of them by the logarithm
    assert 70 < below < 130
    assert 0.8 < sum(x < 2.0 for x in drawn["optimizer.clip_norm"]) / 100 < 1.2
    counts = [drawn["model.units"].count(n) for n in (6, 10, 14)]
    assert sum(counts) == 200 and min(counts) > 45
    layers = drawn["model.encoder_layers"]
    assert set(layers) == set(range(1, 9)) and layers.count(1) > 2 * layers.count(8)
    assert set(drawn["model.cell"]) == {"lstm", "gru"}
    assert all(rate == float(f"{rate:.3g}") for rate in rates)
    assert read(DRAWS) == runs
    other = read(DRAWS.replace("draws = 200", "draws = 200\ndraw_seed = 2"))
    assert other[0].changes != runs[0].changes
    # More of them begin with the same ones.
    more = read(DRAWS.replace("draws = 200", "draws = 201"))
    assert more[:200] == runs


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[model]\nunits = 8", r"must have a table \[sweep\].* Received: none"),
        ("sweep = 3", r"must have a table \[sweep\].* Received: 3"),
        ("training = 3\n[sweep]", r"stand in a \[section\]. Received: 'training'"),
        ("model = 3\n[sweep]", r"stand in a \[section\]. Received: 'model'"),
        ("[[training]]\n[sweep]", r"stand in a \[section\]. Received: 'training'"),
        ("[sweep]\ndraw = 3", r"\[sweep\] has draws, .*Received: sweep.draw = 3"),
        ("[sweep]\ndraws = 0", "`sweep.draws` must be an integer of at least 1"),
        ("[sweep]\nseeds = [-1]", "`sweep.seeds` must be a list of integers"),
        ("[sweep]\nseeds = [3, 5, 3]", r"must have each seed once.*=\[3, 5, 3\]"),
        ("[sweep]\nseeds = [4294967296]", "`training.seed` must be .* to 4294967295"),
        ("[sweep.model]\nunits = [8, 5, 8]", r"units must have .* once.*\[8, 5, 8\]"),
        ("[sweep.model]\nunits = []", r"sweep.model.units must be a list .*\[\]"),
        ("[sweep.model]\nunits = 3", "sweep.model.units must be a list .* 3"),
        ("[sweep.model]\nunits = {min = 3}", "must be a list of values, or a range"),
        ("[sweep.model]\nunits = {min = 3, max = 3}", "with min below max"),
        ("[sweep.model]\nunits = {min = 0, max = 3, log = true}", "above 0 with log"),
        ("[sweep.model]\ndropout = {min = 0.0, max = 0.3, step = 2}", "or a range"),
        ("[sweep.model]\nunits = {min = 2, max = 8}", "sweep.draws must be given"),
        ("[sweep.model]\nunit = [8]", r"`model\.unit` is no setting"),
        (
            "[batches]\nbatch_tokens = 900\n[sweep.batches]\nbatch_size = [8, 16]",
            "batches.batch_size cannot be tried with .* Received: batch_tokens = 900",
        ),
        (
            "[sweep]\ndraws = 2\n[sweep.model]\nunits = [1999-05-27, 8]",
            "`units` must be an integer .*datetime.date",
        ),
        ("[sweep.mode]\nunits = [8]", r"\[mode\] is no section"),
        ("[sweep.model]\nunits = [8, 7]", r"\[model\] .*must be even"),
        ("[sweep.training]\nseed = [1, 2]", r"give sweep.seeds = \[1, 2\]"),
        ("[sweep.training]\nmetrics = ['ter']", "metrics cannot be tried: .* leave it"),
        (
            "[sweep.data]\nheld_out = [0.1, 0.2]",
            r"data.held_out cannot be tried: .* one validation set.*\[0.1, 0.2\]",
        ),
        (
            "[sweep.data]\nlimit = [100, 200]",
            "limit cannot be tried: .* validation set",
        ),
        (
            "[sweep.variants.new.data]\nvalidation = ['a']",
            r"variants.new.data.validation cannot be tried: .* one validation set",
        ),
        ("[sweep.card]\nsource = ['a', 'b']", "card.source cannot .* changes no train"),
        (
            "[sweep.search]\nbeam_size = [3, 5]\nnum_groups = [1]",
            "search.beam_size, search.num_groups cannot be tried .* Received: 'greedy'",
        ),
        ("[model]\nunit = 8\n[sweep]\nseeds = [1]", r"`model\.unit` is no setting"),
        ("[sweep]\nvariants = [1]", r"variants must have a table .* \[1\]"),
        ("[sweep.variants]\ndeep = 2", "variants must have a table .* {'deep': 2}"),
        ("[sweep.variants.deep]\nunits = 8", "variants must have a table .* 8}}"),
        ("[sweep.variants.deep.model]\nunit = 8", r"`model\.unit` is no setting"),
        (
            "[sweep.variants.new.training]\nseed = 7",
            r"sweep.variants.new.training.seed cannot be tried: give sweep.seeds",
        ),
        (
            "[sweep.variants.new.model]\nunits = 8\n[sweep.model]\nunits = [6]",
            "Received: both, in sweep.variants.new and in sweep.model.units",
        ),
        (
            "[sweep]\ndraws = 3\n[sweep.model]\nunits = [8, 6]",
            "at most the number of different settings. Received: 3, of which 2",
        ),
    ],
)
def test_what_a_sweep_cannot_try(read, text, match):
    with pytest.raises(SettingsError, match=match) as error:
        read(text)
    assert len(error.value.messages) == 1


def test_a_draw_is_within_its_range():
    from kseq2seq.trainer.sweep_settings import _draw

    class Ends:
        """A generator of the ends of each range."""

        def __init__(self, last):
            self.last = last

        def uniform(self, low, high):
            return high if self.last else low

    for last in (False, True):
        for log in (False, True):
            for low, high in ((1, 5), (0.1, 0.7)):
                values = {"min": low, "max": high, "log": log}
                assert math.isclose(_draw(values, Ends(last)), high if last else low)
