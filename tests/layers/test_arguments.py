"""Arguments of layers that are neither True nor False, or no number."""

import keras
import numpy as np
import pytest

from kseq2seq.layers import (
    BahdanauAttention,
    CoverageAttention,
    DecoderCell,
    LocationSensitiveAttention,
    LuongAttention,
    MonotonicAttention,
)

# Of each, a layer without the argument.
FLAGS = {
    "use_bias": lambda **kw: CoverageAttention(5, **kw),
    "normalize": lambda **kw: BahdanauAttention(5, **kw),
    "use_scale": LuongAttention,
    "cumulative": lambda **kw: LocationSensitiveAttention(5, **kw),
    "hard": lambda **kw: MonotonicAttention(LuongAttention(), **kw),
    "input_feeding": lambda **kw: DecoderCell(
        [keras.layers.GRUCell(5)], LuongAttention(), **kw
    ),
    "residual": lambda **kw: DecoderCell(
        [keras.layers.GRUCell(5)], LuongAttention(), **kw
    ),
}


@pytest.mark.parametrize("name", FLAGS)
@pytest.mark.parametrize("value", ["no", 1, None])
def test_a_flag_is_true_or_false(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be True or False. Received"):
        FLAGS[name](**{name: value})


@pytest.mark.parametrize("name", FLAGS)
def test_flags_of_numpy_are_python_s(name):
    assert getattr(FLAGS[name](**{name: np.True_}), name) is True


def test_a_first_bias_is_a_number():
    with pytest.raises(ValueError, match="`score_bias_init` must be .*Received"):
        MonotonicAttention(LuongAttention(), score_bias_init="low")
