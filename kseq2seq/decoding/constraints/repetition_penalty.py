"""Tokens lose probability once they have been written."""

from typing import Any

from keras import ops

from kseq2seq.decoding.constraints.base import Constraint, Prefix
from kseq2seq.decoding.constraints.marks import mark_tokens
from kseq2seq.utils import Tensor, check_number


class RepetitionPenalty(Constraint):
    """Multiplies the log-probability of each token that a hypothesis has already.

    All tokens stay allowed. Scores and log-probabilities of hypotheses are those with
    the penalty.

    Args:
        penalty: Number of at least 1; 1 changes nothing.

    Raises:
        ValueError: If `penalty` is no such number.

    Example:

    >>> from keras import ops
    >>> from kseq2seq.decoding import greedy_search
    >>> def step(tokens, state):
    ...     log_probs = ops.log([0.0, 0.0, 0.0, 0.1, 0.5, 0.4])
    ...     return log_probs + ops.zeros((*tokens.shape, 6)), state, {}
    >>> hypotheses = greedy_search(
    ...     step, ops.zeros((1, 1)), max_length=4, constraints=[RepetitionPenalty(1.5)])
    >>> hypotheses.ids.numpy().tolist()
    [[[4, 5, 4, 4]]]

    Reference:
        [Keskar et al., 2019](https://arxiv.org/abs/1909.05858), section 4.1, who divide
        logits. Those have no zero of their own, so that here log-probabilities are
        multiplied, and the others stay as they are.
    """

    changes_scores = True

    def __init__(self, penalty: float) -> None:
        self.penalty = check_number("penalty", penalty, least=1)

    def adjusted(self, log_probs: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.adjusted`."""
        # Each token once: LiteRT adds up what is scattered to the same place.
        written = ops.arange(ops.shape(prefix.ids)[2], dtype="int32") < prefix.position
        written = ops.broadcast_to(written, ops.shape(prefix.ids))
        marks = mark_tokens(prefix.ids, written, log_probs.shape[2])
        return ops.where(marks, log_probs * self.penalty, log_probs)
