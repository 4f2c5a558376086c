"""Hypotheses during a search, its settings, and their scores.

Glossary of shapes, used in the comments of this package:
- B: batch size.
- K: slots for hypotheses (the beam), of which N are returned.
- L: longest target.
- S: source length.
- V: vocabulary size, or number of columns; C of them are candidates.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from keras import ops

from kseq2seq.decoding.columns import Columns
from kseq2seq.decoding.constraints import Constraint, Prefix
from kseq2seq.utils import Tensor

# Lengths by which log-probabilities are divided: (5 + n) / 6, or n.
LENGTH_NORMALIZATIONS = ("wu", "mean")
# The logarithm of a source position's coverage ends here, at -69, rather than at -inf.
LEAST_COVERAGE = 1e-30


class Hypotheses(NamedTuple):
    """The result of a search.

    Attributes:
        ids: int32 of shape `(batch, n, length)`, PAD after the end.
        lengths: int32 of shape `(batch, n)`, EOS included. 0 where a row has no
            further hypothesis of non-zero probability.
        scores: float32 of shape `(batch, n)`, by which hypotheses are ranked.
        log_probs: float32 of shape `(batch, n)`, the sum over all tokens, EOS included.
        alignments: float32 of shape `(batch, n, length, source_length)`, 0 after the
            end. `None` if `step` gives no alignment.
    """

    ids: Tensor
    lengths: Tensor
    scores: Tensor
    log_probs: Tensor
    alignments: Tensor | None


class Rules(NamedTuple):
    """The settings of a search, checked.

    Attributes:
        max_length: int32 of shape `(batch,)`, or `(1,)` for one limit of all rows.
        buffer_length: Integer or scalar tensor, the largest of these limits.
        eos_id: Id that ends a hypothesis.
        bos_id: Id that is fed to the first step.
        highest_id: The largest id in the arguments, to compare with the vocabulary.
        constraints: Tuple of all `Constraint`s, those of `forbidden_ids` and
            `min_length` included.
        length_penalty: As for `beam_search`.
        length_normalization: As for `beam_search`.
        coverage_penalty: As for `beam_search`.
        source_mask: Booleans of shape `(batch, source_length)`; `None` for no padding.
        num_groups: Number of groups of slots. Slots of one group are sorted by score;
            those of several groups are sorted when the search has ended.
        diversity: As for `beam_search`.
        until_end: Whether to go on until every hypothesis has ended, though the scores
            of the others can no longer change the result.
        gives_logits: Whether the step function returns logits.
        columns: The `Columns` of the step function's outputs; `None` for the whole
            vocabulary.
    """

    max_length: Tensor
    buffer_length: int | Tensor
    eos_id: int
    bos_id: int
    highest_id: int
    constraints: tuple[Constraint, ...] = ()
    length_penalty: float = 0.0
    length_normalization: str = "wu"
    coverage_penalty: float = 0.0
    source_mask: Any = None
    num_groups: int = 1
    diversity: float = 0.0
    until_end: bool = False
    gives_logits: bool = False
    columns: Columns | None = None


class Slots(NamedTuple):
    """The hypotheses so far; every tensor has shape `(B, K, ...)`.

    Attributes:
        state: Nested structure of tensors, the state of the step function.
        tokens: int32 of shape `(B, K)`, the last tokens.
        ids: int32 of shape `(B, K, L)`, all tokens so far, PAD behind them.
        path: Tuple of one int32 tensor of shape `(B, K, L)`: the slot in which each
            token was predicted, to find its alignment; `()` without alignments.
        log_probs: float32 of shape `(B, K)`, the sums over all tokens; -inf for a slot
            without a hypothesis.
        scores: float32 of shape `(B, K)`.
        lengths: int32 of shape `(B, K)`.
        finished: Booleans of shape `(B, K)`.
        coverage: Tuple of one float32 tensor of shape `(B, K, S)`, the sum of the
            alignments so far; `()` without a coverage penalty.
        constraints: Tuple of the state of each constraint.
    """

    state: Any
    tokens: Any
    ids: Any
    path: Any
    log_probs: Any
    scores: Any
    lengths: Any
    finished: Any
    coverage: Any
    constraints: tuple


# `(parents, tokens, log_probs, scores)`, each of shape (B, K). Parents are the slots
# that the hypotheses come from; `None` if each stays in its own.
Selected: TypeAlias = tuple[Tensor | None, Tensor, Tensor, Tensor]
# Function `(predicted, slots, rules, position)`, of the outputs of the step function.
Select: TypeAlias = Callable[[Tensor, Slots, Rules, Tensor], Selected]


def prefix_of(slots: Slots, rules: Rules, position: Tensor) -> Prefix:
    """The hypotheses in the slots, as constraints see them.

    Args:
        slots: The `Slots`.
        rules: The `Rules`.
        position: Scalar, the number of tokens so far.
    """
    limit = ops.expand_dims(rules.max_length, 1)
    return Prefix(slots.ids, position, limit, rules.eos_id)


def score(log_probs: Tensor, slots: Slots, rules: Rules) -> Tensor:
    """The scores by which hypotheses are ranked (Wu et al. 2016, eq. 14).

    Args:
        log_probs: Log-probabilities of the hypotheses' continuations, `(B, K, C)`.
        slots: The hypotheses, whose lengths and coverage already count this step.
        rules: The `Rules`.

    Returns:
        Scores of shape `(B, K, C)`.
    """
    scores = log_probs / length_penalty(slots.lengths, rules)[..., None]
    if not rules.coverage_penalty:
        return scores
    (coverage,) = slots.coverage  # (B, K, S)
    logarithms = ops.log(ops.clip(coverage, LEAST_COVERAGE, 1.0))
    if rules.source_mask is not None:
        logarithms = ops.where(rules.source_mask[:, None], logarithms, 0.0)
    penalty = rules.coverage_penalty * ops.sum(logarithms, axis=-1)  # (B, K)
    return scores + penalty[..., None]


def length_penalty(lengths: Tensor, rules: Rules) -> Tensor:
    """The divisor of the log-probability of hypotheses.

    That of Wu et al. (eq. 14), or by `length_normalization="mean"` the number of tokens
    to the power of the same exponent.

    Args:
        lengths: int32, the numbers of tokens.
        rules: The `Rules`.

    Returns:
        float32 of the shape of `lengths`.
    """
    lengths = ops.cast(lengths, "float32")
    if rules.length_normalization == "mean":
        # A limit below 1 counts as 1.
        return ops.maximum(lengths, 1.0) ** rules.length_penalty
    return ((5.0 + lengths) / 6.0) ** rules.length_penalty
