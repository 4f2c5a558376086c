"""No end before a number of tokens."""

from typing import Any

from keras import ops

from kseq2seq.decoding.constraints.base import Constraint, Prefix
from kseq2seq.utils import Tensor, check_integer, is_integer


class MinLength(Constraint):
    """Forbids EOS until a hypothesis has a number of tokens.

    Args:
        min_length: Fewest tokens of a hypothesis, EOS included: an integer, or an
            integer tensor of shape `(batch,)`.

    Raises:
        ValueError: If `min_length` is neither.

    Example:

    >>> from keras import ops
    >>> from kseq2seq.decoding import greedy_search
    >>> def step(tokens, state):  # EOS, which is 3
    ...     log_probs = ops.log([0.0, 0.0, 0.0, 0.9, 0.1])
    ...     return log_probs + ops.zeros((*tokens.shape, 5)), state, {}
    >>> hypotheses = greedy_search(
    ...     step, ops.zeros((1, 1)), max_length=5, constraints=[MinLength(3)])
    >>> hypotheses.ids.numpy().tolist()
    [[[4, 4, 3, 0, 0]]]
    """

    max_forbidden = 1

    def __init__(self, min_length: int | Tensor) -> None:
        if is_integer(min_length) or not hasattr(min_length, "dtype"):
            min_length = check_integer("min_length", min_length, least=0)
        self.min_length = ops.reshape(ops.cast(min_length, "int32"), (-1,))

    def initial_state(self, batch_size: int | Tensor) -> Tensor:
        """The minimum of each row, `(batch,)`."""
        return ops.broadcast_to(self.min_length, (batch_size,))

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.allowed`."""
        long_enough = prefix.position + 1 >= state  # (B, K)
        return ops.logical_or(
            long_enough[..., None], ops.not_equal(tokens, prefix.eos_id)
        )
