"""Searches against those of tensorflow-addons, with the goldens' models."""

import numpy as np
import pytest
from keras import ops

from kseq2seq.decoding import beam_search, greedy_search
from search_oracles import (
    as_numpy,
    ids_of,
    log_softmax,
)


def wrapped_cell(golden):
    """The step function of the goldens' attention wrapper around an LSTM cell."""
    g = {name: golden[name] for name in golden.files}
    mask = g["mask"]
    values = (g["memory"] * mask[..., None]).astype("float32")
    keys = values @ g["memory_kernel"]

    def step(tokens, state):
        h, c, attention = state
        embedded = ops.take(ops.convert_to_tensor(g["embedding"]), tokens, axis=0)
        x = ops.concatenate([embedded, attention], -1)
        z = ops.matmul(x, g["lstm_kernel"]) + ops.matmul(h, g["lstm_recurrent_kernel"])
        i, f, new, o = ops.split(z + g["lstm_bias"], 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(new)
        h = ops.sigmoid(o) * ops.tanh(c)
        if "query_kernel" in g:
            query = ops.matmul(h, g["query_kernel"])[:, :, None]
            energy = ops.tanh(query + keys[:, None])
            scores = ops.einsum("bksu,u->bks", energy, g["attention_v"])
        else:
            scores = ops.einsum("bku,bsu->bks", h, keys)
        alignment = ops.softmax(ops.where(mask[:, None], scores, -1e30))
        context = ops.einsum("bks,bsm->bkm", alignment, values)
        attention = ops.concatenate([h, context], -1)
        attention = ops.matmul(attention, g["attention_layer_kernel"])
        logits = ops.matmul(attention, g["output_kernel"]) + g["output_bias"]
        extras = {"alignment": alignment}
        return ops.log_softmax(logits, axis=-1), (h, c, attention), extras

    zeros = np.zeros((len(mask), g["attention_layer_kernel"].shape[1]), "float32")
    return step, (g["initial_h"], g["initial_c"], zeros)


@pytest.fixture(params=["decode_bahdanau", "decode_luong"])
def golden(request, goldens_root):
    return np.load(goldens_root / f"{request.param}.npz")


TFA = {"max_length": 8, "bos_id": 1, "eos_id": 2, "forbidden_ids": ()}


def test_greedy_search_is_that_of_tensorflow_addons(golden):
    result = as_numpy(greedy_search(*wrapped_cell(golden), **TFA))
    ids = golden["greedy_sample_ids_imputed"]
    np.testing.assert_array_equal(result.ids[:, 0, : ids.shape[1]], ids)
    np.testing.assert_array_equal(result.lengths[:, 0], golden["greedy_lengths"])
    log_probs = log_softmax(golden["greedy_logits"].astype("float64"))
    for row, length in enumerate(golden["greedy_lengths"]):
        total = sum(log_probs[row, t, ids[row, t]] for t in range(length))
        np.testing.assert_allclose(result.scores[row, 0], total, atol=1e-5)


def test_beam_search_is_that_of_tensorflow_addons(golden):
    result = as_numpy(
        beam_search(*wrapped_cell(golden), beam_size=4, num_hypotheses=4, **TFA)
    )
    g = {name: golden[f"beam_lp0_{name}"] for name in ("lengths", "log_probs")}
    np.testing.assert_array_equal(result.lengths, g["lengths"])
    np.testing.assert_allclose(result.log_probs, g["log_probs"], atol=1e-5)
    np.testing.assert_allclose(
        result.scores, golden["beam_lp0_scores"][:, -1], atol=1e-5
    )
    for row, slot in np.ndindex(result.lengths.shape):
        length = g["lengths"][row, slot]
        ids = golden["beam_lp0_predicted_ids"][row, :length, slot]
        np.testing.assert_array_equal(result.ids[row, slot, :length], ids)


def test_alignments_are_those_of_tensorflow_addons(golden):
    """Stored for another length penalty, whose hypotheses are partly the same."""
    result = as_numpy(
        beam_search(*wrapped_cell(golden), beam_size=4, num_hypotheses=4, **TFA)
    )
    parents, lengths = golden["beam_parent_ids"], golden["beam_lengths"]
    compared = 0
    for row, slot in np.ndindex(lengths.shape):
        ids = tuple(golden["beam_predicted_ids"][row, : lengths[row, slot], slot])
        if ids not in ids_of(result, row):
            continue
        n = ids_of(result, row).index(ids)
        path = slot
        for t in reversed(range(parents.shape[1])):
            path = parents[row, t, path]
            if t < len(ids):
                expected = golden["beam_step_alignments"][row, t, path]
                actual = result.alignments[row, n, t]
                np.testing.assert_allclose(actual, expected, atol=1e-5)
                compared += 1
    assert compared > 20
