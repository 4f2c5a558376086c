"""WAV files to samples, in the graph."""

import tensorflow as tf

from kseq2seq.utils import Tensor


def read_wav(contents: Tensor, sample_rate: int) -> tuple[Tensor, Tensor]:
    """The samples of WAV files, those of the first channel.

    Args:
        contents: String tensor of shape `(batch,)`: the bytes of files of 16-bit PCM.
        sample_rate: Samples in a second that they must have.

    Returns:
        A tuple `(samples, mask)`: float32 of shape `(batch, num_samples)`, from -1 to
        1, and booleans of that shape, `False` at padding.

    Raises:
        tf.errors.InvalidArgumentError: If a string is no such file, or one of another
            sample rate.

    Example:

    >>> second = tf.audio.encode_wav(tf.zeros((8000, 1)), 8000)
    >>> samples, mask = read_wav(tf.stack([second]), 8000)
    >>> samples.shape.as_list(), bool(tf.reduce_all(mask))
    ([1, 8000], True)
    """

    def samples_of(content):
        samples, rate = tf.audio.decode_wav(content, desired_channels=1)
        tf.debugging.assert_equal(
            rate,
            sample_rate,
            f"`audio` must have {sample_rate} samples a second.",
        )
        return samples[:, 0]

    ragged = tf.map_fn(
        samples_of,
        contents,
        fn_output_signature=tf.RaggedTensorSpec([None], tf.float32, ragged_rank=0),
    )
    samples = ragged.to_tensor()
    return samples, tf.sequence_mask(ragged.row_lengths(), tf.shape(samples)[1])
