"""The vocabulary's projection and its loss together, at real positions alone.

Half of the work of a small translator is the product of the last features with a
matrix that has a column for each token. A layer that makes this product leaves with
its logits what they were made of, and a loss that finds it (`find`) computes what it
needs at the real positions alone, from one product and one pass over the logits, whose
gradient is known in closed form. The logits of all positions, which nobody then asks
for, are left out of the graph by TensorFlow and by XLA.

This is TensorFlow's; on the other backends nothing is left, and losses take the logits.

Glossary of shapes, used in the comments below: B batch size, T target length, D
features, V vocabulary, N real positions.
"""

from typing import Any, NamedTuple

import keras
from keras import ops

from kseq2seq.utils import PAD_ID, custom_gradient

_ATTRIBUTE = "_kseq2seq_projection"


class Projection(NamedTuple):
    """What logits were made of."""

    features: Any  # (B, T, D)
    kernel: Any  # (D, V), or (V, D) if transposed
    bias: Any  # (V,), or None
    transposed: bool
    found: dict  # what was computed already, by identity of labels and graph


class Real(NamedTuple):
    """The N real positions."""

    places: Any  # (N, 2), in (B, T)
    labels: Any  # (N,)
    features: Any  # (N, D)


class Scores(NamedTuple):
    """What a loss and metrics ask for, at N real positions."""

    real: Any  # Real
    logits: Any  # (N, V), float32, without a gradient
    crossentropy: Any  # (N,), float32, likewise
    loss: Any  # (N,), the cross-entropy with label smoothing


class _Found(NamedTuple):
    """Scores, and what they were asked for with."""

    labels: Any
    graph: Any
    scores: Scores


def leave(logits, features, kernel, bias=None, transposed=False):
    """Leaves with logits what they were made of, and returns them."""
    if keras.backend.backend() == "tensorflow":
        # Weights as they are now, since metrics may come behind the optimizer's step;
        # nor must a gradient laid out by hand see variables.
        kernel = ops.copy(kernel)
        bias = None if bias is None else ops.copy(bias)
        made_of = Projection(features, kernel, bias, transposed, {})
        setattr(logits, _ATTRIBUTE, made_of)
    return logits


def find(logits):
    """The `Projection` that logits were made by, or `None` if that is not known."""
    if getattr(logits, "_keras_mask", None) is not None:
        return None  # Keras's own losses heed the mask, which is not the labels'
    return getattr(logits, _ATTRIBUTE, None)


def hand_on(logits, new_logits):
    """Leaves with `new_logits` what `logits` were made of, and returns them."""
    found = find(logits)
    if found is not None:
        setattr(new_logits, _ATTRIBUTE, found)
    return new_logits


def real_positions(projection, labels):
    """The `Real` positions of labels of shape `(batch, length)`, 0 at padding."""
    import tensorflow as tf

    tf.debugging.assert_equal(
        tf.shape(labels),
        tf.shape(projection.features)[:2],
        "Labels must be of the logits' batch and length.",
    )
    ids = tf.cast(labels, tf.int32)
    places = tf.where(tf.not_equal(ids, PAD_ID))
    features = tf.gather_nd(projection.features, places)
    return Real(places, tf.gather_nd(ids, places), features)


def scores(projection, labels, label_smoothing=None):
    """What is to be known of the labels at the real positions.

    Args:
        projection: A `Projection`.
        labels: Integer tensor of shape `(batch, length)`, 0 (`PAD_ID`) at padding; no
            array, which could change and be the same.
        label_smoothing: Share of the target spread over the vocabulary in `loss`;
            `None` where that is not asked for.

    Returns:
        `Scores`; where no loss is asked for those that were found before for the same
        tensor of labels, so that metrics cost next to nothing beside a loss.
    """
    import tensorflow as tf

    # What a branch or a loop of a graph has found is not known outside of it.
    graph = None if tf.executing_eagerly() else tf.compat.v1.get_default_graph()
    key = id(labels), id(graph)
    # A loss is made anew: the one before may have had no tape to record it.
    if label_smoothing is None and key in projection.found:
        return projection.found[key].scores
    real = real_positions(projection, labels)
    weights = [projection.kernel]
    if projection.bias is not None:
        weights.append(projection.bias)
    weights = [tf.cast(x, real.features.dtype) for x in weights]
    run = _crossentropy(real.labels, projection.transposed, label_smoothing or 0.0)
    logits, crossentropy, loss = run(real.features, *weights)
    found = Scores(real, tf.stop_gradient(logits), tf.stop_gradient(crossentropy), loss)
    # With both, whose identity is theirs only while they live.
    projection.found[key] = _Found(labels, graph, found)
    return found


def correct(scores):
    """Whether no logit is above the label's: (N,), float32."""
    import tensorflow as tf

    of_labels = tf.gather(scores.logits, scores.real.labels, batch_dims=1)
    highest = tf.reduce_max(scores.logits, axis=1)
    return tf.cast(of_labels >= highest, tf.float32)


def spread(values, real, labels):
    """Values of the real positions, (N,), at their places: (B, T), 0 at padding."""
    import tensorflow as tf

    return tf.scatter_nd(real.places, values, tf.shape(labels, out_type=tf.int64))


def _crossentropy(labels, transposed, smoothing):
    """Function from features and weights to logits, cross-entropy and loss."""
    import tensorflow as tf

    @custom_gradient
    def run(features, kernel, bias=None):
        logits = tf.matmul(features, kernel, transpose_b=transposed)
        logits = logits if bias is None else logits + bias
        logits = tf.cast(logits, tf.float32)
        probabilities = tf.nn.softmax(logits)
        # Several times as fast as TensorFlow's own cross-entropy: the logarithm of
        # the normaliser from where the probability is largest, and never near 0.
        highest = tf.reduce_max(logits, axis=1)
        normaliser = highest - tf.math.log(tf.reduce_max(probabilities, axis=1))
        of_labels = tf.gather(logits, labels, batch_dims=1)
        crossentropy = normaliser - of_labels
        loss = crossentropy
        if smoothing:
            uniform = of_labels - tf.reduce_mean(logits, axis=1)
            loss = crossentropy + smoothing * uniform

        def gradient(_logits, _crossentropy, dloss):
            # Of each logit: its probability less what the label or smoothing asks.
            place = tf.stack([tf.range(tf.size(labels)), labels], axis=1)  # (N, 2)
            here = tf.fill(tf.shape(labels), smoothing - 1.0)
            slope = probabilities
            if smoothing:
                slope = slope - smoothing / tf.cast(tf.shape(logits)[1], tf.float32)
            slope = tf.tensor_scatter_nd_add(slope, place, here)
            slope = tf.cast(slope, features.dtype)
            # The loss's own gradient goes where it has fewest numbers to multiply.
            dloss = tf.cast(dloss, features.dtype)[:, None]
            dfeatures = dloss * tf.matmul(slope, kernel, transpose_b=not transposed)
            weighted = dloss * features
            if transposed:
                dkernel = tf.matmul(slope, weighted, transpose_a=True)
            else:
                dkernel = tf.matmul(weighted, slope, transpose_a=True)
            if bias is None:
                return dfeatures, dkernel
            dbias = tf.matmul(dloss, slope, transpose_a=True)[0]
            return dfeatures, dkernel, dbias

        return (logits, crossentropy, loss), gradient

    return run
