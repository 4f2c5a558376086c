"""No sequence of n tokens twice."""

from typing import Any

from keras import ops

from kseq2seq.decoding.constraints.base import Constraint, Prefix
from kseq2seq.decoding.constraints.marks import mark_tokens
from kseq2seq.utils import Tensor, check_integer


class NoRepeatedNgram(Constraint):
    """Forbids tokens that would repeat a sequence of `size` tokens.

    EOS counts as a token, which never repeats. With a size of 1 no token occurs twice.

    Args:
        size: Number of tokens, at least 1.

    Raises:
        ValueError: If `size` is no such integer.

    Example:

    >>> from keras import ops
    >>> from kseq2seq.decoding import greedy_search
    >>> def step(tokens, state):
    ...     log_probs = ops.log([0.0, 0.0, 0.0, 0.1, 0.5, 0.4])
    ...     return log_probs + ops.zeros((*tokens.shape, 6)), state, {}
    >>> hypotheses = greedy_search(
    ...     step, ops.zeros((1, 1)), max_length=9, constraints=[NoRepeatedNgram(2)])
    >>> hypotheses.ids.numpy().tolist()
    [[[4, 4, 5, 4, 3, 0, 0, 0, 0]]]

    Reference:
        [Paulus et al., 2018](https://arxiv.org/abs/1705.04304), section 2.5.
    """

    def __init__(self, size: int) -> None:
        self.size = check_integer("size", size, 1)

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.allowed`."""
        ids = prefix.ids  # (B, K, L)
        length = ids.shape[2] or ops.shape(ids)[2]
        places = ops.arange(length, dtype="int32")
        # The tokens that follow an earlier copy of the last `size - 1`.
        repeats = places < prefix.position  # (L,)
        for back in range(1, self.size):
            at = places == prefix.position - back
            last = ops.sum(ops.where(at, ids, 0), axis=2, keepdims=True)  # (B, K, 1)
            before = ops.pad(ids, ((0, 0), (0, 0), (back, 0)))[..., :length]
            same = ops.logical_and(ops.equal(before, last), places >= back)
            repeats = ops.logical_and(repeats, same)
        repeats = ops.broadcast_to(repeats, ops.shape(ids))
        return ops.logical_not(mark_tokens(ids, repeats, tokens.shape[2]))
