"""The model class of `build_model`, whose training step skips padding."""

import functools
from typing import Any, NamedTuple

import keras

from kseq2seq.layers import (
    Logits,
    VocabularyEmbedding,
    VocabularyProjection,
)
from kseq2seq.losses import VocabularyLogits, token_weights
from kseq2seq.models.training_checks import (
    check_arguments,
    check_can_compare,
    check_can_guide,
    check_can_sample,
    check_has_steps,
    check_takes_logits,
)
from kseq2seq.utils import PAD_ID


@keras.saving.register_keras_serializable(package="kseq2seq")
class Seq2SeqModel(keras.Model):
    """A functional model to logits that trains faster on TensorFlow.

    It is used like any `keras.Model`. In `fit` and `evaluate` on TensorFlow its losses
    and metrics get `kseq2seq.losses.VocabularyLogits` as `y_pred`. From these the
    losses and metrics of this package compute logits at the positions of tokens alone,
    not at padding. A call of the model and `predict` return plain logits, which losses
    and metrics get on other backends, too. The numbers are the same.

    Args:
        inputs: Inputs of the graph, as `keras.Model` takes them.
        outputs: Outputs of the graph. `VocabularyLogits` need the output of a layer
            `Logits` behind a `VocabularyProjection` or a `VocabularyEmbedding`, whose
            input is the output of the layer `output_dropout`.
        **kwargs: Passed to `keras.Model`.

    Attributes:
        scheduled_sampling: The `kseq2seq.models.ScheduledSampling` of `fit`, on
            TensorFlow; `None` for training with the true targets alone. Set it before
            `fit`; a file of the model does not hold it.
        guided_alignment: A `kseq2seq.models.GuidedAlignment`, likewise; `None` for
            attention that learns from the translations alone.
        consistency: A `kseq2seq.models.Consistency`, likewise; `None` for one pass of
            each batch.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> isinstance(model, Seq2SeqModel), isinstance(model, keras.Model)
    (True, True)
    """

    scheduled_sampling: Any = None
    guided_alignment: Any = None
    consistency: Any = None

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The model's outputs; see `keras.Model`.

        Args:
            inputs: Dict of tensors. Those that the model has no input for are left out:
                Keras alone would go by their number.
            training: Whether dropout is on.
            mask: Dict of masks, or `None`.

        Raises:
            ValueError: If sources or targets have no step, as far as that is known.
        """
        inputs = _by_name(self, inputs)
        check_has_steps(inputs)
        return super().call(
            inputs,
            training=training,
            mask=None if mask is None else _by_name(self, mask),
        )

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
        """The loss of a batch; see `keras.Model`.

        Raises:
            ValueError: If a loss takes logits for probabilities.
        """
        # Not in `compile`: Keras does not compile a loaded model of another `compile`.
        for loss in keras.tree.flatten(self.loss):
            check_takes_logits(loss)
        return super().compute_loss(*args, **kwargs)

    # Here and below, `wraps` gives editors and `inspect.signature` Keras's arguments.
    @functools.wraps(keras.Model.fit, assigned=())
    def fit(self, *args: Any, **kwargs: Any) -> Any:
        """Trains the model; see `keras.Model`.

        Args:
            *args: Passed to `keras.Model.fit`.
            **kwargs: Passed to `keras.Model.fit`.

        Raises:
            ValueError: If there is a `class_weight`, or there are texts instead of ids.
        """
        check_arguments(keras.Model.fit, self, args, kwargs)
        return super().fit(*args, **kwargs)

    @functools.wraps(keras.Model.evaluate, assigned=())
    def evaluate(self, *args: Any, **kwargs: Any) -> Any:
        """The loss and the metrics; see `keras.Model`.

        Args:
            *args: Passed to `keras.Model.evaluate`.
            **kwargs: Passed to `keras.Model.evaluate`.

        Raises:
            ValueError: If there are texts instead of ids.
        """
        check_arguments(keras.Model.evaluate, self, args, kwargs)
        return super().evaluate(*args, **kwargs)

    @functools.wraps(keras.Model.predict, assigned=())
    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """The logits; see `keras.Model`.

        Args:
            *args: Passed to `keras.Model.predict`.
            **kwargs: Passed to `keras.Model.predict`.

        Raises:
            ValueError: If there are texts instead of ids.
        """
        check_arguments(keras.Model.predict, self, args, kwargs)
        return super().predict(*args, **kwargs)

    @functools.wraps(keras.Model.train_on_batch, assigned=())
    def train_on_batch(self, *args: Any, **kwargs: Any) -> Any:
        """One step of training; see `keras.Model`.

        Args:
            *args: Passed to `keras.Model.train_on_batch`.
            **kwargs: Passed to `keras.Model.train_on_batch`.

        Raises:
            ValueError: If there is a `class_weight`, or there are texts instead of ids.
        """
        check_arguments(keras.Model.train_on_batch, self, args, kwargs)
        return super().train_on_batch(*args, **kwargs)

    def make_train_function(self, force: bool = False) -> Any:
        """The function by which `fit` trains; see `keras.Model`.

        Args:
            force: Whether to make it again.
        """
        if keras.backend.backend() == "tensorflow":
            _build_optimizer(self)
        return super().make_train_function(force)

    def train_step(self, *args: Any) -> Any:
        """One step of training; see `keras.Model`."""
        if self.scheduled_sampling is not None:
            check_can_sample(self)
        if self.guided_alignment is not None:
            check_can_guide(args[0])
        if self.consistency is not None:
            check_can_compare(self)
        if keras.backend.backend() != "tensorflow" or not self.trainable_weights:
            return super().train_step(*args)
        import tensorflow as tf

        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(*args)
        if self.scheduled_sampling is not None:
            mix = self.scheduled_sampling.mixed_target
            # Keras takes no arrays, as there are in eager steps, beside a tensor.
            x = {name: tf.convert_to_tensor(value) for name, value in x.items()}
            x["target"] = mix(self, x, _num_batches(self.optimizer))
        if self.consistency is not None:
            # Behind the predictions, which both passes read.
            x, y, sample_weight = self.consistency.twice((x, y, sample_weight))
        with tf.GradientTape() as tape:
            y_pred, attention = _predictions(self, x, True, self.guided_alignment)
            if self.consistency is not None:
                # It asks for all logits: one product for both losses.
                y_pred = keras.ops.convert_to_tensor(y_pred)
            loss = self.compute_loss(x, y, y_pred, sample_weight, training=True)
            loss = _weighted_by_replica(self, loss, y, sample_weight)
            if self.guided_alignment is not None:
                guide = self.guided_alignment.loss
                own, tokens = guide(x["links"], attention, sample_weight)
                loss += _with_share(own, tokens)
            if self.consistency is not None:
                loss += _divergence(self, y, y_pred, sample_weight)
            scaled_loss = self.optimizer.scale_loss(loss)
        _track_loss(self, x, loss)
        weights = self.trainable_weights
        gradients = tape.gradient(scaled_loss, weights)
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return self.compute_metrics(x, y, y_pred, sample_weight)

    def test_step(self, *args: Any) -> Any:
        """One step of evaluation; see `keras.Model`."""
        if keras.backend.backend() != "tensorflow":
            return super().test_step(*args)
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(*args)
        y_pred, _ = _predictions(self, x, training=False)
        loss = self.compute_loss(x, y, y_pred, sample_weight, training=False)
        loss = _weighted_by_replica(self, loss, y, sample_weight)
        _track_loss(self, x, loss)
        return self.compute_metrics(x, y, y_pred, sample_weight)


def _build_optimizer(model):
    """Makes the optimizer's variables.

    Keras does it in the first step, and a graph that has made variables is traced
    twice, the second time without them.
    """
    if model.trainable_variables and not model.optimizer.built:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)


def _by_name(model, inputs):
    """The entries of a dict that are inputs of the model."""
    names = model.input
    if not isinstance(inputs, dict) or not isinstance(names, dict):
        return inputs
    # Keras tells of those that are missing.
    return {name: inputs[name] for name in names if name in inputs}


class _FeaturesModel(NamedTuple):
    """A model whose logits are the product of known features with one matrix."""

    model: keras.Model  # from the same inputs to a list of features and logits
    layer: VocabularyProjection | VocabularyEmbedding  # the layer of the product


class _Mask(keras.layers.Layer):
    """Returns the mask that Keras passes on with a tensor, or `None`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs, mask=None):
        return mask


