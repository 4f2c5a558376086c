"""Parity with tensorflow-addons 0.23, and its errors.

The numbers are in `tests/goldens`, whose README.md says how they came about. What
concerns one layer alone stands with that layer's tests.
"""

import numpy as np
import pytest
from keras import ops

import tfa
from kseq2seq import decoding
from kseq2seq.layers import DecoderRNN
from kseq2seq.losses import MaskedCrossentropy, token_crossentropy
from kseq2seq.tfa import make_attention, make_decoder_cell

MECHANISMS = ["bahdanau", "bahdanau_normalize", "luong", "luong_scale"]
WRAPPERS = [
    "bahdanau",
    "bahdanau_layer",
    "luong",
    "luong_layer",
    "bahdanau_monotonic_layer",
]
DECODERS = ["bahdanau", "luong"]
IDS = {"bos_id": 1, "eos_id": 2, "forbidden_ids": (), "max_length": 8}


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def softmax(scores):
    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


# Attention by itself.


@pytest.mark.parametrize("name", MECHANISMS)
def test_scores(goldens_root, name):
    golden = np.load(goldens_root / f"{name}.npz")
    layer = make_attention(tfa.weights(golden))
    memory = layer.prepare(golden["memory"], value_mask=golden["mask"])
    scores = layer.scores(
        ops.convert_to_tensor(golden["query"][:, None]), memory["keys"]
    )
    close(scores[:, 0], golden["score"])
    # Its next state is the alignment, which these mechanisms do not look at.
    np.testing.assert_array_equal(golden["next_state"], golden["alignments"])
    assert layer.initial_state(memory) == ()


@pytest.mark.parametrize("name", MECHANISMS)
def test_a_row_without_any_source_is_uniform_there_and_zero_here(goldens_root, name):
    golden = np.load(goldens_root / f"{name}.npz")

    def theirs(mask):  # the least float in place of a score, then softmax
        least = np.finfo("float32").min
        return softmax(np.where(mask, golden["score"], least))

    mask = golden["mask"].copy()
    close(theirs(mask), golden["alignments"])
    mask[1] = False
    close(theirs(mask)[1], 1 / mask.shape[1])
    context, alignment = make_attention(tfa.weights(golden))(
        golden["query"][:, None],
        golden["memory"],
        value_mask=mask,
        return_attention_scores=True,
    )
    close(alignment[::2, 0], golden["alignments"][::2])
    assert not np.any(alignment[1]) and not np.any(context[1])


# The wrapper around an LSTM cell.


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrapper(goldens_root, name):
    golden = np.load(goldens_root / f"wrapper_{name}.npz")
    cell = make_decoder_cell(tfa.weights(golden))
    assert (cell.attentional is None) == ("contexts" not in golden)
    first, inputs = [golden["initial_h"], golden["initial_c"]], golden["inputs"]
    outputs, alignments = DecoderRNN(cell)(
        inputs,
        golden["memory"],
        memory_mask=golden["mask"],
        initial_state=first,
        return_attention_scores=True,
    )
    close(outputs, golden["outputs"])
    close(alignments, golden["alignments"])
    states, memory = cell.start(first, golden["memory"], golden["mask"])
    for t in range(inputs.shape[1]):
        output, alignment, states = cell.step(inputs[:, t], states, memory)
        close(output, golden["outputs"][:, t])
        close(alignment[:, 0], golden["alignments"][:, t])
        close(states[0], golden["cell_h"][:, t])
    # The last step's cell and attention, which enter the next.
    for state, key in zip(states[:2], ("final_h", "final_c"), strict=True):
        close(state, golden[key])
    close(states[2], golden["outputs"][:, -1])
    contexts = cell.attention(
        golden["cell_h"], golden["memory"], value_mask=golden["mask"]
    )
    close(contexts, golden["contexts" if "contexts" in golden else "outputs"])


# Greedy search.


