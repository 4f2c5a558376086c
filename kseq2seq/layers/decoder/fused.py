"""Decoder over a whole target in training, with hand-written gradients.

It computes what `DecoderRNN` does with LSTM cells, a plain score and a tanh layer, and
is faster on a CPU; `kseq2seq.layers.recurrent.steps` says why. Products that do not
depend on the next step are made for all steps at once, behind the loop.

Glossary of shapes, used in the comments below: B batch size, T target length, S source
length, D size of the memory's values, U units, A size of the attentional vector.
"""

from typing import Any, NamedTuple, cast

import keras
from keras import ops

from kseq2seq.layers.attention import BahdanauAttention, LuongAttention
from kseq2seq.layers.decoder.cell import DecoderCell
from kseq2seq.layers.decoder.fused_attention import (
    attend,
    attend_gradient,
    is_product,
    score_factor,
    supports_attention,
)
from kseq2seq.layers.recurrent import (
    LAYER_NORM_LSTM_STEPS,
    LSTM_STEPS,
    LayerNormLSTMCell,
    Steps,
    as_tensor,
    is_default_lstm,
    scan,
    supports_custom_gradient,
    weight_gradient,
)
from kseq2seq.utils import Tensor, custom_gradient


class _Plan(NamedTuple):
    """Facts of a decoder that no tensor decides."""

    steps: list[Steps]  # of each level
    residual: bool
    feeds: bool  # the attentional vector into the next step
    asks_first: bool  # attention, before the cells
    is_additive: bool
    factor: float  # of the scores
    aligns: bool  # whether the alignment is an output, too
    dtype: str


class _Inputs(NamedTuple):
    """All tensors that a gradient may be asked of; lists have an entry a level."""

    z: Any  # (T, B, 4U), the inputs' products of the first level
    value: Any  # (B, S, D), 0 at padding
    keys: Any  # (B, S, U)
    bias: Any  # (B, S), 0 at real positions and far below it elsewhere, float32
    levels: list  # weights of each level, as its `Steps` has them
    attentional: Any  # (D + U, A)
    score: list  # [(U, units), (units,)] of an additive score
    states: list  # [h, c] of each level, (B, U)
    dropout: list  # (B, U) of each level but the first, or empty


class _SavedAttention(NamedTuple):
    """Inputs of the gradient of attention and of the layer behind it.

    With an axis T, of all steps.
    """

    projected: Any  # (B, units), what the keys are compared with
    alignment: Any  # (B, S), float32
    output: Any  # (B, A)


class _SavedInputs(NamedTuple):
    """Inputs of products whose weights get their gradients behind the loop."""

    query: Any  # (B, U)
    joined: Any  # (B, D + U), context and output of the cells


class _Saved(NamedTuple):
    """Tensors of a step that its gradient needs."""

    levels: list  # as the `Steps` of each level say
    attention: _SavedAttention
    inputs: _SavedInputs


class _Transposed(NamedTuple):
    """Weights that the gradients of each step are multiplied by."""

    levels: list  # as the `Steps` of each level say
    attentional: Any  # (A, D + U)
    score: list  # [(units, U)] of an additive score


class _Gradients(NamedTuple):
    """Tensors of which the gradients of weights are made behind the loop; likewise."""

    levels: list  # as the `Steps` of each level say
    joined: Any  # (B, A)
    context: Any  # (B, D)
    compared: Any  # (B, units) of the projected query, or (B, S) of scores


def supports(cell: DecoderCell) -> bool:
    """Whether `decode` can stand for the steps of a cell.

    Args:
        cell: A `DecoderCell`.
    """
    layer = cell.attentional
    return (
        supports_attention(cell.attention)
        and type(cell) is DecoderCell
        and cell.has_usual_wiring
        and supports_custom_gradient(cell.compute_dtype)
        and all(_steps_of(one) is not None for one in cell.cells)
        and type(layer) is keras.layers.Dense
        and layer.activation is keras.activations.tanh
        and not layer.use_bias
        and not layer.quantization_mode
    )


def _steps_of(cell):
    """The functions of a recurrent cell, or `None`."""
    if type(cell) is LayerNormLSTMCell:
        return LAYER_NORM_LSTM_STEPS
    return LSTM_STEPS if is_default_lstm(cell) else None


