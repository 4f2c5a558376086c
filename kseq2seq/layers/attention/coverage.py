"""Additive attention that sees how much of the source it has covered."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention.bahdanau import BahdanauAttention
from kseq2seq.layers.attention.base import Draws, Memory, Shape, State
from kseq2seq.layers.attention.inputs import check_attend
from kseq2seq.layers.attention.scores import sum_dtype, zero_padding
from kseq2seq.utils import Tensor, check_number

# No less, since coverage, which is divided by it, is to fit into float16.
MIN_FERTILITY = 1e-3
MAX_IN_FLOAT16 = 65504.0


@keras.saving.register_keras_serializable(package="kseq2seq")
class CoverageAttention(BahdanauAttention):
    """Additive attention with a coverage of the source in its score.

    What a source position has received so far enters its score, so that attention
    can tell what is yet to be translated. For a query `s_t` and keys `h_i`:

        c_i^t = sum over t' < t of a_i^t'
        e_i^t = v . tanh(W_h h_i + W_s s_t + w_c c_i^t + b)
        a^t = softmax(e^t / temperature)
        context(t) = sum over i of a_i^t * value_i

    With `max_fertility=N` coverage is a share of what the position is expected to
    receive in all, its fertility, which is learned (Tu's linguistic coverage; his
    other one, a recurrent network a position, is not here):

        Phi_i = N * sigmoid(U_f . h_i)
        c_i^t = (sum over t' < t of a_i^t') / Phi_i

    With `loss_weight` above 0 a model's loss gets a penalty for looking again at
    what has been covered, with the plain sum as coverage in either case:

        covloss_t = sum over i of min(a_i^t, c_i^t)

    times `loss_weight`, as mean over the real target tokens, as
    `kseq2seq.losses.MaskedCrossentropy` is. `evaluate` reports it in its loss as
    well, so losses compare between models only where the weight is 0, its default;
    See et al. add it with weight 1 at the end of training.

    The state is the plain sum, of shape `(batch, num_queries, source_length)`, in
    float32 in half precision as well; it starts at 0.

    Masking: source positions where `value_mask` is False receive exactly 0,
    and a row without any position left gives a context of zeros. The query's mask
    is passed on unchanged; a query that it leaves out covers nothing.

    Args:
        units: Size of the space in which query, key and coverage are compared.
        max_fertility: Number `N` above 0, the most that a position may be expected
            to receive, such as 2; `None` for coverage as a plain sum.
        loss_weight: Factor of the penalty, at least 0.
        use_bias: Whether `W_h` and `W_s` have a bias each; their sum is the
            paper's `b`.
        **kwargs: Passed to `BahdanauAttention`: `normalize`, `dropout`, `seed`,
            `kernel_initializer` (also of `w_c` and `U_f`), `bias_initializer`,
            `probability_fn` and `temperature`.

    Call arguments and results are those of `kseq2seq.layers.Attention`; `training`
    applies dropout.

    Raises:
        ValueError: If `max_fertility` is not above 0, `loss_weight` is below 0, or
            an argument does not fit `BahdanauAttention`.

    Example:

    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))
    >>> layer = CoverageAttention(units=8, loss_weight=1.0)
    >>> tuple(layer(query, value).shape)
    (2, 3, 6)
    >>> round(float(layer.losses[0]), 3)  # always 1/5 of each: nothing, 1, 1
    0.667

    Reference:
        - [See et al., 2017](https://arxiv.org/abs/1704.04368), section 2.3,
          equations 10 to 13.
        - [Tu et al., 2016](https://arxiv.org/abs/1601.04811), section 3.1.1, for
          `max_fertility`.
    """

    def __init__(
        self,
        units: int,
        max_fertility: float | None = None,
        loss_weight: float = 0.0,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, use_bias, **kwargs)
        self.max_fertility = check_number(
            "max_fertility", max_fertility, above=0, optional=True
        )
        self.loss_weight = check_number("loss_weight", loss_weight, least=0)

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        super().build(query_shape, value_shape, key_shape)
        self.coverage_vector = self._kernel((self.units,), "coverage_vector")
        if self.max_fertility is not None:
            size = (value_shape if key_shape is None else key_shape)[-1]
            self.fertility_kernel = self._kernel((size, 1), "fertility_kernel")

    def prepare(
        self,
        value: Tensor,
        key: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> Memory:
        memory = super().prepare(value, key, value_mask)
        if self.max_fertility is None:
            return memory
        key = memory["value"] if key is None else zero_padding(key, value_mask)
        share = ops.sigmoid(ops.matmul(key, self.fertility_kernel))[:, :, 0]  # (B, S)
        fertility = ops.maximum(self.max_fertility * share, MIN_FERTILITY)
        return {**memory, "fertility": fertility}

    def initial_state(self, memory: Memory) -> State:
        return (ops.zeros_like(memory["mask"], dtype=sum_dtype(self.compute_dtype)),)

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        check_attend(type(self).__name__, query, memory, state, 1)
        dtype = sum_dtype(self.compute_dtype)
        coverage = received = ops.cast(state[0], dtype)  # (B, T, S)
        if self.max_fertility is not None:
            coverage = received / ops.cast(memory["fertility"], dtype)[:, None]
            if self.compute_dtype == "float16":
                coverage = ops.minimum(coverage, MAX_IN_FLOAT16)
        coverage = ops.cast(coverage, self.compute_dtype)
        past = coverage[..., None] * self.coverage_vector  # (B, T, S, U)
        scores = self.scores(query, memory["keys"], past)
        alignment = self.align(scores, memory["mask"])
        context = self.read(alignment, memory, draws)
        return context, alignment, (received + ops.cast(alignment, dtype),)

    @property
    def has_alignment_loss(self) -> bool:
        return self.loss_weight > 0

    def alignment_loss(
        self, alignment: Tensor, query_mask: Tensor | None = None
    ) -> Tensor:
        # Sums of many small numbers, so in float32 even where these are not.
        alignment = ops.cast(alignment, "float32")
        real = ops.ones_like(alignment[:, :, :1])  # (B, T, 1)
        if query_mask is not None:
            real = ops.cast(query_mask, "float32")[:, :, None]
        alignment = alignment * real
        before = ops.pad(alignment[:, :-1], ((0, 0), (1, 0), (0, 0)))
        coverage = ops.cumsum(before, axis=1)  # (B, T, S)
        total = ops.sum(ops.minimum(alignment, coverage))
        return self.loss_weight * total / ops.maximum(ops.sum(real), 1.0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_fertility": self.max_fertility,
            "loss_weight": self.loss_weight,
        }
