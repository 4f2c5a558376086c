"""CoverageAttention and its loss against loops written from the papers."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import CoverageAttention
from kseq2seq.losses import MaskedCrossentropy
from kseq2seq.models import build_model
from kseq2seq.utils import EOS_ID, PAD_ID
from learning import exact_match_after_training, random_tokens
from reference import named_weights, randomize, sigmoid, softmax

# All different, so that a swapped axis cannot pass.
B, T, S, DQ, DK, DV, U = 2, 5, 7, 11, 13, 17, 19
MASKS = {
    "none": None,
    "right": np.arange(S) < np.array([[7], [4]]),
    "holes": np.array(
        [[False, True, False, True, True, False, True], [True, False] * 3 + [True]]
    ),
}
QUERY_MASKS = {
    "all": None,
    "some": np.array([[True, False, True, True, False], [True] * 3 + [False] * 2]),
}


def coverage_attention(weights, query, value, key, max_fertility=None):
    """See et al. 2017, equations 10 and 11; Tu et al. 2016, section 3.1.1."""
    bias = weights.get("query_bias", 0) + weights.get("key_bias", 0)
    coverage, contexts, alignments = np.zeros(len(key)), [], []
    for s in query:
        scores = []
        for i, h in enumerate(key):
            energy = h @ weights["key_kernel"] + s @ weights["query_kernel"] + bias
            energy = energy + weights["coverage_vector"] * coverage[i]
            scores.append(weights["score_vector"] @ np.tanh(energy))
        alignment = softmax(scores)
        for i, h in enumerate(key):
            fertility = 1
            if max_fertility is not None:
                share = sigmoid(h @ weights["fertility_kernel"][:, 0])
                fertility = max_fertility * share
            coverage[i] += alignment[i] / fertility
        alignments.append(alignment)
        contexts.append(alignment @ value)
    return np.array(contexts), np.array(alignments)


def coverage_losses(alignment):
    """See et al. 2017, equations 10 and 12: of each step of one row."""
    collected = []
    for t, a in enumerate(alignment):
        coverage = [sum(alignment[:t, i]) for i in range(len(a))]
        collected.append(sum(min(a[i], coverage[i]) for i in range(len(a))))
    return collected


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return {
        "query": rng.normal(size=(B, T, DQ)).astype("float32"),
        "value": rng.normal(size=(B, S, DV)).astype("float32"),
        "key": rng.normal(size=(B, S, DK)).astype("float32"),
    }


def asked(query_mask, b):
    return np.arange(T) if query_mask is None else np.flatnonzero(query_mask[b])


@pytest.mark.parametrize(
    ("max_fertility", "use_bias", "mask"),
    [
        (None, False, "none"),
        (None, True, "right"),
        (None, False, "holes"),
        (2, True, "none"),
        (2, False, "right"),
        (2, True, "holes"),
        (0.7, True, "holes"),
    ],
)
def test_matches_the_papers(inputs, max_fertility, use_bias, mask):
    layer = CoverageAttention(U, max_fertility, use_bias=use_bias)
    layer(**inputs)
    randomize(layer, scale=0.4)
    weights, mask = named_weights(layer), MASKS[mask]
    for query_mask in QUERY_MASKS.values():
        context, alignment = layer(
            **inputs,
            query_mask=query_mask,
            value_mask=mask,
            return_attention_scores=True,
        )
        for b in range(B):
            real = np.arange(S) if mask is None else np.flatnonzero(mask[b])
            steps = asked(query_mask, b)
            expected_context, expected = coverage_attention(
                weights,
                inputs["query"][b, steps],
                inputs["value"][b, real],
                inputs["key"][b, real],
                max_fertility,
            )
            actual = np.asarray(alignment)[b, steps]
            np.testing.assert_allclose(actual[:, real], expected, atol=1e-5)
            np.testing.assert_allclose(actual.sum(axis=1), 1, atol=1e-5)
            actual = np.asarray(context)[b, steps]
            np.testing.assert_allclose(actual, expected_context, atol=1e-4)


def test_fertility_reads_the_value_where_there_is_no_key(inputs):
    del inputs["key"]
    layer = CoverageAttention(U, 2)
    layer(**inputs)
    randomize(layer, scale=0.4)
    actual = layer(**inputs)
    value = inputs["value"]
    for b in range(B):
        expected, _ = coverage_attention(
            named_weights(layer), inputs["query"][b], value[b], value[b], 2
        )
        np.testing.assert_allclose(actual[b], expected, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_a_position_without_fertility_is_no_division_by_zero(inputs, dtype):
    layer = CoverageAttention(U, 2, dtype=dtype)
    layer(**inputs)
    weight = layer.fertility_kernel
    inputs["key"][:, 3] = 100.0
    weight.assign(np.full_like(weight, -100.0))
    with tf.GradientTape() as tape:
        context, alignment = layer(**inputs, return_attention_scores=True)
        loss = tf.reduce_sum(tf.cast(context, "float32") ** 2)
    for x in (context, alignment, *tape.gradient(loss, layer.trainable_variables)):
        assert np.isfinite(tf.cast(x, "float32")).all()


@pytest.mark.parametrize(
    ("mask", "query_mask", "max_fertility"),
    itertools.product(MASKS, QUERY_MASKS, [None, 2]),
)
def test_the_loss_matches_the_paper(inputs, mask, query_mask, max_fertility):
    layer = CoverageAttention(U, max_fertility, loss_weight=0.7)
    layer(**inputs)
    randomize(layer)
    query_mask = QUERY_MASKS[query_mask]
    _, alignment = layer(
        **inputs,
        query_mask=query_mask,
        value_mask=MASKS[mask],
        return_attention_scores=True,
    )
    alignment = np.asarray(alignment, "float64")
    losses = []
    for b in range(B):
        losses += coverage_losses(alignment[b, asked(query_mask, b)])
    (actual,) = layer.losses
    assert actual.dtype == "float32" and actual.shape == ()
    np.testing.assert_allclose(actual, 0.7 * np.mean(losses), rtol=1e-5)
    assert actual > 0.1


def test_the_loss_of_no_token_is_zero_and_so_is_its_gradient(inputs):
    layer = CoverageAttention(U, loss_weight=0.7)
    layer(**inputs)
    randomize(layer)
    nothing = np.zeros((B, T), bool)
    with tf.GradientTape() as tape:
        layer(**inputs, query_mask=nothing)
        (loss,) = layer.losses
    assert loss == 0
    gradients = tape.gradient(loss, layer.trainable_variables)
    for x in gradients:
        np.testing.assert_array_equal(x, np.zeros_like(x))


def test_the_first_token_has_no_loss(inputs):
    layer = CoverageAttention(U, loss_weight=0.7)
    layer(**{**inputs, "query": inputs["query"][:, :1]})
    np.testing.assert_array_equal(layer.losses, [0])


def test_the_loss_reaches_the_weights(inputs):
    layer = CoverageAttention(U, loss_weight=0.7)
    layer(**inputs)
    randomize(layer, scale=0.3)
    with tf.GradientTape() as tape:
        layer(**inputs)
        (loss,) = layer.losses
    variables = layer.trainable_variables
    for x, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
        assert gradient is not None and np.any(np.abs(gradient) > 1e-6), x.path


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_the_loss_of_half_precision_is_in_float32(inputs, dtype):
    layer = CoverageAttention(U, loss_weight=0.7, dtype=dtype)
    layer(**inputs)
    randomize(layer, scale=0.2)
    _, alignment = layer(**inputs, return_attention_scores=True)
    alignment = np.asarray(tf.cast(alignment, "float64"))
    losses = [x for row in alignment for x in coverage_losses(row)]
    (actual,) = layer.losses
    assert actual.dtype == "float32"
    np.testing.assert_allclose(actual, 0.7 * np.mean(losses), rtol=1e-5)


def test_without_a_weight_there_is_no_loss(inputs):
    layer = CoverageAttention(U)
    layer(**inputs)
    assert layer.losses == []


def test_weights(inputs):
    layer = CoverageAttention(U, max_fertility=2)
    layer(**inputs)
    weights = named_weights(layer)
    assert {name: weight.shape for name, weight in weights.items()} == {
        "query_kernel": (DQ, U),
        "key_kernel": (DK, U),
        "score_vector": (U,),
        "query_bias": (U,),
        "key_bias": (U,),
        "coverage_vector": (U,),
        "fertility_kernel": (DK, 1),
    }
    layer = CoverageAttention(
        U, 2, kernel_initializer=keras.initializers.RandomUniform(2, 3)
    )
    layer(**inputs)
    for name in ("coverage_vector", "fertility_kernel"):
        weight = named_weights(layer)[name]
        assert 2 <= weight.min() < weight.max() <= 3
    layer = CoverageAttention(U)
    layer(**inputs)
    assert "fertility_kernel" not in named_weights(layer)


def test_settings_are_checked():
    for number in (0, -1.5, float("nan")):
        with pytest.raises(ValueError, match=f"`None` or a .*above 0.*ity={number}"):
            CoverageAttention(U, max_fertility=number)
    for number in (-0.1, float("nan")):
        with pytest.raises(ValueError, match=f"at least 0.*loss_weight={number}"):
            CoverageAttention(U, loss_weight=number)
    with pytest.raises(ValueError, match="at least 1.*units=0"):
        CoverageAttention(0)


# Target and source of sentences of unlike lengths, each wider than its longest.
LENGTHS, TARGET_LENGTHS, VOCABULARY = (6, 2, 4), (3, 5, 2), 11
DECODERS = {"at_once": {}, "stepwise": {"input_feeding": True}}


def random_ids(lengths, width, seed):
    rng = np.random.default_rng(seed)
    ids = rng.integers(EOS_ID, VOCABULARY, size=(len(lengths), width))
    return np.where(np.arange(width) < np.array(lengths)[:, None], ids, PAD_ID)


@pytest.fixture(params=DECODERS)
def make_model(request):
    def make(loss_weight=0.7):
        config = Seq2SeqConfig(
            source_vocabulary_size=VOCABULARY,
            target_vocabulary_size=VOCABULARY,
            embedding_size=6,
            units=12,
            dropout=0.0,
            **DECODERS[request.param],
        )
        layer = CoverageAttention(U, 2, loss_weight)
        model = build_model(config, attention=layer)
        randomize(model, scale=0.4)
        return model

    return make


@pytest.fixture
def batch():
    return {
        "source": random_ids(LENGTHS, 8, seed=1),
        "target": random_ids(TARGET_LENGTHS, 7, seed=2),
    }


def loss_and_gradients(model, inputs):
    with tf.GradientTape() as tape:
        model(inputs)
        (loss,) = model.losses
    gradients = tape.gradient(loss, model.trainable_variables)
    # None of the softmax, which comes behind what the loss is of.
    return loss, [
        None if x is None else tf.convert_to_tensor(x).numpy() for x in gradients
    ]


def test_padding_has_no_part_in_the_loss_of_a_model(make_model, batch):
    model = make_model()
    loss, gradients = loss_and_gradients(model, batch)
    total, sums = 0, [0] * len(gradients)
    for b, (length, target_length) in enumerate(
        zip(LENGTHS, TARGET_LENGTHS, strict=True)
    ):
        alone = {
            "source": batch["source"][b : b + 1, :length],
            "target": batch["target"][b : b + 1, :target_length],
        }
        own, actual = loss_and_gradients(model, alone)
        share = target_length / sum(TARGET_LENGTHS)
        total += share * own
        sums = [
            x if y is None else x + share * y for x, y in zip(sums, actual, strict=True)
        ]
    assert total > 0.1
    np.testing.assert_allclose(loss, total, rtol=1e-5)
    reached = set()
    for x, y, weight in zip(gradients, sums, model.trainable_variables, strict=True):
        if x is not None:
            np.testing.assert_allclose(x, y, atol=1e-6)
            if np.any(np.abs(x) > 1e-6):
                reached.add(weight.name)
    assert {"coverage_vector", "query_kernel", "fertility_kernel"} <= reached


@pytest.mark.parametrize(
    ("make_model", "loss_weight", "jit_compile"),
    [
        ("at_once", 0.7, False),
        ("stepwise", 0.0, False),
        ("stepwise", 0.7, True),
    ],
    indirect=["make_model"],
)
def test_training_adds_the_loss(make_model, batch, loss_weight, jit_compile):
    labels = np.roll(batch["target"], -1, axis=1)
    labels[:, -1] = PAD_ID
    model = make_model(loss_weight)
    expected = float(MaskedCrossentropy()(labels, model(batch)))
    if loss_weight:
        (loss,) = model.losses
        assert loss > 0.1
        expected += float(loss)
    else:
        assert model.losses == []
    eagerly = not jit_compile  # tracing would not pay for a single step
    model.compile(
        "sgd", MaskedCrossentropy(), jit_compile=jit_compile, run_eagerly=eagerly
    )
    history = model.fit(batch, labels, batch_size=3, verbose=0).history
    np.testing.assert_allclose(history["loss"][0], expected, rtol=1e-5)


def test_a_saved_model_keeps_the_loss(make_model, batch, tmp_path):
    model = make_model()
    model(batch)
    expected = [float(x) for x in model.losses]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded(batch)
    assert [float(x) for x in loaded.losses] == expected


@pytest.mark.parametrize("make_model", ["stepwise"], indirect=True)
def test_the_loss_alone_teaches_not_to_look_twice(make_model, batch):
    """Of as many real positions as steps, so that there is always a new one."""
    batch = {name: np.repeat(ids[:1, :3], 5, axis=0) for name, ids in batch.items()}
    model = make_model(1.0)
    model.compile(keras.optimizers.Adam(0.03), lambda labels, logits: 0.0 * logits)
    losses = model.fit(
        batch, batch["target"], batch_size=5, epochs=60, verbose=0
    ).history["loss"]
    assert losses[0] > 0.2 and losses[-1] < 0.1 * losses[0]


def sorting(rng):
    source = random_tokens(rng, rng.integers(10, 17), 5)
    return source, sorted(source)


def test_learns_which_of_equal_symbols_it_has_read():
    """Sorts sequences in which symbols repeat; without coverage it has to count.

    `BahdanauAttention(32)` makes more than twice as many errors.
    """
    share = exact_match_after_training(
        CoverageAttention(32),
        sorting,
        num_tokens=5,
        steps=300,
        learning_rate=0.02,
        cell="gru",
        bidirectional=False,
        bridge="zeros",
    )
    assert share >= 0.95
