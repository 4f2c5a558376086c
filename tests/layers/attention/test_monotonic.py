"""MonotonicAttention against loops written from the paper, and against tfa."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from kseq2seq.layers import (
    BahdanauAttention,
    ChunkwiseAttention,
    CoverageAttention,
    DecoderCell,
    DecoderRNN,
    LuongAttention,
    MonotonicAttention,
)
from learning import FIRST_ID, exact_match_after_training, random_tokens

# All different, so that a swapped axis cannot pass.
B, T, S, DQ, DV, U = 2, 3, 5, 7, 13, 17
HOLES = np.array([[True, False, True, True, False], [False, False, True, False, True]])


@pytest.mark.parametrize("name", ["bahdanau_monotonic", "luong_monotonic"])
def test_the_layer_equals_tensorflow_addons(goldens_root, name):
    golden = np.load(goldens_root / f"{name}.npz")
    names = {
        "query_kernel": "query_kernel",
        "key_kernel": "memory_kernel",
        "score_vector": "attention_v",
        "score_bias": "score_bias",
    }
    for mode in ("parallel", "recursive", "hard"):
        score = LuongAttention("general")
        if "attention_v" in golden:
            score = BahdanauAttention(golden["attention_v"].size)
        hard = mode == "hard"
        layer = MonotonicAttention(score, hard=hard)
        query, value = golden["query"][:, None], golden["memory"]
        layer.build(query.shape, value.shape)
        for weight in layer.weights:
            weight.assign(golden[names[weight.name]])
        memory = layer.prepare(value, value_mask=golden["mask"])
        np.testing.assert_array_equal(
            layer.initial_state(memory)[0], golden["initial_alignments"]
        )
        previous = golden[f"previous_alignments{'_onehot' if hard else ''}"]
        context, alignment, state = layer.attend(query, memory, (previous[:, None],))
        for x, y in (
            (context, f"context_{mode}"),
            (alignment, f"alignments_{mode}"),
            (state[0], f"next_state_{mode}"),
        ):
            np.testing.assert_allclose(x[:, 0], golden[y], atol=1e-5)
        if hard:
            previous = golden["previous_alignments"]
            _, alignment, _ = layer.attend(query, memory, (previous[:, None],))
            expected = golden["alignments_hard_soft_previous"]
            np.testing.assert_allclose(alignment[:, 0], expected, atol=1e-5)


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, DQ)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
    }


def make(**kwargs):
    """A layer with random weights."""
    layer = MonotonicAttention(BahdanauAttention(U), **kwargs)
    layer.build((B, T, DQ), (B, S, DV))
    reference.randomize(layer)
    return layer


def energies(layer, query, value):
    """Of one source without its padding, `(T, S)`."""
    score = reference.bahdanau_score(reference.named_weights(layer.score))
    bias = float(layer.score_bias.numpy())
    return np.array([[score(q, v) + bias for v in value] for q in query])


@pytest.mark.parametrize("mask", [None, HOLES], ids=["whole", "holes"])
@pytest.mark.parametrize("hard", [True, False])
def test_matches_the_paper(inputs, hard, mask):
    layer = make(hard=hard)
    assert layer.score_bias.numpy() != 0
    for training in (True, False):
        context, alignment = layer(
            **inputs, value_mask=mask, return_attention_scores=True, training=training
        )
        for b in range(B):
            real = np.arange(S) if mask is None else np.flatnonzero(mask[b])
            value = inputs["value"][b, real]
            energy = energies(layer, inputs["query"][b], value)
            choice = energy > 0 if hard and not training else reference.sigmoid(energy)
            first = np.eye(1, len(real))[0]
            expected = reference.expected_choices(choice, first)
            actual = np.asarray(alignment[b])[:, real]
            np.testing.assert_allclose(actual, expected, atol=1e-6)
            np.testing.assert_allclose(context[b], expected @ value, atol=1e-5)
            if hard and not training:
                stops = reference.hard_choices(energy)
                rows = [np.zeros(len(real)) for _ in stops]
                for row, stop in zip(rows, stops, strict=True):
                    if stop is not None:
                        row[stop] = 1
                np.testing.assert_array_equal(actual, rows)


class Given(MonotonicAttention):
    """A layer whose queries are the energies."""

    def __init__(self, **kwargs):
        super().__init__(LuongAttention("dot"), **kwargs)


def of_energies(energy, mask=None, training=False, **kwargs):
    """The alignment of `(B, T, S)` energies, from both forms of the layer."""
    layer = Given(**kwargs)
    energy = np.asarray(energy, "float32")
    value = np.eye(energy.shape[-1], dtype="float32")[None].repeat(len(energy), axis=0)
    layer.build(energy.shape, value.shape)
    _, alignment = layer(
        energy, value, value_mask=mask, return_attention_scores=True, training=training
    )
    memory = layer.prepare(value, value_mask=mask)
    state = tuple(x[:, None] for x in layer.initial_state(memory))
    for t in range(energy.shape[1]):
        _, row, state = layer.attend(
            energy[:, t : t + 1], memory, state, None, training
        )
        np.testing.assert_allclose(row[:, 0], alignment[:, t], atol=1e-6)
    return np.asarray(alignment)


@settings(max_examples=30)
@given(st.data())
def test_a_hard_alignment_never_goes_back(data):
    shape = [1, data.draw(st.integers(1, 7)), data.draw(st.integers(1, 5))]
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    energy = rng.normal(data.draw(st.floats(-2, 2)), size=shape)
    mask = rng.uniform(size=(1, shape[-1])) < 0.7
    (alignment,) = of_energies(energy, mask)
    real = np.flatnonzero(mask[0])
    assert not alignment[:, ~mask[0]].any()
    stops = reference.hard_choices(energy[0][:, real]) if real.size else [None]
    for row, stop in zip(alignment[:, real], stops, strict=False):
        assert np.flatnonzero(row).tolist() == ([] if stop is None else [stop])
        assert row.sum() in (0, 1)
    chosen = [stop for stop in stops if stop is not None]
    assert chosen == sorted(chosen)
    # In training the mass of each output is nowhere behind that of the one before.
    (soft,) = of_energies(energy, mask, training=True)
    so_far = np.cumsum(soft, axis=-1)
    assert soft.min() >= 0 and so_far.max() <= 1 + 1e-5
    assert (np.diff(so_far, axis=0) <= 1e-6).all()


def test_where_nothing_is_chosen_all_that_follow_are_zero():
    energy = np.full((1, 4, 3), -1.0)
    energy[0, :, 1] = [1, 1, -1, 1]
    expected = np.zeros((4, 3))
    expected[:2, 1] = 1
    np.testing.assert_array_equal(of_energies(energy)[0], expected)


def test_an_energy_of_zero_is_no_choice():
    np.testing.assert_array_equal(of_energies([[[0.0, 1e-6, 1.0]]]), [[[0, 1, 0]]])


def test_the_bias_starts_as_told():
    for bias in (0.0, -1.5):
        layer = MonotonicAttention(BahdanauAttention(U), score_bias_init=bias)
        layer.build((B, T, DQ), (B, S, DV))
        assert layer.score_bias.numpy() == bias and layer.score_bias.shape == ()
    assert [x.name for x in layer.weights].count("score_bias") == 1


NOISE = 1.7


def noise_of(layer, length=1009, training=True):
    """The noise on each energy, from the first position's probability."""
    energy = np.zeros((B, length, S), "float32")
    memory = layer.prepare(np.eye(S, dtype="float32")[None].repeat(B, axis=0))
    draws = layer.draw(memory, length, training)
    state = keras.ops.repeat(layer.initial_state(memory)[0][:, None], length, axis=1)
    _, alignment, _ = layer.attend(energy, memory, (state,), draws, training)
    p = np.asarray(alignment, "float64")[:, :, 0]
    return np.log(p / (1 - p))