def _features_model(model):
    """The `_FeaturesModel` of a model; `None` if its output is anything else."""
    layers = {layer.name: layer for layer in model.layers}
    is_tensor = isinstance(model.output, keras.KerasTensor)
    if not is_tensor or "output_dropout" not in layers:
        return None
    features = layers["output_dropout"].output
    try:
        # `keras.Function` of Keras 3.12 takes no tensors within a graph.
        operations = keras.Model(features, model.output).operations
    except ValueError:  # the output does not depend on these features alone
        return None
    behind = [x for x in operations if not isinstance(x, keras.layers.InputLayer)]
    if len(behind) != 2 or not isinstance(behind[1], Logits):
        return None
    if not isinstance(behind[0], (VocabularyProjection, VocabularyEmbedding)):
        return None
    outputs = [features, model.output]
    whole = keras.Model(model.input, outputs, name="features")
    return _FeaturesModel(whole, behind[0])


def _predictions(model, inputs, training, guided=None):
    """The `y_pred` of losses and metrics, and attention if it is guided, or `None`.

    `y_pred` are `VocabularyLogits` if there is a `_FeaturesModel`, else logits.
    """
    inputs, of_features = _by_name(model, inputs), _features_model(model)
    graph = None if guided is None else guided.graph(model)
    product = None if of_features is None else of_features.layer.product()
    if of_features is None or product is None:
        if graph is None:
            return model(inputs, training=training), None
        whole = keras.Model(graph.inputs, [graph.logits, graph.attention])
        return whole(inputs, training=training)
    whole = of_features.model
    if graph is not None:
        outputs = [graph.outputs["output_dropout"], graph.logits, graph.attention]
        whole = keras.Model(graph.inputs, outputs)
    features, logits, *others = whole(inputs, training=training)
    attention = others[0] if others else None
    # Keras's own losses read a mask that comes with the logits.
    if _Mask(name="mask")(logits) is not None:
        return logits, attention
    features = keras.ops.cast(features, of_features.layer.compute_dtype)
    return VocabularyLogits(logits, features, product), attention


