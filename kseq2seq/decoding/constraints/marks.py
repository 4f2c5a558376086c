"""Tokens of each hypothesis, as booleans over the vocabulary."""

from keras import ops

from kseq2seq.utils import Tensor


def mark_tokens(ids: Tensor, are_meant: Tensor, vocabulary: int) -> Tensor:
    """Marks the tokens that each hypothesis has in its list.

    Args:
        ids: int32 of shape `(batch, beam, count)`.
        are_meant: Booleans of this shape: which of them are marked.
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
    # All others fall into a column behind the vocabulary, which is cut off.
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
