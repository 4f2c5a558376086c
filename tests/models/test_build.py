"""The whole model, its two halves, and what they must share."""

import functools
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import Adam, decoding
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.losses import MaskedCrossentropy, token_crossentropy
from kseq2seq.models import build_model, encoder_model, start_decoding, step_model
from kseq2seq.utils import BOS_ID, EOS_ID, PAD_ID
from paths import ROOT
from reference import randomize

# All different, so that a swapped axis cannot pass. V is the target's vocabulary.
B, K, S, T, V, SOURCE_V, E = 2, 3, 7, 5, 13, 17, 11
SIZES = {
    "source_vocabulary_size": SOURCE_V,
    "target_vocabulary_size": V,
    "embedding_size": E,
    "units": 6,
    "dropout": 0.0,
}
FEED = {"input_feeding": True}
PREVIOUS = {"attention_query": "previous"}
ONE_WAY = {"bidirectional": False}
DEEP = {"encoder_layers": 2, "decoder_layers": 2}
RESIDUAL = {**DEEP, "residual": True}
JOINED = {"encoder_units": 8, "bridge": "dense", "attentional_units": 5}
ZEROS = {"encoder_units": 8, "bridge": "zeros"}
GRU = {"cell": "gru"}
TIED = {"tie_embeddings": True}
SHALLOW = {"encoder_layers": 2, "decoder_layers": 1}
DEEPER = {"encoder_layers": 1, "decoder_layers": 3}

# Every attention in each of the three decoders, and every other option with each.
KINDS = {
    "none": {"attention": "none"},
    "none_gru_deep": {"attention": "none", **GRU, **RESIDUAL, **ONE_WAY},
    "none_shallow": {"attention": "none", **SHALLOW, **JOINED},
    "bahdanau": {"attention": "bahdanau", **DEEP, **ONE_WAY},
    "bahdanau_feed": {"attention": "bahdanau", **FEED, **GRU, **ZEROS},
    "bahdanau_previous": {"attention": "bahdanau", **PREVIOUS, **DEEPER, **JOINED},
    "normalized": {"attention": "bahdanau_normalized", **GRU, **JOINED, **TIED},
    "normalized_feed": {"attention": "bahdanau_normalized", **FEED, **RESIDUAL},
    "normalized_previous": {"attention": "bahdanau_normalized", **PREVIOUS, **TIED},
    "dot": {"attention": "luong_dot", **RESIDUAL, "bridge": "zeros"},
    "dot_feed": {"attention": "luong_dot", **FEED, **GRU, **TIED, **SHALLOW},
    "dot_previous": {"attention": "luong_dot", **PREVIOUS, **GRU, **DEEP, **ONE_WAY},
    "general": {"attention": "luong_general", **ZEROS, **DEEPER},
    "general_feed": {"attention": "luong_general", **FEED, **JOINED, **DEEP},
    "general_previous": {"attention": "luong_general", **PREVIOUS, **GRU, **RESIDUAL},
    "concat": {"attention": "luong_concat", **GRU, **TIED, "attention_units": 19},
    "concat_feed": {"attention": "luong_concat", **FEED, **ONE_WAY, **DEEPER},
    "concat_previous": {"attention": "luong_concat", **PREVIOUS, **ZEROS, **SHALLOW},
    "scaled": {"attention": "luong_scaled_dot", **GRU, **ONE_WAY, **SHALLOW},
    "scaled_feed": {"attention": "luong_scaled_dot", **FEED, **DEEPER, **GRU},
    "scaled_previous": {"attention": "luong_scaled_dot", **PREVIOUS, **RESIDUAL},
    "scaled_general": {"attention": "luong_scaled_general", **GRU, **JOINED},
    "scaled_general_feed": {"attention": "luong_scaled_general", **FEED, **ZEROS},
    "scaled_general_previous": {"attention": "luong_scaled_general", **PREVIOUS},
}
for kind in KINDS.values():
    if "tie_embeddings" in kind:
        kind.pop("attentional_units", None)
# One for each way in which a decoder is built, for what takes long.
FEW = ("none_gru_deep", "normalized", "general_feed", "bahdanau_previous")


def make_model(name, **values):
    return build_model(Seq2SeqConfig(**{**SIZES, **KINDS[name], **values}))


