"""Attention with several heads."""

from typing import Any, cast

import keras
import numpy as np
from keras import ops

from kseq2seq.layers.attention.base import Draws, Memory, Shape, State
from kseq2seq.layers.attention.global_attention import GlobalAttention
from kseq2seq.layers.attention.inputs import check_attend
from kseq2seq.layers.attention.scores import project, project_energy
from kseq2seq.utils import Tensor, check_choice, check_integer

SCORES = ("additive", "dot")


@keras.saving.register_keras_serializable(package="kseq2seq")
class MultiHeadAttention(GlobalAttention):
    """Attention of several heads, which each read their own part of the values.

    For a query `q_t`, keys `k_s` and values `x_s`, in the head `n` of `N`, whose size
    is `d = units / N`:

        additive:  score_n(t, s) = v_n . tanh(W_n q_t + U_n k_s)
        dot:       score_n(t, s) = W_n q_t . U_n k_s / sqrt(d)
        alignment_n(t, :) = softmax(score_n(t, :))
        context_n(t) = sum over s of alignment_n(t, s) * V_n x_s
        context(t) = [context_1(t); ...; context_N(t)]

    The matrices `V_n` have `value_dim / N` columns each, so the context is as large
    as a value. There is no further matrix behind it, as Vaswani et al. have: in a
    decoder the attentional layer follows, which begins with one.

    `keras.layers.MultiHeadAttention` has the dot product alone, and no step form that
    projects the source once, ahead of a decoder's loop.

    Masking: source positions where `value_mask` is False receive exactly 0, and a row
    without any position left gives a context of zeros. The query's mask is passed on
    unchanged.

    Args:
        num_heads: Number of heads.
        units: Size of the space in which query and key are compared, of all heads
            together: `num_heads` must divide it.
        score: `"additive"` or `"dot"`.
        dropout: Fraction of each head's alignment to drop in training, from 0 to 1.
        seed: Integer seed of the dropout.
        kernel_initializer: Initializer of all matrices and of the score vectors.
        probability_fn: Function in the place of softmax: `"softmax"`, `"sparsemax"`,
            `"entmax15"` or `"hardmax"`, as in `BahdanauAttention`.
        temperature: Number that the scores are divided by.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments and results are those of `kseq2seq.layers.Attention`; `training`
    applies dropout. `num_heads` divides the size of the values, and the alignment
    returned is the mean over the heads.

    Raises:
        ValueError: If `num_heads` or `units` is not a positive integer, `num_heads`
            does not divide `units` or the size of the values, `score` or
            `probability_fn` is unknown, `dropout` is not in `[0, 1)`, or
            `temperature` is not above 0.

    Example:

    >>> layer = MultiHeadAttention(num_heads=2, units=8)
    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))
    >>> context, alignment = layer(query, value, return_attention_scores=True)
    >>> tuple(context.shape), tuple(alignment.shape)
    ((2, 3, 6), (2, 3, 5))
    >>> tuple(layer.head_alignments(query, layer.prepare(value)).shape)
    (2, 2, 3, 5)

    Reference:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), section 3.2.2.
        - [Chen et al., 2018](https://arxiv.org/abs/1804.09849), section 4.1, for
          additive heads in a recurrent decoder.
    """

    def __init__(
        self,
        num_heads: int,
        units: int,
        score: str = "additive",
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
        self.num_heads = check_integer("num_heads", num_heads, least=1)
        self.units = check_integer("units", units, least=1)
        if units % num_heads:
            raise ValueError(
                "`units` must be a multiple of `num_heads`, since the heads share it "
                f"equally. Received: units={units}, num_heads={num_heads}"
            )
        self.score = check_choice("score", score, SCORES)

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        key_shape = value_shape if key_shape is None else key_shape
        value_dim = cast(int, value_shape[-1])
        if value_dim % self.num_heads:
            raise ValueError(
                "The size of the values must be a multiple of `num_heads`, since each "
                "head reads an equal part of them; change either, for a model its "
                "encoder's units. "
                f"Received: value_dim={value_dim}, num_heads={self.num_heads}"
            )
        # The heads' matrices side by side, so that one product serves all.
        self.query_kernel = self._kernel((query_shape[-1], self.units), "query_kernel")
        self.key_kernel = self._kernel((key_shape[-1], self.units), "key_kernel")
        self.value_kernel = self._kernel((value_dim, value_dim), "value_kernel")
        if self.score == "additive":
            shape = (self.num_heads, self.units // self.num_heads)
            self.score_vectors = self._kernel(shape, "score_vectors")

    @property
    def takes_attention_mask(self) -> bool:
        return type(self).attend is MultiHeadAttention.attend

    def project_keys(self, key: Tensor) -> Tensor:
        # Not `ops.matmul`: it reshapes, `_by_head` reshapes again, and tf2onnx joins
        # both to a wrong one.
        return project(key, self.key_kernel)  # (B, S, U)

    def prepare(
        self,
        value: Tensor,
        key: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> Memory:
        memory = super().prepare(value, key, value_mask)
        # Without a bias, so that padding stays 0.
        return {**memory, "value": project(memory["value"], self.value_kernel)}

    def draw(self, memory: Memory, num_queries: Any, training: Any) -> Draws:
        if not self.dropout or not training:
            return {}
        batch, length = ops.shape(memory["mask"])
        shape = (batch, num_queries, self.num_heads * length)
        ones = ops.ones(shape, self.compute_dtype)
        return {"dropout": self.dropout_layer(ones, training=True)}

    def head_alignments(self, query: Tensor, memory: Memory) -> Tensor:
        """The alignment of each head, before dropout.

        Args:
            query: Tensor of shape `(batch, target_length, query_dim)`.
            memory: Dict that `prepare` returned.

        Returns:
            Tensor of shape `(batch, num_heads, target_length, source_length)`.
        """
        return self._head_alignments(query, memory, few=query.shape[1] == 1)

    def _head_alignments(self, query, memory, few):
        query, keys = project(query, self.query_kernel), memory["keys"]
        if self.score == "additive":
            energy = ops.tanh(query[:, :, None] + keys[:, None])  # (B, T, S, U)
            scores = project_energy(energy, self._score_matrix())  # (B, T, S, N)
            scores = ops.transpose(scores, (0, 3, 1, 2))
        else:
            query = query * (self.units // self.num_heads) ** -0.5
            scores = self._dot_scores(query, keys, few)
        mask = memory["mask"]  # (B, S), or (B, T, S)
        mask = mask[:, None, None] if len(mask.shape) == 2 else mask[:, None]
        return self.align(scores, mask)

    def _score_matrix(self):
        """The score vectors as columns, each zero at the units of other heads.

        One product with it takes half the time of one for each head.
        """
        vectors = ops.reshape(self.score_vectors, (self.units, 1))
        own = ops.eye(self.num_heads, dtype=vectors.dtype)  # (N, N)
        return vectors * ops.repeat(own, self.units // self.num_heads, axis=0)

    def _dot_scores(self, query, keys, few):
        """The scores of each head, of shape (B, N, T, S)."""
        if not few:
            query, keys = self._by_head(query), self._by_head(keys)
            return ops.einsum("btnd,bsnd->bnts", query, keys)
        batch, targets, size = ops.shape(query)
        alone = query[:, None] * self._own_parts(query)  # (B, N, T, U)
        alone = ops.reshape(alone, (batch, self.num_heads * targets, size))
        scores = ops.matmul(alone, ops.transpose(keys, (0, 2, 1)))
        shape = (batch, self.num_heads, targets, ops.shape(keys)[1])
        return ops.reshape(scores, shape)

    def _read(self, alignments, value, few):
        """The context, of shape (B, T, Dv), by the alignments of each head."""
        batch, heads, targets, length = ops.shape(alignments)
        if not few:
            value = self._by_head(value)  # (B, S, N, Dv / N)
            context = ops.einsum("bnts,bsnd->btnd", alignments, value)
            return ops.reshape(context, (batch, targets, heads * value.shape[-1]))
        alignments = ops.reshape(alignments, (batch, heads * targets, length))
        context = ops.matmul(alignments, value)
        context = ops.reshape(context, (batch, heads, targets, value.shape[-1]))
        return ops.sum(context * self._own_parts(value), axis=1)

    def _own_parts(self, x):
        """Ones where a vector's entries belong to a head, of shape (N, 1, size)."""
        own = np.repeat(np.eye(self.num_heads), x.shape[-1] // self.num_heads, axis=1)
        return ops.convert_to_tensor(own[:, None], x.dtype)

    def _by_head(self, x):
        """Splits the last axis into heads: `(..., size)` to `(..., N, size / N)`."""
        size = x.shape[-1] // self.num_heads
        return ops.reshape(x, (*ops.shape(x)[:-1], self.num_heads, size))

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        check_attend(type(self).__name__, query, memory)
        alignments = self.head_alignments(query, memory)  # (B, N, T, S)
        alignment = ops.mean(alignments, axis=1)
        if draws and "dropout" in draws:
            batch, heads, targets, length = ops.shape(alignments)
            factors = ops.reshape(draws["dropout"], (batch, targets, heads, length))
            alignments = alignments * ops.swapaxes(factors, 1, 2)
        context = self._read(alignments, memory["value"], few=query.shape[1] == 1)
        return context, alignment, state

    def attend_few(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """As `attend` outside of training, faster where there are few queries.

        Each head's part of a query is compared with the whole keys, with zeros in the
        place of the other parts. These are more multiplications, but keys and values
        stay where they are: sorting them by head takes longer for the few queries that
        a step of a search has. `attend` does so for a single query.

        Args:
            query: Tensor of shape `(batch, target_length, query_dim)`.
            memory: Dict that `prepare` returned.

        Returns:
            A tuple of the context, of shape `(batch, target_length, value_dim)`, and
            the alignment, the mean over the heads, of shape `(batch, target_length,
            source_length)`.

        Raises:
            ValueError: If the query has another rank, batch size or dtype.

        Example:

        >>> layer = MultiHeadAttention(2, units=6, score="dot")
        >>> layer.build((2, 3, 5), (2, 7, 4))
        >>> memory = layer.prepare(keras.ops.ones((2, 7, 4)))
        >>> context, alignment = layer.attend_few(keras.ops.ones((2, 3, 5)), memory)
        >>> tuple(context.shape), tuple(alignment.shape)
        ((2, 3, 4), (2, 3, 7))
        """
        check_attend(type(self).__name__, query, memory)
        alignments = self._head_alignments(query, memory, few=True)
        context = self._read(alignments, memory["value"], few=True)
        return context, ops.mean(alignments, axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "units": self.units,
            "score": self.score,
        }
