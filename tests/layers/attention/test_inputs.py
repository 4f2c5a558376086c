"""Inputs that every mechanism refuses, before any weight is made."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from kseq2seq.layers import (
    BahdanauAttention,
    GlobalAttention,
    LuongAttention,
    gate_features,
)
from mechanisms import MECHANISMS

B, T, S, D = 2, 3, 5, 13
SHAPES = {"query": (B, T, D), "value": (B, S, D), "key": (B, S, D)}
MASKS = {"query_mask": (B, T), "value_mask": (B, S)}


def gated():
    return gate_features(LuongAttention("general"), 7)


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
            {"value_mask": ((S,), "int32")},
            r"of lengths by ops.arange\(source_length\) < lengths\[:, None\]",
        ),
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


@pytest.mark.parametrize("word", [*MECHANISMS, "gated"])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"value": ((B, D), None)}, r"`value` .* \(batch, source_length, value_dim\)"),
        ({"key": ((B, 7, D), None)}, "`key` .* must have the length of `value`"),
        ({"value_mask": ((1, S), None)}, "`value_mask` .* the batch size of `value`"),
        ({"value_mask": ((B, S), "float32")}, "boolean, True at .*value_mask > -1"),
    ],
)
def test_what_cannot_be_right_is_refused_in_a_loop_of_ones_own(word, change, match):
    layer = {**MECHANISMS, "gated": gated}[word]()
    layer.build(*SHAPES.values())
    tensors = inputs(**change)
    memory = {name: tensors[name] for name in ("value", "key", "value_mask")}
    with pytest.raises(ValueError, match=match):
        layer.prepare(**memory)


@pytest.mark.parametrize("word", MECHANISMS)
@pytest.mark.parametrize("name", ["query", "key"])
def test_other_sizes_than_at_first_are_refused(word, name):
    layer, rng = MECHANISMS[word](), np.random.default_rng(0)
    tensors = {key: rng.normal(size=shape) for key, shape in SHAPES.items()}
    layer(**tensors)
    tensors[name] = tensors[name][..., :7]
    with pytest.raises(ValueError, match="sizes .*it was first called with.* size 7"):
        layer(**tensors)


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


PLAIN = [name for name in MECHANISMS if name.startswith(("bahdanau", "luong", "multi"))]
LOCAL = [name for name in MECHANISMS if name.startswith("local")]
OTHERS = [name for name in MECHANISMS if name not in (*PLAIN, *LOCAL)]
# A row in which a query may read nothing, and a position that none may read.
MASK_BY_QUERY = np.array(
    [
        [[1, 0, 0, 1, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]],
        [[1, 1, 1, 1, 0], [0, 1, 0, 0, 0], [1, 0, 1, 1, 0]],
    ],
    "bool",
)
CAUSAL = np.tril(np.ones((T, S), "bool"))


def random_inputs():
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=x).astype("float32") for name, x in SHAPES.items()}


@pytest.mark.parametrize("word", PLAIN)
@pytest.mark.parametrize("causal", [False, True])
def test_a_mask_of_each_query_is_the_value_mask_of_that_query(word, causal):
    layer, value_mask = MECHANISMS[word](), np.arange(S) < np.array([[S], [4]])
    tensors = random_inputs()
    actual = layer(
        **tensors,
        value_mask=value_mask,
        attention_mask=MASK_BY_QUERY,
        use_causal_mask=causal,
        return_attention_scores=True,
    )
    query = tensors.pop("query")
    masks = MASK_BY_QUERY & CAUSAL if causal else MASK_BY_QUERY
    for t in range(T):
        alone = layer(
            query[:, t : t + 1],
            **tensors,
            value_mask=masks[:, t] & value_mask,
            return_attention_scores=True,
        )
        np.testing.assert_allclose(actual[0][:, t], alone[0][:, 0], atol=1e-5)
        np.testing.assert_allclose(actual[1][:, t], alone[1][:, 0], atol=1e-6)


@pytest.mark.parametrize("word", LOCAL)
def test_local_attention_shares_out_what_a_query_may_read(word):
    layer, tensors = MECHANISMS[word](), random_inputs()
    _, free = layer(**tensors, return_attention_scores=True)
    options = {"attention_mask": MASK_BY_QUERY, "return_attention_scores": True}
    _, actual = layer(**tensors, **options)
    actual, free = np.array(actual), np.array(free)
    assert actual[~MASK_BY_QUERY].max() == 0
    assert actual.max() > 0
    # In each row by one factor more than without a mask, whatever the window is.
    for b, t in np.ndindex(B, T):
        seen = actual[b, t] > 0
        np.testing.assert_array_equal(seen, (free[b, t] > 0) & MASK_BY_QUERY[b, t])
        factors = actual[b, t, seen] / free[b, t, seen]
        np.testing.assert_allclose(factors, factors[:1].repeat(seen.sum()), rtol=1e-3)
    all_true = np.ones((1, T, S), "bool")
    _, actual = layer(**tensors, attention_mask=all_true, return_attention_scores=True)
    np.testing.assert_allclose(actual, free, atol=1e-6)


@pytest.mark.parametrize("word", OTHERS)
def test_a_mask_of_each_query_is_refused_where_one_depends_on_those_ahead(word):
    layer, match = MECHANISMS[word](), "takes no mask of .*value_mask=, or use Luong"
    masks = {"use_causal_mask": True, "attention_mask": MASK_BY_QUERY}
    for name, mask in masks.items():
        with pytest.raises(ValueError, match=f"{match}.*Received: .*{name}"):
            layer(**inputs(), **{name: mask})
    layer(**inputs(), attention_mask=None, use_causal_mask=False)


def test_attention_of_ones_own_says_whether_it_takes_a_mask_of_each_query():
    class Own(BahdanauAttention):
        def attend(self, query, memory, state=(), draws=None, training=False):
            return super().attend(query, memory, state, draws, training)

    class Willing(Own):
        takes_attention_mask = True

    tensors = random_inputs()
    with pytest.raises(ValueError, match="Own takes no mask .* does not say that it"):
        Own(7)(**tensors, attention_mask=MASK_BY_QUERY)
    context = Willing(7)(**tensors, attention_mask=MASK_BY_QUERY)
    assert not np.array(context)[0, 2].any()


@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize(
    ("shape", "dtype", "match"),
    [
        ((B, S), "bool", r"`attention_mask` .* \(batch, target_length, source_"),
        ((B, T, T), "bool", r"length on axis 2 .*Received: attention_mask.shape="),
        ((B, S, S), "bool", "length on axis 1 is another"),
        ((B, T, S), "float32", "boolean, True at .*attention_mask > -1"),
    ],
)
def test_masks_of_each_query_are_checked(symbolic, shape, dtype, match):
    mask = keras.KerasTensor(shape, dtype) if symbolic else ops.ones(shape, dtype)
    layer = BahdanauAttention(7)
    with pytest.raises(ValueError, match=match):
        layer(**inputs(symbolic), attention_mask=mask)
    assert not layer.built


def test_the_batch_of_a_mask_of_each_query_is_that_of_the_query():
    with pytest.raises(ValueError, match="batch size on axis 0 is another"):
        LuongAttention()(**inputs(), attention_mask=np.ones((B + 1, T, S), "bool"))


@pytest.mark.parametrize("name", ["query", "value"])
def test_ragged_tensors_are_told(name):
    ragged = tf.RaggedTensor.from_tensor(np.ones(SHAPES[name], "float32"), [1, 3])
    with pytest.raises(ValueError, match=rf"`{name}` .*row_lengths\(\)\).*a ragged"):
        LuongAttention()(**{**inputs(), name: ragged})


@pytest.mark.parametrize("name", ["mask", "key_mask"])
def test_other_masks_are_told(name):
    with pytest.raises(ValueError, match=f"no `{name}`: pass query_mask=.*value_mask="):
        LuongAttention()(**inputs(), **{name: np.ones((B, S), "bool")})


@pytest.mark.parametrize("word", ["luong_general", "monotonic_hard", "coverage"])
def test_masks_may_be_given_by_position(word):
    layer, tensors = MECHANISMS[word](), [*random_inputs().values()]
    query_mask, value_mask = np.array([[1, 0, 1]] * B, "bool"), MASK_BY_QUERY[1, 2:]
    value_mask = np.repeat(value_mask, B, axis=0)
    actual = layer(*tensors, query_mask, value_mask)
    named = layer(*tensors, query_mask=query_mask, value_mask=value_mask)
    np.testing.assert_array_equal(actual, named)
    assert np.abs(np.array(actual) - np.array(layer(*tensors))).max() > 0.01


def test_masks_of_each_query_in_functional_models_and_files(tmp_path):
    tensors = [*random_inputs().values()][:2]
    query, value = keras.Input((None, D)), keras.Input((None, D))
    mask = keras.Input((None, None), dtype="bool")
    layer = LuongAttention()
    context = layer(query, value, attention_mask=mask, use_causal_mask=True)
    model = keras.Model([query, value, mask], context)
    expected = layer(*tensors, attention_mask=MASK_BY_QUERY, use_causal_mask=True)
    model.save(tmp_path / "model.keras")
    for each in (model, keras.models.load_model(tmp_path / "model.keras")):
        actual = each([*tensors, MASK_BY_QUERY])
        np.testing.assert_allclose(actual, expected, atol=1e-6)


def test_a_star_import_keeps_the_layers_of_keras():
    namespace = {}
    exec("from keras.layers import *\nkept = dict(vars())", namespace)
    exec("from kseq2seq.layers import *", namespace)
    kept = namespace["kept"]
    assert {x for x in kept if namespace[x] is not kept[x]} == set()
    assert namespace["LuongAttention"] is LuongAttention


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


def test_a_single_step_is_checked_too():
    layer = LuongAttention("general")
    value = keras.ops.ones((2, 5, 3))
    with pytest.raises(ValueError, match="LuongAttention must have its weights before"):
        layer.prepare(value)
    layer.build((2, 1, 3), value.shape)
    prepared = layer.prepare(value)
    with pytest.raises(ValueError, match=r"query\[:, None\].*query.shape=\(2, 3\)"):
        layer.attend(keras.ops.ones((2, 3)), prepared)


def test_an_error_of_a_layer_with_weights_stays_what_it_is():
    class Broken(GlobalAttention):
        def project_keys(self, key):
            return self.forgotten

    layer = Broken()
    layer.built = True
    with pytest.raises(AttributeError, match="forgotten"):
        layer.prepare(keras.ops.ones((2, 5, 3)))


@pytest.mark.parametrize("word", MECHANISMS)
def test_the_axes_of_a_single_step_are_checked(word):
    layer, tensors = MECHANISMS[word](), random_inputs()
    layer(**tensors)
    query, memory = tensors.pop("query")[:, :1], layer.prepare(**tensors)
    state = layer.initial_state(memory)
    with pytest.raises(ValueError, match=r"query\[:, None\].*query.shape=\(2, 13\)"):
        layer.attend(query[:, 0], memory, tuple(x[:, None] for x in state))
    with pytest.raises(ValueError, match="`memory` of .* the dict that `prepare"):
        layer.attend(query, tensors["value"], tuple(x[:, None] for x in state))
    if state:  # without an axis each row would see those of all others
        for given in (state, ()):
            with pytest.raises(ValueError, match=r"a tuple of 1 .*each\[:, None\]"):
                layer.attend(query, memory, given)


def test_a_mask_that_the_keys_alone_carry_hides_padding(tmp_path):
    ids, query = keras.Input((None,), dtype="int32"), keras.Input((None, D))
    key = keras.layers.Embedding(9, D, mask_zero=True)(ids)
    value = ops.cast(ids, "float32")[..., None]
    outputs = LuongAttention()(query, value, key, return_attention_scores=True)
    model = keras.Model([ids, query], outputs)
    model.save(tmp_path / "model.keras")
    queries = np.ones((1, 2, D), "float32")
    for each in (model, keras.models.load_model(tmp_path / "model.keras")):
        context, alignment = each([np.array([[5, 7, 0, 0]]), queries])
        assert not np.any(alignment[..., 2:])
        short, _ = each([np.array([[5, 7]]), queries])
        np.testing.assert_allclose(context, short, rtol=1e-6)