@pytest.mark.parametrize("name", DECODERS)
def test_greedy_logits(goldens_root, name):
    """At every step, also behind the end token, where it goes on decoding."""
    golden = np.load(goldens_root / f"decode_{name}.npz")
    ids = golden["greedy_sample_ids"]
    start = np.full_like(ids[:, :1], golden["start_token"])
    outputs = DecoderRNN(make_decoder_cell(tfa.weights(golden)))(
        golden["embedding"][np.concatenate([start, ids[:, :-1]], axis=1)],
        golden["memory"],
        memory_mask=golden["mask"],
        initial_state=[golden["initial_h"], golden["initial_c"]],
    )
    logits = outputs @ golden["output_kernel"] + golden["output_bias"]
    close(logits, golden["greedy_logits"])
    np.testing.assert_array_equal(np.argmax(logits, axis=-1), ids)


@pytest.mark.parametrize("name", DECODERS)
def test_greedy_ids(goldens_root, name):
    golden = np.load(goldens_root / f"decode_{name}.npz")
    actual = decoding.greedy_search(*tfa.decoding(golden), **IDS)
    # Both put 0 behind the end, there with `impute_finished=True`.
    np.testing.assert_array_equal(actual.ids[:, 0], golden["greedy_sample_ids_imputed"])
    np.testing.assert_array_equal(actual.lengths[:, 0], golden["greedy_lengths"])


# Beam search.


def search(golden, weight):
    actual = decoding.beam_search(
        *tfa.decoding(golden),
        beam_size=4,
        num_hypotheses=4,
        length_penalty=weight,
        **IDS,
    )
    return {name: ops.convert_to_numpy(x) for name, x in actual._asdict().items()}


def assert_same_hypotheses(actual, expected, golden):
    """Compares our search with a NumPy loop or tensorflow-addons."""
    close(actual["log_probs"], expected["log_probs"])
    close(actual["scores"], expected["scores"][:, -1])
    for row, slot in np.ndindex(actual["lengths"].shape):
        length = actual["lengths"][row, slot]
        ids = expected["predicted_ids"][row, :, slot]
        np.testing.assert_array_equal(actual["ids"][row, slot, :length], ids[:length])
        assert (ids[length:] == golden["end_token"]).all()


@pytest.mark.parametrize("prefix", ["beam_", "beam_lp0_"])
@pytest.mark.parametrize("name", DECODERS)
def test_the_numpy_loop_is_their_beam_search(goldens_root, name, prefix):
    golden = np.load(goldens_root / f"decode_{name}.npz")
    weight = 0.0 if "lp0" in prefix else float(golden["length_penalty_weight"])
    actual = tfa.beam_search(golden, weight, count_end_at_once=False)
    assert weight in (0.0, np.float32(0.6))
    for key, value in actual.items():
        if prefix + key in golden:
            close(value, golden[prefix + key])
    assert prefix == "beam_lp0_" or prefix + "step_alignments" in golden


@pytest.mark.parametrize("name", DECODERS)
def test_beam_search_without_a_length_penalty(goldens_root, name):
    golden = np.load(goldens_root / f"decode_{name}.npz")
    keys = ("predicted_ids", "scores", "log_probs")
    theirs = {key: golden[f"beam_lp0_{key}"] for key in keys}
    actual = search(golden, 0.0)
    assert_same_hypotheses(actual, theirs, golden)
    np.testing.assert_array_equal(actual["lengths"], golden["beam_lp0_lengths"])


@pytest.mark.parametrize("name", DECODERS)
def test_their_length_penalty_changes_after_the_end_and_ours_does_not(
    goldens_root, name
):
    golden = np.load(goldens_root / f"decode_{name}.npz")
    ours = tfa.beam_search(golden, 0.6, count_end_at_once=True)
    theirs = tfa.beam_search(golden, 0.6, count_end_at_once=False)
    assert_same_hypotheses(search(golden, 0.6), ours, golden)
    close(theirs["scores"], golden["beam_scores"])
    # So they differ in nothing else, and that decides what is found.
    assert (ours["predicted_ids"] != golden["beam_predicted_ids"]).any()

    assert change_after_the_end(theirs, golden["end_token"]) > 0.01
    assert change_after_the_end(ours, golden["end_token"]) < 1e-6