def test_noise():
    layer = Given(sigmoid_noise=NOISE, seed=7, hard=False)
    layer.build((B, T, S), (B, S, S))
    assert not noise_of(layer, training=False).any()  # at a probability of 1/2
    noise = noise_of(layer)
    count = noise.size
    assert abs(noise.mean()) < 4 * NOISE / count**0.5
    assert abs(noise.std() - NOISE) < 4 * NOISE / (2 * count) ** 0.5
    # Anew for each row, each query, each position and each call.
    assert np.abs(noise[0] - noise[1]).min() > 0
    assert np.unique(noise).size == count
    memory = layer.prepare(np.zeros((B, S, S), "float32"))
    drawn = np.asarray(layer.draw(memory, T, True)["noise"])
    assert drawn.shape == (B, T, S) and np.unique(drawn).size == B * T * S
    assert np.abs(noise_of(layer) - noise).min() > 0
    # The same again from the same seed, other numbers from another.
    same, other = (Given(sigmoid_noise=NOISE, seed=x, hard=False) for x in (7, 8))
    for each in (same, other):
        each.build((B, T, S), (B, S, S))
    np.testing.assert_array_equal(noise_of(same), noise)
    assert np.abs(noise_of(other) - noise).min() > 0


def test_training_is_the_same_in_a_loop(inputs):
    """With its noise and its dropout, both drawn ahead for all steps."""
    score = BahdanauAttention(U, dropout=0.3, seed=3)
    layer = MonotonicAttention(score, sigmoid_noise=NOISE, seed=7)
    layer.build((B, T, DQ), (B, S, DV))
    reference.randomize(layer)
    memory = layer.prepare(inputs["value"], value_mask=HOLES)
    draws = layer.draw(memory, T, True)
    assert sorted(draws) == ["dropout", "noise"]
    context, alignment = layer.attend_all(
        inputs["query"], memory, draws=draws, training=True
    )
    assert np.abs(context - alignment @ memory["value"]).max() > 0.1  # dropped
    state = tuple(x[:, None] for x in layer.initial_state(memory))
    for t in range(T):
        now = slice(t, t + 1)
        drawn = {name: x[:, now] for name, x in draws.items()}
        actual = layer.attend(inputs["query"][:, now], memory, state, drawn, True)
        for x, y in zip(actual, (context, alignment), strict=False):
            np.testing.assert_allclose(x[:, 0], y[:, t], atol=1e-6)
        state = actual[-1]