@functools.cache
def random_model(name):
    """A model with random weights, made once and never trained."""
    model = make_model(name)
    randomize(model, scale=0.4)
    return model


def random_ids(lengths, width, vocabulary, first=4, seed=0):
    rng = np.random.default_rng(seed)
    ids = rng.integers(first, vocabulary, size=(len(lengths), width)).astype("int32")
    ids[np.arange(width) >= np.array(lengths)[:, None]] = PAD_ID
    return ids


SOURCE = random_ids((S, 3), S, SOURCE_V)


def run_step(step, tokens, states, memory):
    """One call of a step model; Keras takes no arrays among tensors."""
    states = [tf.convert_to_tensor(state) for state in states]
    tokens = tf.constant(tokens, "int32")
    return step({"tokens": tokens, "states": states, "memory": memory})


def run_halves(encoder, step, source):
    """Memory and states of the encoder, and what the first step makes of them."""
    encoded = encoder(source)
    states = [state[:, None] for state in encoded["states"]]
    tokens = np.full((len(source), 1), BOS_ID)
    return encoded, run_step(step, tokens, states, encoded["memory"])


@pytest.mark.parametrize("name", KINDS)
def test_the_step_model_does_what_the_training_model_does(name):
    model = random_model(name)
    target = random_ids([T] * B * K, T, V, seed=1)
    target[:, 0] = BOS_ID
    repeated = np.repeat(SOURCE, K, axis=0)
    expected = model({"source": repeated, "target": target})
    assert expected.shape == (B * K, T, V) and expected.dtype == "float32"
    encoder, step = encoder_model(model), step_model(model)
    encoded = encoder(SOURCE)
    states = [np.repeat(state[:, None], K, axis=1) for state in encoded["states"]]
    for t in range(T):
        tokens = target[:, t].reshape(B, K)
        outputs = run_step(step, tokens, states, encoded["memory"])
        logits = np.asarray(outputs["logits"]).reshape(B * K, V)
        np.testing.assert_allclose(logits, expected[:, t], atol=1e-5)
        states = outputs["states"]
        if "alignment" in outputs:
            alignment = np.asarray(outputs["alignment"])
            assert alignment.shape == (B, K, S)
            np.testing.assert_allclose(alignment.sum(-1), 1, atol=1e-5)
            assert not alignment[:, :, None, :].swapaxes(1, 3)[1, 3:].any()
    assert ("alignment" in outputs) == (name[:4] != "none")


def nll_and_gradients(model, source, target):
    """Summed over tokens, so that sentences add up."""
    labels = np.concatenate([target[:, 1:], np.zeros_like(target[:, :1])], axis=1)
    with tf.GradientTape() as tape:
        logits = model({"source": source, "target": target})
        losses = token_crossentropy(labels, logits)
        loss = tf.reduce_sum(losses * (labels != PAD_ID))
    gradients = tape.gradient(loss, model.trainable_variables)
    assert None not in gradients
    return logits, loss, [tf.convert_to_tensor(x).numpy() for x in gradients]


@pytest.mark.parametrize("name", KINDS)
def test_a_padded_batch_gives_what_each_sentence_gives_alone(name):
    model, lengths, target_lengths = random_model(name), (6, 1, 4), (3, 5, 2)
    # Wider than the longest.
    source = random_ids(lengths, 8, SOURCE_V, seed=2)
    target = random_ids(target_lengths, 7, V, seed=3)
    logits, loss, gradients = nll_and_gradients(model, source, target)
    total, sums = 0, [np.zeros_like(x) for x in gradients]
    for b, (length, target_length) in enumerate(
        zip(lengths, target_lengths, strict=True)
    ):
        alone, own_loss, own = nll_and_gradients(
            model, source[b : b + 1, :length], target[b : b + 1, :target_length]
        )
        np.testing.assert_allclose(logits[b, :target_length], alone[0], atol=1e-5)
        total += own_loss
        sums = [x + y for x, y in zip(sums, own, strict=True)]
    np.testing.assert_allclose(loss, total, rtol=1e-5)
    for x, y, weight in zip(gradients, sums, model.trainable_variables, strict=True):
        np.testing.assert_allclose(x, y, atol=2e-5, err_msg=weight.path)
        assert np.any(np.abs(x) > 1e-6), f"{weight.path} has no gradient"


