"""Logits together with the features that they are made of.

Half of the work of a small translator is the product of the last features with a
matrix that has a column for each token. `kseq2seq.models.Seq2SeqModel` hands its losses
and metrics a `VocabularyLogits`. Those of this package compute at the real positions
alone, from one product and one pass over the logits, whose gradient is known in closed
form. All others take it for a tensor of logits; where none of them asks for the logits
of all positions, TensorFlow and XLA leave them out of the graph.

This is for TensorFlow; on the other backends losses and metrics get plain logits.

Glossary of shapes, used in the comments below: B batch size, T target length, D
features, V vocabulary, N real positions.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from keras import ops

from kseq2seq.layers import VocabularyProduct
from kseq2seq.utils import PAD_ID, Tensor, custom_gradient


class RealPositions(NamedTuple):
    """The N positions whose label is not padding.

    Attributes:
        places: Integer tensor of shape `(N, 2)`: row of the batch and time step.
        labels: Integer tensor of shape `(N,)`.
        features: Tensor of shape `(N, D)`.
    """

    places: Tensor
    labels: Tensor
    features: Tensor


class _Scores(NamedTuple):
    """Numbers for losses and metrics, at N real positions."""

    positions: RealPositions
    logits: Tensor  # (N, V), float32, without a gradient
    crossentropy: Tensor  # (N,), float32, likewise
    loss: Tensor  # (N,), the cross-entropy with label smoothing


class VocabularyLogits:
    """Logits that remember the features that they are the product of.

    It stands for `logits` wherever a tensor is expected: it converts to them, and its
    operators and attributes are theirs.

    Args:
        logits: Float tensor of shape `(batch, length, vocabulary)`.
        features: Float tensor of shape `(batch, length, size)`.
        product: The `VocabularyProduct` that makes logits of features.

    Raises:
        ValueError: If `features` are not of the logits' batch and length.

    Example:

    >>> from kseq2seq.layers import VocabularyProjection
    >>> layer, features = VocabularyProjection(7), keras.ops.ones((2, 3, 5))
    >>> logits = VocabularyLogits(layer(features), features, layer.product())
    >>> tuple(logits.shape), tuple(keras.ops.argmax(logits, axis=-1).shape)
    ((2, 3, 7), (2, 3))
    >>> labels = keras.ops.convert_to_tensor([[4, 1, 0], [6, 0, 0]])
    >>> tuple(logits.losses(labels).shape)
    (2, 3)
    """

    def __init__(
        self, logits: Tensor, features: Tensor, product: VocabularyProduct
    ) -> None:
        shape = (*tuple(logits.shape)[:-1], features.shape[-1])
        if len(shape) != 3 or tuple(features.shape) != shape:
            raise ValueError(
                "`features` must be of shape `(batch, length, size)` and `logits`, "
                "which are made of them, of shape `(batch, length, vocabulary)`. "
                f"Received: features.shape={tuple(features.shape)}, "
                f"logits.shape={tuple(logits.shape)}"
            )
        self.logits = logits
        self.features = features
        self.transposed = product.transposed
        self.kernel = ops.cast(product.kernel, features.dtype)
        self.bias = product.bias
        if product.bias is not None:
            self.bias = ops.cast(product.bias, features.dtype)
        # The last scores and the labels that they are of: a loss and the metrics
        # behind it share one product.
        self._last: tuple[Tensor, _Scores] | None = None

    def __tf_tensor__(self, dtype: Any = None, name: str | None = None) -> Tensor:
        """The plain logits; a protocol of TensorFlow's."""
        import tensorflow as tf

        logits = self.logits if dtype is None else tf.cast(self.logits, dtype)
        return tf.convert_to_tensor(logits, name=name)

    def __getattr__(self, name: str) -> Any:
        if name == "logits":  # ahead of the constructor there are none to ask
            raise AttributeError(name)
        return getattr(self.logits, name)

    def losses(self, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """The cross-entropy of each token with label smoothing.

        Args:
            labels: Integer tensor of shape `(batch, length)`, 0 (`PAD_ID`) at padding.
            label_smoothing: Share of the target spread over the vocabulary.

        Returns:
            A float32 tensor of shape `(batch, length)`, in nats, 0 at padding; its
            gradient goes to the features and the weights, not to the logits.
        """
        # Made anew: the scores before may have had no tape to record them.
        scores = self._make_scores(labels, label_smoothing)
        return spread(scores.loss, scores.positions, labels)

    def crossentropies(self, labels: Tensor) -> Tensor:
        """The cross-entropy of each token, without a gradient.

        Args:
            labels: Integer tensor of shape `(batch, length)`, 0 (`PAD_ID`) at padding.

        Returns:
            A float32 tensor of shape `(batch, length)`, in nats, 0 at padding.
        """
        scores = self._scores(labels)
        return spread(scores.crossentropy, scores.positions, labels)

    def correct(self, labels: Tensor) -> Tensor:
        """Whether no logit is above the label's.

        Args:
            labels: Integer tensor of shape `(batch, length)`, 0 (`PAD_ID`) at padding.

        Returns:
            A float32 tensor of shape `(batch, length)` of 1 and 0, 0 at padding.
        """
        import tensorflow as tf

        scores = self._scores(labels)
        of_labels = tf.gather(scores.logits, scores.positions.labels, batch_dims=1)
        highest = tf.reduce_max(scores.logits, axis=1)
        correct = tf.cast(of_labels >= highest, tf.float32)
        return spread(correct, scores.positions, labels)

    def real_positions(self, labels: Tensor) -> RealPositions:
        """The positions whose label is not padding.

        Args:
            labels: Integer tensor of shape `(batch, length)`, 0 (`PAD_ID`) at padding.

        Returns:
            A `RealPositions`.
        """
        import tensorflow as tf

        tf.debugging.assert_equal(
            tf.shape(labels),
            tf.shape(self.features)[:2],
            "Labels must be of the logits' batch and length.",
        )
        ids = tf.cast(labels, tf.int32)
        places = tf.where(tf.not_equal(ids, PAD_ID))
        features = tf.gather_nd(self.features, places)
        return RealPositions(places, tf.gather_nd(ids, places), features)

    def _scores(self, labels):
        """Scores for a metric: the last ones, if they are of the same labels."""
        if self._last is not None and self._last[0] is labels:
            return self._last[1]
        return self._make_scores(labels)

    def _make_scores(self, labels, label_smoothing=0.0):
        import tensorflow as tf

        positions = self.real_positions(labels)
        weights = [self.kernel] if self.bias is None else [self.kernel, self.bias]
        run = _crossentropy(positions.labels, self.transposed, label_smoothing)
        logits, crossentropy, loss = run(positions.features, *weights)
        scores = _Scores(
            positions, tf.stop_gradient(logits), tf.stop_gradient(crossentropy), loss
        )
        # What is made in a branch or a loop of a graph is not known outside of it.
        if _graph_of(loss) is _graph_of(self.features):
            self._last = labels, scores
        return scores


def _operator(name):
    def method(self, *others):
        return getattr(self.logits, name)(*others)

    return method


# Python looks operators up on the class.
_OPERATORS = """
    abs neg add radd sub rsub mul rmul truediv rtruediv floordiv mod pow rpow matmul
    eq ne lt le gt ge getitem len array
"""
for _name in _OPERATORS.split():
    setattr(VocabularyLogits, f"__{_name}__", _operator(f"__{_name}__"))


def _graph_of(tensor):
    """The graph that a tensor is a part of; `None` for one that has its value."""
    return getattr(tensor, "graph", None)


def spread(values: Tensor, positions: RealPositions, labels: Tensor) -> Tensor:
    """Values of the real positions at their places in the batch.

    Args:
        values: Tensor of shape `(N,)`.
        positions: The `RealPositions`.
        labels: Tensor of shape `(batch, length)`.

    Returns:
        Tensor of shape `(batch, length)`, 0 at padding.
    """
    import tensorflow as tf

    shape = tf.shape(labels, out_type=tf.int64)
    return tf.scatter_nd(positions.places, values, shape)


def _crossentropy(
    labels: Tensor, transposed: bool, smoothing: float
) -> Callable[..., tuple[Tensor, Tensor, Tensor]]:
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
