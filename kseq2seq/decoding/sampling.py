"""Sampling: each token drawn at random."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kseq2seq.decoding.candidates import pick, top_tokens
from kseq2seq.decoding.constraints import Constraint
from kseq2seq.decoding.loop import decode
from kseq2seq.decoding.rules import batch_size, make_rules
from kseq2seq.decoding.selection import select_chosen
from kseq2seq.decoding.shapes import check_shape
from kseq2seq.decoding.slots import Hypotheses
from kseq2seq.decoding.step import StepFunction
from kseq2seq.utils import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    Tensor,
    check_integer,
    check_number,
    gather,
    is_integer,
)

LEAST_FLOAT = float(np.finfo("float32").min)
# Uniform numbers are kept below it, so that number * total < total in float32.
LARGEST_UNIFORM = 1.0 - 2.0**-23


def sample(
    step: StepFunction,
    initial_state: Any,
    *,
    seed: int | keras.random.SeedGenerator | None = None,
    uniform: Tensor | None = None,
    num_samples: int = 1,
    temperature: float | Tensor = 1.0,
    top_k: int | Tensor | None = None,
    top_p: float | Tensor | None = None,
    max_length: int | Tensor,
    min_length: int | Tensor = 0,
    eos_id: int = EOS_ID,
    bos_id: int = BOS_ID,
    forbidden_ids: Sequence[int] = (PAD_ID, BOS_ID),
    constraints: Sequence[Constraint] = (),
) -> Hypotheses:
    """Draws each token at random, by its probability.

    `temperature` is applied first, then `top_k`, then `top_p` to what `top_k` has left.

    Args:
        step: As in `greedy_search`.
        initial_state: As in `greedy_search`.
        seed: Integer, which gives the same samples at each call, or a
            `keras.random.SeedGenerator`.
        uniform: Instead of `seed`: the uniform numbers from 0 to 1 to draw by, a float
            tensor of shape `(length, batch, num_samples)` whose length is at least
            `max_length`.
        num_samples: Number of independent samples of each row.
        temperature: Divides the log-probabilities; towards 0, greedy search. A
            number, or a float tensor of shape `(batch,)` of numbers above 0.
        top_k: If given, only the `top_k` most probable tokens are drawn. An integer,
            or an integer tensor of shape `(batch,)` of numbers of at least 1.
        top_p: If given, only the fewest most probable tokens whose probabilities sum to
            at least `top_p` are drawn. A number, or a float tensor of shape `(batch,)`
            of numbers above 0. It sorts the vocabulary at each step, unless an integer
            `top_k` leaves less of it; so does a tensor `top_k`.
        max_length: As in `greedy_search`.
        min_length: As in `greedy_search`.
        eos_id: As in `greedy_search`.
        bos_id: As in `greedy_search`.
        forbidden_ids: As in `greedy_search`.
        constraints: As in `greedy_search`.

    Returns:
        `Hypotheses` with n = `num_samples`, in the order in which they were drawn.
        Their `scores` and `log_probs` are those of the model itself, unchanged by
        `temperature`, `top_k` and `top_p`.

    Raises:
        ValueError: If an argument, or what `step` returns, is not as described.

    Example:

    >>> def coin(tokens, state):  # either side, or EOS, which is 3
    ...     log_probs = keras.ops.log([0.0, 0.0, 0.0, 0.5, 0.3, 0.2])
    ...     return log_probs + keras.ops.zeros((*tokens.shape, 6)), state, {}
    >>> hypotheses = sample(coin, keras.ops.zeros((2, 1)), seed=0, num_samples=3,
    ...     max_length=7)
    >>> tuple(hypotheses.ids.shape)
    (2, 3, 7)

    Reference:
        [Holtzman et al., 2020](https://arxiv.org/abs/1904.09751), section 3.1 (top-p);
        [Fan et al., 2018](https://arxiv.org/abs/1805.04833), section 5 (top-k).
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
    )
    batch = batch_size(initial_state)
    rows = batch if isinstance(batch, int) else None
    numbers = uniform_numbers(
        seed, uniform, (rules.buffer_length, batch, num_samples), rows
    )
    settings = (temperature, top_k, top_p)
    for name, value in zip(("temperature", "top_k", "top_p"), settings, strict=True):
        if ops.is_tensor(value):
            check_shape(f"`{name}`", value, (rows,))
        elif name == "temperature":
            check_number(name, value, above=0)
        elif value is not None and name == "top_k":
            check_integer(name, value, 1)
        elif value is not None:
            check_number(name, value, above=0, most=1)

    def choose(log_probs, position):
        number = gather(numbers, position)  # (B, K)
        return draw(log_probs, number, *map(per_row, settings))

    start = np.zeros(num_samples)
    return decode(step, initial_state, select_chosen(choose), rules, start, num_samples)


def uniform_numbers(
    seed: int | keras.random.SeedGenerator | None,
    uniform: Tensor | None,
    shape: tuple[Any, ...],
    rows: int | None,
) -> Tensor:
    """Uniform numbers from 0 to 1, given or drawn.

    Args:
        seed: As for `sample`.
        uniform: As for `sample`.
        shape: Shape of the numbers, `(length, batch, ...)`.
        rows: The size of the batch, as far as it is known.

    Raises:
        ValueError: If both of `seed` and `uniform` are given, or neither, or `uniform`
            is of another shape.
    """
    if (seed is None) == (uniform is None):
        raise ValueError(
            "Exactly one of `seed` and `uniform` must be given. "
            f"Received: seed={seed!r}, uniform={uniform!r}"
        )
    if uniform is not None:
        check_shape("`uniform`", uniform, (None, rows, *shape[2:]))
        numbers, wanted = uniform.shape[0], shape[0]
        if isinstance(numbers, int) and isinstance(wanted, int) and numbers < wanted:
            raise ValueError(
                "`uniform` must have numbers for `max_length` tokens. Expected: "
                f"uniform.shape[0] of at least {wanted}. Received: "
                f"shape={tuple(uniform.shape)}"
            )
        return ops.cast(uniform, "float32")
    if not isinstance(seed, keras.random.SeedGenerator):
        seed = check_integer("seed", seed, note="or a `keras.random.SeedGenerator`")
    return keras.random.uniform(shape, dtype="float32", seed=seed)


def per_row(setting: Any) -> Any:
    """A setting of each row as a tensor of shape `(batch, 1, 1)`.

    Args:
        setting: Tensor of shape `(batch,)`; a number or `None` is returned as it is.
    """
    return setting[:, None, None] if ops.is_tensor(setting) else setting


def draw(
    log_probs: Tensor, number: Tensor, temperature: Any, top_k: Any, top_p: Any
) -> Tensor:
    """The tokens at which the cumulative probability passes `number`.

    Args:
        log_probs: float32 of shape `(batch, beam, vocabulary)`.
        number: float32 of shape `(batch, beam)`, from 0 to 1.
        temperature: Number, or a tensor of shape `(batch, 1, 1)`.
        top_k: Number, tensor of this shape or `None`.
        top_p: Number, tensor of this shape or `None`.

    Returns:
        int32 of shape `(batch, beam)`.
    """
    count, tokens = log_probs.shape[-1], None
    if top_k is not None or top_p is not None:
        count = min(top_k, count) if is_integer(top_k) else count
        log_probs, tokens = top_tokens(log_probs, count)  # (B, K, C), best first
    if ops.is_tensor(top_k):
        kept = ops.arange(count, dtype="int32") < ops.cast(top_k, "int32")
        log_probs = ops.where(kept, log_probs, -np.inf)
    # Where nothing is possible, the least float instead of -inf gives 0, not NaN.
    best = ops.max(log_probs, axis=-1, keepdims=True, initial=LEAST_FLOAT)
    weights = ops.exp((log_probs - best) / temperature)
    cumulative = ops.cumsum(weights, axis=-1)
    if top_p is not None:
        before = cumulative - weights
        weights = ops.where(before < top_p * cumulative[..., -1:], weights, 0.0)
        cumulative = ops.cumsum(weights, axis=-1)
    place = draw_place(weights, cumulative, number)
    return place if tokens is None else pick(tokens, place[..., None])[..., 0]


def draw_place(weights: Tensor, cumulative: Tensor, number: Tensor) -> Tensor:
    """The place at which cumulative weights pass a share of their total.

    Args:
        weights: float32 of shape `(batch, beam, count)`.
        cumulative: Their sums up to each place.
        number: The share, float32 of shape `(batch, beam)`, from 0 to 1.

    Returns:
        int32 of shape `(batch, beam)`; the last place where all weights are 0.
    """
    count = weights.shape[-1]
    # Rounding must not let in a token of no weight.
    cumulative = ops.where(weights > 0.0, cumulative, 0.0)
    total = ops.max(cumulative, axis=-1, keepdims=True, initial=0.0)
    threshold = ops.minimum(number, LARGEST_UNIFORM)[..., None] * total
    places = ops.arange(count, dtype="int32")
    passed = ops.where(cumulative > threshold, places, count - 1)
    return ops.min(passed, axis=-1, initial=count - 1)