def test_what_stands_at_padding_of_the_embedding_is_not_seen():
    model = make_model("general_feed")
    randomize(model)
    inputs = {"source": SOURCE, "target": random_ids((T, T), T, V)}
    expected = model(inputs)
    matrix = model.get_layer("source_embedding").embeddings
    matrix.assign(np.where(np.arange(SOURCE_V)[:, None] == PAD_ID, 1e4, matrix))
    np.testing.assert_array_equal(model(inputs), expected)


@pytest.mark.parametrize("name", ["none", "none_gru_deep"])
def test_without_attention_the_thought_vector_is_all(name):
    model = random_model(name)
    assert "memory" not in [layer.name for layer in model.layers]
    encoded = encoder_model(model)(SOURCE)
    assert encoded["memory"] == {}
    assert step_model(model).input["memory"] == {}
    target = random_ids((T, T), T, V)
    changed = SOURCE.copy()
    changed[0, 0] = 4 + (changed[0, 0] - 3) % (SOURCE_V - 4)
    before = model({"source": SOURCE, "target": target})
    after = model({"source": changed, "target": target})
    assert np.abs(before - after)[0].max() > 1e-4
    np.testing.assert_allclose(before[1], after[1], atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_how_states_cross_the_bridge(cell):
    """A decoder of another depth than the encoder's takes the layers at the top."""
    size = {"lstm": 2, "gru": 1}[cell]

    def layers(encoder_layers, decoder_layers):
        model = build_model(
            Seq2SeqConfig(
                **{**SIZES, "cell": cell, "bidirectional": False, "attention": "none"},
                encoder_layers=encoder_layers,
                decoder_layers=decoder_layers,
            )
        )
        randomize(model)
        states = [
            layer.output[1:]
            for layer in model.layers
            if layer.name.startswith("encoder_") and "dropout" not in layer.name
        ]
        encoder = encoder_model(model)
        outputs = keras.Model(encoder.input, [states, encoder.output["states"]])
        of_encoder, of_decoder = outputs(SOURCE)
        found = []
        for i, state in enumerate(of_decoder):
            matches = [
                level
                for level, own in enumerate(of_encoder)
                if np.array_equal(own[i % size], state)
            ]
            found += matches[:1] if i % size == 0 else []
            assert len(matches) == 1
        return found

    assert layers(2, 2) == [0, 1]
    assert layers(3, 2) == [1, 2]
    assert layers(2, 1) == [1]
    assert layers(1, 2) == [0, 0]
    assert layers(2, 3) == [0, 1, 1]


def test_bridges():
    encoder = encoder_model(random_model("bahdanau_feed"))  # zeros
    for state in encoder(SOURCE)["states"]:
        np.testing.assert_array_equal(state, np.zeros((B, 6)))
    model = random_model("general_feed")  # dense, and the attentional vector
    *states, fed = encoder_model(model)(SOURCE)["states"]
    np.testing.assert_array_equal(fed, np.zeros((B, 5)))
    assert [state.shape for state in states] == [(B, 6)] * 4
    assert model.get_layer("bridge_3").kernel.shape == (8, 6)
    assert np.abs(states[3]).max() < 1 and np.all(states[3])


def test_a_tied_softmax_has_no_matrix_of_its_own():
    free, tied = make_model("concat", tie_embeddings=False), make_model("concat")
    names = [layer.name for layer in tied.layers]
    assert "projection" not in names
    assert "projection" in [layer.name for layer in free.layers]
    # The vector before the softmax has the embedding's size instead of `units`.
    attentional = (6 + 6) * (E - 6)
    projection = 6 * V + V
    assert tied.count_params() == free.count_params() - projection + attentional
    changed = V - 1
    inputs = {"source": SOURCE, "target": random_ids((T, T), T, changed)}
    matrix = tied.get_layer("target_embedding").embeddings
    before = np.asarray(tied(inputs)).copy()
    matrix.assign(np.where(np.arange(V)[:, None] == changed, 2 * matrix, matrix))
    after = np.asarray(tied(inputs))
    before[..., changed] *= 2
    np.testing.assert_allclose(after, before, atol=1e-6)


@pytest.mark.parametrize("tied", [False, True])
def test_embeddings_begin_as_large_as_gates_can_feel(tied):
    """But small where they are the softmax's weights too."""
    model = build_model(
        Seq2SeqConfig(
            source_vocabulary_size=1009,
            target_vocabulary_size=1013,
            embedding_size=16,
            units=16,
            attention="none",
            tie_embeddings=tied,
        )
    )
    for name in ("source_embedding", "target_embedding"):
        rows = np.asarray(model.get_layer(name).embeddings)
        np.testing.assert_allclose(rows.std(), 0.25 if tied else 1.0, rtol=0.05)


@pytest.mark.parametrize("name", FEW)
def test_the_halves_share_the_models_weights(name):
    model = make_model(name, dropout=0.2)
    halves = encoder_model(model), step_model(model)
    own = {id(weight) for weight in model.weights}
    found = {id(weight) for half in halves for weight in half.weights}
    assert found == own

    _, before = run_halves(*halves, SOURCE)
    train(model, steps=1)
    _, after = run_halves(*halves, SOURCE)
    assert np.abs(after["logits"] - before["logits"]).max() > 1e-4
    _, anew = run_halves(encoder_model(model), step_model(model), SOURCE)
    np.testing.assert_array_equal(after["logits"], anew["logits"])


def training_batch():
    """Seven pairs that no rule of the ids explains."""
    source = random_ids((1, 2, 3, 4, 5, 6, 7), 7, SOURCE_V, seed=5)
    labels = random_ids((5, 1, 4, 2, 3, 5, 2), 6, V, seed=6)
    ends = np.sum(labels != PAD_ID, axis=1)
    labels[np.arange(7), ends] = EOS_ID
    target = np.concatenate([np.full((7, 1), BOS_ID), labels[:, :-1]], axis=1)
    return {"source": source, "target": target.astype("int32")}, labels


def train(model, steps, learning_rate=0.01, **kwargs):
    inputs, labels = training_batch()
    optimizer = Adam(learning_rate)
    model.compile(optimizer, MaskedCrossentropy(), **kwargs)
    batches = tf.data.Dataset.from_tensors((inputs, labels)).repeat(steps)
    return model.fit(batches, shuffle=False, verbose=0).history["loss"][-1]


SIMPLE = {"encoder_layers": 1, "decoder_layers": 1}


@pytest.mark.parametrize("name", ["none", "general_feed", "normalized_previous"])
def test_seven_pairs_are_learnt_by_heart(name):
    sizes = {"units": 24, "encoder_units": None, "attentional_units": None}
    model = make_model(name, **SIMPLE, **sizes)
    train(model, 100, 0.03)
    inputs, labels = training_batch()
    step, state = start_decoding(model)(inputs["source"])
    found = decoding.greedy_search(step, state, max_length=labels.shape[1])
    np.testing.assert_array_equal(found.ids[:, 0], labels)
    assert np.min(found.scores) > -1


@pytest.mark.parametrize("name", ["normalized", "general_feed"])
def test_compiled_by_xla_the_loss_is_the_same(name):
    inputs, labels = training_batch()
    losses = []
    for jit_compile in (False, True):
        model = make_model(name, **SIMPLE)
        randomize(model, scale=0.4)
        model.compile("sgd", MaskedCrossentropy(), jit_compile=jit_compile)
        first = model.train_on_batch(inputs, labels)
        losses.append((first, model.train_on_batch(inputs, labels)))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][0] > losses[0][1]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", FEW)
