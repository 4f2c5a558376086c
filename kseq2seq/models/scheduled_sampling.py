"""Scheduled sampling: a decoder that reads some of its own predictions in training.

Glossary of shapes, used in the comments below: B batch size, T target length, V target
vocabulary.
"""

import keras
from keras import ops

from kseq2seq.layers import DecoderRNN
from kseq2seq.models.halves import encode_and_step
from kseq2seq.models.heads import log_probabilities
from kseq2seq.utils import (
    PAD_ID,
    Tensor,
    check_boolean,
    check_choice,
    check_fraction,
    check_integer,
)

SAMPLING_SCHEDULES = ("constant", "linear", "exponential", "inverse_sigmoid")


class ScheduledSampling:
    """Training in which the decoder reads some of its own predictions.

    Each token that the decoder reads is, with a probability that rises from step to
    step, replaced by the model's prediction of it; labels stay as they are. So a model
    learns to go on from its own mistakes. No gradient goes through a prediction.

    A model whose decoder runs step by step predicts each token from those that it was
    given so far, its own predictions among them (Bengio et al.). One that decodes the
    whole target at once predicts all tokens from the true ones, in a pass of its own
    (Mihaylova & Martins). Predictions are made without dropout.

    `Seq2SeqModel.scheduled_sampling` is where it is put, ahead of `fit`. A file of the
    model does not hold it. It needs TensorFlow.

    Args:
        schedule: How the probability of a prediction depends on the step `i`, with
            `p = probability` and `k = steps`: `"constant"`: `p`; `"linear"`:
            `p min(i / k, 1)`; `"exponential"`: `p (1 - exp(-i / k))`;
            `"inverse_sigmoid"`: `p (1 - k / (k + exp(i / k)))`.
        probability: Probability of a prediction at the end.
        steps: Constant of the schedule, in steps of the optimizer.
        draws: Whether predictions are drawn from the model's probabilities, in the
            place of the most probable token.
        seed: Integer seed of all that is drawn. The same step draws the same, though
            compiled by XLA something else.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> model.scheduled_sampling = ScheduledSampling("linear", 0.5, steps=1000)
    >>> round(float(model.scheduled_sampling.probability_at(200)), 4)
    0.1

    Reference:
        - [Bengio et al., 2015](https://arxiv.org/abs/1506.03099), section 2.4.
        - [Mihaylova & Martins, 2019](https://aclanthology.org/P19-2049), two passes.
    """

    def __init__(
        self,
        schedule: str = "inverse_sigmoid",
        probability: float = 0.25,
        steps: int = 1000,
        draws: bool = False,
        seed: int = 0,
    ) -> None:
        self.schedule = check_choice("schedule", schedule, SAMPLING_SCHEDULES)
        self.probability = float(check_fraction("probability", probability))
        self.steps = check_integer("steps", steps, least=1)
        self.draws = check_boolean("draws", draws)
        self.seed = check_integer("seed", seed)

    def probability_at(self, step: Tensor) -> Tensor:
        """The probability that a token is replaced.

        Args:
            step: Integer scalar, the number of steps before.

        Returns:
            A float32 scalar.
        """
        share, k = ops.cast(step, "float32") / self.steps, float(self.steps)
        risen = {
            "constant": lambda: ops.ones_like(share),
            "linear": lambda: ops.minimum(share, 1.0),
            "exponential": lambda: 1.0 - ops.exp(-share),
            # As a sigmoid: exp(share) would soon be infinite.
            "inverse_sigmoid": lambda: ops.sigmoid(share - ops.log(k)),
        }
        return self.probability * risen[self.schedule]()

    def mixed_target(
        self, model: keras.Model, inputs: dict[str, Tensor], step: Tensor
    ) -> Tensor:
        """The target that the decoder reads, with predictions in it.

        Args:
            model: A model of `build_model`.
            inputs: Dict of the model's inputs: `target`, ids of shape `(batch,
                target_length)`, BOS first, and those of the source.
            step: Integer scalar, the number of steps before.

        Returns:
            Ids of the shape of the target. BOS and padding are as they were.
        """
        import tensorflow as tf

        inputs = {name: tf.convert_to_tensor(x) for name, x in inputs.items()}
        target = tf.cast(inputs["target"], tf.int32)
        uniform = self._uniform(tf.shape(target), step, 0)
        replaced = uniform < self.probability_at(step)
        replaced = tf.logical_and(replaced, target != PAD_ID)
        if any(isinstance(layer, DecoderRNN) for layer in model.layers):
            return self._step_by_step(model, inputs, target, replaced, step)
        logits = model(inputs, training=False)
        probability_fn = model.get_layer("logits").probability_fn
        if self.draws and probability_fn != "softmax":
            # As a step gives them: without what is impossible, which softmax is not.
            logits = log_probabilities(logits, probability_fn)
        predicted = self._predicted(logits, step, 1)
        # The prediction of a step is what the next one reads.
        predicted = tf.concat([target[:, :1], predicted[:, :-1]], axis=1)
        replaced = tf.logical_and(replaced, tf.range(tf.shape(target)[1]) > 0)
        return tf.where(replaced, predicted, target)

    def _step_by_step(self, model, inputs, target, replaced, step):
        """Tokens one by one, each predicted from all before it, as they were mixed."""
        import tensorflow as tf

        encode, decode = encode_and_step([model])
        # Not the word links of guided alignment, of which Keras would warn.
        frames = {x: inputs[x] for x in ("frames", "frame_mask") if x in inputs}
        encoded = encode(inputs.get("source", frames))
        first = keras.tree.map_structure(lambda x: x[:, None], encoded["states"])
        positions = tf.range(tf.shape(target)[1])

        def running(place, mixed, *states):
            return place < tf.shape(target)[1]

        def body(place, mixed, *states):
            states = keras.tree.pack_sequence_as(first, list(states))
            tokens = tf.gather(mixed, place - 1, axis=1)[:, None]
            logits, states, _ = decode(tokens, states, encoded["memory"])
            predicted = self._predicted(logits, step, place)  # (B, 1)
            here = tf.logical_and(positions == place, replaced)
            mixed = tf.where(here, predicted, mixed)
            old = keras.tree.flatten(first)
            new = [
                tf.ensure_shape(tf.cast(x, y.dtype), y.shape)
                for x, y in zip(keras.tree.flatten(states), old, strict=True)
            ]
            return (place + 1, mixed, *new)

        start = (tf.constant(1), target, *keras.tree.flatten(first))
        _, mixed, *_ = tf.while_loop(running, body, start)
        return mixed

    def _predicted(self, logits, step, place):
        """Tokens for logits of shape (B, T, V)."""
        import tensorflow as tf

        # Padding would end the target.
        is_padding = tf.range(tf.shape(logits)[-1]) == PAD_ID
        logits = tf.where(is_padding, logits.dtype.min, logits)
        if self.draws:
            uniform = self._uniform(tf.shape(logits), step, place)
            # From above 0, whose logarithm is infinite; see `tf.random.categorical`.
            logits -= tf.math.log(-tf.math.log(tf.maximum(uniform, 1e-20)))
        return tf.argmax(logits, axis=-1, output_type=tf.int32)

    def _uniform(self, shape, step, place):
        import tensorflow as tf

        step, place = (tf.cast(x, tf.int32) for x in (step, place))
        # A place for each of the tokens of a target.
        seed = tf.stack([tf.constant(self.seed, tf.int32), step * 4096 + place])
        return tf.random.stateless_uniform(shape, seed)