@pytest.mark.parametrize("where", ["at_once", "in_steps"])
def test_every_weight_is_trained_although_the_choice_will_be_hard(inputs, where):
    """By `fit` in a graph of any lengths that XLA compiles, as eagerly."""
    losses = []
    for jit_compile in (True, False):
        keras.utils.set_random_seed(0)
        layer = MonotonicAttention(LuongAttention("general"))
        query = keras.Input((None, DQ), name="query")
        value = keras.Input((None, DV), name="value")
        if where == "at_once":
            output = layer(query, value)
        else:
            cells = [keras.layers.GRUCell(DQ)]
            output = DecoderRNN(DecoderCell(cells, layer))(query, value)
        model = keras.Model({"query": query, "value": value}, output)
        optimizer, eagerly = keras.optimizers.SGD(0.5), not jit_compile
        model.compile(optimizer, "mse", jit_compile=jit_compile, run_eagerly=eagerly)
        before = [x.numpy() for x in layer.trainable_weights]
        target = np.ones((B, T, DV), "float32")
        losses.append(model.fit(inputs, target, epochs=2, verbose=0).history["loss"])
        for x, y in zip(before, layer.trainable_weights, strict=True):
            assert np.isfinite(y).all() and np.abs(x - y).max() > 1e-6, y.path
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_alignments_are_computed_in_float32(dtype):
    energy = np.full((1, 2, 101), -4.0, "float32")
    expected = of_energies(energy, training=True)
    layer = Given(dtype=dtype)
    value = np.eye(101, dtype="float32")[None]
    layer.build(energy.shape, value.shape)
    _, actual = layer(energy, value, return_attention_scores=True, training=True)
    assert actual.dtype.name == dtype.removeprefix("mixed_")
    np.testing.assert_allclose(actual, expected, rtol=0.01)


def test_settings_are_checked():
    score = BahdanauAttention(U)
    for noise in (-0.1, float("nan"), "1"):
        with pytest.raises(ValueError, match=f"at least 0.*sigmoid_noise={noise!r}"):
            MonotonicAttention(score, sigmoid_noise=noise)
    for wrong in ("luong", CoverageAttention(U), MonotonicAttention(score)):
        with pytest.raises(ValueError, match="`score` must be.*such as Bahdanau"):
            MonotonicAttention(wrong)
    for options in ({"probability_fn": "sparsemax"}, {"temperature": 0.5}):
        match = "`score` must have the default probability_fn and temperature.*" + str(
            *options.values()
        )
        with pytest.raises(ValueError, match=match):
            MonotonicAttention(BahdanauAttention(U, **options))


@pytest.mark.parametrize("mode", ["parallel", "recursive"])
def test_a_config_of_version_0_1_0_has_a_mode(mode):
    for layer in (
        MonotonicAttention(BahdanauAttention(U), sigmoid_noise=0.5),
        ChunkwiseAttention(BahdanauAttention(U), LuongAttention(), chunk_size=3),
    ):
        config = layer.get_config()
        assert "mode" not in config
        restored = type(layer).from_config({**config, "mode": mode})
        assert restored.get_config() == config


def test_learns_to_repeat_symbols():
    """Each symbol one to three times, as it tells; read by hard choices."""

    def pair(rng):
        source = random_tokens(rng, rng.integers(2, 7), 5)
        return source, [x for x in source for _ in range(1 + (x - FIRST_ID) % 3)]

    attention = MonotonicAttention(LuongAttention("general"), sigmoid_noise=1.0, seed=0)
    share = exact_match_after_training(attention, pair, 5, 300)
    assert share >= 0.95
