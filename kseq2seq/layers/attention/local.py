"""Local attention: a query sees a window of the source alone."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention.base import Attention, Draws, Memory, Shape, State
from kseq2seq.layers.attention.building import build_attention, new_initializer
from kseq2seq.layers.attention.global_attention import GlobalAttention, check_score
from kseq2seq.layers.attention.inputs import check_attend
from kseq2seq.layers.attention.scores import project
from kseq2seq.layers.nested import NestedLayers
from kseq2seq.utils import Tensor, check_integer


class LocalAttention(NestedLayers, Attention):
    """Base class of both kinds of local attention: a score and a window.

    Args:
        score: Attention layer that compares a query with every source position.
        half_width: Positions of the window on each side of its centre.
        **kwargs: Passed to `keras.layers.Layer`.

    Raises:
        ValueError: If `score` is no such layer, or `half_width` is not a positive
            integer.
    """

    def __init__(
        self, score: GlobalAttention, half_width: int = 10, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        check_score(score, "score")
        self.half_width = check_integer("half_width", half_width, least=1)
        self.score = score

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        build_attention(self.score, query_shape, value_shape, key_shape)

    @property
    def takes_attention_mask(self) -> bool:
        return True

    def project_keys(self, key: Tensor) -> Tensor:
        return self.score.project_keys(key)

    def prepare(
        self,
        value: Tensor,
        key: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> Memory:
        memory = self.score.prepare(value, key, value_mask)
        # Integers, which no policy casts to half precision.
        real = ops.cast(memory["mask"], "int32")
        positions = ops.cast(ops.cumsum(real, axis=1) - 1, "int32")
        length = ops.sum(real, axis=1, keepdims=True)
        return {**memory, "positions": positions, "length": length}  # (B, S), (B, 1)

    def draw(self, memory: Memory, num_queries: Any, training: Any) -> Draws:
        return self.score.draw(memory, num_queries, training)

    def _align(self, query, memory, center):
        """The alignment within a window, and how far from `center` positions are."""
        positions = ops.cast(memory["positions"], "float32")[:, None, :]
        distance = positions - ops.cast(center, "float32")  # (B, T, S)
        inside = ops.abs(distance) <= self.half_width
        mask = memory["mask"]  # (B, S), or (B, T, S)
        mask = mask[:, None] if len(mask.shape) == 2 else mask
        mask = ops.logical_and(mask, inside)
        scores = self.score.scores(query, memory["keys"])
        return self.score.align(scores, mask), distance

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "half_width": self.half_width,
        }


@keras.saving.register_keras_serializable(package="kseq2seq")
class LocalMonotonicAttention(LocalAttention):
    """Local attention whose window moves on with the target (local-m).

    For the target position `t`, counted from 0, and the `S` real positions of its
    source, with the half width `D`:

        p_t = min(t, S - 1)
        alignment(t, s) = align(h_t, h_s), |s - p_t| <= D
        context(t) = sum over s of alignment(t, s) * value_s

    where `align` is the alignment of `score`, taken over the window alone. So it
    suits a source and a target that say the same in the same order and about the
    same length. The paper has `p_t = t` and does not say what a target longer than
    the source sees; here the window then rests on the last position.

    All positions are scored, as in global attention, before the window is cut out:
    local attention is about what is seen, and saves no time here.

    Masking: source positions where `value_mask` is False receive exactly 0 and do
    not count as positions, nor do queries where `query_mask` is False. A row without
    any position left gives a context of zeros. The query's mask is passed on
    unchanged.

    Args:
        score: `BahdanauAttention` or `LuongAttention`, or another layer that
            compares a query with every source position. All its settings hold:
            dropout, `probability_fn` and temperature, too.
        half_width: The paper's `D`: the window has `2 D + 1` positions.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments and results are those of `kseq2seq.layers.Attention`; `training`
    applies the dropout of `score`.

    Raises:
        ValueError: If `score` is no such layer, or `half_width` is not a positive
            integer.

    Example:

    >>> from kseq2seq.layers import LuongAttention
    >>> layer = LocalMonotonicAttention(LuongAttention("dot"), half_width=1)
    >>> query, value = keras.ops.ones((1, 2, 4)), keras.ops.ones((1, 4, 4))
    >>> _, alignment = layer(query, value, return_attention_scores=True)
    >>> (keras.ops.convert_to_numpy(alignment) > 0).astype(int).tolist()
    [[[1, 1, 0, 0], [1, 1, 1, 0]]]

    Reference:
        [Luong et al., 2015](https://arxiv.org/abs/1508.04025), section 3.2.
    """

    def initial_state(self, memory: Memory) -> State:
        # The number of the step, as an integer: float16 cannot count past 2048.
        return (ops.zeros_like(memory["positions"][:, :1]),)  # (B, 1)

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        check_attend(type(self).__name__, query, memory, state, 1)
        (step,) = state  # (B, T, 1)
        context, alignment = self._attend_at(step, query, memory, draws)
        return context, alignment, (step + 1,)

    def attend_all(
        self,
        query: Tensor,
        memory: Memory,
        query_mask: Tensor | None = None,
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        if query_mask is None:
            query_mask = ops.ones((1, ops.shape(query)[1]), "bool")
        real = ops.cast(query_mask, "int32")
        steps = ops.cumsum(real, axis=1)[:, :, None] - 1  # (B, T, 1)
        return self._attend_at(steps, query, memory, draws)

    def _attend_at(self, step, query, memory, draws):
        last = memory["length"][:, None] - 1
        alignment, _ = self._align(query, memory, ops.minimum(step, last))
        return self.score.read(alignment, memory, draws), alignment


@keras.saving.register_keras_serializable(package="kseq2seq")
class LocalPredictiveAttention(LocalAttention):
    """Local attention that says itself where its window lies (local-p).

    For a query `h_t` and the `S` real positions of its source, counted from 0, with
    the half width `D`:

        p_t = S * sigmoid(v_p . tanh(W_p h_t))
        alignment(t, s) = align(h_t, h_s) * exp(-(s - p_t)^2 / (2 sigma^2)),
            |s - p_t| <= D, sigma = D / 2
        context(t) = sum over s of alignment(t, s) * value_s

    where `align` is the alignment of `score`, taken over the window alone. The
    alignment sums to less than 1, since the Gaussian only takes away; through it
    `v_p` and `W_p` learn where to look. The prediction knows the query alone, so the
    query must tell how far the decoder has come.

    All positions are scored, as in global attention, before the window is cut out:
    local attention is about what is seen, and saves no time here.

    Masking: source positions where `value_mask` is False receive exactly 0 and do
    not count as positions, and a row without any position left gives a context of
    zeros. The query's mask is passed on unchanged.

    Args:
        score: `BahdanauAttention` or `LuongAttention`, or another layer that
            compares a query with every source position. All its settings hold:
            dropout, `probability_fn` and temperature, too.
        half_width: The paper's `D`.
        units: Size of the space that `W_p` takes a query to; that of the query by
            default.
        kernel_initializer: Initializer of `W_p` and `v_p`.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments and results are those of `kseq2seq.layers.Attention`; `training`
    applies the dropout of `score`.

    Raises:
        ValueError: If `score` is no such layer, or `half_width` or `units` is not a
            positive integer.

    Example:

    >>> from kseq2seq.layers import LuongAttention
    >>> layer = LocalPredictiveAttention(LuongAttention("dot"), half_width=2)
    >>> query, value = keras.ops.zeros((1, 1, 4)), keras.ops.ones((1, 9, 4))
    >>> _, alignment = layer(query, value, return_attention_scores=True)
    >>> (keras.ops.convert_to_numpy(alignment) > 0).astype(int).tolist()  # p_t is 4.5
    [[[0, 0, 0, 1, 1, 1, 1, 0, 0]]]

    Reference:
        [Luong et al., 2015](https://arxiv.org/abs/1508.04025), section 3.2,
        equations 9 and 10.
    """

    def __init__(
        self,
        score: GlobalAttention,
        half_width: int = 10,
        units: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(score, half_width, **kwargs)
        self.units = check_integer("units", units, least=1, optional=True)
        # Keras's `get` is not typed.
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        super().build(query_shape, value_shape, key_shape)
        units = self.units or query_shape[-1]
        self.position_kernel = self.add_weight(
            shape=(query_shape[-1], units),
            initializer=new_initializer(self.kernel_initializer),
            name="position_kernel",
        )
        self.position_vector = self.add_weight(
            shape=(units,),
            initializer=new_initializer(self.kernel_initializer),
            name="position_vector",
        )

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        check_attend(type(self).__name__, query, memory)
        hidden = ops.tanh(project(query, self.position_kernel))  # (B, T, U)
        logit = project(hidden, self.position_vector[:, None])  # (B, T, 1)
        # In float32: half precision is too coarse for positions in a long source.
        share = ops.sigmoid(ops.cast(logit, "float32"))
        center = share * ops.cast(memory["length"][:, None], "float32")
        alignment, distance = self._align(query, memory, center)
        gaussian = ops.exp(-ops.square(distance) / (2 * (self.half_width / 2) ** 2))
        alignment = alignment * ops.cast(gaussian, alignment.dtype)
        return self.score.read(alignment, memory, draws), alignment, state

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
