"""The whole model: padding, weights, precision, files."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import decoding
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.losses import MaskedCrossentropy, token_crossentropy
from kseq2seq.models import build_model, encoder_model, start_decoding, step_model
from kseq2seq.utils import PAD_ID
from paths import ROOT
from reference import randomize
from small_models import (
    FEW,
    SIZES,
    SOURCE,
    SOURCE_V,
    E,
    T,
    V,
    make_model,
    random_ids,
    random_model,
    run_halves,
    train,
    training_batch,
)


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


# Each attention, decoder, cell and bridge; that no mechanism sees padding is shown of
# the layers, and that steps give the same in all kinds in `test_halves.py`.
PADDED = ["none_gru_deep", "bahdanau_previous", "normalized", "dot", "general_feed"]
PADDED += ["layer_norm_feed", "zoneout_feed", "copying", "copying_feed", "hard"]
PADDED += ["hard_tied", "gnmt", "transition"]


def test_the_settings_alone_are_no_config():
    with pytest.raises(ValueError, match=r"by Seq2SeqConfig.*Received: .*'units': 8"):
        build_model({"units": 8})


@pytest.mark.parametrize("name", PADDED)
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
        collected = []
        for i, state in enumerate(of_decoder):
            matches = [
                level
                for level, own in enumerate(of_encoder)
                if np.array_equal(own[i % size], state)
            ]
            collected += matches[:1] if i % size == 0 else []
            assert len(matches) == 1
        return collected

    assert layers(2, 2) == [0, 1]
    assert layers(3, 2) == [1, 2]
    assert layers(2, 1) == [1]
    assert layers(1, 2) == [0, 0]
    assert layers(2, 3) == [0, 1, 1]


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


SIMPLE = {"encoder_layers": 1, "decoder_layers": 1}


# Without attention a script learns in `tests/trainer/test_scripts.py`.
@pytest.mark.parametrize(
    ("name", "rate"),
    [("general_feed", 0.03), ("normalized_previous", 0.03), ("transformer_deep", 0.01)],
)
def test_seven_pairs_are_learnt_by_heart(name, rate):
    sizes = {"units": 24, "encoder_units": None, "attentional_units": None}
    model = make_model(name, **SIMPLE, **sizes)
    train(model, 100, rate)
    inputs, labels = training_batch()
    step, state = start_decoding(model)(inputs["source"])
    actual = decoding.greedy_search(step, state, max_length=labels.shape[1])
    np.testing.assert_array_equal(actual.ids[:, 0], labels)
    assert np.min(actual.scores) > -1


def test_compiled_by_xla_the_loss_of_a_transformer_is_the_same():
    """`test_jit_compile.py` compiles the recurrent models."""
    inputs, labels = training_batch()
    losses = []
    for jit_compile in (False, True):
        model = make_model("transformer", **SIMPLE)
        randomize(model, scale=0.4)
        model.compile("sgd", MaskedCrossentropy(), jit_compile=jit_compile)
        first = model.train_on_batch(inputs, labels)
        losses.append((first, model.train_on_batch(inputs, labels)))
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    assert losses[0][0] > losses[0][1]


# Either type with the loops laid by hand, and with the general one.
@pytest.mark.parametrize(
    ("name", "policy"),
    [
        ("normalized", "mixed_float16"),
        ("bahdanau_previous", "mixed_bfloat16"),
        ("general_feed", "mixed_float16"),
        ("none_gru_deep", "mixed_bfloat16"),
        ("transformer", "mixed_bfloat16"),
    ],
)
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
        names = {x.dtype.name for x in states} - {"int32"}  # of positions
        assert names == {policy.removeprefix("mixed_")}
    assert np.isfinite(train(model, 1))


def test_weights_in_bfloat16_are_refused_with_the_policy_to_take():
    sizes = {"source_vocabulary_size": V, "target_vocabulary_size": V, "units": 6}
    keras.config.set_dtype_policy("bfloat16")
    try:
        with pytest.raises(ValueError, match="the policy 'mixed_bfloat16'.*'bfloat16'"):
            build_model(Seq2SeqConfig(**sizes))
        config = Seq2SeqConfig(**sizes, architecture="transformer", num_heads=2)
        assert build_model(config).get_layer("projection").kernel.dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")


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
    collected = []
    for rows in (1, 700):
        ids = np.repeat([[5, 6, 7]], rows, axis=0)
        with tf.GradientTape() as tape:
            loss = MaskedCrossentropy()(ids, model({"source": ids, "target": ids}))
        gradients = tape.gradient(loss, [x.embeddings.value for x in matrices])
        collected.append([tf.convert_to_tensor(x).numpy() for x in gradients])
    for one, many in zip(*collected, strict=True):
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
        if name == "seq2seq" and "feed" in path:
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
        train(model, 3)
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
