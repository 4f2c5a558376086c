"""Additive attention."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention.base import Shape
from kseq2seq.layers.attention.global_attention import GlobalAttention
from kseq2seq.layers.attention.scores import additive_score, check_size, project
from kseq2seq.utils import Tensor, check_boolean, check_integer


@keras.saving.register_keras_serializable(package="kseq2seq")
class BahdanauAttention(GlobalAttention):
    """Additive (Bahdanau) attention with learned projections.

    For a query `q_t` and keys `k_s`:

        score(t, s) = v . tanh(W q_t + U k_s)
        alignment(t, :) = softmax(score(t, :) / temperature)
        context(t) = sum over s of alignment(t, s) * value_s

    With `normalize=True` the score is `g * v / ||v|| . tanh(W q_t + U k_s + b)`,
    with a learned gain `g` that starts at `sqrt(1 / units)` and a learned bias
    `b` that starts at zero, as in `tfa.seq2seq.BahdanauAttention`.

    `keras.layers.AdditiveAttention` has neither `W` nor `U`, so query and
    key must share their size there; here they need not.

    Masking: source positions where `value_mask` is False receive exactly 0,
    and a row without any position left gives a context of zeros. The query's
    mask is passed on unchanged.

    Args:
        units: Size of the space in which query and key are compared.
        use_bias: Whether `W` and `U` have a bias each.
        normalize: Whether the score vector is weight-normalised.
        dropout: Fraction of the alignment to drop in training, from 0 to 1.
        seed: Integer seed of the dropout.
        kernel_initializer: Initializer of `W`, `U` and `v`.
        bias_initializer: Initializer of the biases of `W` and `U`.
        probability_fn: Function in the place of softmax: `"softmax"`,
            `"sparsemax"` or `"entmax15"`, which give exact zeros, or `"hardmax"`,
            which gives one position everything and the scores no gradient.
        temperature: Number that the scores are divided by.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments and results are those of `kseq2seq.layers.Attention`; `training`
    applies dropout.

    Raises:
        ValueError: If `units` is not a positive integer, `dropout` is not in
            `[0, 1)`, `probability_fn` is unknown, or `temperature` is not above 0.

    Example:

    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))
    >>> context, alignment = BahdanauAttention(units=8)(
    ...     query, value, return_attention_scores=True
    ... )
    >>> tuple(context.shape), tuple(alignment.shape)
    ((2, 3, 6), (2, 3, 5))

    Reference:
        - [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473), A.1.2.
        - [Salimans & Kingma, 2016](https://arxiv.org/abs/1602.07868), section 2,
          for `normalize`.
        - [Martins & Astudillo, 2016](https://arxiv.org/abs/1602.02068), section 2,
          for sparsemax.
        - [Peters et al., 2019](https://arxiv.org/abs/1905.05702), for entmax.
    """

    def __init__(
        self,
        units: int,
        use_bias: bool = False,
        normalize: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        probability_fn: str = "softmax",
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dropout, seed, kernel_initializer, probability_fn, temperature, **kwargs
        )
        self.units = check_integer("units", units, least=1)
        self.use_bias = check_boolean("use_bias", use_bias)
        self.normalize = check_boolean("normalize", normalize)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        self.query_kernel = self._kernel((query_shape[-1], self.units), "query_kernel")
        self.key_kernel = self._kernel((key_shape[-1], self.units), "key_kernel")
        self.score_vector = self._kernel((self.units,), "score_vector")
        if self.use_bias:
            self.query_bias = self._bias("query_bias", self.bias_initializer)
            self.key_bias = self._bias("key_bias", self.bias_initializer)
        if self.normalize:
            gain = keras.initializers.Constant(self.units**-0.5)
            self.score_gain = self.add_weight(
                shape=(), initializer=gain, name="score_gain"
            )
            self.score_bias = self._bias("score_bias", "zeros")

    def _bias(self, name, initializer):
        return self.add_weight(shape=(self.units,), initializer=initializer, name=name)

    def project_keys(self, key: Tensor) -> Tensor:
        check_size(key, self.key_kernel)
        keys = ops.matmul(key, self.key_kernel)  # (B, S, U)
        return keys + self.key_bias if self.use_bias else keys

    def scores(self, query: Tensor, keys: Tensor, past: Tensor | None = None) -> Tensor:
        """Scores before softmax, of shape `(batch, target_length, source_length)`.

        Args:
            query: Tensor of shape `(batch, target_length, query_dim)`.
            keys: Tensor that `project_keys` returned.
            past: Tensor that is added inside of the tanh, of attention that sees its
                past: `(batch, target_length, source_length, units)`; or `None`.
        """
        query = project(query, self.query_kernel)  # (B, T, U)
        if self.use_bias:
            query = query + self.query_bias
        vector = self.score_vector
        if self.normalize:
            query = query + self.score_bias
            length = ops.sqrt(ops.sum(ops.square(vector)))
            vector = vector * (self.score_gain / length)
        return additive_score(query, keys, vector, past)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "use_bias": self.use_bias,
            "normalize": self.normalize,
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
