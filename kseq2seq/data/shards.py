"""Parts of batches, of which each process of a training has one."""

from typing import TYPE_CHECKING, Any

from kseq2seq.utils import PAD_ID, check_integer

if TYPE_CHECKING:
    import tensorflow as tf


def check_shard(shard: Any) -> tuple[int, int]:
    """Checks which part of several a process or a worker has.

    Args:
        shard: Index of the part, from 0, and number of parts.

    Returns:
        A tuple of both.

    Raises:
        ValueError: If it is no pair of such numbers.

    Example:

    >>> check_shard((1, 2))
    (1, 2)
    """
    if not isinstance(shard, (tuple, list)) or len(shard) != 2:
        raise ValueError(
            "`shard` must be a pair of the index of a part, from 0, and the number of "
            f"parts, such as (0, 2). Received: shard={shard!r}"
        )
    count = check_integer("shard[1]", shard[1], 1)
    return check_integer("shard[0]", shard[0], 0, count - 1), count


def shard_rows(
    batches: "tf.data.Dataset", shard: tuple[int, int], devices: int = 1
) -> "tf.data.Dataset":
    """Takes the rows of each batch that one of several processes trains on.

    Processes that train together need batches of the same shapes in each step. Where
    all of them make the same batches, by the same seed, and each takes its rows, the
    parts together are the batch, and padded alike. Rows of padding fill a batch up to
    equal parts: in losses and metrics they count nothing.

    Args:
        batches: Those that `batches`, `Stream.dataset` or `frame_batches` make, the
            same in all processes.
        shard: Index of this process, from 0, and number of processes.
        devices: Devices of each process, of which each has as many rows as the others.

    Returns:
        A dataset of elements of the same structure, with a part of the rows.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> import tensorflow as tf
    >>> batches = tf.data.Dataset.from_tensors([[4, 3], [5, 3], [6, 3]])
    >>> for index in range(2):
    ...     print(next(iter(shard_rows(batches, (index, 2)))).numpy().tolist())
    [[4, 3], [6, 3]]
    [[5, 3], [0, 0]]
    """
    import tensorflow as tf

    index, count = check_shard(shard)
    parts = count * check_integer("devices", devices, 1)

    def own_rows(rows):
        missing = -tf.shape(rows)[0] % parts
        ends = [[0, missing]] + [[0, 0]] * (rows.shape.rank - 1)
        return tf.pad(rows, ends, constant_values=PAD_ID)[index::count]

    def part(*element: Any) -> Any:
        # tf.data unpacks tuples alone.
        whole = element if len(element) != 1 else element[0]
        return tf.nest.map_structure(own_rows, whole)

    return batches.map(part)
