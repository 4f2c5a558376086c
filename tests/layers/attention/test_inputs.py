"""What an attention layer refuses, in every mechanism, before any weight is made."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kseq2seq.layers import BahdanauAttention, LuongAttention
from mechanisms import MECHANISMS

B, T, S, D = 2, 3, 5, 13
SHAPES = {"query": (B, T, D), "value": (B, S, D), "key": (B, S, D)}
MASKS = {"query_mask": (B, T), "value_mask": (B, S)}


def inputs(symbolic=False, **changes):
    """Inputs that fit, but for changes of shapes, dtypes or whole arguments."""
    received = {}
    for name, shape in {**SHAPES, **MASKS}.items():
        shape, dtype = changes.get(name, (shape, None))
        dtype = dtype or ("bool" if name in MASKS else "float32")
        if symbolic:
            received[name] = keras.KerasTensor((None, *shape[1:]), dtype)
        else:
            received[name] = ops.cast(np.ones(shape), dtype)
    return received


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("word", MECHANISMS)
def test_what_fits_is_taken(word, symbolic):
    context = MECHANISMS[word]()(**inputs(symbolic))
    assert tuple(context.shape)[1:] == (T, D)


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("word", MECHANISMS)
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"query": ((B, D), None)},
            r"query\[:, None\].*Received: query.shape=\(.*13\)",
        ),
        ({"query": ((B, T, 1, D), None)}, r"`query` .* \(batch, target_length, query_"),
        ({"value": ((B, D), None)}, r"`value` .* \(batch, source_length, value_dim\)"),
        ({"key": ((B, D), None)}, r"`key` .* \(batch, source_length, key_dim\)"),
        ({"key": ((B, 7, D), None)}, "`key` .* must have the length of `value`"),
        ({"value_mask": ((B, T), None)}, "`value_mask` .* the length of `value`"),
        ({"query_mask": ((B, S), None)}, "`query_mask` .* the length of `query`"),
        (
            {"value_mask": ((B, 1, S), None)},
            r"`value_mask` .* \(batch, source_length\)",
        ),
        ({"value_mask": ((B, S), "float32")}, "boolean, True at .*value_mask > -1"),
        (
            {"query_mask": ((B, T), "int32")},
            "boolean.*Received: query_mask of dtype int",
        ),
        ({"key": ((B, S), "bool")}, "value_mask=. Received: a boolean tensor"),
    ],
)
def test_what_cannot_be_right_is_refused(word, symbolic, change, match):
    layer = MECHANISMS[word]()
    with pytest.raises(ValueError, match=match):
        layer(**inputs(symbolic, **change))
    assert not layer.built


@pytest.mark.parametrize("word", MECHANISMS)
@settings(max_examples=10)
@given(sizes=st.lists(st.integers(1, 5), min_size=3, max_size=3))
def test_batches_of_other_sizes_are_refused(word, sizes):
    query, value, key = sizes
    shapes = {"query": (query, T, D), "value": (value, S, D), "key": (key, S, D)}
    tensors = {name: ops.ones(shape) for name, shape in shapes.items()}
    layer = MECHANISMS[word]()
    if query == value == key:
        layer(**tensors)
    else:
        with pytest.raises(ValueError, match="must have the batch size of"):
            layer(**tensors)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([np.ones((2, 3, 4)), np.ones((2, 5, 4))],), r"call layer\(query, value\)"),
        (
            (np.ones((2, 3, 4), "float32"),),
            r"layer\(query, value\). Received: value=No",
        ),
        (
            ("query", np.ones((2, 5, 4))),
            "`query` .* must be a tensor.*Received: query='",
        ),
    ],
)
def test_other_ways_of_calling_are_told(arguments, match):
    with pytest.raises(ValueError, match=match):
        LuongAttention("dot")(*arguments)


def test_matrices_are_regularized():
    layer = BahdanauAttention(
        7, use_bias=True, kernel_regularizer=keras.regularizers.L2(3)
    )
    layer(ops.ones((2, 3, 5)), ops.ones((2, 11, 13)))
    kernels = [x for x in layer.trainable_weights if "bias" not in x.name]
    squares = sum(float(ops.sum(ops.square(x))) for x in kernels)
    assert len(kernels) == 3
    assert float(sum(layer.losses)) == pytest.approx(3 * squares, rel=1e-5)
    again = BahdanauAttention.from_config(layer.get_config())
    assert again.kernel_regularizer.l2 == 3
