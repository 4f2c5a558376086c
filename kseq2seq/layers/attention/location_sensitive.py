"""Additive attention that sees where it looked before."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention.bahdanau import BahdanauAttention
from kseq2seq.layers.attention.base import Draws, Memory, Shape, State
from kseq2seq.layers.attention.inputs import check_attend
from kseq2seq.layers.attention.scores import (
    permute_source,
    project,
    sum_dtype,
)
from kseq2seq.utils import Tensor, check_boolean, check_integer


@keras.saving.register_keras_serializable(package="kseq2seq")
class LocationSensitiveAttention(BahdanauAttention):
    """Additive attention that compares content and location ("hybrid").

    Filters are convolved over the alignment of the step before, and what they find
    around a source position enters its score. For a query `s_i` and keys `h_j`:

        f_i = F * alignment(i - 1, :)
        score(i, j) = w . tanh(W s_i + V h_j + U f_{i,j} + b)
        alignment(i, :) = softmax(score(i, :) / temperature)
        context(i) = sum over j of alignment(i, j) * value_j

    So attention can go on from where it was, where content alone cannot tell the
    same sound, or the same word, from its next occurrence. With `cumulative=True`
    the sum of all alignments so far takes the place of the last one, as in
    Tacotron 2. The convolution slides `F` without turning it round, as all
    convolution layers do, and has zeros beyond both ends.

    Before the first step that alignment is all zeros; the paper does not say what it
    is. The state is that alignment, of shape `(batch, num_queries, source_length)`,
    with the real source positions first; a sum of them is in float32 in half precision
    as well.

    Masking: source positions where `value_mask` is False receive exactly 0,
    and a row without any position left gives a context of zeros. They do not count
    as neighbours either: the filters see the real positions side by side. The
    query's mask is passed on unchanged; a masked query leaves the state as it was.

    Args:
        units: Size of the space in which query, key and location are compared.
        num_filters: Number of filters: columns of `F`.
        kernel_size: Number of positions that a filter covers, odd: as many on
            either side of its middle.
        cumulative: Whether the filters see the sum of all alignments so far.
        use_bias: Whether `W` and `V` have a bias each; their sum is the paper's
            `b`.
        **kwargs: Passed to `BahdanauAttention`: `normalize`, `dropout`, `seed`,
            `kernel_initializer` (also of `F` and `U`), `bias_initializer`,
            `probability_fn` and `temperature`; the inverse of the last is the
            paper's sharpening.

    Call arguments and results are those of `kseq2seq.layers.Attention`; `training`
    applies dropout.

    Raises:
        ValueError: If `units`, `num_filters` or `kernel_size` is not a positive
            integer, `kernel_size` is even, or an argument does not fit
            `BahdanauAttention`.

    Example:

    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))
    >>> layer = LocationSensitiveAttention(8, num_filters=10, kernel_size=3)
    >>> context, alignment = layer(query, value, return_attention_scores=True)
    >>> tuple(context.shape), tuple(alignment.shape)
    ((2, 3, 6), (2, 3, 5))

    Reference:
        - [Chorowski et al., 2015](https://arxiv.org/abs/1506.07503), section 2.2,
          equations 8 and 9, and section 2.3 for sharpening.
        - [Shen et al., 2018](https://arxiv.org/abs/1712.05884), section 2.2, for
          `cumulative`, and for the default sizes: 32 filters of width 31.
    """

    def __init__(
        self,
        units: int,
        num_filters: int = 32,
        kernel_size: int = 31,
        cumulative: bool = False,
        use_bias: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, use_bias, **kwargs)
        self.num_filters = check_integer("num_filters", num_filters, least=1)
        self.kernel_size = check_integer("kernel_size", kernel_size, least=1)
        if kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd, so that a filter has a middle: take one "
                f"more or one less. Received: kernel_size={kernel_size}"
            )
        self.cumulative = check_boolean("cumulative", cumulative)

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        super().build(query_shape, value_shape, key_shape)
        shape = (self.kernel_size, 1, self.num_filters)
        self.filters = self._kernel(shape, "filters")
        shape = (self.num_filters, self.units)
        self.location_kernel = self._kernel(shape, "location_kernel")

    def prepare(
        self,
        value: Tensor,
        key: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> Memory:
        memory = super().prepare(value, key, value_mask)
        # Real positions are neighbours even if masked ones are between them. So the
        # keys, the scores and the state have the real positions first.
        mask = memory["mask"]
        real = ops.cast(mask, "int32")
        behind = ops.sum(real, axis=1, keepdims=True) + ops.cumsum(1 - real, axis=1)
        place = ops.where(mask, ops.cumsum(real, axis=1), behind) - 1  # (B, S)
        order = ops.argsort(place, axis=1)
        return {
            **memory,
            "keys": ops.take_along_axis(memory["keys"], order[:, :, None], axis=1),
            "front": ops.take_along_axis(mask, order, axis=1),
            "order": order,
            "place": place,
        }

    def initial_state(self, memory: Memory) -> State:
        return (ops.zeros_like(memory["mask"], dtype=self._state_dtype),)

    @property
    def _state_dtype(self):
        dtype = self.compute_dtype
        return sum_dtype(dtype) if self.cumulative else dtype

    def _locations(self, past):
        """Projected outputs of the filters around each position, for the score."""
        batch, count, length = ops.shape(past)
        # With all sizes: a size of -1 cannot be computed for a batch without rows.
        rows = ops.reshape(past, (batch * count, length, 1))
        filtered = ops.conv(
            rows, self.filters, padding="same", data_format="channels_last"
        )
        # TensorFlow gives no rows the number of channels of its input.
        filtered = ops.reshape(filtered, (batch * count, length, self.num_filters))
        projected = project(filtered, self.location_kernel)  # (B * T, S, U)
        return ops.reshape(projected, (batch, count, length, self.units))

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        check_attend(type(self).__name__, query, memory, state, 1)
        past = ops.cast(state[0], self._state_dtype)  # (B, T, S)
        seen = ops.cast(past, self.compute_dtype)
        scores = self.scores(query, memory["keys"], self._locations(seen))
        in_front = self.align(scores, memory["front"])
        alignment = permute_source(in_front, memory["place"], memory["order"])
        context = self.read(alignment, memory, draws)
        past = past + ops.cast(in_front, past.dtype) if self.cumulative else in_front
        return context, alignment, (past,)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_filters": self.num_filters,
            "kernel_size": self.kernel_size,
            "cumulative": self.cumulative,
        }
