"""Hypotheses while a search is under way, and their scores.

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
    """The settings of a search."""

    max_length: Tensor  # (B,) or (1,)
    buffer_length: int | Tensor
    eos_id: int
    bos_id: int
    highest_id: int  # of all that the arguments name
    constraints: tuple[Constraint, ...] = ()
    length_penalty: float = 0.0
    length_normalization: str = "wu"
    coverage_penalty: float = 0.0
    source_mask: Any = None  # (B, S), or None: all is source
    num_groups: int = 1  # of slots; those of several are in no order
    diversity: float = 0.0  # of groups
    until_end: bool = False  # of all hypotheses, whatever their scores are
    gives_logits: bool = False  # whether log-probabilities are still to be made
    columns: Columns | None = None  # that these are of, or `None`: of all tokens


class Slots(NamedTuple):
    """The hypotheses so far; every leaf has shape `(B, K, ...)`."""

    state: Any
    tokens: Any  # (B, K), the last ones
    ids: Any  # (B, K, L)
    path: Any  # ((B, K, L),), the slot in which each token was predicted, or ()
    log_probs: Any  # (B, K)
    scores: Any  # (B, K)
    lengths: Any  # (B, K)
    finished: Any  # (B, K)
    coverage: Any  # ((B, K, S),), or () if nothing asks for it
    constraints: tuple  # a state of each constraint


# Parents, or `None` where every hypothesis stays in its slot; tokens, log-probabilities
# and scores. Each of shape (B, K).
Selected: TypeAlias = tuple[Tensor | None, Tensor, Tensor, Tensor]
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
