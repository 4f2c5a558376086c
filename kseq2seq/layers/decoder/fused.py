"""A decoder over a whole target in training, its gradients laid out by hand.

What `DecoderRNN` computes with LSTM cells, a plain score and a tanh layer behind it,
faster on a CPU; see `kseq2seq.layers.recurrent.lstm` for why. All of attention's
products that do not have to be in the loop are made behind it at once.

Glossary of shapes, used in the comments below: B batch size, T target length, S source
length, D size of the memory's values, U units, A size of the attentional vector.
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from kseq2seq.layers.attention import BahdanauAttention, LuongAttention
from kseq2seq.layers.decoder.cell import DecoderCell
from kseq2seq.layers.recurrent import (
    as_tensor,
    can_be_laid_out,
    is_plain,
    lstm_step,
    lstm_step_gradient,
    scan,
    weight_gradient,
)
from kseq2seq.utils import custom_gradient


class _Plan(NamedTuple):
    """What is known of a decoder before any tensor is."""

    num_levels: int
    residual: bool
    feeds: bool  # the attentional vector into the next step
    asks_first: bool  # attention, before the cells
    is_additive: bool
    factor: float  # of the scores
    dtype: str


class _Inputs(NamedTuple):
    """All tensors that a gradient may be asked of; lists have an entry a level."""

    z: Any  # (T, B, 4U), the inputs' products of the first level
    value: Any  # (B, S, D), 0 at padding
    keys: Any  # (B, S, U)
    bias: Any  # (B, S), 0 at real positions and far below it elsewhere, float32
    kernels: list  # (input and U, 4U): of the first level without the inputs' rows
    biases: list  # (4U,), without the first level's
    attentional: Any  # (D + U, A)
    score: list  # [(U, units), (units,)] of an additive score
    states: list  # [h, c] of each level, (B, U)
    dropout: list  # (B, U) of each level but the first, or empty


def can_train(cell):
    """Whether `decode` can stand for the steps of a `DecoderCell`."""
    attention, layer = cell.attention, cell.attentional
    if type(attention) is LuongAttention:
        simple = not attention.use_scale
    else:
        simple = type(attention) is BahdanauAttention
        simple = simple and not (attention.normalize or attention.use_bias)
    return (
        simple
        and type(cell) is DecoderCell
        and can_be_laid_out(cell.compute_dtype)
        and all(is_plain(one) for one in cell.cells)
        and attention.probability_fn == "softmax"
        and not attention.dropout
        and type(layer) is keras.layers.Dense
        and layer.activation is keras.activations.tanh
        and not layer.use_bias
        and not layer.quantization_mode
    )


def decode(cell, inputs, states, memory):
    """The outputs of all steps of a `DecoderCell`, for training.

    Args:
        cell: A `DecoderCell`, built, for which `can_train` is true.
        inputs: Tensor of shape `(batch, target_length, input_dim)`.
        states: List of tensors of shape `(batch, units)`, as the cells ask for.
        memory: Dict of tensors as in `DecoderCell.step`.

    Returns:
        Tensor of shape `(batch, target_length, output_size)`.
    """
    input_dim, attention = inputs.shape[-1], cell.attention
    plan = _Plan(
        num_levels=len(cell.cells),
        residual=cell.residual,
        feeds=cell.input_feeding,
        asks_first=cell.query == "previous",
        is_additive=not _is_product(attention),
        factor=_factor(attention, memory["keys"].shape[-1]),
        dtype=keras.backend.standardize_dtype(inputs.dtype),
    )
    kernels, biases = [], []
    for level, one in enumerate(cell.cells):
        kernel = as_tensor(one.kernel)
        if not level:
            # Not two slices, whose gradients would each be padded to the whole.
            by_input, kernel = ops.split(kernel, [input_dim])
        kernels.append(ops.concatenate([kernel, as_tensor(one.recurrent_kernel)]))
        biases.append(as_tensor(one.bias))
    score = []
    if plan.is_additive:
        score = [as_tensor(attention.query_kernel), as_tensor(attention.score_vector)]
    tensors = _Inputs(
        z=ops.matmul(ops.swapaxes(inputs, 0, 1), by_input) + biases[0],
        value=memory["value"],
        keys=memory["keys"],
        bias=(ops.cast(memory["mask"], "float32") - 1.0) * 1e9,
        kernels=kernels,
        biases=biases[1:],
        attentional=as_tensor(cell.attentional.kernel),
        score=score,
        states=list(states),
        dropout=memory.get("cell_dropout", []),
    )

    @custom_gradient
    def run(*leaves):
        return _run(plan, keras.tree.pack_sequence_as(tensors, list(leaves)))

    outputs = run(*keras.tree.flatten(tensors))
    return ops.swapaxes(outputs, 0, 1)


def _is_product(attention):
    return isinstance(attention, LuongAttention) and attention.score != "concat"


def _factor(attention, size):
    scaled = getattr(attention, "score", None) in ("scaled_dot", "scaled_general")
    return (size**-0.5 if scaled else 1.0) / attention.temperature


def _run(plan, tensors):
    """The outputs of all steps, (T, B, A), and the function of their gradients."""
    h, c = tensors.states[::2], tensors.states[1::2]
    c = [ops.cast(x, "float32") for x in c]
    fed = []
    if plan.feeds:
        size = tensors.attentional.shape[1]
        fed = [ops.repeat(ops.zeros_like(h[0][:, :1]), size, axis=1)]

    def step(carry, inputs):
        fed, h, c = carry
        return _step(plan, tensors, inputs[0], fed, h, c)

    levels = [(plan.dtype, "float32", "float32", "float32")] * plan.num_levels
    dtypes = (*sum(levels, ()), *(plan.dtype,) * 3, "float32", plan.dtype)
    _, saved = scan(step, (fed, h, c), (tensors.z,), dtypes)

    def gradient(upstream):
        return keras.tree.flatten(_gradient(plan, tensors, saved, upstream))

    return saved[-1], gradient


def _step(plan, tensors, z, fed, h, c):
    """One step, and what is saved of it: of each level, then of attention."""
    query, output = h[-1], None
    if plan.asks_first:
        context, *attended = _attend(plan, tensors, query)
        fed = [context]
    saved, new_h, new_c = [], [], []
    for level, kernel in enumerate(tensors.kernels):
        if level:
            x = output * tensors.dropout[level - 1] if tensors.dropout else output
            entering = ops.concatenate([x, h[level]], axis=1)
            z = tensors.biases[level - 1]
        else:
            entering = ops.concatenate([*fed, h[0]], axis=1)
        z = ops.cast(z, "float32")
        z = z + ops.cast(ops.matmul(entering, kernel), "float32")
        output, level_c, gates = lstm_step(z, c[level])
        output = ops.cast(output, plan.dtype)
        saved += [entering, c[level], *gates]
        new_h.append(output)
        new_c.append(level_c)
        if level and plan.residual:
            output = output + x
    if not plan.asks_first:
        query = output
        context, *attended = _attend(plan, tensors, query)
    joined = ops.concatenate([context, output], axis=1)
    output = ops.tanh(ops.cast(ops.matmul(joined, tensors.attentional), "float32"))
    output = ops.cast(output, plan.dtype)
    fed = [output] if plan.feeds else []
    projected, alignment = attended
    saved += [query, projected, joined, alignment, output]
    return (fed, new_h, new_c), tuple(saved)


def _attend(plan, tensors, query):
    """Context, what the keys are compared with, and the alignment in float32."""
    projected = query
    if plan.is_additive:
        projected = ops.matmul(query, tensors.score[0])
        energy = ops.cast(_energy(tensors, projected), plan.dtype)
        scores = ops.matmul(energy, tensors.score[1][:, None])[..., 0]
        scores = ops.cast(scores, "float32") * plan.factor
    else:
        # Ahead of the product, which in float16 may be too large.
        scores = _products(projected * plan.factor, tensors.keys)
    # A row with no position left is shared out among all of them, and they are 0.
    alignment = ops.softmax(ops.cast(scores, "float32") + tensors.bias)
    context = _sums(ops.cast(alignment, plan.dtype), tensors.value)
    return context, projected, alignment


def _energy(tensors, projected):
    energy = ops.cast(projected[:, None] + tensors.keys, "float32")
    return ops.tanh(energy)  # (B, S, units)


def _products(x, rows):
    """`x`, (B, D), with each of `rows`, (B, S, D): (B, S)."""
    return ops.matmul(rows, x[:, :, None])[..., 0]


def _sums(weights, rows):
    """The sums of `rows`, (B, S, D), by `weights`, (B, S): (B, D)."""
    return ops.matmul(weights[:, None], rows)[:, 0]


def _gradient(plan, tensors, saved, upstream):
    """Gradients of all of `tensors`, as `_Inputs`."""
    entering = saved[0:-5:4]
    query, projected, joined, alignment, outputs = saved[-5:]
    float32 = [ops.cast(x, "float32") for x in tensors.states]
    zeros = [ops.zeros_like(x) for x in float32]
    dfed = [ops.zeros_like(ops.cast(outputs[0], "float32"))] if plan.feeds else []
    totals = []
    if plan.is_additive:
        totals = [ops.zeros_like(ops.cast(x, "float32")) for x in _additive(tensors)]
    transposed = [ops.transpose(x) for x in (*tensors.kernels, tensors.attentional)]
    if plan.is_additive:
        transposed.append(ops.transpose(tensors.score[0]))

    def step(carry, inputs):
        return _step_gradient(plan, tensors, transposed, carry, inputs)

    carry = (dfed, zeros[::2], zeros[1::2], totals)
    cells = [x for place, x in enumerate(saved[:-5]) if place % 4]
    inputs = (upstream, *cells, projected, alignment, outputs)
    dtypes = (plan.dtype,) * (plan.num_levels + 3)
    (_, dh, dc, totals), (*dz, djoined, dcontext, dscores) = scan(
        step, carry, inputs, dtypes, reverse=True
    )
    dstates = [x for pair in zip(dh, dc, strict=True) for x in pair]
    aligned = ops.cast(alignment, plan.dtype)
    if plan.is_additive:
        dkeys, dvector = (ops.cast(x, plan.dtype) for x in totals)
        dscore = [weight_gradient(query, dscores), dvector]
    else:
        dkeys, dscore = _over_time(dscores, query), []
    return _Inputs(
        z=dz[0],
        value=_over_time(aligned, dcontext),
        keys=dkeys,
        bias=ops.zeros_like(tensors.bias),
        kernels=[weight_gradient(x, y) for x, y in zip(entering, dz, strict=True)],
        biases=[ops.sum(x, axis=(0, 1)) for x in dz[1:]],
        attentional=weight_gradient(joined, djoined),
        score=dscore,
        states=[ops.cast(x, plan.dtype) for x in dstates],
        dropout=[ops.zeros_like(x) for x in tensors.dropout],
    )


def _additive(tensors):
    """What the gradients of an additive score are summed for in the loop."""
    return tensors.keys, tensors.score[1]


def _over_time(x, y):
    """The sums over time of the products of `x` and `y`: (T, B, S), (T, B, D)."""
    return ops.matmul(ops.transpose(x, (1, 2, 0)), ops.swapaxes(y, 0, 1))  # (B, S, D)


def _step_gradient(plan, tensors, transposed, carry, inputs):
    """The gradients of one step, given those of the step behind it."""
    dfed, dh, dc, totals = carry
    doutput, *saved, projected, alignment, output = inputs
    output = ops.cast(output, "float32")
    doutput = ops.cast(doutput, "float32")
    doutput = doutput + dfed[0] if plan.feeds else doutput
    djoined = ops.cast(doutput * (1.0 - output * output), plan.dtype)
    both = ops.matmul(djoined, transposed[plan.num_levels])
    size = tensors.value.shape[-1]
    dcontext, doutput = both[:, :size], ops.cast(both[:, size:], "float32")
    attended = (projected, alignment, totals)
    if not plan.asks_first:
        dquery, dscores, totals = _attend_gradient(
            plan, tensors, transposed, dcontext, *attended
        )
        doutput = doutput + dquery
    new_dh, new_dc, all_dz = [], [], []
    for level in reversed(range(plan.num_levels)):
        c, *gates = saved[3 * level : 3 * level + 3]
        dz, level_dc = lstm_step_gradient(doutput + dh[level], dc[level], c, gates)
        dz = ops.cast(dz, plan.dtype)
        dentering = ops.cast(ops.matmul(dz, transposed[level]), "float32")
        split = dentering.shape[-1] - dh[level].shape[-1]
        new_dh.insert(0, dentering[:, split:])
        new_dc.insert(0, level_dc)
        all_dz.insert(0, dz)
        dx = dentering[:, :split]
        if level:
            dx = dx + doutput if plan.residual else dx
            doutput = dx
            if tensors.dropout:
                doutput = dx * ops.cast(tensors.dropout[level - 1], "float32")
    if plan.asks_first:
        dcontext = dcontext + ops.cast(dx, plan.dtype)
        dquery, dscores, totals = _attend_gradient(
            plan, tensors, transposed, dcontext, *attended
        )
        new_dh[-1] = new_dh[-1] + dquery
    dfed = [dx] if plan.feeds else []
    carry = dfed, new_dh, new_dc, totals
    return carry, (*all_dz, djoined, dcontext, dscores)


def _attend_gradient(plan, tensors, transposed, dcontext, projected, alignment, totals):
    """Gradients of the query and of what is compared; sums for an additive score."""
    dalignment = ops.cast(_products(dcontext, tensors.value), "float32")
    mean = ops.sum(alignment * dalignment, axis=1, keepdims=True)
    dscores = alignment * (dalignment - mean) * plan.factor  # (B, S)
    if not plan.is_additive:
        dscores = ops.cast(dscores, plan.dtype)
        return ops.cast(_sums(dscores, tensors.keys), "float32"), dscores, totals
    energy = _energy(tensors, projected)
    vector = ops.cast(tensors.score[1], "float32")
    dvector = ops.sum(dscores[..., None] * energy, axis=(0, 1))
    denergy = dscores[..., None] * vector * (1.0 - energy * energy)
    totals = [totals[0] + denergy, totals[1] + dvector]
    dprojected = ops.cast(ops.sum(denergy, axis=1), plan.dtype)
    dquery = ops.cast(ops.matmul(dprojected, transposed[-1]), "float32")
    return dquery, dprojected, totals
