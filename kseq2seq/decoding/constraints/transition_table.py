"""Outputs of an automaton over tokens."""

from typing import Any

import numpy as np
from keras import ops

from kseq2seq.decoding.constraints.base import Constraint, Prefix
from kseq2seq.utils import EOS_ID, Tensor, check_integer

# More tokens than any output has.
NEVER = 2**30


class TransitionTable(Constraint):
    """Allows tokens by which an automaton goes on and can still end in time.

    Args:
        table: Integer array of shape `(states, vocabulary)`: the state after each
            token, negative where the token may not come. In the column of EOS any state
            from 0 on tells that a hypothesis may end.
        start: The state before the first token.
        eos_id: Id that ends a hypothesis.

    Attributes:
        least_room: Tokens of the shortest hypothesis, EOS included.

    Raises:
        ValueError: If `table` is no such array, or there is no hypothesis.

    Example: any number of pairs of 4 and 5.

    >>> from kseq2seq.decoding import greedy_search
    >>> table = np.full((2, 6), -1)
    >>> table[0, 4], table[1, 5], table[0, 3] = 1, 0, 0
    >>> def step(tokens, state):
    ...     log_probs = ops.log([0.0, 0.0, 0.0, 0.1, 0.5, 0.4])
    ...     return log_probs + ops.zeros((*tokens.shape, 6)), state, {}
    >>> hypotheses = greedy_search(
    ...     step, ops.zeros((1, 1)), max_length=6, constraints=[TransitionTable(table)])
    >>> hypotheses.ids.numpy().tolist()
    [[[4, 5, 4, 5, 3, 0]]]
    """

    def __init__(self, table: np.ndarray, start: int = 0, eos_id: int = EOS_ID) -> None:
        table = np.asarray(table)
        if table.ndim != 2 or not np.issubdtype(table.dtype, np.integer):
            raise ValueError(
                "`table` must be an array of integers of shape (states, vocabulary). "
                f"Received: an array of {table.dtype} of shape {table.shape}"
            )
        self._start = check_integer("start", start, 0, len(table) - 1)
        check_integer("eos_id", eos_id, 0, table.shape[1] - 1)
        remaining = _remaining(table, eos_id)
        if remaining[start] == NEVER:
            raise ValueError(
                "`table` must have a way from its start to EOS: no output fits the "
                "pattern with the tokens that there are. Received: a table without"
            )
        self.least_room = int(remaining[start])
        # How many tokens the shortest hypothesis has that goes on by each token.
        needed = np.where(table < 0, NEVER, 1 + remaining[np.maximum(table, 0)])
        needed[:, eos_id] = np.where(table[:, eos_id] < 0, NEVER, 1)
        self._needed = np.minimum(needed, NEVER).astype("int32")
        self._table = np.maximum(table, 0).astype("int32")

    def initial_state(self, batch_size: int | Tensor) -> Tensor:
        """The number of the state, `(batch,)`."""
        return ops.full((batch_size,), self._start, dtype="int32")

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Tensor) -> Tensor:
        """See `Constraint.allowed`."""
        needed = ops.take(ops.convert_to_tensor(self._needed), state, axis=0)
        room = prefix.max_length - prefix.position  # (B, 1) or (1, 1)
        return needed <= room[..., None]

    def next_state(self, tokens: Tensor, state: Tensor) -> Tensor:
        """See `Constraint.next_state`."""
        places = state * self._table.shape[1] + tokens
        return ops.take(ops.convert_to_tensor(self._table.reshape(-1)), places, axis=0)


def _remaining(table: np.ndarray, eos_id: int) -> Any:
    """The fewest tokens from each state to the end, EOS included; `NEVER` if none."""
    remaining = np.where(table[:, eos_id] >= 0, 1, NEVER)
    others = np.delete(table, eos_id, axis=1)
    for count in range(2, len(table) + 2):
        ends = remaining < NEVER
        steps = np.logical_and(others >= 0, ends[np.maximum(others, 0)])
        reached = np.logical_and(~ends, steps.any(axis=1))
        if not reached.any():
            break
        remaining[reached] = count
    return remaining