def decode(
    cell: DecoderCell,
    inputs: Tensor,
    states: list[Tensor],
    memory: dict[str, Any],
    with_alignment: bool = False,
) -> Any:
    """The outputs of all steps of a `DecoderCell`, for training.

    Args:
        cell: A `DecoderCell`, built, for which `supports` is true.
        inputs: Tensor of shape `(batch, target_length, input_dim)`.
        states: List of tensors of shape `(batch, units)`, as the cells ask for.
        memory: Dict of tensors as in `DecoderCell.step`.
        with_alignment: Whether to return the alignment as well.

    Returns:
        Tensor of shape `(batch, target_length, output_size)`, or a tuple of it and the
        alignment, of shape `(batch, target_length, source_length)`.
    """
    attention = cast(LuongAttention | BahdanauAttention, cell.attention)
    attentional = cast(keras.layers.Dense, cell.attentional)
    steps = [cast(Steps, _steps_of(one)) for one in cell.cells]
    plan = _Plan(
        steps=steps,
        residual=cell.residual,
        feeds=cell.input_feeding,
        asks_first=cell.query == "previous",
        is_additive=not is_product(attention),
        factor=score_factor(attention, memory["keys"].shape[-1]),
        aligns=with_alignment,
        dtype=keras.backend.standardize_dtype(inputs.dtype),
    )
    by_input, *kernels = _split_kernels(plan, cell.cells, inputs.shape[-1])
    levels = zip(steps, cell.cells, kernels, strict=True)
    score = []
    if plan.is_additive:
        score = [as_tensor(attention.query_kernel), as_tensor(attention.score_vector)]
    tensors = _Inputs(
        z=steps[0].products(cell.cells[0], ops.swapaxes(inputs, 0, 1), by_input),
        value=memory["value"],
        keys=memory["keys"],
        bias=(ops.cast(memory["mask"], "float32") - 1.0) * 1e9,
        levels=[
            of_level.weights(one, kernel, not level)
            for level, (of_level, one, kernel) in enumerate(levels)
        ],
        attentional=as_tensor(attentional.kernel),
        score=score,
        states=list(states),
        dropout=memory.get("cell_dropout", []),
    )

    @custom_gradient
    def run(*leaves):
        return _run(plan, keras.tree.pack_sequence_as(tensors, list(leaves)))

    outputs = run(*keras.tree.flatten(tensors))
    if with_alignment:
        outputs, alignment = (ops.swapaxes(x, 0, 1) for x in outputs)
        # A row without anything to attend to has no alignment.
        seen = ops.cast(memory["mask"], "float32")[:, None]
        return outputs, ops.cast(alignment * seen, plan.dtype)
    return ops.swapaxes(outputs, 0, 1)


def _split_kernels(plan, cells, input_dim):
    """Rows of the first kernel for the inputs, then each kernel for what enters."""
    first, *others = (as_tensor(one.kernel) for one in cells)
    if not (plan.feeds or plan.asks_first):
        return [first, None, *others]
    # Not two slices, whose gradients would each be padded to the whole.
    return [*ops.split(first, [input_dim]), *others]


def _run(plan, tensors):
    """Outputs of all steps, (T, B, A) and perhaps (T, B, S), and their gradients."""
    h, c = tensors.states[::2], tensors.states[1::2]
    c = [ops.cast(x, "float32") for x in c]
    fed = []
    if plan.feeds:
        size = tensors.attentional.shape[1]
        fed = [ops.repeat(ops.zeros_like(h[0][:, :1]), size, axis=1)]

    def step(carry, inputs):
        fed, h, c = carry
        return _step(plan, tensors, inputs[0], fed, h, c)

    dtypes = _Saved(
        [of_level.dtypes(plan.dtype)[0] for of_level in plan.steps],
        _SavedAttention(plan.dtype, "float32", plan.dtype),
        _SavedInputs(plan.dtype, plan.dtype),
    )
    _, saved = scan(step, (fed, h, c), (tensors.z,), dtypes)

    def gradient(*upstream):
        return keras.tree.flatten(_gradient(plan, tensors, saved, upstream))

    if plan.aligns:
        return (saved.attention.output, saved.attention.alignment), gradient
    return saved.attention.output, gradient


def _step(plan, tensors, z, fed, h, c):
    """One step: what it hands on, and `_Saved`."""
    query, output = h[-1], None
    if plan.asks_first:
        context, projected, alignment = attend(plan, tensors, query)
        fed = [context]
    levels, new_h, new_c = [], [], []
    for level, (of_level, weights) in enumerate(
        zip(plan.steps, tensors.levels, strict=True)
    ):
        entering = fed
        if level:
            below = output * tensors.dropout[level - 1] if tensors.dropout else output
            entering, z = [below], None
        output, level_c, level_saved = of_level.step(
            weights, z, entering, h[level], c[level]
        )
        output = ops.cast(output, plan.dtype)
        levels.append(level_saved)
        new_h.append(output)
        new_c.append(level_c)
        if level and plan.residual:
            output = output + below
    if not plan.asks_first:
        query = output
        context, projected, alignment = attend(plan, tensors, query)
    joined = ops.concatenate([context, output], axis=1)
    output = ops.tanh(ops.cast(ops.matmul(joined, tensors.attentional), "float32"))
    output = ops.cast(output, plan.dtype)
    fed = [output] if plan.feeds else []
    attention = _SavedAttention(projected, alignment, output)
    saved = _Saved(levels, attention, _SavedInputs(query, joined))
    return (fed, new_h, new_c), saved


