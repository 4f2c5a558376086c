"""Searches from a step function to hypotheses: greedy, by a beam, sampled, forced.

Everything here knows a model by one function only, which may be a `Step`, whose search
has less to do:

    step(tokens, state) -> (log_probs, state, extras)

- `tokens`: the last tokens, int32 of shape `(batch, beam)`; BOS at first.
- `state`: a nested structure of tensors of shape `(batch, beam, ...)`, which change
  from step to step but keep their shapes and dtypes. Tensors that do not change (the
  encoded source, its mask) belong in the function's closure, with shape
  `(batch, ...)`; they are never repeated for the beam.
- `log_probs`: log-probabilities of the next token, of shape
  `(batch, beam, vocabulary)`, with a vocabulary whose size is known statically.
- `extras`: a dict. Its entry `"alignment"`, of shape `(batch, beam, source_length)`,
  is collected, and read by the coverage penalty; any other entry is ignored.

The first call has a beam of 1, since all hypotheses of a row begin alike. A hypothesis
that has ended is fed PAD, and the output for it is dropped.

The code runs eagerly, in `tf.function` with unknown batch size and length, under
`jax.jit` (there with integer `max_length`), and on torch.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import backend, ops

from kseq2seq.decoding.allocation import select_guided
from kseq2seq.decoding.constraints import Constraint, is_guided
from kseq2seq.decoding.groups import select_diverse
from kseq2seq.decoding.loop import decode
from kseq2seq.decoding.rules import (
    batch_size,
    check_beam,
    check_lengths,
    make_rules,
)
from kseq2seq.decoding.selection import (
    select_best,
    select_first,
    select_given,
)
from kseq2seq.decoding.shapes import check_shape
from kseq2seq.decoding.slots import Hypotheses
from kseq2seq.decoding.step import StepFunction
from kseq2seq.utils import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    Tensor,
    check_number,
)


def greedy_search(
    step: StepFunction,
    initial_state: Any,
    *,
    max_length: int | Tensor,
    min_length: int | Tensor = 0,
    eos_id: int = EOS_ID,
    bos_id: int = BOS_ID,
    forbidden_ids: Sequence[int] = (PAD_ID, BOS_ID),
    constraints: Sequence[Constraint] = (),
) -> Hypotheses:
    """Takes the most probable token at each step.

    Args:
        step: Function `(tokens, state) -> (log_probs, state, extras)`; see the
            module's docstring.
        initial_state: Nested structure of tensors of shape `(batch, ...)`, at least
            one.
        max_length: Most tokens of a hypothesis, EOS included; one that reaches it
            stops without EOS. An integer, or an integer tensor of shape `(batch,)`
            (see `relative_lengths`), in which entries below 1 count as 1.
        min_length: Fewest tokens, EOS included, given like `max_length`, which wins
            where the two disagree.
        eos_id: Id that ends a hypothesis.
        bos_id: Id that is fed to the first step.
        forbidden_ids: Ids that are never chosen. The log-probabilities of the others
            stay as they are.
        constraints: `Constraint`s, which forbid tokens by what came before. They add
            to `forbidden_ids` and `min_length`.

    Returns:
        `Hypotheses` with n = 1, whose `scores` are the log-probabilities.

    Raises:
        ValueError: If an argument, or what `step` returns, is not as described.

    Example:

    >>> def count_to_six(tokens, state):  # 4, 5, 6 and EOS, which is 3
    ...     following = keras.ops.maximum(tokens, 3) + 1
    ...     following = keras.ops.where(tokens == 6, 3, following)
    ...     return keras.ops.log(keras.ops.one_hot(following, 8)), state, {}
    >>> hypotheses = greedy_search(
    ...     count_to_six, keras.ops.zeros((1, 1)), max_length=5)
    >>> keras.ops.convert_to_numpy(hypotheses.ids).tolist()
    [[[4, 5, 6, 3, 0]]]
    """
    rules = make_rules(
        initial_state,
        max_length,
        min_length,
        eos_id,
        bos_id,
        forbidden_ids,
        constraints,
    )
    start = np.zeros(1)
    return decode(step, initial_state, select_first, rules, start, 1, may_shrink=True)


def beam_search(
    step: StepFunction,
    initial_state: Any,
    *,
    beam_size: int,
    num_hypotheses: int | Tensor = 1,
    max_length: int | Tensor,
    min_length: int | Tensor = 0,
    length_penalty: float = 0.0,
    coverage_penalty: float = 0.0,
    length_normalization: str = "wu",
    num_groups: int = 1,
    diversity: float = 0.5,
    source_mask: Tensor | None = None,
    eos_id: int = EOS_ID,
    bos_id: int = BOS_ID,
    forbidden_ids: Sequence[int] = (PAD_ID, BOS_ID),
    constraints: Sequence[Constraint] = (),
) -> Hypotheses:
    """Keeps the `beam_size` best hypotheses at each step.

    For a hypothesis `Y` of `|Y|` tokens, EOS included, with alignment `p` to the
    source `X`:

        score(Y) = log P(Y | X) / lp(Y) + coverage_penalty * cp(X; Y)
        lp(Y) = ((5 + |Y|) / 6) ** length_penalty, or |Y| ** length_penalty
        cp(X; Y) = sum over i of log(min(sum over j of p(i, j), 1))

    A finished hypothesis keeps its score and its place among the `beam_size` until
    better ones, finished or not, push it out. A row is done as soon as no unfinished
    hypothesis can reach the `num_hypotheses` best any more; so stopping early changes
    no result.

    Args:
        step: As in `greedy_search`.
        initial_state: As in `greedy_search`.
        beam_size: Number of hypotheses that are kept.
        num_hypotheses: Number of hypotheses that are returned; with TensorFlow also a
            scalar int32 tensor, from 1 to `beam_size`.
        max_length: As in `greedy_search`.
        min_length: As in `greedy_search`.
        length_penalty: Exponent, at least 0; 0 ranks by log-probability.
        coverage_penalty: Weight, at least 0; above 0 `step` must give alignments.
        length_normalization: `"wu"` for the first `lp`, `"mean"` for the second, which
            at a `length_penalty` of 1 makes the score a mean over the tokens.
        num_groups: Number of groups of equal size into which the beam is divided. Each
            avoids the tokens by which the groups before it go on at the same step.
        diversity: How much is subtracted, above 0, from the log-probability of a token
            for each hypothesis of the groups before that goes on by it. It decides
            which hypotheses a group keeps, and is no part of their scores.
        source_mask: Boolean tensor of shape `(batch, source_length)`, True at real
            source positions, the only ones that `cp` counts. Defaults to all.
        eos_id: As in `greedy_search`.
        bos_id: As in `greedy_search`.
        forbidden_ids: As in `greedy_search`.
        constraints: As in `greedy_search`; one of them may be a `GuidingConstraint`
            where there are no groups.

    Returns:
        `Hypotheses` with n = `num_hypotheses`, best first. Of groups the best ones come
        first, by their scores, and behind them the second ones of all groups; two
        groups may have the same one.

    Raises:
        ValueError: If an argument, or what `step` returns, is not as described.

    Example:

    >>> def coin(tokens, state):  # either side, or EOS, which is 3
    ...     log_probs = keras.ops.log([0.0, 0.0, 0.0, 0.5, 0.3, 0.2])
    ...     return log_probs + keras.ops.zeros((*tokens.shape, 6)), state, {}
    >>> hypotheses = beam_search(coin, keras.ops.zeros((1, 1)), beam_size=3,
    ...     num_hypotheses=3, max_length=2)
    >>> keras.ops.convert_to_numpy(hypotheses.ids).tolist()
    [[[3, 0], [4, 3], [5, 3]]]

    Reference:
        [Wu et al., 2016](https://arxiv.org/abs/1609.08144), section 7, eq. 14;
        for groups [Vijayakumar et al., 2018](https://arxiv.org/abs/1610.02424),
        algorithm 1.
    """
    check_beam(beam_size, num_hypotheses, num_groups, diversity)
    check_lengths(length_penalty, length_normalization)
    check_number("coverage_penalty", coverage_penalty, least=0)
    if source_mask is not None:
        source_mask = ops.cast(ops.convert_to_tensor(source_mask), "bool")
    rules = make_rules(
        initial_state,
        max_length,
        min_length,
        eos_id,
        bos_id,
        forbidden_ids,
        constraints,
    )._replace(
        length_penalty=length_penalty,
        length_normalization=length_normalization,
        coverage_penalty=coverage_penalty,
        num_groups=num_groups,
        diversity=diversity,
        source_mask=source_mask,
    )
    # Only one slot of a group is alive at first: equal ones would stay equal for ever.
    start = np.full(beam_size, -np.inf)
    start[:: beam_size // num_groups] = 0.0
    return decode(
        step,
        initial_state,
        _selection(rules),
        rules,
        start,
        num_hypotheses,
        may_shrink=True,
    )


def _selection(rules):
    """The function by which beam search selects."""
    is_diverse = rules.num_groups > 1
    if not is_guided(rules.constraints):
        return select_diverse if is_diverse else select_best
    if is_diverse:
        raise ValueError(
            "`num_groups` must be 1 beside a constraint that guides the search, such "
            "as forced words; leave out one of them. Received: "
            f"num_groups={rules.num_groups}"
        )
    return select_guided


def force(
    step: StepFunction,
    initial_state: Any,
    ids: Tensor,
    *,
    eos_id: int = EOS_ID,
    bos_id: int = BOS_ID,
) -> Hypotheses:
    """Scores given hypotheses by teacher forcing.

    Args:
        step: As in `greedy_search`.
        initial_state: As in `greedy_search`.
        ids: Integer tensor of shape `(batch, length)`: the tokens of one hypothesis
            for each row, up to its first EOS; what stands behind it does not count. A
            token that the vocabulary lacks has the probability 0, and a row of PAD
            alone has no tokens.
        eos_id: As in `greedy_search`.
        bos_id: As in `greedy_search`.

    Returns:
        `Hypotheses` with n = 1, those given, with their log-probabilities, which are
        also their `scores`, and alignments. Of what has the probability 0 there are
        the log-probability and the length alone.

    Raises:
        ValueError: If an argument, or what `step` returns, is not as described.

    Example:

    >>> def coin(tokens, state):  # either side, or EOS, which is 3
    ...     log_probs = keras.ops.log([0.0, 0.0, 0.0, 0.5, 0.25, 0.25])
    ...     return log_probs + keras.ops.zeros((*tokens.shape, 6)), state, {}
    >>> ids = keras.ops.convert_to_tensor([[4, 5, 3], [3, 0, 0]])
    >>> hypotheses = force(coin, keras.ops.zeros((2, 1)), ids)
    >>> probabilities = keras.ops.exp(hypotheses.log_probs)
    >>> keras.ops.convert_to_numpy(probabilities).round(5).tolist()
    [[0.03125], [0.5]]
    """
    rows = batch_size(initial_state)
    check_shape("`ids`", ids, (rows if isinstance(rows, int) else None, None))
    if "int" not in backend.standardize_dtype(ids.dtype):
        raise ValueError(
            "`ids` must be integers, those of tokens. Received: ids of dtype "
            f"{backend.standardize_dtype(ids.dtype)}"
        )
    ids = ops.cast(ids, "int32")
    is_token = ops.cast(ops.not_equal(ids, PAD_ID), "int32")  # (B, L)
    lengths = ops.sum(is_token, axis=1)
    rules = make_rules(initial_state, ops.maximum(lengths, 1), 0, eos_id, bos_id, ())
    forced = decode(step, initial_state, select_given(ids), rules, np.zeros(1), 1)
    is_given = ops.expand_dims(lengths > 0, 1)  # (B, 1)
    # Of what is impossible, too, to which a search gives the length 0.
    is_end = ops.cast(ops.equal(ids, eos_id), "int32")
    is_first = ops.equal(ops.cumsum(is_end, axis=1) - is_end, 0)  # up to the first EOS
    counts = ops.sum(ops.where(is_first, is_token, 0), axis=1)
    possible = forced.log_probs > -np.inf
    counted = ops.where(possible, forced.lengths, ops.expand_dims(counts, 1))
    alignments = forced.alignments
    if alignments is not None:
        alignments = ops.where(is_given[..., None, None], alignments, 0)
    return Hypotheses(
        ids=ops.where(is_given[..., None], forced.ids, PAD_ID),
        lengths=ops.where(is_given, counted, 0),
        scores=ops.where(is_given, forced.scores, 0),
        log_probs=ops.where(is_given, forced.log_probs, 0),
        alignments=alignments,
    )


def relative_lengths(
    source_mask: Tensor, factor: float = 1.0, offset: float = 0
) -> Tensor:
    """Limits that follow the source: `factor * length + offset`, rounded, at least 1.

    Args:
        source_mask: Boolean tensor of shape `(batch, source_length)`, True at real
            source positions.
        factor: Target tokens for each source token.
        offset: Target tokens added to that.

    Returns:
        An int32 tensor of shape `(batch,)`, for `max_length` or `min_length`.

    Example:

    >>> mask = keras.ops.convert_to_tensor([[True, True, True], [True, False, False]])
    >>> limits = relative_lengths(mask, factor=2, offset=5)
    >>> keras.ops.convert_to_numpy(limits).tolist()
    [11, 7]
    """
    lengths = ops.sum(ops.cast(source_mask, "float32"), axis=1)
    limits = ops.cast(ops.round(lengths * factor + offset), "int32")
    return ops.maximum(limits, 1)
