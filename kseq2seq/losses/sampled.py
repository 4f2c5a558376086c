"""Sampled cross-entropy for large vocabularies."""

import math
from typing import Any, NamedTuple

import keras

from kseq2seq.losses import crossentropy
from kseq2seq.losses.vocabulary_logits import VocabularyLogits, spread
from kseq2seq.utils import PAD_ID, Tensor, check_integer


@keras.saving.register_keras_serializable(package="kseq2seq")
class SampledCrossentropy(keras.losses.Loss):
    """Mean cross-entropy per real token, its normaliser estimated from a sample.

    The product with the vocabulary's matrix takes half of the time of a training, and
    more with 30,000 tokens or more. This loss computes it for the labels and a sample
    of the other tokens, drawn anew for each batch. For a label `y` with logits
    `z` and `n` draws `k` of probability `q(k)`:

        loss = log(exp(z[y]) + sum over k != y of exp(z[k]) / (n * q(k))) - z[y]

    whose sum has the right mean: with more draws it comes nearer to
    `MaskedCrossentropy`. Draws are log-uniform: `q(k)` is `log((k + 2) / (k + 1)) /
    log(size + 1)`, so the ids should go from frequent tokens to rare ones, as those of
    SentencePiece do.

    It is for training with TensorFlow. `evaluate` samples as well, so judge a model by
    its translations or by the metric `Perplexity`. A metric of the logits in `fit`
    needs the whole product again.

    Args:
        num_sampled: Number of draws, some hundreds to thousands.
        seed: Integer seed of the draws, which also depend on TensorFlow's global seed.
        name: Name of the loss.

    Call arguments:
        y_true: Integer labels of shape `(batch, length)`, 0 (`PAD_ID`) at padding.
        y_pred: Logits of shape `(batch, length, vocabulary)`: `VocabularyLogits`, which
            a model of `build_model` hands over in `fit` and `evaluate`; plain logits
            give the same estimate, but all of them have been made for it.
        sample_weight: Weights of shape `(batch,)`, per sentence, or
            `(batch, length)`, per token. Defaults to 1.

    Returns:
        A float32 scalar, in nats per token.

    Raises:
        ValueError: If `num_sampled` is not a positive integer, if the shapes of labels
            and logits do not fit, or if the backend is not TensorFlow.

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

    def __init__(
        self,
        num_sampled: int,
        seed: int | None = None,
        name: str = "sampled_crossentropy",
    ) -> None:
        super().__init__(
            name=name, reduction="mean_with_sample_weight", dtype="float32"
        )
        self.num_sampled = check_integer("num_sampled", num_sampled, least=1)
        self.seed = check_integer("seed", seed, optional=True)

    def __call__(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> Tensor:
        if keras.backend.backend() != "tensorflow":
            raise ValueError(
                "SampledCrossentropy needs TensorFlow as backend; use "
                "MaskedCrossentropy with others. "
                f"Received: keras.backend.backend()={keras.backend.backend()!r}"
            )
        y_true = keras.ops.convert_to_tensor(y_true)
        crossentropy.check_shapes(y_true, y_pred)
        weights = crossentropy.token_weights(y_true, sample_weight)
        draws = _draw(self.num_sampled, y_pred.shape[-1], self.seed)
        if isinstance(y_pred, VocabularyLogits):
            losses = _losses_of_features(y_pred, y_true, draws)
        else:
            losses = _losses_of_logits(y_pred, y_true, draws)
        losses = crossentropy.nan_outside(losses, y_true, y_pred.shape[-1])
        return crossentropy.mean_of(losses, y_true, weights)

    def get_config(self) -> dict[str, Any]:
        return {
            "num_sampled": self.num_sampled,
            "seed": self.seed,
            "name": self.name,
        }


class _Draws(NamedTuple):
    """Ids that were drawn; n of them."""

    ids: Tensor  # (n,)
    log_counts: Tensor  # (n,), the logarithm of how often each is expected


def _draw(num_sampled, vocabulary_size, seed):
    import tensorflow as tf

    uniform = tf.random.uniform((num_sampled,), seed=seed)
    ids = tf.cast(tf.exp(uniform * math.log(vocabulary_size + 1)) - 1.0, tf.int32)
    ids = tf.clip_by_value(ids, 0, vocabulary_size - 1)
    place = tf.cast(ids, tf.float32)
    odds = tf.math.log((place + 2.0) / (place + 1.0))
    probability = odds / math.log(vocabulary_size + 1)
    return _Draws(ids, tf.math.log(num_sampled * probability))


def _losses_of_features(logits, labels, draws):
    """The loss of each position, of shape `(batch, length)`, 0 at padding."""
    import tensorflow as tf

    positions = logits.real_positions(labels)
    num_sampled = draws.ids.shape[0]
    axis = 0 if logits.transposed else 1
    # At once, since the gradient of each costs a matrix.
    ids = tf.concat([draws.ids, positions.labels], axis=0)
    rows = tf.gather(logits.kernel, ids, axis=axis)
    rows = tf.cast(rows if logits.transposed else tf.transpose(rows), tf.float32)
    features = tf.cast(positions.features, tf.float32)
    of_labels = tf.reduce_sum(features * rows[num_sampled:], axis=1)  # (N,)
    of_drawn = tf.matmul(features, rows[:num_sampled], transpose_b=True)  # (N, n)
    if logits.bias is not None:
        bias = tf.cast(tf.gather(logits.bias, ids), tf.float32)
        of_labels += bias[num_sampled:]
        of_drawn += bias[:num_sampled]
    losses = _losses(of_labels, of_drawn, positions.labels, draws)
    return spread(losses, positions, labels)


def _losses_of_logits(logits, labels, draws):
    """The same of plain logits."""
    import tensorflow as tf

    logits, labels = tf.cast(logits, tf.float32), tf.cast(labels, tf.int32)
    of_labels = tf.gather(logits, labels, batch_dims=2)  # (B, T)
    of_drawn = tf.gather(logits, draws.ids, axis=2)  # (B, T, n)
    losses = _losses(of_labels, of_drawn, labels, draws)
    # A weight of 0 would not silence an infinity.
    return tf.where(tf.equal(labels, PAD_ID), 0.0, losses)


def _losses(of_labels, of_drawn, labels, draws):
    """The formula, of logits of the labels, `(...)`, and the draws, `(..., n)`."""
    import tensorflow as tf

    of_drawn -= draws.log_counts
    is_label = tf.equal(draws.ids, labels[..., None])
    of_drawn = tf.where(is_label, of_drawn.dtype.min, of_drawn)
    both = tf.concat([of_labels[..., None], of_drawn], axis=-1)
    return tf.reduce_logsumexp(both, axis=-1) - of_labels
