"""The encoder and the step of a model, against the whole model."""

import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from kseq2seq import decoding
from kseq2seq.models import (
    encode_and_step,
    encoder_model,
    make_room,
    start_decoding,
    start_search,
    step_model,
)
from kseq2seq.utils import BOS_ID
from reference import randomize
from small_models import (
    FEW,
    KINDS,
    SOURCE,
    SOURCE_V,
    B,
    K,
    S,
    T,
    V,
    make_model,
    random_ids,
    random_model,
    run_halves,
    run_step,
    train,
)

# `tests/layers/attention/test_mechanisms.py` has all mechanisms, the decoders in turn:
# the others here differ in nothing else.
OF_MECHANISMS = {
    *("dot_feed", "general", "concat", "concat_feed", "scaled", "scaled_feed"),
    *("scaled_general", "scaled_general_feed", "scaled_general_previous"),
}


@pytest.mark.parametrize("name", [x for x in KINDS if x not in OF_MECHANISMS])
def test_the_step_model_does_what_the_training_model_does(name):
    model = random_model(name)
    target = random_ids([T] * B * K, T, V, seed=1)
    target[:, 0] = BOS_ID
    repeated = np.repeat(SOURCE, K, axis=0)
    expected = model({"source": repeated, "target": target})
    assert expected.shape == (B * K, T, V) and expected.dtype == "float32"
    encoder, step = encoder_model(model), step_model(model)
    encoded = encoder(SOURCE)
    states = make_room(encoded["states"], T)
    states = [np.repeat(state[:, None], K, axis=1) for state in states]
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


@pytest.mark.parametrize("name", FEW)
def test_the_halves_share_the_models_weights(name):
    model = make_model(name, dropout=0.2)
    halves = encoder_model(model), step_model(model)
    own = {id(weight) for weight in model.weights}
    actual = {id(weight) for half in halves for weight in half.weights}
    assert actual == own

    _, before = run_halves(*halves, SOURCE)
    train(model, steps=1)
    _, after = run_halves(*halves, SOURCE)
    assert np.abs(after["logits"] - before["logits"]).max() > 1e-4
    _, anew = run_halves(encoder_model(model), step_model(model), SOURCE)
    np.testing.assert_array_equal(after["logits"], anew["logits"])


@pytest.mark.parametrize("name", ["general_feed", "bahdanau_previous"])
def test_the_halves_of_a_loaded_model(name, tmp_path):
    model = random_model(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for source in (SOURCE, SOURCE[:, :3]):
        collected = []
        for made in (model, loaded):
            step, state = start_decoding(made)(source)
            collected.append(
                decoding.beam_search(step, state, beam_size=K, max_length=T)
            )
        np.testing.assert_array_equal(collected[1].ids, collected[0].ids)
        np.testing.assert_array_equal(collected[1].scores, collected[0].scores)


@pytest.mark.parametrize("half", [encoder_model, step_model, start_decoding])
def test_halves_are_cut_from_our_models_alone(half):
    x = keras.Input((3,), name="source")
    model = keras.Model(x, keras.layers.Dense(7, name="other")(x))
    with pytest.raises(ValueError, match="must come from `build_model`.*source, other"):
        half(model)


@pytest.mark.parametrize("name", FEW)
def test_weights_given_take_the_place_of_the_models(name):
    model, other = random_model(name), make_model(name)
    randomize(other, scale=0.2)
    values = [tf.convert_to_tensor(x) for x in model.weights]
    encode, step = encode_and_step([other], other.weights)
    encoded = encode(SOURCE, values)
    states = make_room(encoded["states"], 1)
    states = keras.tree.map_structure(lambda x: x[:, None], states)
    tokens = tf.constant(np.full((B, 1), BOS_ID), "int32")
    logits, _, _ = step(tokens, states, encoded["memory"], values)
    expected = run_halves(encoder_model(model), step_model(model), SOURCE)[1]["logits"]
    np.testing.assert_allclose(logits, expected, atol=1e-6)
    plain, _, _ = step(tokens, states, encoded["memory"], other.weights)
    assert np.abs(plain - expected).max() > 1e-3


def test_alignments_can_be_left_out():
    halves = encode_and_step([random_model("bahdanau_feed")])
    collected = []
    for alignments in (True, False):
        step, state = start_search(*halves, SOURCE, alignments)
        collected.append(decoding.greedy_search(step, state, max_length=T))
    assert (
        collected[0].alignments.shape == (B, 1, T, S)
        and collected[1].alignments is None
    )
    np.testing.assert_array_equal(collected[0].ids, collected[1].ids)


def test_a_search_calls_a_step_by_way_of_two_functions():
    """Between the model and the search: those of `encode_and_step`, `start_search`."""
    model, depths = random_model("normalized"), []
    encode, step = encode_and_step([model])

    def counted(*arguments):
        depths.append([frame.function for frame in inspect.stack()[1:3]])
        return step(*arguments)

    search_step, state = start_search(encode, counted, SOURCE)
    decoding.greedy_search(search_step, state, max_length=2)
    assert {tuple(names) for names in depths} == {("next_step", "call_step")}