def _weighted_by_replica(model, loss, labels, sample_weight):
    """The loss of a replica, weighted so that the sum over all is the mean over tokens.

    Keras divides the mean of each replica by their number, so that a token counts more
    where its replica has few of them.
    """
    if not hasattr(model.loss, "ignore_class"):
        return loss
    weights = token_weights(labels, sample_weight, model.loss.ignore_class)
    return _with_share(loss, keras.ops.sum(weights))


def _with_share(loss, weight):
    """The mean loss of a replica, times its share of the weights of all tokens.

    `weight` is the sum of the weights of its tokens. Keras divides the sum over the
    replicas by their number, which is a factor here.
    """
    import tensorflow as tf

    replicas = _num_replicas()
    if replicas == 1:
        return loss
    total = tf.distribute.get_replica_context().all_reduce("sum", weight)
    share = tf.math.divide_no_nan(weight, total)
    # A replica without rows has no mean.
    return tf.where(weight > 0, loss, 0.0) * share * replicas


def _num_replicas():
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def _divergence(model, labels, logits, sample_weight):
    """The part of a replica's loss that is of `model.consistency`."""
    ignore_class = getattr(model.loss, "ignore_class", PAD_ID)
    own, tokens = model.consistency.loss(labels, logits, sample_weight, ignore_class)
    # `_with_share` expects what Keras makes of a loss, its part of the replicas' mean.
    return _with_share(own / _num_replicas(), tokens)


def _track_loss(model, inputs, loss):
    """Counts a batch in the mean that `fit` and `evaluate` report as `loss`."""
    import tensorflow as tf

    # The mean over the whole batch, of which each replica has a part.
    if _num_replicas() > 1:
        loss = tf.distribute.get_replica_context().all_reduce("sum", loss)
    batch_size = tf.shape(keras.tree.flatten(inputs)[0])[0]
    # As Keras's guide to custom training steps finds it; it is the first one.
    tracker = next(metric for metric in model.metrics if metric.name == "loss")
    tracker.update_state(loss, sample_weight=batch_size)


def _num_batches(optimizer):
    """The number of batches that an optimizer has had, as a variable.

    Its `iterations` count updates, which are fewer where gradients are accumulated.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    return next(x for x in inner.variables if x.name == "iteration")
