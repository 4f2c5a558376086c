"""Tokens of lists, as marks in the vocabulary."""

import numpy as np
from keras import ops

from kseq2seq.utils import Tensor


def mark_tokens(ids: Tensor, are_meant: Tensor, vocabulary: int) -> Tensor:
    """Marks the tokens of a list of each hypothesis.

    Args:
        ids: int32 of shape `(batch, beam, count)`.
        are_meant: Booleans of this shape: which of them count.
        vocabulary: Vocabulary size.

    Returns:
        Booleans of shape `(batch, beam, vocabulary)`.

    Example:

    >>> marks = mark_tokens(
    ...     ops.convert_to_tensor([[[3, 1, 3]]]),
    ...     ops.convert_to_tensor([[[True, False, True]]]),
    ...     5,
    ... )
    >>> ops.convert_to_numpy(marks).tolist()
    [[[False, False, False, True, False]]]
    """
    batch, width, count = ops.shape(ids)
    # What does not count falls into a column behind the vocabulary.
    columns = ops.where(are_meant, ids, vocabulary)
    rows = ops.arange(batch * width, dtype="int32") * (vocabulary + 1)
    places = ops.reshape(columns, (batch * width, count)) + rows[:, None]
    places = ops.reshape(places, (batch * width * count, 1))
    marks = ops.zeros((batch * width * (vocabulary + 1),), "bool")
    marks = ops.scatter_update(
        marks, places, ops.ones((batch * width * count,), "bool")
    )
    marks = ops.reshape(marks, (batch, width, vocabulary + 1))
    return marks[..., :vocabulary]


def of_sequences(sequences: list[list[int]], fill: int) -> np.ndarray:
    """Sequences of ids as an int32 array, filled up on the left.

    Args:
        sequences: Lists of integers, at least one.
        fill: Integer that stands ahead of the shorter ones.

    Returns:
        int32 of shape `(count, longest)`.

    Example:

    >>> of_sequences([[5], [6, 7]], fill=-1).tolist()
    [[-1, 5], [6, 7]]
    """
    longest = max(map(len, sequences))
    rows = [[fill] * (longest - len(ids)) + list(ids) for ids in sequences]
    return np.array(rows, "int32")
