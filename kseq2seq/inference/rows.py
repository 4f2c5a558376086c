"""Functions of tensors that treat each row of a batch on its own."""

from collections.abc import Callable

import tensorflow as tf

from kseq2seq.decoding import Hypotheses
from kseq2seq.utils import EOS_ID, PAD_ID, Tensor


def check_rows(first: Tensor, name_of_first: str = "text", **others: Tensor) -> Tensor:
    """Refuses inputs of different numbers of rows; in the graph, too.

    Args:
        first: Tensor of shape `(batch,)`.
        name_of_first: Its name, for the error.
        **others: The other inputs by their names.

    Returns:
        `first`. In a graph what is made of it waits for the check, which else another
        error may come before.

    Raises:
        tf.errors.InvalidArgumentError: If one of them has another number of rows.

    Example:

    >>> check_rows(tf.constant(["a", "b"]), seed=tf.constant([3, 4])).shape
    TensorShape([2])
    """
    checks = [
        tf.debugging.assert_equal(
            tf.shape(values)[0],
            tf.shape(first)[0],
            f"`{name}` must have as many rows as `{name_of_first}`.",
        )
        for name, values in others.items()
    ]
    # Eagerly they have run already, and are `None`.
    with tf.control_dependencies([check for check in checks if check is not None]):
        return tf.identity(first)


def blank_for_blank(hypotheses: Hypotheses, source: Tensor) -> Hypotheses:
    """The hypotheses, in which a blank source has the blank one and no other.

    Args:
        hypotheses: The `Hypotheses` of a search.
        source: Ids of shape `(batch, source_length)`.
    """
    blank = (source[:, 0] == EOS_ID)[:, None]  # (B, 1)
    first = tf.range(tf.shape(hypotheses.scores)[1]) == 0  # (N,)
    nothing = tf.where(first, 0.0, -float("inf"))
    lengths = tf.where(blank, tf.cast(first, "int32"), hypotheses.lengths)
    written = tf.range(tf.shape(hypotheses.ids)[2]) < lengths[..., None]  # (B, N, L)
    ids = tf.where(blank[..., None], EOS_ID, hypotheses.ids)
    alignments = hypotheses.alignments
    if alignments is not None:
        alignments = tf.where(written[..., None], alignments, 0.0)
    return Hypotheses(
        ids=tf.where(written, ids, PAD_ID),
        lengths=lengths,
        scores=tf.where(blank, nothing, hypotheses.scores),
        log_probs=tf.where(blank, nothing, hypotheses.log_probs),
        alignments=alignments,
    )


def best_score(hypotheses: Hypotheses) -> Tensor:
    """The score of each row's best hypothesis.

    Args:
        hypotheses: The `Hypotheses` of a search.

    Returns:
        float32 of shape `(batch,)`. Where there is no hypothesis it is the lowest
        number of float32, since JSON has no infinity.
    """
    return tf.maximum(hypotheses.scores[:, 0], tf.float32.min)


def nbest_rows(
    write: Callable[[Tensor], Tensor], hypotheses: Hypotheses, count: int | Tensor
) -> tuple[Tensor, Tensor]:
    """Texts and scores of hypotheses.

    Args:
        write: Function from ids of shape `(rows, length)` to texts, of shape `(rows,)`.
        hypotheses: The `Hypotheses` of a search.
        count: Number of them in each row.

    Returns:
        A tuple of strings and float32, of shape `(batch, count)`. A hypothesis that is
        not there has the lowest number of float32, since JSON has no infinity.
    """
    ids = hypotheses.ids
    texts = write(tf.reshape(ids, [-1, tf.shape(ids)[2]]))
    scores = tf.maximum(hypotheses.scores, tf.float32.min)
    return tf.reshape(texts, [-1, count]), tf.reshape(scores, [-1, count])


def score_rows(forced: Hypotheses) -> dict[str, Tensor]:
    """Log-probabilities and perplexities of given targets.

    Args:
        forced: The result of `kseq2seq.decoding.force`.

    Returns:
        Dict of `log_prob` and `perplexity`, float32, and `num_tokens`, int32, of shape
        `(batch,)`. Of what is impossible they are the lowest and the highest number of
        float32.
    """
    num_tokens = forced.lengths[:, 0]
    log_prob = tf.maximum(forced.log_probs[:, 0], tf.float32.min)
    count = tf.cast(tf.maximum(num_tokens, 1), "float32")
    return {
        "log_prob": log_prob,
        "num_tokens": num_tokens,
        "perplexity": tf.minimum(tf.exp(-log_prob / count), tf.float32.max),
    }


def longest(lengths: Tensor) -> Tensor:
    """The largest of integers of any shape, at least 1, a scalar."""
    return tf.reduce_max(tf.concat([tf.reshape(lengths, [-1]), [1]], axis=0))


def offsets(side: str, starts: Tensor, ends: Tensor) -> dict[str, Tensor]:
    """Offsets of the tokens of one side, by the names of the outputs."""
    return {f"{side}_starts": starts, f"{side}_ends": ends}


def finite(values: Tensor, otherwise: float) -> Tensor:
    """The values, and another one for each that is not finite."""
    return tf.where(tf.math.is_finite(values), values, otherwise)


def uniform_numbers(seeds: Tensor, length: int) -> Tensor:
    """Random numbers from 0 to 1, of which each row has its seed's own.

    Args:
        seeds: int64 of shape `(batch,)`.
        length: Count of numbers of each row.

    Returns:
        float32 of shape `(length, batch)`.

    Example:

    >>> numbers = uniform_numbers(tf.constant([3, 5, 3], "int64"), 7)
    >>> bool(tf.reduce_all(numbers[:, 0] == numbers[:, 2])), numbers.shape.as_list()
    (True, [7, 3])
    """

    def of_row(seed):
        return tf.random.stateless_uniform([length], tf.stack([seed, 0]))

    numbers = tf.map_fn(of_row, seeds, fn_output_signature=tf.float32)
    return tf.transpose(tf.reshape(numbers, [-1, length]))
