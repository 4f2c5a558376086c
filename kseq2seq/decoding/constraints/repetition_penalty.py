"""Tokens lose probability once they have been written."""

from typing import Any

from keras import ops

from kseq2seq.decoding.constraints.base import Constraint, Prefix
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
        batch, width, vocabulary = ops.shape(log_probs)
        count = ops.shape(prefix.ids)[2]
        rows = ops.arange(batch * width, dtype="int32") * vocabulary
        # A position without a token yet stands for that of the first token: written
        # twice, it is the same.
        written = ops.arange(count, dtype="int32") < prefix.position
        ids = ops.where(written, prefix.ids, prefix.ids[..., :1])
        places = ops.reshape(ids, (batch * width, count)) + rows[:, None]
        places = ops.reshape(places, (batch * width * count,))
        flat = ops.reshape(log_probs, (batch * width * vocabulary,))
        # Before the first token nothing is penalised.
        penalty = ops.where(prefix.position > 0, self.penalty, 1.0)
        penalised = ops.take(flat, places, axis=0) * ops.cast(penalty, flat.dtype)
        flat = ops.scatter_update(flat, places[:, None], penalised)
        return ops.reshape(flat, (batch, width, vocabulary))
