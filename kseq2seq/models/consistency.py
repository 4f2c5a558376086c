"""Consistency: training in which dropout is asked to change little."""

from typing import Any

import keras
from keras import ops

from kseq2seq.losses import token_weights
from kseq2seq.utils import PAD_ID, Tensor, check_number


class Consistency:
    """Training on two passes with other dropout, whose outputs are drawn together.

    Each batch goes through the model twice. To the mean loss of the two passes is added
    `weight` times the divergence of their probabilities `p` and `q`, the mean over the
    real tokens of

        (KL(p || q) + KL(q || p)) / 2

    A model that can learn its training data by heart gives up less of what it finds
    elsewhere; a step takes almost twice as long. It needs dropout, or noise of another
    kind, and TensorFlow.

    `Seq2SeqModel.consistency` is where it is put, ahead of `fit`. A file of the model
    does not hold it. `evaluate`, and the `val_loss` of `fit`, are without it.

    Args:
        weight: Factor of the divergence beside the loss, above 0: half of the alpha
            of the paper, which adds the losses of both passes up.

    Raises:
        ValueError: If `weight` is out of range.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> config = Seq2SeqConfig(**sizes, embedding_size=4, units=6, dropout=0.3)
    >>> model = build_model(config)
    >>> model.consistency = Consistency(weight=1.0)

    Reference:
        [Liang et al., 2021](https://arxiv.org/abs/2106.14448), section 2 (R-Drop).
    """

    def __init__(self, weight: float = 1.0) -> None:
        self.weight = float(check_number("weight", weight, above=0))

    def twice(self, batch: Any) -> Any:
        """A batch of which each row comes twice, all rows once and then all again.

        Args:
            batch: Nested tensors of shape `(batch, ...)`, and `None`s.
        """
        return keras.tree.map_structure(
            lambda x: None if x is None else ops.concatenate([x, x]), batch
        )

    def loss(
        self,
        labels: Tensor,
        logits: Tensor,
        sample_weight: Tensor | None = None,
        ignore_class: int | None = PAD_ID,
    ) -> tuple[Tensor, Tensor]:
        """The part of the loss of a batch that is of the divergence.

        Args:
            labels: Integer labels of shape `(2 * batch, length)`, of a batch that
                `twice` made.
            logits: Logits of shape `(2 * batch, length, vocabulary)`.
            sample_weight: As of `kseq2seq.MaskedCrossentropy`.
            ignore_class: Label of the positions that do not count; `None` if all do.

        Returns:
            A tuple of two scalars: the weighted loss, and the sum of the tokens'
            weights that it is a mean by.
        """
        weights = token_weights(labels, sample_weight, ignore_class)
        weights, _ = ops.split(weights, 2)  # the same again
        log_probs = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        first, second = ops.split(log_probs, 2)  # (B, T, V)
        divergence = (ops.exp(first) - ops.exp(second)) * (first - second) / 2
        divergence = ops.sum(divergence, axis=-1) * weights  # (B, T)
        total = ops.sum(weights)
        return self.weight * ops.divide_no_nan(ops.sum(divergence), total), total