def test_half_precision(name, policy):
    expected = random_model(name)
    keras.config.set_dtype_policy(policy)
    try:
        model = make_model(name)
        randomize(model, scale=0.4)
        halves = encoder_model(model), step_model(model)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {weight.dtype for weight in model.weights} == {"float32"}
    inputs, labels = training_batch()
    logits = model(inputs)
    assert logits.dtype == "float32"
    real = labels != PAD_ID
    np.testing.assert_allclose(
        np.asarray(logits)[real], np.asarray(expected(inputs))[real], atol=0.2
    )
    encoded, outputs = run_halves(*halves, SOURCE)
    assert outputs["logits"].dtype == "float32"
    for states in (encoded["states"], outputs["states"]):
        assert {x.dtype.name for x in states} == {policy.removeprefix("mixed_")}
    assert np.isfinite(train(model, 1))


def test_half_precision_sums_the_gradients_of_a_frequent_token():
    """Not in bfloat16, where a sum of 700 equal sentences ends at the 256th."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model(
            Seq2SeqConfig(
                source_vocabulary_size=V,
                target_vocabulary_size=V,
                embedding_size=6,
                units=6,
                dropout=0.0,
            )
        )
    finally:
        keras.config.set_dtype_policy("float32")
    randomize(model, scale=0.4)
    matrices = [model.get_layer(f"{side}_embedding") for side in ("source", "target")]
    found = []
    for rows in (1, 700):
        ids = np.repeat([[5, 6, 7]], rows, axis=0)
        with tf.GradientTape() as tape:
            loss = MaskedCrossentropy()(ids, model({"source": ids, "target": ids}))
        gradients = tape.gradient(loss, [x.embeddings.value for x in matrices])
        found.append([tf.convert_to_tensor(x).numpy() for x in gradients])
    for one, many in zip(*found, strict=True):
        assert np.abs(one).max() > 0.01
        np.testing.assert_allclose(many, one, atol=0.03 * np.abs(one).max())


@pytest.mark.parametrize("name", FEW)
def test_dropout_is_for_training_alone(name):
    model = make_model(name, dropout=0.5)
    inputs = {"source": SOURCE, "target": random_ids((T, T), T, V)}
    np.testing.assert_array_equal(model(inputs), model(inputs, training=False))
    first, second = model(inputs, training=True), model(inputs, training=True)
    assert np.abs(first - second).max() > 1e-3


LOADS = """
    import sys
    import keras
    import numpy as np

    import kseq2seq

    arrays = dict(np.load(sys.argv[1]))
    inputs = {"source": arrays["source"], "target": arrays["target"]}
    for path in sys.argv[2:]:
        model = keras.models.load_model(path)
        name = model.name
        if name == "seq2seq":
            x = inputs
        elif name == "encoder":
            x = inputs["source"]
        else:
            x = {
                "tokens": keras.ops.convert_to_tensor(inputs["target"][:, :1]),
                "states": list(encoded["states"]),
                "memory": encoded["memory"],
            }
        outputs = model(x)
        if name == "encoder":
            encoded = dict(outputs)
            encoded["states"] = [state[:, None] for state in outputs["states"]]
        for i, output in enumerate(keras.tree.flatten(outputs)):
            expected = arrays[f"{path}:{i}"]
            np.testing.assert_array_equal(output, expected, err_msg=f"{path} {i}")
        if name == "seq2seq":
            history = model.fit(inputs, arrays["labels"], epochs=3, verbose=0).history
            assert history["loss"][-1] < history["loss"][0], history
    print("all equal")
