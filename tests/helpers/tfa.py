"""The golden data of tensorflow-addons, under the names that it gave its weights."""

import numpy as np
from keras import ops

from kseq2seq.layers import DecoderStart, DecoderStep
from kseq2seq.tfa import make_decoder_cell

# Three sets of names, read off tensorflow-addons 0.23.0 with TensorFlow 2.15.1: as
# `[weight.name for weight in wrapper.weights]` gives them after `setup_memory`, where
# the mechanism was made with its memory, and as a checkpoint of the wrapper has them.
# A layer that was built and never called gave its variables no name of its own.
VARIABLES = {
    "attention_layer_kernel": "attention_wrapper_1/attention_layer/kernel:0",
    "lstm_kernel": "attention_wrapper_1/lstm_cell_1/kernel:0",
    "lstm_recurrent_kernel": "attention_wrapper_1/lstm_cell_1/recurrent_kernel:0",
    "lstm_bias": "attention_wrapper_1/lstm_cell_1/bias:0",
    "attention_v": "attention_wrapper_1/MECHANISM/attention_v:0",
    "score_bias": "attention_wrapper_1/MECHANISM/attention_score_bias:0",
    "attention_g": "attention_wrapper_1/MECHANISM/attention_g:0",
    "attention_b": "attention_wrapper_1/MECHANISM/attention_b:0",
    "query_kernel": "attention_wrapper_1/MECHANISM/kernel:0",
    "memory_kernel": "MECHANISM/memory_layer/kernel:0",
}
WITH_MEMORY = {
    **VARIABLES,
    "attention_v": "MECHANISM/attention_v:0",
    "score_bias": "MECHANISM/attention_score_bias:0",
    "attention_g": "MECHANISM/attention_g:0",
    "attention_b": "MECHANISM/attention_b:0",
    "memory_kernel": "MECHANISM/kernel:0",
}
_CHECKPOINT = {
    "attention_layer_kernel": "_attention_layers/0/kernel",
    "lstm_kernel": "_cell/kernel",
    "lstm_recurrent_kernel": "_cell/recurrent_kernel",
    "lstm_bias": "_cell/bias",
    "attention_v": "_attention_mechanisms/0/attention_v",
    "score_bias": "_attention_mechanisms/0/attention_score_bias",
    "attention_g": "_attention_mechanisms/0/attention_g",
    "attention_b": "_attention_mechanisms/0/attention_b",
    "query_kernel": "_attention_mechanisms/0/query_layer/kernel",
    "memory_kernel": "_attention_mechanisms/0/memory_layer/kernel",
}
CHECKPOINT = {
    key: f"wrapper/{name}/.ATTRIBUTES/VARIABLE_VALUE"
    for key, name in _CHECKPOINT.items()
}


def weights(golden, names=VARIABLES):
    """The weights among golden data, under tensorflow-addons' names."""
    kind = "Bahdanau" if "attention_v" in golden else "Luong"
    kind += "MonotonicAttention" if "score_bias" in golden else "Attention"
    return {
        names[key].replace("MECHANISM", kind): golden[key]
        for key in golden.files
        if key in names
    }


def decoding(golden):
    """`(step, initial_state)` for `kseq2seq.decoding`, made of the package's layers."""
    cell = make_decoder_cell(weights(golden))
    step_layer = DecoderStep(cell)
    state, memory = DecoderStart(cell)(
        [golden["initial_h"], golden["initial_c"]],
        golden["memory"],
        memory_mask=golden["mask"],
    )
    embedding, kernel = (
        ops.convert_to_tensor(golden[name]) for name in ("embedding", "output_kernel")
    )
    bias = golden["output_bias"]

    def step(tokens, state):
        inputs = ops.take(embedding, tokens, axis=0)
        output, state, alignment = step_layer(inputs, state, memory)
        logits = ops.matmul(output, kernel) + bias
        return ops.log_softmax(logits), state, {"alignment": alignment}

    return step, state


def beam_search(golden, weight, count_end_at_once, beam=4, max_length=8):
    """tensorflow-addons' beam search as a loop in NumPy, with all that it leaves.

    `count_end_at_once` is how this package differs: the end token counts in the
    length penalty from the step on that emits it, and not from the next step on.
    """
    step, state = decoding(golden)
    end, rows = int(golden["end_token"]), np.arange(len(golden["memory"]))[:, None]
    state = [np.repeat(np.asarray(x)[:, None], beam, axis=1) for x in state]
    tokens = np.full((len(rows), beam), golden["start_token"])
    alive = np.arange(beam) == 0
    log_probs = np.where(alive, 0.0, -np.inf) + np.zeros((len(rows), 1))
    finished, lengths = ~alive | np.zeros((len(rows), 1), bool), np.zeros(tokens.shape)
    steps = []
    for _ in range(max_length):
        if finished.all():
            break
        own, state, extras = step(tokens.astype("int32"), state)
        own, ends = np.asarray(own, "float64"), np.arange(own.shape[-1]) == end
        own = np.where(finished[..., None], np.where(ends, 0.0, -np.inf), own)
        totals = log_probs[..., None] + own
        grows = ~finished[..., None] & (count_end_at_once | ~ends)
        penalty = ((5 + lengths[..., None] + grows) / 6) ** weight
        scores = (totals / penalty).reshape(len(rows), -1)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :beam]
        parents, tokens = best // len(ends), best % len(ends)
        log_probs = totals.reshape(len(rows), -1)[rows, best]
        lengths = lengths[rows, parents] + ~finished[rows, parents]
        finished = finished[rows, parents] | (tokens == end)
        state = [np.asarray(x)[rows, parents] for x in state]
        alignments = np.asarray(extras["alignment"])
        steps.append((tokens, parents, scores[rows, best], alignments))
    names = ("step_ids", "parent_ids", "scores", "step_alignments")
    actual = {
        name: np.stack(values, axis=1)
        for name, values in zip(names, zip(*steps, strict=True), strict=True)
    }
    ids = follow(actual["parent_ids"], actual["step_ids"], after_step=True)
    ended = np.cumsum(ids == end, axis=1) > 0
    return {
        **actual,
        "predicted_ids": np.where(ended, end, ids),
        "log_probs": log_probs,
        "lengths": lengths,
        "finished": finished,
    }


def follow(parents, values, after_step):
    """Steps of each final beam, followed by the parents' pointers.

    `values` have shape `(batch, steps, beam, ...)`; `after_step` says whether their
    beams are those after the selection of a step, or those before it.
    """
    batch, length, beam = parents.shape
    rows, slots = np.arange(batch)[:, None], np.arange(beam) + np.zeros((batch, 1), int)
    path = np.zeros_like(values)
    for t in reversed(range(length)):
        before = parents[:, t][rows, slots]
        path[:, t] = values[:, t][rows, slots if after_step else before]
        slots = before
    return path


# Sizes of what follows, all different: input, units, memory, attention units and layer.
D, H, M, U, A = 3, 5, 7, 11, 13


def random(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape)


def luong_weights(gates=4, joining=True, fed=A):
    return {
        "memory_layer/kernel": random(M, H),
        "cell/kernel": random(D + fed, gates * H),
        "cell/recurrent_kernel": random(H, gates * H),
        "cell/bias": random(gates * H),
        **({"attention_layer/kernel": random(H + M, A)} if joining else {}),
    }
