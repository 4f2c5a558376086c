"""Learning-rate schedules, beside formulas; and one from outside."""

import math

import keras
import numpy as np
import pytest

from kseq2seq import trainer
from kseq2seq.trainer import schedules


def values(rate, steps):
    return [float(rate(step)) if callable(rate) else rate for step in steps]


STEPS = (0, 1, 2, 4, 5, 12, 16, 20, 50)


def expected(name, step, warmup):
    """Rates that rise to 0.3, of 20 steps in all."""
    if step < warmup:
        return 0.3 * step / warmup
    done = min(1, (step - warmup) / (20 - warmup))
    if name == "constant":
        return 0.3
    if name == "cosine":
        return 0.3 * (1 + math.cos(math.pi * done)) / 2
    if name == "linear":
        return 0.3 * (1 - done)
    # Vaswani et al. (2017), equation 3: the lesser of step ** -0.5 and of a line.
    if warmup:
        return 0.3 * math.sqrt(warmup) * min(step**-0.5, step * warmup**-1.5)
    return 0.3 * math.sqrt(1000 / (1000 + step))


WITH_WARM_UP = [name for name in schedules.SCHEDULES if name != "plateau"]


@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("name", WITH_WARM_UP)
def test_schedules(name, warmup):
    rate = schedules.SCHEDULES[name].make(0.3, 20, warmup)
    wanted = [expected(name, step, warmup) for step in STEPS]
    np.testing.assert_allclose(values(rate, STEPS), wanted, rtol=1e-6, atol=1e-8)


def test_a_constant_rate_is_a_number():
    assert schedules.constant(0.3, 20, 0) == schedules.plateau(0.3, 20, 0) == 0.3
    assert [name for name, x in schedules.SCHEDULES.items() if x.on_plateau] == [
        "plateau"
    ]


@pytest.mark.parametrize("name", WITH_WARM_UP)
def test_a_warm_up_longer_than_the_training_still_rises(name):
    rate = schedules.SCHEDULES[name].make(0.3, 5, 10)
    np.testing.assert_allclose(values(rate, (0, 5, 9)), [0, 0.15, 0.27], rtol=1e-6)


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_what_has_an_end_has_another_one_for_more_steps(name):
    schedule = schedules.SCHEDULES[name]
    rates = [float(schedule.make(0.3, n, 0)(5)) for n in (10, 20)]
    assert schedule.has_end and rates[0] < rates[1]


@pytest.mark.parametrize("name", ["constant", "inverse_square_root"])
def test_what_has_no_end_is_the_same_for_more_steps(name):
    schedule = schedules.SCHEDULES[name]
    rates = [float(schedule.make(0.3, n, 2)(5)) for n in (10, 20)]
    assert not schedule.has_end and rates[0] == rates[1]


@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("name", ["cosine", "linear", "inverse_square_root"])
def test_an_optimizer_is_loaded_with_its_schedule(name, warmup, tmp_path):
    rate = schedules.SCHEDULES[name].make(0.3, 20, warmup)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(rate), loss="mse")
    model.fit(np.ones((9, 2)), np.ones((9, 1)), batch_size=1, verbose=0)
    model.save(tmp_path / "model.keras")
    optimizer = keras.saving.load_model(tmp_path / "model.keras").optimizer
    assert int(optimizer.iterations) == 9
    wanted = expected(name, 9, warmup)
    np.testing.assert_allclose(float(optimizer.learning_rate), wanted, rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: schedules.WarmUp(0.1, 0), "`warmup_steps` must be .* warmup_steps=0"),
        (lambda: schedules.InverseSquareRoot(0.1, -3), "`steps` must be .* steps=-3"),
    ],
)
def test_errors_of_schedules(make, match):
    with pytest.raises(ValueError, match=match):
        make()


def test_a_schedule_from_outside_is_one_entry(monkeypatch, tmp_path):
    def steps(learning_rate, num_steps, warmup_steps):
        return keras.optimizers.schedules.PiecewiseConstantDecay(
            [num_steps // 2], [learning_rate, learning_rate / 10]
        )

    monkeypatch.setitem(trainer.SCHEDULES, "steps", trainer.Schedule(steps, True))
    settings = trainer.read_settings(
        trainer.find_recipe("dates"), ["optimizer.schedule=steps", "model.units=6"]
    )
    assert settings.optimizer.schedule == "steps"
    assert "plateau, steps" in " ".join(trainer.describe_settings().split())
    rate = trainer.SCHEDULES[settings.optimizer.schedule].make(0.3, 20, 0)
    np.testing.assert_allclose(values(rate, (0, 19)), [0.3, 0.03], rtol=1e-6)
