"""Samples without replacement, by stochastic beam search."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from kseq2seq.decoding.candidates import allowed_log_probs, pick
from kseq2seq.decoding.constraints import Constraint
from kseq2seq.decoding.loop import decode
from kseq2seq.decoding.rules import batch_size, make_rules
from kseq2seq.decoding.sampling import (
    LEAST_FLOAT,
    draw_place,
    per_row,
    uniform_numbers,
)
from kseq2seq.decoding.selection import end_finished
from kseq2seq.decoding.shapes import check_shape
from kseq2seq.decoding.slots import Hypotheses, prefix_of
from kseq2seq.decoding.step import StepFunction
from kseq2seq.utils import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    Tensor,
    check_integer,
    check_number,
    gather,
)

# Its logarithm is finite.
LEAST_UNIFORM = 1e-30


def sample_distinct(
    step: StepFunction,
    initial_state: object,
    *,
    seed: int | keras.random.SeedGenerator | None = None,
    uniform: Tensor | None = None,
    num_samples: int,
    temperature: float | Tensor = 1.0,
    max_length: int | Tensor,
    min_length: int | Tensor = 0,
    eos_id: int = EOS_ID,
    bos_id: int = BOS_ID,
    forbidden_ids: Sequence[int] = (PAD_ID, BOS_ID),
    constraints: Sequence[Constraint] = (),
) -> Hypotheses:
    """Draws hypotheses at random, none of them twice for a row.

    The first is drawn by its probability, the second among all others, and so on, in
    one beam search: to the logarithm of each hypothesis's probability belongs random
    noise with Gumbel's distribution, and the hypotheses with the highest sums are the
    samples. Each step has a pass over the vocabulary for each sample.

    Args:
        step: As in `greedy_search`.
        initial_state: As in `greedy_search`.
        seed: As in `sample`.
        uniform: Instead of `seed`: the uniform numbers from 0 to 1 to draw by, a float
            tensor of shape `(length, batch, num_samples, 2 * num_samples)` whose length
            is at least `max_length`.
        num_samples: Number of samples of each row.
        temperature: As in `sample`.
        max_length: As in `greedy_search`.
        min_length: As in `greedy_search`.
        eos_id: As in `greedy_search`.
        bos_id: As in `greedy_search`.
        forbidden_ids: As in `greedy_search`.
        constraints: As in `greedy_search`.

    Returns:
        `Hypotheses` with n = `num_samples`, in the order in which they were drawn;
        those that a row has no more hypotheses for have the length 0. `log_probs` are
        those of the distribution that is drawn from: by the temperature, and among the
        tokens that are allowed at each step. `scores` are the sums with the noise.

    Raises:
        ValueError: If an argument, or what `step` returns, is not as described.

    Example:

    >>> def coin(tokens, state):  # either side, or EOS, which is 3
    ...     log_probs = keras.ops.log([0.0, 0.0, 0.0, 0.5, 0.3, 0.2])
    ...     return log_probs + keras.ops.zeros((*tokens.shape, 6)), state, {}
    >>> hypotheses = sample_distinct(
    ...     coin, keras.ops.zeros((1, 1)), seed=0, num_samples=4, max_length=1)
    >>> sorted(keras.ops.convert_to_numpy(hypotheses.ids)[0, :, 0].tolist())
    [0, 3, 4, 5]

    Reference:
        [Kool et al., 2019](https://arxiv.org/abs/1903.06059), algorithm 1. The best
        continuations of a hypothesis are drawn one after the other, from the top down
        ([Maddison et al., 2014](https://arxiv.org/abs/1411.0030), section 3), since the
        loop has a fixed number of random numbers.
    """
    num_samples = check_integer("num_samples", num_samples, 1)
    rules = make_rules(
        initial_state,
        max_length,
        min_length,
        eos_id,
        bos_id,
        forbidden_ids,
        constraints,
    )._replace(until_end=True)
    batch = batch_size(initial_state)
    rows = batch if isinstance(batch, int) else None
    if ops.is_tensor(temperature):
        check_shape("`temperature`", temperature, (rows,))
    else:
        check_number("temperature", temperature, above=0)
    shape = (rules.buffer_length, batch, num_samples, 2 * num_samples)
    numbers = ops.maximum(uniform_numbers(seed, uniform, shape, rows), LEAST_UNIFORM)

    def select(predicted, slots, rules, position):
        prefix = prefix_of(slots, rules, position)
        log_probs = allowed_log_probs(predicted, rules, prefix, slots.constraints)
        number = gather(numbers, position)  # (B, K, 2 K)
        # All hypotheses together have noise around log 1 = 0.
        whole = -ops.log(-ops.log(ops.minimum(number[..., 0], 1 - 2.0**-24)))
        scores = ops.where(ops.equal(position, 0), whole, slots.scores)
        log_probs = log_probs / per_row(temperature)
        drawn = _continuations(log_probs, slots.log_probs, scores, number)
        return _best(drawn, slots._replace(scores=scores), num_samples)

    start = np.full(num_samples, -np.inf)
    start[0] = 0.0
    return decode(step, initial_state, select, rules, start, num_samples)


def _continuations(log_probs, totals, scores, numbers):
    """The continuations of each hypothesis with the highest scores.

    Of `log_probs`, (B, K, V), and `totals` and `scores` of the hypotheses, (B, K). A
    list of tuples of tokens, their log-probabilities and scores, each (B, K).
    """
    best = ops.max(log_probs, axis=-1, keepdims=True, initial=LEAST_FLOAT)
    weights = ops.exp(log_probs - best)
    whole = ops.sum(weights, axis=-1)
    places = ops.arange(weights.shape[-1], dtype="int32")
    possible = totals > -np.inf
    count, drawn = numbers.shape[2] // 2, []
    for number in range(count):
        cumulative = ops.cumsum(weights, axis=-1)
        token = draw_place(weights, cumulative, numbers[..., count + number])
        left = cumulative[..., -1]
        possible = ops.logical_and(possible, left > 0.0)
        weight = pick(weights, token[..., None])[..., 0]
        if number:
            # The highest of what is left, below the one before.
            center = totals + _log(left / whole)
            noise = _log(-ops.log(numbers[..., number]))
            scores = center - ops.logaddexp(center - scores, noise)
        # The first has the score of the hypothesis itself.
        value = ops.where(possible, _log(weight / whole), -np.inf)
        scores = ops.where(possible, scores, -np.inf)
        drawn.append((token, value, scores))
        weights = ops.where(ops.equal(places, token[..., None]), 0.0, weights)
    return drawn


def _log(values):
    """Logarithms of positive numbers, and -inf for others without a NaN."""
    return ops.where(values > 0.0, ops.log(ops.maximum(values, LEAST_UNIFORM)), -np.inf)


def _best(drawn, slots, width):
    """The continuations with the highest scores of a row; what has ended stays."""
    tokens, values, scores = (
        ops.stack(part, axis=-1) for part in zip(*drawn, strict=True)
    )  # (B, K, K)
    values, tokens = end_finished(values, tokens, slots)
    itself = ops.where(values > -np.inf, slots.scores[..., None], -np.inf)
    scores = ops.where(slots.finished[..., None], itself, scores)
    totals = slots.log_probs[..., None] + values
    flat = (ops.shape(scores)[0], width * width)
    scores, best = ops.top_k(ops.reshape(scores, flat), width)
    best = ops.cast(best, "int32")
    tokens, totals = (pick(ops.reshape(x, flat), best) for x in (tokens, totals))
    return best // width, tokens, totals, scores
