"""The papers' formulas as NumPy loops: one row, one step, one position at a time.

Written from the papers and from nothing of the package. Padding is not masked here
but left out, and everything is in float64.
"""

import numpy as np


def named_weights(layer):
    """The weights of a layer as float64 arrays, by their names."""
    return {
        weight.name: np.asarray(weight.numpy(), "float64") for weight in layer.weights
    }


def randomize(layer, seed=0, scale=0.7):
    """Sets all trainable weights to random numbers, also those that start at 0."""
    rng = np.random.default_rng(seed)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(size=weight.shape, scale=scale))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(scores):
    exponentials = np.exp(np.asarray(scores) - np.max(scores))
    return exponentials / exponentials.sum()


def bahdanau_score(weights):
    """Bahdanau et al. 2015, A.1.2; Salimans & Kingma 2016, section 2."""
    vector, bias = weights["score_vector"], weights.get("score_bias", 0)
    if "score_gain" in weights:
        vector = weights["score_gain"] * vector / np.sqrt(np.sum(vector**2))

    def score(query, key):
        query = query @ weights["query_kernel"] + weights.get("query_bias", 0)
        key = key @ weights["key_kernel"] + weights.get("key_bias", 0)
        return vector @ np.tanh(query + key + bias)

    return score


def luong_score(word, weights):
    """Luong et al. 2015, equation 8; Vaswani et al. 2017, section 3.2.1."""

    def score(query, key):
        if word in ("general", "scaled_general"):
            value = query @ weights["key_kernel"].T @ key
            value /= np.sqrt(len(query)) if word == "scaled_general" else 1
        elif word == "concat":
            both = np.concatenate([query, key])
            matrix = np.concatenate([weights["query_kernel"], weights["key_kernel"]])
            value = weights["score_vector"] @ np.tanh(both @ matrix)
        elif word == "scaled_dot":
            value = query @ key / np.sqrt(len(key))
        else:
            value = query @ key
        return value * weights.get("scale", 1)

    return score


def attend(score, query, value, key=None):
    """Context and alignment of one query, over positions that are all real."""
    key = value if key is None else key
    if not len(value):
        return np.zeros(value.shape[-1]), np.zeros(0)
    alignment = softmax([score(query, k) for k in key])
    context = sum(a * v for a, v in zip(alignment, value, strict=True))
    return context, alignment


def attention(score, query, value, key=None, mask=None):
    """Context `(B, T, Dv)` and alignment `(B, T, S)` of a whole batch."""
    key = value if key is None else key
    (batch, length, _), source_length = query.shape, value.shape[1]
    context = np.zeros((batch, length, value.shape[-1]))
    alignment = np.zeros((batch, length, source_length))
    for b in range(batch):
        real = np.arange(source_length) if mask is None else np.flatnonzero(mask[b])
        for t in range(length):
            context[b, t], alignment[b, t, real] = attend(
                score, query[b, t], value[b, real], key[b, real]
            )
    return context, alignment


def expected_choices(choice, previous):
    """Alignments of outputs that follow each other, expected over all choices.

    `choice` has the probabilities p, `(T, S)`, and `previous` is what the first
    output follows, `(S,)`. Raffel et al. 2017, section 2.3, the definition of alpha as
    a sum of products.
    """
    collected = []
    for p in choice:
        alignment = np.zeros(len(p))
        for j in range(len(p)):
            for k in range(j + 1):
                alignment[j] += previous[k] * np.prod(1 - p[k:j])
            alignment[j] *= p[j]
        collected.append(alignment)
        previous = alignment
    return np.array(collected)


def hard_choices(energies, start=0):
    """Raffel et al. 2017, algorithm 1: where each output stops; None for nowhere."""
    actual, j = [], start
    for energy in energies:
        while j is not None and not energy[j] > 0:
            j = j + 1 if j + 1 < len(energy) else None
        actual.append(j)
    return actual


