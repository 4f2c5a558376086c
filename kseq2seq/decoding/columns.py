"""Steps that give log-probabilities of a part of the vocabulary alone."""

from typing import NamedTuple

import numpy as np
from keras import ops

from kseq2seq.utils import Tensor


class Columns(NamedTuple):
    """The ids of the tokens whose log-probabilities a step returns.

    Attributes:
        ids: int32 of shape `(columns,)`, the id of each column, each once, in ascending
            order. The number of columns need not be known statically.
        vocabulary_size: Integer, the number of all ids.

    Example: log-probabilities of 3, which ends a hypothesis, and of 5.

    >>> from kseq2seq.decoding import Step, greedy_search
    >>> def function(tokens, state, memory):
    ...     log_probs = ops.log([0.4, 0.6])
    ...     return log_probs + ops.zeros((*tokens.shape, 2)), state, {}
    >>> columns = Columns(ops.convert_to_tensor([3, 5]), vocabulary_size=7)
    >>> step = Step(function, columns=columns)
    >>> greedy_search(step, ops.zeros((1, 1)), max_length=2).ids.numpy().tolist()
    [[[5, 5]]]
    """

    ids: Tensor
    vocabulary_size: int


def spread(log_probs: Tensor, columns: Columns) -> Tensor:
    """Log-probabilities of the whole vocabulary, -inf for ids that have no column.

    Args:
        log_probs: Tensor of shape `(batch, beam, columns)`.
        columns: The `Columns`.

    Returns:
        Tensor of shape `(batch, beam, vocabulary)`.

    Example:

    >>> columns = Columns(ops.convert_to_tensor([1, 3]), vocabulary_size=4)
    >>> log_probs = spread(ops.convert_to_tensor([[[-0.5, -2.0]]]), columns)
    >>> ops.convert_to_numpy(log_probs).tolist()
    [[[-inf, -0.5, -inf, -2.0]]]
    """
    count = ops.shape(log_probs)[-1]
    # Where the ids stand among the columns; behind the last one where they do not.
    places = ops.full((columns.vocabulary_size,), count, dtype="int32")
    numbers = ops.arange(count, dtype="int32")
    places = ops.scatter_update(places, columns.ids[:, None], numbers)
    log_probs = ops.pad(log_probs, ((0, 0), (0, 0), (0, 1)), constant_values=-np.inf)
    return ops.take(log_probs, places, axis=-1)
