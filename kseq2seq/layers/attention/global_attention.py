"""The base class of global attention."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention.base import Attention, Draws, Memory, Shape, State
from kseq2seq.layers.attention.building import new_initializer
from kseq2seq.layers.attention.inputs import check_attend
from kseq2seq.layers.attention.scores import PROBABILITY_FNS, masked_probabilities
from kseq2seq.layers.dropout import Dropout
from kseq2seq.utils import Tensor, check_choice, check_fraction, check_number


class GlobalAttention(Attention):
    """Base class of attention that compares a query with every source position.

    A subclass adds its weights in `build` and says in `project_keys` and `scores`
    how keys and queries are compared.

    Args:
        dropout: Fraction of the alignment to drop in training, from 0 to 1.
        seed: Integer seed of the dropout.
        kernel_initializer: Initializer of the matrices and of the score vector.
        probability_fn: How scores become an alignment: `"softmax"`,
            `"sparsemax"`, `"entmax15"` or `"hardmax"`.
        temperature: Number that the scores are divided by before that.
        kernel_regularizer: Regularizer of the matrices and of the score vector.
        **kwargs: Passed to `keras.layers.Layer`.

    Raises:
        ValueError: If `dropout` is not in `[0, 1)`, `probability_fn` is unknown, or
            `temperature` is not above 0.

    Example: a score of the Euclidean distance.

    >>> class DistanceAttention(GlobalAttention):
    ...     def scores(self, query: Tensor, keys: Tensor) -> Tensor:
    ...         difference = query[:, :, None] - keys[:, None]  # (B, T, S, D)
    ...         return -keras.ops.sum(difference**2, axis=-1)
    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 4))
    >>> tuple(DistanceAttention(temperature=0.5)(query, value).shape)
    (2, 3, 4)
    """

    def __init__(
        self,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        probability_fn: str = "softmax",
        temperature: float = 1.0,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dropout = check_fraction("dropout", dropout)
        self.seed = seed
        # Keras's `get` is not typed.
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.probability_fn = check_choice(
            "probability_fn", probability_fn, PROBABILITY_FNS
        )
        self.temperature = check_number("temperature", temperature, above=0)
        # A layer rather than a function, so that its seed's state is saved and
        # each call of `fit` draws anew.
        self.dropout_layer = Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def _kernel(self, shape: Shape, name: str) -> keras.Variable:
        initializer = new_initializer(self.kernel_initializer)
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            name=name,
        )

    @property
    def takes_attention_mask(self) -> bool:
        # A subclass with its own `attend` may read the mask in another way.
        return type(self).attend is GlobalAttention.attend

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Scores before softmax, of shape `(batch, target_length, source_length)`.

        Args:
            query: Tensor of shape `(batch, target_length, query_dim)`.
            keys: Tensor that `project_keys` returned.
        """
        raise TypeError(
            f"{type(self).__name__} must define `scores(query, keys)`: "
            "GlobalAttention is a base class without a score of its own."
        )

    def align(self, scores: Tensor, mask: Tensor) -> Tensor:
        """The alignment of scores, zero where `mask` is False.

        Args:
            scores: Tensor of shape `(..., source_length)`, such as `scores` returned.
            mask: Boolean tensor of shape `(batch, source_length)`, or of a shape that
                broadcasts to that of `scores`.

        Returns:
            Tensor of the shape and dtype of `scores`; each row sums to 1, or is all
            zero where `mask` leaves no position.
        """
        return masked_probabilities(scores, mask, self.probability_fn, self.temperature)

    def read(
        self, alignment: Tensor, memory: Memory, draws: Draws | None = None
    ) -> Tensor:
        """The context: the sum of the values, weighted by the alignment after dropout.

        Args:
            alignment: Tensor of shape `(batch, target_length, source_length)`.
            memory: Dict that `prepare` returned.
            draws: Dict that `draw` returned for these queries; no dropout if `None`.

        Returns:
            Tensor of shape `(batch, target_length, value_dim)`.
        """
        if draws and "dropout" in draws:
            alignment = alignment * draws["dropout"]
        return ops.matmul(alignment, memory["value"])  # (B, T, Dv)

    def draw(self, memory: Memory, num_queries: Any, training: Any) -> Draws:
        if not self.dropout or not training:
            return {}
        batch, length = ops.shape(memory["mask"])
        ones = ops.ones((batch, num_queries, length), self.compute_dtype)
        return {"dropout": self.dropout_layer(ones, training=True)}

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        check_attend(type(self).__name__, query, memory)
        scores = self.scores(query, memory["keys"])
        alignment = self.align(scores, memory["mask"])
        return self.read(alignment, memory, draws), alignment, state

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "probability_fn": self.probability_fn,
            "temperature": self.temperature,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def check_score(score: Any, name: str) -> None:
    """Checks that `score` is a layer whose `scores` depend on query and keys only.

    Args:
        score: Value of the argument.
        name: Name of the argument.

    Raises:
        ValueError: If it is not.
    """
    # An `attend` of its own may need the state, which `scores` does not get.
    plain = isinstance(score, GlobalAttention) and (
        type(score).attend is GlobalAttention.attend
    )
    if not plain:
        raise ValueError(
            f"`{name}` must be an attention layer that compares a query with every "
            "key, such as BahdanauAttention or LuongAttention. "
            f"Received: {name}={score!r}"
        )