def chunks(choice, scores, size):
    """Chiu & Raffel 2018, section 2.3: beta from alpha, both of one output, `(S,)`."""
    actual = np.zeros(len(choice))
    for k in range(len(choice)):
        first = max(0, k - size + 1)
        actual[first : k + 1] += choice[k] * softmax(scores[first : k + 1])
    return actual


def lstm_step(weights, x, state):
    """Hochreiter & Schmidhuber 1997 with forget gates; Keras's order of gates."""
    h, c = state
    z = x @ weights["kernel"] + h @ weights["recurrent_kernel"] + weights["bias"]
    i, f, g, o = np.split(z, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def layer_norm_lstm_step(weights, x, state):
    """Ba et al. 2016, equations 20 to 22; Keras's order of gates, one bias of sums."""

    def norm(x, name):
        scaled = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
        return weights[f"{name}_gain"] * scaled + weights.get(f"{name}_bias", 0)

    h, c = state
    of_input = norm(x @ weights["kernel"], "input")
    of_state = norm(h @ weights["recurrent_kernel"], "recurrent")
    i, f, g, o = np.split(of_input + of_state + weights["bias"], 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(norm(c, "cell")), c


def gru_step(weights, x, state):
    """Cho et al. 2014, the reset gate after the product, as in Keras and cuDNN."""
    (h,), (bias, recurrent_bias) = state, weights["bias"]
    z, r, g = np.split(x @ weights["kernel"] + bias, 3)
    hz, hr, hg = np.split(h @ weights["recurrent_kernel"] + recurrent_bias, 3)
    z, r = sigmoid(z + hz), sigmoid(r + hr)
    return (z * h + (1 - z) * np.tanh(g + r * hg),)


def transition(step, weights, further):
    """Miceli Barone et al. 2017, section 2.3.1: a step of several cells in a row.

    The first has `weights` and reads the input; the others have `further` and read the
    states alone: their input has no size.
    """

    def own(x, state):
        state = step(weights, x, state)
        for other in further:
            nothing = np.zeros((0, other["recurrent_kernel"].shape[1]))
            given = {"kernel": nothing, "input_gain": 0, **other}
            if step is gru_step:  # one bias, of the states' product
                given["bias"] = np.array([np.zeros_like(other["bias"]), other["bias"]])
            state = step(given, np.zeros(0), state)
        return state

    return own


def decode(
    inputs,
    states,
    memory,
    steps,
    score=None,
    attentional=None,
    query="current",
    input_feeding=False,
    residual=False,
    residual_from=2,
    query_cell="last",
    context_to_cells=False,
):
    """One hypothesis of one source, step by step.

    `inputs` are `(T, D)`; `states` a tuple for each cell; `memory` the real
    positions, `(S, Dm)`; `steps` a function of input and state for each cell;
    `attentional` a function of a vector. Luong et al. 2015, sections 3.1 and 3.3;
    Bahdanau et al. 2015, A.2.2; Wu et al. 2016, section 3 and figure 1.
    """
    outputs, alignments, fed = [], [], None
    asking = 0 if query_cell == "first" else len(steps) - 1
    states = [tuple(state) for state in states]
    for x in inputs:
        if query == "previous":
            context, alignment = attend(score, states[asking][0], memory)
            x = np.concatenate([x, context])
        elif input_feeding:
            if fed is None:
                size = len(attentional(np.zeros(memory.shape[-1] + len(states[-1][0]))))
                fed = np.zeros(size)
            x = np.concatenate([x, fed])
        for level, step in enumerate(steps):
            entering = x
            if context_to_cells and level > 0:
                entering = np.concatenate([x, context])
            states[level] = step(entering, states[level])
            h = states[level][0]
            x = h + x if residual and level + 1 >= residual_from else h
            if query == "current" and level == asking and score is not None:
                context, alignment = attend(score, x, memory)
        if score is not None:
            x = fed = attentional(np.concatenate([context, x]))
            alignments.append(alignment)
        outputs.append(x)
    return np.array(outputs), np.array(alignments), states
