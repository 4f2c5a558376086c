"""A cross-entropy for large vocabularies, which looks at a sample of them."""

import math

import keras

from kseq2seq.losses import crossentropy
from kseq2seq.losses.vocabulary_logits import VocabularyLogits, spread


@keras.saving.register_keras_serializable(package="kseq2seq")
class SampledCrossentropy(keras.losses.Loss):
    """Mean cross-entropy per real token, its normaliser estimated from a sample.

    Half of the time of training goes into the product with the vocabulary's matrix,
    and more where there are 30,000 tokens or more. This loss makes it with the labels
    and a sample of the others, drawn anew for each batch. For a label `y` with logits
    `z` and `n` draws `k` of probability `q(k)`:

        loss = log(exp(z[y]) + sum over k != y of exp(z[k]) / (n * q(k))) - z[y]

    whose sum has the right mean: with more draws it comes nearer to
    `MaskedCrossentropy`. Draws are log-uniform: `q(k)` is `log((k + 2) / (k + 1)) /
    log(size + 1)`, so the ids should go from frequent tokens to rare ones, as those of
    SentencePiece do.

    It is for training with TensorFlow. `evaluate` samples as well, so judge a model by
    its translations or by the metric `Perplexity`; a metric of the logits in `fit`
    would make the whole product again.

    Args:
        num_sampled: Number of draws, some hundreds to thousands.
        seed: Integer seed of the draws, which also depend on TensorFlow's global one.
        name: Name of the loss.

    Call arguments:
        y_true: Integer labels of shape `(batch, length)`, 0 (`PAD_ID`) at padding.
        y_pred: `VocabularyLogits` of shape `(batch, length, vocabulary)`, which a model
            of `build_model` hands over in `fit` and `evaluate`.
        sample_weight: Weights of shape `(batch,)`, per sentence, or
            `(batch, length)`, per token. Defaults to 1.

    Returns:
        A float32 scalar, in nats per token.

    Raises:
        ValueError: If `num_sampled` is not a positive integer, or if `y_pred` are plain
            logits.

    Example:

    >>> from kseq2seq.layers import VocabularyProjection
    >>> layer, features = VocabularyProjection(1000), keras.ops.ones((1, 2, 8))
    >>> logits = VocabularyLogits(layer(features), features, layer.product())
    >>> loss = SampledCrossentropy(num_sampled=200)([[4, 0]], logits)
    >>> tuple(loss.shape)
    ()

    Reference:
        [Bengio & Senecal, 2003](https://proceedings.mlr.press/r4/bengio03a.html);
        [Jean et al., 2015](https://arxiv.org/abs/1412.2007), section 3.
    """

    def __init__(self, num_sampled, seed=None, name="sampled_crossentropy"):
        super().__init__(
            name=name, reduction="mean_with_sample_weight", dtype="float32"
        )
        whole = isinstance(num_sampled, int) and not isinstance(num_sampled, bool)
        if not whole or num_sampled < 1:
            raise ValueError(
                "`num_sampled` must be a positive integer. "
                f"Received: num_sampled={num_sampled!r}"
            )
        self.num_sampled = num_sampled
        self.seed = seed

    def __call__(self, y_true, y_pred, sample_weight=None):
        if not isinstance(y_pred, VocabularyLogits):
            raise ValueError(
                "SampledCrossentropy needs the `VocabularyLogits` that a model of "
                "`build_model` makes in `fit`, with TensorFlow as backend; use "
                "MaskedCrossentropy with others. Make a `keras.Model` of an older file "
                "such a model by `kseq2seq.models.Seq2SeqModel(model.input, "
                f"model.output)`. Received: y_pred={y_pred!r:.80}"
            )
        y_true = keras.ops.convert_to_tensor(y_true)
        crossentropy.check_shapes(y_true, y_pred)
        weights = crossentropy.token_weights(y_true, sample_weight)
        loss = _sampled(y_pred, y_true, self.num_sampled, self.seed)
        return crossentropy.mean_of(loss, y_true, weights)

    def get_config(self):
        return {
            "num_sampled": self.num_sampled,
            "seed": self.seed,
            "name": self.name,
        }


def _sampled(logits, labels, num_sampled, seed):
    """The loss of each position, of shape `(batch, length)`, 0 at padding."""
    import tensorflow as tf

    real = logits.real_positions(labels)
    axis = 0 if logits.transposed else 1
    vocabulary = logits.kernel.shape[axis]
    uniform = tf.random.uniform((num_sampled,), seed=seed)
    drawn = tf.cast(tf.exp(uniform * math.log(vocabulary + 1)) - 1.0, tf.int32)
    drawn = tf.clip_by_value(drawn, 0, vocabulary - 1)  # (n,)
    place = tf.cast(drawn, tf.float32)
    probability = tf.math.log((place + 2.0) / (place + 1.0)) / math.log(vocabulary + 1)

    # At once, since the gradient of each costs a matrix.
    ids = tf.concat([drawn, real.labels], axis=0)
    rows = tf.gather(logits.kernel, ids, axis=axis)
    rows = tf.cast(rows if logits.transposed else tf.transpose(rows), tf.float32)
    features = tf.cast(real.features, tf.float32)
    of_labels = tf.reduce_sum(features * rows[num_sampled:], axis=1)  # (N,)
    of_drawn = tf.matmul(features, rows[:num_sampled], transpose_b=True)  # (N, n)
    if logits.bias is not None:
        bias = tf.cast(tf.gather(logits.bias, ids), tf.float32)
        of_labels += bias[num_sampled:]
        of_drawn += bias[:num_sampled]
    of_drawn -= tf.math.log(num_sampled * probability)
    is_label = tf.equal(drawn, real.labels[:, None])
    of_drawn = tf.where(is_label, of_drawn.dtype.min, of_drawn)
    both = tf.concat([of_labels[:, None], of_drawn], axis=1)
    loss = tf.reduce_logsumexp(both, axis=1) - of_labels
    return spread(loss, real, labels)
