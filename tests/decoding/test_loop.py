"""The loop: when it stops, and how it runs in graphs."""

import keras
import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import beam_search, greedy_search, relative_lengths
from kseq2seq.utils import EOS_ID, PAD_ID
from search_oracles import (
    BACKEND,
    SEARCHES,
    Tables,
    V,
    as_numpy,
    on_tensorflow,
)


def counted(step):
    """`step`, and a list that grows with each of its calls."""
    calls = []

    def counting(tokens, state):
        calls.append(tuple(tokens.shape))
        return step(tokens, state)

    return counting, calls


def end_or_go_on(end, length):
    """EOS at once, with probability `end`, or `length` times 4 and then EOS.

    Each token looks mostly at its own source position.
    """
    log_probs = np.full((length + 1, V), -np.inf, "float32")
    log_probs[0, [EOS_ID, 4]] = np.log([end, 1 - end])
    log_probs[1:length, 4] = log_probs[length, EOS_ID] = 0.0
    alignment = np.full((length + 1, length + 1), 0.1 / length, "float32")
    np.fill_diagonal(alignment, 0.9)

    def step(tokens, count):
        rows = ops.minimum(count, length)
        extras = {"alignment": ops.take(ops.convert_to_tensor(alignment), rows, 0)}
        return ops.take(ops.convert_to_tensor(log_probs), rows, 0), count + 1, extras

    return step, np.zeros(2, "int32")


@pytest.mark.skipif(BACKEND == "jax", reason="jax traces the loop's body only once")
def test_stops_when_no_hypothesis_can_win():
    step, state = end_or_go_on(0.9, length=30)
    step, calls = counted(step)
    options = {"beam_size": 3, "max_length": 50}
    # log(0.1) is as good as log(0.9) when divided by 22, and by 9 it is not.
    beam_search(step, state, length_penalty=1.0, **options)
    assert calls == [(2, 1)]
    calls.clear()
    beam_search(step, state, length_penalty=1.5, **options)
    assert calls == [(2, 1)] + 30 * [(2, 3)]
    calls.clear()
    beam_search(step, state, num_hypotheses=2, length_penalty=1.0, **options)
    assert calls == [(2, 1)] + 30 * [(2, 3)]


@pytest.mark.parametrize(
    "penalties",
    [
        {"length_penalty": 1.0},
        {"coverage_penalty": 0.3},
        {"length_penalty": 0.5, "length_normalization": "mean"},
    ],
    ids=str,
)
def test_a_long_hypothesis_overtakes_a_finished_one(penalties):
    step, state = end_or_go_on(0.6, length=7)
    options = {"beam_size": 2, "num_hypotheses": 2, "max_length": 11}
    plain = as_numpy(beam_search(step, state, **options))
    assert plain.lengths.tolist() == [[1, 8], [1, 8]]
    options["num_hypotheses"] = 1
    result = as_numpy(beam_search(step, state, **options, **penalties))
    assert result.lengths.tolist() == [[8], [8]]


@pytest.mark.skipif(BACKEND == "jax", reason="jax traces the loop's body only once")
def test_greedy_stops_when_all_rows_have_ended():
    model = Tables(1, eos_bonus=4.0)
    step, calls = counted(model.step)
    result = as_numpy(greedy_search(step, model.initial_state(), max_length=50))
    assert len(calls) == result.lengths.max() < 50


@pytest.mark.skipif(BACKEND != "jax", reason="jax only")
@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_jax_jit(search):
    import jax

    model = Tables(14)
    result = jax.jit(lambda state: search(model.step, state, max_length=7))(
        model.initial_state()
    )
    eager = search(model.step, model.initial_state(), max_length=7)
    for a, b in zip(as_numpy(result), as_numpy(eager), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def recurrent_model():
    """A Keras model of one step: `(batch * beam,)` tokens, a state of 13 numbers."""
    tokens, state = keras.Input((), dtype="int32"), keras.Input((13,))
    embedded = keras.layers.Embedding(V, 11, "random_normal")(tokens)
    _, new_state = keras.layers.SimpleRNN(13, return_state=True)(
        embedded[:, None], initial_state=[state]
    )
    logits = keras.layers.Dense(V, kernel_initializer="random_normal")(new_state)
    return keras.Model([tokens, state], [logits, new_state])


def model_search(search, **options):
    """A function of padded source ids, around a Keras model."""
    model = recurrent_model()
    encoder = keras.layers.Embedding(17, 13, "random_normal")
    encoder.build(())

    def find(source):
        mask = ops.not_equal(source, PAD_ID)  # (B, S)
        memory = encoder(source) * ops.cast(mask, "float32")[..., None]

        def step(tokens, state):
            shape = ops.shape(tokens)
            flat = ops.reshape(state, (shape[0] * shape[1], 13))
            logits, new = model([ops.reshape(tokens, (-1,)), flat])
            new = ops.reshape(new, (*shape, 13))
            energy = ops.where(
                mask[:, None], ops.einsum("bkd,bsd->bks", new, memory), -1e9
            )
            log_probs = ops.log_softmax(ops.reshape(logits, (*shape, V)))
            return log_probs, new, {"alignment": ops.softmax(energy)}

        result = search(
            step,
            ops.sum(memory, axis=1),
            max_length=options.get("max_length", relative_lengths(mask, 2, 1)),
            min_length=relative_lengths(mask),
        )
        return result._asdict()

    return model, encoder, find


SOURCE = np.array([[5, 9, 4, 7, 3], [6, 3, 0, 0, 0], [8, 4, 3, 0, 0]], "int32")


@on_tensorflow
@pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)
def test_graphs_of_unknown_size(search):
    import tensorflow as tf

    *_, find = model_search(search)
    signature = [tf.TensorSpec([None, None], tf.int32)]
    graph = tf.function(find, input_signature=signature, autograph=False)
    for source in (SOURCE, SOURCE[1:, :3]):
        expected, actual = find(ops.convert_to_tensor(source)), graph(source)
        for name in expected:
            np.testing.assert_allclose(actual[name], expected[name], atol=1e-5)
    for empty in (graph(SOURCE[:0]), find(tf.constant(SOURCE[:0]))):
        assert empty["ids"].shape[0] == 0 and empty["scores"].shape[0] == 0


@on_tensorflow
@pytest.mark.parametrize("search", ["beam", "sample"])
def test_saved_model(search, tmp_path):
    import tensorflow as tf

    model, encoder, find = model_search(SEARCHES[search])
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(encoder)
    signature = [tf.TensorSpec([None, None], tf.int32, name="source")]
    archive.add_endpoint("serve", find, input_signature=signature)
    archive.write_out(tmp_path / "model", verbose=False)
    restored = tf.saved_model.load(tmp_path / "model")
    expected, actual = find(tf.constant(SOURCE)), restored.serve(SOURCE)
    for name in expected:
        np.testing.assert_allclose(actual[name], expected[name], atol=1e-5)


@on_tensorflow
def test_xla():
    import tensorflow as tf

    *_, find = model_search(SEARCHES["beam"], max_length=7)
    compiled = tf.function(find, jit_compile=True)(tf.constant(SOURCE))
    expected = find(tf.constant(SOURCE))
    for name in expected:
        np.testing.assert_allclose(compiled[name], expected[name], atol=1e-5)
