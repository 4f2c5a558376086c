"""Multiplicative attention, with the scores of the paper."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention.base import Shape
from kseq2seq.layers.attention.global_attention import GlobalAttention
from kseq2seq.layers.attention.scores import (
    additive_score,
    check_size,
    dot_score,
    project,
)
from kseq2seq.utils import Tensor, check_boolean, check_choice, check_integer

SCORES = ("dot", "general", "concat", "scaled_dot", "scaled_general")


@keras.saving.register_keras_serializable(package="kseq2seq")
class LuongAttention(GlobalAttention):
    """Multiplicative (Luong) attention, with the scores of the paper.

    For a query `h_t` and keys `h_s`:

        dot:             score(t, s) = h_t . h_s
        general:         score(t, s) = h_t . W h_s
        concat:          score(t, s) = v . tanh(W [h_t; h_s])
        scaled_dot:      score(t, s) = h_t . h_s / sqrt(query_dim)
        scaled_general:  score(t, s) = h_t . W h_s / sqrt(query_dim)
        alignment(t, :) = softmax(score(t, :) / temperature)
        context(t) = sum over s of alignment(t, s) * value_s

    Sums of hundreds of products are large, and Adam moves all of them at once. Without
    the root the softmax soon gives one position everything, right or wrong, and no
    gradient tells it so: with hundreds of units take a score that is scaled.

    `keras.layers.Attention` has `dot` alone with a scalar to learn, and its
    `concat` has two scalars where the paper has a matrix and a vector.

    Masking: source positions where `value_mask` is False receive exactly 0,
    and a row without any position left gives a context of zeros. The query's
    mask is passed on unchanged.

    Args:
        score: `"dot"`, `"general"`, `"concat"`, `"scaled_dot"` or
            `"scaled_general"`.
        units: Size of the space in which `concat` compares query and key;
            `None` with the other scores, which have no such space.
        use_scale: Whether to multiply the scores by one learned factor that
            starts at 1, as `scale` of `tfa.seq2seq.LuongAttention`.
        dropout: Fraction of the alignment to drop in training, from 0 to 1.
        seed: Integer seed of the dropout.
        kernel_initializer: Initializer of `W` and `v`.
        probability_fn: Function in the place of softmax: `"softmax"`,
            `"sparsemax"` or `"entmax15"`, which give exact zeros, or `"hardmax"`,
            which gives one position everything and the scores no gradient.
        temperature: Number that the scores are divided by.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments and results are those of `kseq2seq.layers.Attention`; `training`
    applies dropout.

    Raises:
        ValueError: If `score` is unknown; if `units` is missing for `concat` or
            given for another score; if query and key differ in size with `dot`
            or `scaled_dot`; if `dropout` is not in `[0, 1)`, `probability_fn` is
            unknown, or `temperature` is not above 0.

    Example:

    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))
    >>> context = LuongAttention(score="general")(query, value)
    >>> tuple(context.shape)
    (2, 3, 6)

    Reference:
        - [Luong et al., 2015](https://arxiv.org/abs/1508.04025), section 3.1,
          equations 7 and 8.
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), section 3.2.1,
          for the root in `scaled_dot` and `scaled_general`.
        - [Martins & Astudillo, 2016](https://arxiv.org/abs/1602.02068), section 2,
          for sparsemax.
        - [Peters et al., 2019](https://arxiv.org/abs/1905.05702), for entmax.
    """

    def __init__(
        self,
        score: str = "general",
        units: int | None = None,
        use_scale: bool = False,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        probability_fn: str = "softmax",
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            dropout, seed, kernel_initializer, probability_fn, temperature, **kwargs
        )
        self.score = check_choice("score", score, SCORES)
        if score == "concat":
            units = check_integer("units", units, least=1)
        elif units is not None:
            raise ValueError(
                f"`units` belongs to score='concat' alone; leave it out with "
                f"score={score!r}. Received: units={units!r}"
            )
        self.units = units
        self.use_scale = check_boolean("use_scale", use_scale)

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        query_dim, key_dim = query_shape[-1], key_shape[-1]
        if self.score in ("dot", "scaled_dot") and query_dim != key_dim:
            raise ValueError(
                f"score={self.score!r} needs a query and a key of equal size; "
                "score='scaled_general' compares different ones. "
                f"Received: query_dim={query_dim}, key_dim={key_dim}"
            )
        if self.score in ("general", "scaled_general"):
            self.key_kernel = self._kernel((key_dim, query_dim), "key_kernel")
        if self.score == "concat":
            # One matrix of the paper, its rows for the query and for the key
            # kept apart, so that the key's product is taken once.
            self.query_kernel = self._kernel((query_dim, self.units), "query_kernel")
            self.key_kernel = self._kernel((key_dim, self.units), "key_kernel")
            self.score_vector = self._kernel((self.units,), "score_vector")
        if self.use_scale:
            self.scale = self.add_weight(shape=(), initializer="ones", name="scale")

    def project_keys(self, key: Tensor) -> Tensor:
        if self.score not in ("dot", "scaled_dot"):
            check_size(key, self.key_kernel)
            return ops.matmul(key, self.key_kernel)  # (B, S, Dq) or (B, S, U)
        return key

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        if self.score == "concat":
            query = project(query, self.query_kernel)  # (B, T, U)
            scores = additive_score(query, keys, self.score_vector)
        elif self.score in ("scaled_dot", "scaled_general"):
            scores = dot_score(query * query.shape[-1] ** -0.5, keys)
        else:
            scores = dot_score(query, keys)
        return scores * self.scale if self.use_scale else scores

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "score": self.score,
            "units": self.units,
            "use_scale": self.use_scale,
        }
