"""Batches of padded ids, cut from ragged ones.

Shapes in the comments: B rows of a batch, S and T the lengths that its sources and
targets are padded to.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kseq2seq.data.link_targets import attention_to_learn
from kseq2seq.utils import BOS_ID, PAD_ID

if TYPE_CHECKING:
    import tensorflow as tf


def element_function(
    sources: Any, targets: Any, links: Any = None
) -> Callable[..., Any]:
    """A function from a plan's elements to batches of ragged ids.

    Args:
        sources: Ragged ids.
        targets: Likewise.
        links: Links of their pieces, as `piece_links` gives them, or `None`.
    """
    import tensorflow as tf

    def element(indices, source_length, target_length):
        labels = pad_rows(targets, indices, target_length)  # (B, T)
        source = pad_rows(sources, indices, source_length)  # (B, S)
        inputs = {"source": source, "target": shift_right(labels)}
        if links is not None:
            own = tf.gather(links, indices)
            inputs["links"] = attention_to_learn(own, source_length, target_length)
        return inputs, labels

    return element


def pad_rows(ids: Any, indices: Any, length: Any) -> "tf.Tensor":
    """Rows of ragged ids, padded to a length.

    Args:
        ids: Ragged ids.
        indices: int64 tensor of shape `(batch,)`: the rows.
        length: Integer scalar.

    Returns:
        int32 tensor of shape `(batch, length)`.
    """
    import tensorflow as tf

    shape = tf.stack([-1, length])
    return tf.gather(ids, indices).to_tensor(PAD_ID, shape=shape)


def shift_right(labels: Any) -> "tf.Tensor":
    """The inputs of a decoder: BOS, and the labels but the last.

    Args:
        labels: int32 tensor of shape `(batch, length)`, with PAD behind EOS.

    Returns:
        Tensor of the same shape and dtype.

    Example:

    >>> import tensorflow as tf
    >>> shift_right(tf.constant([[4, 5, 3], [4, 3, 0]])).numpy().tolist()
    [[2, 4, 5], [2, 4, 0]]
    """
    import tensorflow as tf

    shifted = tf.pad(labels[:, :-1], [[0, 0], [1, 0]], constant_values=BOS_ID)
    # Where the label is padding, `shifted` may still hold EOS.
    return tf.where(labels == PAD_ID, PAD_ID, shifted)