def _gradient(plan, tensors, saved, upstream):
    """Gradients of all of `tensors`, as `_Inputs`."""
    attention, inputs = saved.attention, saved.inputs
    float32 = [ops.cast(x, "float32") for x in tensors.states]
    zeros = [ops.zeros_like(x) for x in float32]
    dfed = []
    if plan.feeds:
        dfed = [ops.zeros_like(ops.cast(attention.output[0], "float32"))]
    totals = []
    if plan.is_additive:
        totals = [ops.zeros_like(ops.cast(x, "float32")) for x in _additive(tensors)]
    both = zip(plan.steps, tensors.levels, strict=True)
    transposed = _Transposed(
        [of_level.transpose(weights) for of_level, weights in both],
        ops.transpose(tensors.attentional),
        [ops.transpose(x) for x in tensors.score[:1]],
    )

    def step(carry, step_inputs):
        return _step_gradient(plan, tensors, transposed, carry, *step_inputs)

    carry = (dfed, zeros[::2], zeros[1::2], totals)
    of_levels = [of_level.dtypes(plan.dtype)[1] for of_level in plan.steps]
    dtypes = _Gradients(of_levels, *[plan.dtype] * 3)
    (_, dh, dc, totals), gradients = scan(
        step, carry, (upstream, saved.levels, attention), dtypes, reverse=True
    )
    dstates = [x for pair in zip(dh, dc, strict=True) for x in pair]
    aligned = ops.cast(attention.alignment, plan.dtype)
    if plan.is_additive:
        dkeys, dvector = (ops.cast(x, plan.dtype) for x in totals)
        dscore = [weight_gradient(inputs.query, gradients.compared), dvector]
    else:
        dkeys, dscore = _over_time(gradients.compared, inputs.query), []
    of_levels = [
        of_level.weight_gradients(*level)
        for of_level, *level in zip(
            plan.steps, tensors.levels, saved.levels, gradients.levels, strict=True
        )
    ]
    return _Inputs(
        z=of_levels[0][0],
        value=_over_time(aligned, gradients.context),
        keys=dkeys,
        bias=ops.zeros_like(tensors.bias),
        levels=[dweights for _, dweights in of_levels],
        attentional=weight_gradient(inputs.joined, gradients.joined),
        score=dscore,
        states=[ops.cast(x, plan.dtype) for x in dstates],
        dropout=[ops.zeros_like(x) for x in tensors.dropout],
    )


def _additive(tensors):
    """The tensors whose gradients an additive score sums up in the loop."""
    return tensors.keys, tensors.score[1]


def _over_time(x, y):
    """The sums over time of the products of `x` and `y`: (T, B, S), (T, B, D)."""
    return ops.matmul(ops.transpose(x, (1, 2, 0)), ops.swapaxes(y, 0, 1))  # (B, S, D)


def _step_gradient(plan, tensors, transposed, carry, upstream, levels, attention):
    """The gradients of one step, given those of the step behind it."""
    dfed, dh, dc, totals = carry
    doutput, *dalignment = upstream
    output = ops.cast(attention.output, "float32")
    doutput = ops.cast(doutput, "float32")
    doutput = doutput + dfed[0] if plan.feeds else doutput
    djoined = ops.cast(doutput * (1.0 - output * output), plan.dtype)
    both = ops.matmul(djoined, transposed.attentional)
    size = tensors.value.shape[-1]
    dcontext, doutput = both[:, :size], ops.cast(both[:, size:], "float32")
    attended = (attention.projected, attention.alignment, totals, *dalignment)
    if not plan.asks_first:
        dquery, dscores, totals = attend_gradient(
            plan, tensors, transposed, dcontext, *attended
        )
        doutput = doutput + dquery
    new_dh, new_dc, dlevels = ([None] * len(plan.steps) for _ in range(3))
    for level, of_level in reversed([*enumerate(plan.steps)]):
        dx, new_dh[level], new_dc[level], dlevels[level] = of_level.step_gradient(
            tensors.levels[level],
            transposed.levels[level],
            levels[level],
            doutput + dh[level],
            dc[level],
        )
        if level:
            dx = dx + doutput if plan.residual else dx
            doutput = dx
            if tensors.dropout:
                doutput = dx * ops.cast(tensors.dropout[level - 1], "float32")
    if plan.asks_first:
        dcontext = dcontext + ops.cast(dx, plan.dtype)
        dquery, dscores, totals = attend_gradient(
            plan, tensors, transposed, dcontext, *attended
        )
        new_dh[-1] = new_dh[-1] + dquery
    dfed = [dx] if plan.feeds else []
    carry = dfed, new_dh, new_dc, totals
    return carry, _Gradients(dlevels, djoined, dcontext, dscores)
