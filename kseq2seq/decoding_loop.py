"""The loop that all searches of `kseq2seq.decoding` share.

Hypotheses live in slots. At each step `select` says, for every slot, from which slot
its hypothesis comes and by which token it goes on; the loop moves everything that
belongs to a hypothesis along with it.

Glossary of shapes, used in every comment below:
- B: batch size.
- K: slots for hypotheses (the beam), of which N are returned.
- L: longest target.
- S: source length.
- V: vocabulary size; C of them are candidates.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops, tree

from kseq2seq.special_ids import PAD_ID

# The best of a large vocabulary are looked for in its best pieces of this size.
PIECE_SIZE = 64
# The logarithm of a source position's coverage ends here, at -69, rather than at -inf.
LEAST_COVERAGE = 1e-30


class Hypotheses(NamedTuple):
    """What a search has found for every row.

    Attributes:
        ids: int32 of shape `(batch, n, length)`, PAD after the end.
        lengths: int32 of shape `(batch, n)`, EOS included. 0 where a row has no
            further hypothesis of non-zero probability.
        scores: float32 of shape `(batch, n)`, by which hypotheses are ranked.
        log_probs: float32 of shape `(batch, n)`, the sum over all tokens, EOS included.
        alignments: float32 of shape `(batch, n, length, source_length)`, 0 after the
            end. `None` if `step` gives no alignment.
    """

    ids: Any
    lengths: Any
    scores: Any
    log_probs: Any
    alignments: Any


class Rules(NamedTuple):
    """What binds a search; `max_length` and `min_length` have shape (B,) or (1,)."""

    max_length: Any
    min_length: Any  # None: no minimum
    buffer_length: Any
    eos_id: int
    bos_id: int
    forbidden_ids: tuple
    length_penalty: float = 0.0
    coverage_penalty: float = 0.0
    source_mask: Any = None  # (B, S), or None: all is source


class Slots(NamedTuple):
    """The hypotheses so far; every leaf has shape `(B, K, ...)`."""

    state: Any
    tokens: Any  # (B, K), the last ones
    ids: Any  # (B, K, L)
    path: Any  # (B, K, L), the slot in which each token was predicted
    log_probs: Any  # (B, K)
    scores: Any  # (B, K)
    lengths: Any  # (B, K)
    finished: Any  # (B, K)
    coverage: Any  # ((B, K, S),), or () if nothing asks for it


def decode(step, initial_state, select, rules, start, num_hypotheses):
    """Runs a search to its end.

    Args:
        step: The step function.
        initial_state: Nested structure of tensors of shape `(batch, ...)`.
        select: Function `(log_probs, slots, rules, position) -> (parents, tokens,
            log_probs, scores)`, each of shape `(batch, beam)`; parents are `None` where
            every hypothesis stays in its slot. `slots.lengths` and `slots.coverage`
            already count this step.
        rules: The `Rules`.
        start: Log-probabilities with which the slots begin, of shape `(beam,)`.
        num_hypotheses: How many of the first slots are wanted.

    Returns:
        The `Hypotheses`.
    """
    # The first step stands before the loop: it is needed once for each row only, and
    # it shows the shapes that the loop will carry.
    state = tree.map_structure(
        lambda x: ops.expand_dims(ops.convert_to_tensor(x), 1), initial_state
    )
    batch = ops.shape(tree.flatten(state)[0])[0]
    tokens = ops.full((batch, 1), rules.bos_id, dtype="int32")
    outputs = tree.map_structure(
        lambda x: _widen(x, len(start)), _call(step, tokens, state, rules)
    )
    slots = _advance(0, _first_slots(outputs, rules, start), outputs, select, rules)
    position = ops.convert_to_tensor(1, dtype="int32")
    first = (position, slots, _first_alignments(outputs, rules))

    def unpack(leaves):
        return tree.pack_sequence_as(first, list(leaves))

    def running(*leaves):
        return _running(unpack(leaves)[1], rules, num_hypotheses)

    def body(*leaves):
        position, slots, alignments = unpack(leaves)
        outputs = _call(step, slots.tokens, slots.state, rules)
        slots = _advance(position, slots, outputs, select, rules)
        index = ops.reshape(position, (1, 1))
        alignments = tuple(
            ops.scatter_update(history, index, values[None])
            for history, values in zip(alignments, outputs[2], strict=True)
        )
        new = tree.flatten((position + 1, slots, alignments))
        return tuple(map(_like, new, leaves))

    leaves = ops.while_loop(running, body, tuple(tree.flatten(first)))
    _, slots, alignments = unpack(leaves)
    return _hypotheses(slots, alignments, num_hypotheses)


def _call(step, tokens, state, rules):
    """One call of `step`, checked; the alignment is a tuple of one or none."""
    outputs = step(tokens, state)
    if not isinstance(outputs, (tuple, list)) or len(outputs) != 3:
        raise ValueError(
            "`step` must return a tuple `(log_probs, state, extras)`. "
            f"Received: {outputs!r}"
        )
    log_probs, new_state, extras = outputs
    check_shape("`log_probs` of `step`", log_probs, (*tokens.shape, None))
    vocabulary = log_probs.shape[-1]
    if vocabulary is None:
        raise ValueError(
            "`log_probs` of `step` must have a vocabulary size that is known "
            f"statically; reshape them. Received: shape={tuple(log_probs.shape)}"
        )
    highest = max(rules.eos_id, rules.bos_id, *rules.forbidden_ids)
    if highest >= vocabulary:
        raise ValueError(
            "`eos_id`, `bos_id` and `forbidden_ids` must be ids of the vocabulary. "
            f"Received: id={highest}, while `step` gives {vocabulary} log-probabilities"
        )
    try:
        tree.assert_same_structure(state, new_state)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "`step` must return a state of the structure that it was given. "
            f"Expected: {state!r}. Received: {new_state!r}"
        ) from error
    for new, old in zip(tree.flatten(new_state), tree.flatten(state), strict=True):
        check_shape("Every tensor in the state of `step`", new, old.shape)
    if not isinstance(extras, dict):
        raise ValueError(
            "`extras` of `step` must be a dict, if only an empty one. "
            f"Received: extras={extras!r}"
        )
    alignment = ()
    if "alignment" in extras:
        values = extras["alignment"]
        check_shape("`alignment` of `step`", values, (*tokens.shape, None))
        alignment = (_as_float32(values, tokens),)
        if rules.source_mask is not None:
            expected = (values.shape[0], values.shape[2])
            check_shape("`source_mask`", rules.source_mask, expected)
    elif rules.coverage_penalty:
        raise ValueError(
            "`coverage_penalty` above 0 needs alignments: let `step` return them as "
            f'`extras["alignment"]`. Received: extras={extras!r}'
        )
    new_state = tree.map_structure(_like, new_state, state)
    return _as_float32(log_probs, tokens), new_state, alignment


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
        path=buffer,
        log_probs=ops.cast(zeros, "float32") + start.astype("float32"),
        scores=ops.cast(zeros, "float32"),
        lengths=zeros,
        finished=ops.cast(zeros, "bool"),
        coverage=tuple(ops.zeros_like(values) for values in counted),
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
    log_probs, state, alignment = outputs
    live = ops.logical_not(slots.finished)
    places = ops.arange(rules.buffer_length, dtype="int32")
    here = ops.equal(places, position)  # (L,)
    own = ops.arange(slots.tokens.shape[1], dtype="int32")[:, None]
    coverage = tuple(
        covered + ops.where(live[..., None], values, 0.0)
        for covered, values in zip(slots.coverage, alignment, strict=False)
    )
    slots = slots._replace(
        state=state,
        path=ops.where(here, own, slots.path),
        lengths=slots.lengths + ops.cast(live, "int32"),
        coverage=coverage,
    )
    allowed = _forbid(log_probs, rules, position)
    parents, tokens, log_probs, scores = select(allowed, slots, rules, position)
    if parents is not None:
        slots = _move(slots, parents)
    at_limit = ops.expand_dims(position + 1 >= rules.max_length, 1)  # (B, 1)
    ended = ops.logical_or(at_limit, ops.equal(tokens, rules.eos_id))
    return slots._replace(
        tokens=tokens,
        ids=ops.where(here, tokens[..., None], slots.ids),
        log_probs=log_probs,
        scores=scores,
        finished=ops.logical_or(slots.finished, ended),
    )


def _forbid(log_probs, rules, position):
    """Gives -inf to the ids that must not come next."""
    ids = np.arange(log_probs.shape[-1])
    forbidden = ops.convert_to_tensor(np.isin(ids, rules.forbidden_ids))  # (V,)
    if rules.min_length is not None:
        early = ops.reshape(position + 1 < rules.min_length, (-1, 1, 1))
        end = ops.convert_to_tensor(ids == rules.eos_id)
        forbidden = ops.logical_or(forbidden, ops.logical_and(early, end))
    return ops.where(forbidden, -np.inf, log_probs)


def _running(slots, rules, num_hypotheses):
    """Whether any row may still change its `num_hypotheses` best."""
    possible = slots.log_probs > -np.inf
    live = ops.logical_and(possible, ops.logical_not(slots.finished))  # (B, K)
    # Log-probabilities only fall, the longest hypothesis is divided by most, and the
    # coverage penalty is at best 0. (What is live and among the best has a bound no
    # worse than its own score, hence no worse than `worst`.)
    divisor = _length_penalty(rules.max_length, rules)
    bound = slots.log_probs / ops.expand_dims(divisor, 1)
    # Samples are in no order, and none of them may cut the others short.
    wanted = slots.scores[:, :num_hypotheses]
    worst = ops.min(wanted, axis=1, keepdims=True, initial=np.inf)
    return ops.any(ops.logical_and(live, bound >= worst))


def _hypotheses(slots, alignments, num_hypotheses):
    batch, width, length = ops.shape(slots.ids)
    ids, path, log_probs, scores, lengths = (
        x[:, :num_hypotheses]
        for x in (slots.ids, slots.path, slots.log_probs, slots.scores, slots.lengths)
    )
    lengths = ops.where(log_probs > -np.inf, lengths, 0)
    places = ops.arange(length, dtype="int32")
    written = places < lengths[..., None]  # (B, N, L)
    ids = ops.where(written, ids, PAD_ID)
    followed = None
    for history in alignments:  # one, or none; (L, B, K, S)
        rows = ops.arange(batch, dtype="int32")[:, None, None] + places * batch
        size = ops.shape(history)[3]
        history = ops.reshape(history, (length * batch * width, size))
        followed = ops.take(history, rows * width + path, axis=0)  # (B, N, L, S)
        followed = ops.where(written[..., None], followed, 0.0)
    return Hypotheses(ids, lengths, scores, log_probs, followed)


def score(log_probs, slots, rules):
    """What hypotheses are ranked by (Wu et al. 2016, eq. 14).

    Args:
        log_probs: Log-probabilities of the hypotheses' continuations, `(B, K, C)`.
        slots: The hypotheses, whose lengths and coverage already count this step.
        rules: The `Rules`.

    Returns:
        Scores of shape `(B, K, C)`.
    """
    scores = log_probs / _length_penalty(slots.lengths, rules)[..., None]
    if not rules.coverage_penalty:
        return scores
    (coverage,) = slots.coverage  # (B, K, S)
    logarithms = ops.log(ops.clip(coverage, LEAST_COVERAGE, 1.0))
    if rules.source_mask is not None:
        logarithms = ops.where(rules.source_mask[:, None], logarithms, 0.0)
    penalty = rules.coverage_penalty * ops.sum(logarithms, axis=-1)  # (B, K)
    return scores + penalty[..., None]


def _length_penalty(lengths, rules):
    return ((5.0 + ops.cast(lengths, "float32")) / 6.0) ** rules.length_penalty


def top_tokens(log_probs, count):
    """`ops.top_k` over the vocabulary, several times as fast where that is large.

    The `count` best tokens are in the `count` pieces with the best maxima, and a
    maximum is much cheaper than `ops.top_k`.

    Args:
        log_probs: Tensor of shape `(batch, beam, vocabulary)`.
        count: How many tokens are wanted, at most the vocabulary size.

    Returns:
        A tuple `(values, tokens)`, best first, both of shape `(batch, beam, count)`.
    """
    batch, width, vocabulary = ops.shape(log_probs)
    if vocabulary < 4 * count * PIECE_SIZE:
        values, tokens = ops.top_k(log_probs, count)
        return values, ops.cast(tokens, "int32")
    pieces = -(-vocabulary // PIECE_SIZE)
    padding = pieces * PIECE_SIZE - vocabulary
    if padding:
        widths = ((0, 0), (0, 0), (0, padding))
        log_probs = ops.pad(log_probs, widths, constant_values=-np.inf)
    log_probs = ops.reshape(log_probs, (batch, width, pieces, PIECE_SIZE))
    maxima = ops.max(log_probs, axis=-1, initial=-np.inf)
    best = ops.cast(ops.top_k(maxima, count)[1], "int32")  # (B, K, C)
    rows = ops.arange(batch * width, dtype="int32") * pieces
    rows = ops.reshape(rows, (batch, width, 1)) + best
    log_probs = ops.reshape(log_probs, (batch * width * pieces, PIECE_SIZE))
    finalists = ops.take(log_probs, rows, axis=0)  # (B, K, C, piece)
    finalists = ops.reshape(finalists, (batch, width, count * PIECE_SIZE))
    values, places = ops.top_k(finalists, count)
    places = ops.cast(places, "int32")
    tokens = pick(best, places // PIECE_SIZE) * PIECE_SIZE + places % PIECE_SIZE
    # Where all is -inf the padding can win; what is fed must be an id all the same.
    return values, ops.minimum(tokens, vocabulary - 1)


def pick(values, places):
    """`values` at `places` of its last axis; the leading axes are the same.

    A flat gather: `ops.take_along_axis` transposes and is several times as slow.
    """
    *leading, count = ops.shape(values)
    rows = 1
    for size in leading:
        rows = rows * size
    offsets = ops.reshape(ops.arange(rows, dtype="int32") * count, (*leading, 1))
    return ops.take(ops.reshape(values, (rows * count,)), places + offsets, axis=0)


def check_shape(what, x, expected):
    """Refuses what has another rank or size; `None` stands for any size."""
    received = tuple(x.shape)
    expected = tuple(expected)
    if len(received) != len(expected) or any(
        None not in (a, b) and a != b for a, b in zip(received, expected, strict=True)
    ):
        raise ValueError(
            f"{what} must have the expected shape. Expected: shape={expected}. "
            f"Received: shape={received}"
        )


def _move(slots, parents):
    """Puts into each slot what its parent's slot holds."""
    batch, width = ops.shape(parents)
    offsets = ops.arange(batch, dtype="int32")[:, None] * width
    rows = ops.reshape(parents + offsets, (batch * width,))

    def move(x):
        shape = ops.shape(x)
        flat = ops.reshape(x, (batch * width, *shape[2:]))
        return ops.reshape(ops.take(flat, rows, axis=0), shape)

    return tree.map_structure(move, slots)


def _widen(x, width):
    """Repeats the only slot of `x`."""
    batch, _, *rest = ops.shape(x)
    return ops.broadcast_to(x, (batch, width, *rest))


def _as_float32(x, tokens):
    """`x` in float32; its leading axes are known as far as those of `tokens` are."""
    return ops.reshape(ops.cast(x, "float32"), (*ops.shape(tokens), ops.shape(x)[2]))


def _like(new, old):
    """`new` with the dtype and the static shape of `old`: a loop must keep both."""
    return ops.reshape(ops.cast(new, old.dtype), ops.shape(old))