"""


def run_python(code, *arguments):
    root = ROOT
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_saved_models_are_the_same_in_another_process(tmp_path):
    inputs, labels = training_batch()
    arrays, paths = {**inputs, "labels": labels}, []
    for name in ("concat", "general_feed"):
        model = make_model(name, dropout=0.2)
        train(model, 1)
        encoder, step = encoder_model(model), step_model(model)
        encoded, stepped = run_halves(encoder, step, inputs["source"])
        for part, outputs in (
            (model, model(inputs)),
            (encoder, encoded),
            (step, stepped),
        ):
            path = tmp_path / f"{name}_{part.name}.keras"
            part.save(path)
            paths.append(path)
            for i, output in enumerate(keras.tree.flatten(outputs)):
                arrays[f"{path}:{i}"] = output
    np.savez(tmp_path / "arrays.npz", **arrays)
    result = run_python(LOADS, tmp_path / "arrays.npz", *paths)
    assert result.stdout == "all equal\n", result.stderr[-2000:]


@pytest.mark.parametrize("name", FEW)
def test_the_halves_of_a_loaded_model(name, tmp_path):
    model = random_model(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for source in (SOURCE, SOURCE[:, :3]):
        found = []
        for made in (model, loaded):
            step, state = start_decoding(made)(source)
            found.append(decoding.beam_search(step, state, beam_size=K, max_length=T))
        np.testing.assert_array_equal(found[1].ids, found[0].ids)
        np.testing.assert_array_equal(found[1].scores, found[0].scores)


@pytest.mark.parametrize("half", [encoder_model, step_model, start_decoding])
def test_halves_are_cut_from_our_models_alone(half):
    x = keras.Input((3,), name="source")
    model = keras.Model(x, keras.layers.Dense(7, name="other")(x))
    with pytest.raises(ValueError, match="must come from `build_model`.*source, other"):
        half(model)