def change_after_the_end(actual, end):
    """By how much the score of a hypothesis changed at most, once it had ended."""
    changes, rows = [], np.arange(len(actual["scores"]))[:, None]
    for t in range(1, actual["scores"].shape[1]):
        parents = actual["parent_ids"][:, t]
        ended = actual["step_ids"][:, t - 1][rows, parents] == end
        ended &= actual["step_ids"][:, t] == end
        before = actual["scores"][:, t - 1][rows, parents]
        changes += list(np.abs(actual["scores"][:, t] - before)[ended])
    return max(changes)


@pytest.mark.parametrize("name", DECODERS)
def test_alignments_follow_the_true_path(goldens_root, name):
    """Theirs, sorted by `reorder_tensor_arrays=True`, are one step beside it."""
    golden = np.load(goldens_root / f"decode_{name}.npz")
    theirs = {key: golden[f"beam_{key}"] for key in ("parent_ids", "step_alignments")}
    right = tfa.follow(theirs["parent_ids"], theirs["step_alignments"], False)
    beside = tfa.follow(theirs["parent_ids"], theirs["step_alignments"], True)
    ids, lengths = golden["beam_predicted_ids"], golden["beam_lengths"]
    differences = []
    for slot in range(ids.shape[2]):
        # Every hypothesis fed again, by itself: the truth.
        start = np.full_like(ids[:, :1, slot], golden["start_token"])
        fed = np.concatenate([start, ids[:, :-1, slot]], axis=1)
        _, alignments = DecoderRNN(make_decoder_cell(tfa.weights(golden)))(
            golden["embedding"][fed],
            golden["memory"],
            memory_mask=golden["mask"],
            initial_state=[golden["initial_h"], golden["initial_c"]],
            return_attention_scores=True,
        )
        written = np.arange(ids.shape[1]) < lengths[:, slot, None]
        close(np.asarray(alignments)[written], right[:, :, slot][written])
        differences.append(np.abs(alignments - beside[:, :, slot])[written].max())
    assert max(differences) > 0.1

    # Of our own search, whose hypotheses are those of the NumPy loop.
    actual = search(golden, 0.6)
    ours = tfa.beam_search(golden, 0.6, count_end_at_once=True)
    right = tfa.follow(ours["parent_ids"], ours["step_alignments"], False)
    for row, slot in np.ndindex(actual["lengths"].shape):
        length = actual["lengths"][row, slot]
        own = actual["alignments"][row, slot]
        close(own[:length], right[row, :length, slot])
        assert not own[length:].any()


# The loss.


@pytest.mark.parametrize("kind", ["mask", "real"])
def test_sequence_loss(goldens_root, kind):
    golden = np.load(goldens_root / "sequence_loss.npz")
    targets, logits = golden["targets"], golden["logits"]
    weights = golden[f"weights_{kind}"]
    weighted = np.asarray(token_crossentropy(targets, logits)) * weights
    close(weighted, golden[f"none__{kind}"])
    axes = {"time": 1, "batch": 0, "time_batch": None}
    counted = {"avg": weights, "sum": weights != 0}
    for (mode, counts), (name, axis) in (
        (x, y) for x in counted.items() for y in axes.items()
    ):
        divisor = np.maximum(counts.sum(axis), np.finfo("float32").tiny)
        expected = golden[f"{mode}_{name}__{kind}"]
        close(weighted.sum(axis) / divisor, expected)

    def loss(part):
        return MaskedCrossentropy()(targets[part], logits[part], weights[part])

    close(loss(slice(None)), golden[f"avg_time_batch__{kind}"])
    for b, expected in enumerate(golden[f"avg_time__{kind}"]):
        close(loss(slice(b, b + 1)), expected)
    for t, expected in enumerate(golden[f"avg_batch__{kind}"]):
        close(loss((slice(None), slice(t, t + 1))), expected)
