"""The loop that all searches of `kseq2seq.decoding` share.

Hypotheses live in slots. At each step `select` says, for every slot, from which slot
its hypothesis comes and by which token it goes on; the loop moves everything that
belongs to a hypothesis along with it.

`kseq2seq.decoding.slots` explains the letters of the shapes in the comments.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops, tree

from kseq2seq.decoding.candidates import pick
from kseq2seq.decoding.constraints import initial_states, next_states
from kseq2seq.decoding.shapes import like
from kseq2seq.decoding.slots import (
    Hypotheses,
    Rules,
    Select,
    Slots,
    length_penalty,
)
from kseq2seq.decoding.step import Step, StepFunction, call_step
from kseq2seq.utils import PAD_ID, Tensor, gather

# Steps for which a state that keeps something of each has room at first, where room can
# be made on the way: it doubles as often as it is full.
FIRST_ROOM = 16


class _Progress(NamedTuple):
    """The variables of the loop."""

    position: Any
    slots: Slots
    alignments: Any  # ((L, B, K, S),) or ()


def decode(
    step: StepFunction,
    initial_state: Any,
    select: Select,
    rules: Rules,
    start: np.ndarray,
    num_hypotheses: int | Tensor,
    may_shrink: bool = False,
) -> Hypotheses:
    """Runs a search to its end.

    Args:
        step: The step function.
        initial_state: Nested structure of tensors of shape `(batch, ...)`.
        select: Function `(predicted, slots, rules, position) -> (parents, tokens,
            log_probs, scores)` of the output of `step`, each of shape `(batch, beam)`;
            parents are `None` where every hypothesis stays in its slot.
            `slots.lengths` and `slots.coverage` already count this step.
        rules: The `Rules`.
        start: Log-probabilities with which the slots begin, of shape `(beam,)`.
        num_hypotheses: Number of the first slots that are wanted.
        may_shrink: Whether rows may leave the batch as far as `select` is concerned.

    Returns:
        The `Hypotheses`.
    """
    rules = rules._replace(
        gives_logits=getattr(step, "gives_logits", False),
        columns=getattr(step, "columns", None),
    )
    in_stages = may_shrink and _has_unknown_batch(step, initial_state, rules)
    room = rules.buffer_length
    if isinstance(step, Step) and step.make_room is not None:
        if in_stages and _may_grow(step, initial_state):
            room = ops.minimum(FIRST_ROOM, room)
        initial_state = step.make_room(initial_state, room)
    # The first step is outside of the loop: one hypothesis of each row is enough for
    # it, and its outputs have the shapes that the loop carries.
    state = tree.map_structure(
        lambda leaf: ops.expand_dims(ops.convert_to_tensor(leaf), 1), initial_state
    )
    batch = ops.shape(tree.flatten(state)[0])[0]
    tokens = ops.full((batch, 1), rules.bos_id, dtype="int32")
    outputs = tree.map_structure(
        lambda leaf: _widen(leaf, len(start)), call_step(step, tokens, state, rules)
    )
    slots = _first_slots(outputs, rules, start)
    slots = _advance(0, slots, outputs, select, rules)
    position = ops.convert_to_tensor(1, dtype="int32")
    first = _Progress(position, slots, _first_alignments(outputs, rules))
    arguments = step, select, rules, num_hypotheses, first
    if in_stages:
        _, slots, alignments = _run_in_stages(*arguments, room)
    else:
        _, slots, alignments = _run(*arguments)
    if rules.num_groups > 1:
        order = _order_of_groups(slots.scores, rules.num_groups)
        slots = _move(_without_state(slots), order)
    return _hypotheses(slots, alignments, num_hypotheses)


def _has_unknown_batch(step, initial_state, rules):
    """Whether rows may leave the batch: nothing has a batch size known statically."""
    if not isinstance(step, Step) or not step.may_shrink:
        return False
    batch = ops.shape(tree.flatten(initial_state)[0])[0]
    constraints = initial_states(rules.constraints, batch, 1)
    leaves = tree.flatten((initial_state, step.memory, constraints))
    leaves += [
        limit
        for limit in (rules.max_length, rules.source_mask)
        if limit is not None and limit.shape[0] != 1
    ]
    return all(leaf.shape[0] is None for leaf in leaves)


def _may_grow(step, initial_state):
    """Whether the state keeps something of each step, with an unknown number of places.

    A loop can make room on its way only where the size is not known statically.
    """
    more = step.make_room(initial_state, 1)
    pairs = zip(tree.flatten(initial_state), tree.flatten(more), strict=True)
    changed = [(old, new) for old, new in pairs if new is not old]
    return bool(changed) and all(old.shape == new.shape for old, new in changed)


def _run(step, select, rules, num_hypotheses, first, rows=None, room=None):
    """Runs steps until all rows are done.

    If `rows` are given, it stops when a quarter of them is done, or when there are as
    many steps as `room`. They are of shape (B,), the numbers that the rows had in the
    first batch, by which alignments are kept.
    """

    def unpack(leaves):
        return _Progress(*tree.pack_sequence_as(tuple(first), list(leaves)))

    def goes_on(*leaves):
        position, slots, _ = unpack(leaves)
        is_open = _open_rows(slots, rules, num_hypotheses)
        if rows is None:
            return ops.any(is_open)
        count = ops.sum(ops.cast(is_open, "int32"))
        return ops.logical_and(count > ops.shape(rows)[0] * 3 // 4, position < room)

    def body(*leaves):
        position, slots, alignments = unpack(leaves)
        outputs = call_step(step, slots.tokens, slots.state, rules)
        slots = _advance(position, slots, outputs, select, rules)
        alignments = tuple(
            _remember(history, position, rows, values)
            for history, values in zip(alignments, outputs[2], strict=True)
        )
        new = tree.flatten((position + 1, slots, alignments))
        return tuple(map(like, new, leaves))

    leaves = ops.while_loop(goes_on, body, tuple(tree.flatten(tuple(first))))
    return unpack(leaves)


def _remember(history, position, rows, values):
    """Puts alignments, (B, K, S), into their history, (L, B, K, S)."""
    index = ops.reshape(position, (1, 1))
    if rows is None:
        return ops.scatter_update(history, index, values[None])
    index = ops.broadcast_to(index, (ops.shape(rows)[0], 1))
    index = ops.concatenate([index, rows[:, None]], axis=1)  # (B, 2)
    return ops.scatter_update(history, index, values)


def _run_in_stages(step, select, rules, num_hypotheses, first, room):
    """Runs steps until all rows are done, in batches that become smaller.

    Whenever a quarter of the rows is done, their hypotheses are put into `done`, which
    keeps the first batch size, and the others go on as a batch of their own. Whenever
    the state has no room for a further step, it gets room for as many as before: the
    whole of it moves with the hypotheses at each step, so it is best kept small.
    """
    batch = ops.shape(first.slots.tokens)[0]
    done = _without_state(first.slots)
    rows = ops.arange(batch, dtype="int32")
    room = ops.convert_to_tensor(room, dtype="int32")
    start = (rows, room, step.memory, done, tuple(first))

    def unpack(leaves):
        return tree.pack_sequence_as(start, list(leaves))

    def goes_on(*leaves):
        return ops.shape(leaves[0])[0] > 0

    def body(*leaves):
        rows, room, memory, done, progress = unpack(leaves)
        own_rules = _rules_of_rows(rules, rows)
        position, slots, alignments = _run(
            step._replace(memory=memory),
            select,
            own_rules,
            num_hypotheses,
            _Progress(*progress),
            rows,
            room,
        )
        kept = ops.nonzero(_open_rows(slots, own_rules, num_hypotheses))[0]
        kept = ops.cast(kept, "int32")
        done = tree.map_structure(
            lambda old, new: ops.scatter_update(old, rows[:, None], new),
            done,
            _without_state(slots),
        )
        rows, memory, slots = tree.map_structure(
            lambda leaf: gather(leaf, kept), (rows, memory, slots)
        )
        room, state = _grow(step, slots.state, room, position, rules)
        slots = slots._replace(state=state)
        new = (rows, room, memory, done, (position, slots, alignments))
        return tuple(map(_like_but_rows, tree.flatten(new), leaves))

    leaves = ops.while_loop(goes_on, body, tuple(tree.flatten(start)))
    _, _, _, done, (_, _, alignments) = unpack(leaves)
    return _Progress(None, done, alignments)


def _grow(step, state, room, position, rules):
    """The room and the state with it, twice as large where the room is full."""
    if step.make_room is None:
        return room, state
    is_full = ops.equal(position, room)
    wanted = ops.where(is_full, ops.minimum(2 * room, rules.buffer_length), room)
    batch, width = ops.shape(tree.flatten(state)[0])[:2]
    # What makes room knows of no beam.
    merged = tree.map_structure(
        lambda leaf: ops.reshape(leaf, (batch * width, *ops.shape(leaf)[2:])), state
    )
    grown = step.make_room(merged, wanted - room)
    return wanted, tree.map_structure(
        lambda leaf: ops.reshape(leaf, (batch, width, *ops.shape(leaf)[1:])), grown
    )


def _without_state(slots):
    """The slots without all that only a next step would need."""
    return slots._replace(state=(), coverage=(), constraints=())


def _rules_of_rows(rules, rows):
    """The rules of some rows of the first batch."""

    def of_rows(values):
        one_for_all = values is None or values.shape[0] == 1
        return values if one_for_all else gather(values, rows)

    names = ("max_length", "source_mask")
    return rules._replace(**{name: of_rows(getattr(rules, name)) for name in names})


def _first_slots(outputs, rules, start):
    """Empty hypotheses, in the state that follows the first step."""
    log_probs, state, alignment = outputs
    batch, width = ops.shape(log_probs)[:2]
    zeros = ops.zeros((batch, width), dtype="int32")
    buffer = ops.zeros((batch, width, rules.buffer_length), dtype="int32")
    counted = alignment if rules.coverage_penalty else ()
    return Slots(
        state=state,
        tokens=zeros,
        ids=buffer,
        path=(buffer,) if alignment else (),
        log_probs=ops.cast(zeros, "float32") + start.astype("float32"),
        scores=ops.cast(zeros, "float32"),
        lengths=zeros,
        finished=ops.cast(zeros, "bool"),
        coverage=tuple(ops.zeros_like(values) for values in counted),
        constraints=initial_states(rules.constraints, batch, len(start)),
    )


def _first_alignments(outputs, rules):
    """The history of alignments, ((L, B, K, S),) or (), with the first step in it."""
    alignments = ()
    for values in outputs[2]:  # one, or none
        later = ops.zeros((rules.buffer_length - 1, *ops.shape(values)), "float32")
        alignments = (ops.concatenate([values[None], later], axis=0),)
    return alignments


def _advance(position, slots, outputs, select, rules):
    """Every live hypothesis grows by one token."""
    predicted, state, alignment = outputs
    live = ops.logical_not(slots.finished)
    places = ops.arange(rules.buffer_length, dtype="int32")
    here = ops.equal(places, position)  # (L,)
    own = np.arange(slots.tokens.shape[1], dtype="int32")[:, None]
    coverage = tuple(
        covered + ops.where(live[..., None], values, 0.0)
        for covered, values in zip(slots.coverage, alignment, strict=False)
    )
    slots = slots._replace(
        state=state,
        path=tuple(ops.where(here, own, path) for path in slots.path),
        lengths=slots.lengths + ops.cast(live, "int32"),
        coverage=coverage,
    )
    parents, tokens, log_probs, scores = select(predicted, slots, rules, position)
    if parents is not None:
        slots = _move(slots, parents)
    states = next_states(rules.constraints, tokens, slots.constraints)
    at_limit = ops.expand_dims(position + 1 >= rules.max_length, 1)  # (B, 1)
    ended = ops.logical_or(at_limit, ops.equal(tokens, rules.eos_id))
    return slots._replace(
        tokens=tokens,
        ids=ops.where(here, tokens[..., None], slots.ids),
        log_probs=log_probs,
        scores=scores,
        finished=ops.logical_or(slots.finished, ended),
        constraints=states,
    )


def _open_rows(slots, rules, num_hypotheses):
    """Booleans, (B,): the rows whose `num_hypotheses` best may still change."""
    possible = slots.log_probs > -np.inf
    live = ops.logical_and(possible, ops.logical_not(slots.finished))  # (B, K)
    if rules.until_end:
        return ops.any(live, axis=1)
    # Log-probabilities only fall, the longest hypothesis is divided by most, and the
    # coverage penalty is at best 0. (What is live and among the best has a bound no
    # worse than its own score, hence no worse than `worst`.)
    divisor = length_penalty(rules.max_length, rules)
    bound = slots.log_probs / ops.expand_dims(divisor, 1)
    # Samples are in no order, and none of them may cut the others short.
    scores = slots.scores
    if rules.num_groups > 1:
        # Of each group as many as there are in so many of all groups.
        num_hypotheses = (num_hypotheses + rules.num_groups - 1) // rules.num_groups
        scores, _ = _ranked_in_groups(scores, rules.num_groups)
    wanted = scores[..., :num_hypotheses]
    worst = ops.min(wanted, axis=-1, keepdims=True, initial=np.inf)
    if rules.num_groups > 1:
        worst = ops.reshape(ops.broadcast_to(worst, ops.shape(scores)), ops.shape(live))
    return ops.any(ops.logical_and(live, bound >= worst), axis=1)


def _ranked_in_groups(scores, num_groups):
    """The scores of each group, (B, G, K / G), best first, and their slots."""
    batch, width = ops.shape(scores)
    size = width // num_groups
    scores, places = ops.top_k(ops.reshape(scores, (batch, num_groups, size)), size)
    first = ops.arange(num_groups, dtype="int32")[:, None] * size
    return scores, ops.cast(places, "int32") + first


def _order_of_groups(scores, num_groups):
    """Slots in the order of the result, (B, K): the best of each group come first.

    These stand by their scores, and behind them the second ones of all groups, and so
    on.
    """
    scores, slots = _ranked_in_groups(scores, num_groups)
    scores, slots = (ops.transpose(x, (0, 2, 1)) for x in (scores, slots))
    _, groups = ops.top_k(scores, num_groups)
    order = pick(slots, ops.cast(groups, "int32"))
    batch, size, _ = ops.shape(order)
    return ops.reshape(order, (batch, size * num_groups))


def _hypotheses(slots, alignments, num_hypotheses):
    """The result of a search: the first slots, with alignments along their paths."""
    batch, width, length = ops.shape(slots.ids)
    ids, log_probs, scores, lengths = (
        values[:, :num_hypotheses]
        for values in (slots.ids, slots.log_probs, slots.scores, slots.lengths)
    )
    lengths = ops.where(log_probs > -np.inf, lengths, 0)
    places = ops.arange(length, dtype="int32")
    written = places < lengths[..., None]  # (B, N, L)
    ids = ops.where(written, ids, PAD_ID)
    followed = None
    # One of each, or none; (L, B, K, S) and (B, K, L).
    for history, path in zip(alignments, slots.path, strict=True):
        path = path[:, :num_hypotheses]
        rows = ops.arange(batch, dtype="int32")[:, None, None] + places * batch
        size = ops.shape(history)[3]
        history = ops.reshape(history, (length * batch * width, size))
        followed = gather(history, rows * width + path)  # (B, N, L, S)
        followed = ops.where(written[..., None], followed, 0.0)
    return Hypotheses(ids, lengths, scores, log_probs, followed)


def _move(slots, parents):
    """Moves into each slot the content of its parent's slot."""
    batch, width = ops.shape(parents)
    offsets = ops.arange(batch, dtype="int32")[:, None] * width
    rows = parents + offsets  # (B, K)

    def move(leaf):
        shape = (-1, *leaf.shape[2:])
        if None in shape or 0 in shape:
            shape = (batch * width, *ops.shape(leaf)[2:])
        return gather(ops.reshape(leaf, shape), rows)

    return tree.map_structure(move, slots)


def _widen(leaf, width):
    """Repeats the only slot of a tensor."""
    batch, _, *rest = ops.shape(leaf)
    return ops.broadcast_to(leaf, (batch, width, *rest))


def _like_but_rows(new, old):
    """As `like`, for a loop that keeps all sizes but the number of rows."""
    new, shape = ops.cast(new, old.dtype), tuple(old.shape)
    if tuple(new.shape) == shape:
        return new
    sizes = zip(shape[1:], ops.shape(new)[1:], strict=True)
    rest = [size if fixed is None else fixed for fixed, size in sizes]
    return ops.reshape(new, (ops.shape(new)[0], *rest))
