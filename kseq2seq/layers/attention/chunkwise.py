"""Attention to a chunk of the source that only goes forward."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention.base import Memory, Shape
from kseq2seq.layers.attention.building import build_attention
from kseq2seq.layers.attention.global_attention import GlobalAttention
from kseq2seq.layers.attention.monotonic import MonotonicAttention, check_energies
from kseq2seq.layers.attention.monotonic_alignment import chunk_alignment
from kseq2seq.layers.attention.scores import zero_padding
from kseq2seq.utils import Tensor, check_integer


@keras.saving.register_keras_serializable(package="kseq2seq")
class ChunkwiseAttention(MonotonicAttention):
    """Monotonic chunkwise attention (MoChA): a softmax over what was just passed.

    `MonotonicAttention` chooses where a chunk of `w` source positions ends, and a
    second score `u` is made a softmax over that chunk. With alpha as there, for
    output i and position j:

        u_{i,j} = chunk_score(s_{i-1}, h_j)
        beta_{i,j} = sum over k in j .. j + w - 1 of
                     alpha_{i,k} exp(u_{i,j}) / sum over l in k - w + 1 .. k
                                                of exp(u_{i,l})
        context_i = sum over j of beta_{i,j} h_j

    In training, beta is expected over all choices; outside of training it is the
    softmax over one chunk. Chunks at the beginning of the source are shorter. A row of
    beta sums to what the row of alpha does, as said for `MonotonicAttention`.

    Masking: as in `MonotonicAttention`. A chunk has `w` real positions: those
    where `value_mask` is False do not count.

    Args:
        score: The layer that gives the energies of the choice, such as
            `BahdanauAttention` or `LuongAttention`. Its dropout is that of the
            alignment.
        chunk_score: The layer that gives the scores `u`, likewise, with weights of
            its own and without dropout.
        chunk_size: Number of positions in a chunk; 1 is `MonotonicAttention`.
        sigmoid_noise: Standard deviation of the normal noise that is added to the
            energies of the choice in training.
        score_bias_init: First value of the learned bias `r` of these energies.
        hard: Whether the choice is hard outside of training.
        seed: Integer seed of the noise.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments and results are those of `kseq2seq.layers.Attention`; `training`
    takes the expected alignment and adds the noise. The alignment returned is beta.

    Raises:
        ValueError: If `chunk_size` is not a positive integer, `chunk_score` cannot
            give scores, has dropout or is `score` itself; and as for
            `MonotonicAttention`.

    Example:

    >>> from kseq2seq.layers import BahdanauAttention
    >>> layer = ChunkwiseAttention(
    ...     BahdanauAttention(8), BahdanauAttention(8), chunk_size=2
    ... )
    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))
    >>> context, alignment = layer(query, value, return_attention_scores=True)
    >>> tuple(context.shape), tuple(alignment.shape)
    ((2, 3, 6), (2, 3, 5))

    Reference:
        [Chiu & Raffel, 2018](https://arxiv.org/abs/1712.05382), sections 2.3 and
        2.4.
    """

    def __init__(
        self,
        score: GlobalAttention,
        chunk_score: GlobalAttention,
        chunk_size: int,
        sigmoid_noise: float = 0.0,
        score_bias_init: float = 0.0,
        hard: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(score, sigmoid_noise, score_bias_init, hard, seed, **kwargs)
        check_energies(chunk_score, "chunk_score")
        if chunk_score is score:
            raise ValueError(
                "`chunk_score` must be a layer of its own: choosing where to stop and "
                "comparing what is in a chunk are two tasks. "
                f"Received: chunk_score={chunk_score!r}, the same as `score`"
            )
        if chunk_score.dropout:
            raise ValueError(
                "`chunk_score` must have no dropout: the alignment has that of "
                f"`score`. Received: chunk_score.dropout={chunk_score.dropout!r}"
            )
        self.chunk_size = check_integer("chunk_size", chunk_size, least=1)
        self.chunk_score = chunk_score

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        super().build(query_shape, value_shape, key_shape)
        build_attention(self.chunk_score, query_shape, value_shape, key_shape)

    def prepare(
        self,
        value: Tensor,
        key: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> Memory:
        memory = super().prepare(value, key, value_mask)
        key = memory["value"] if key is None else zero_padding(key, memory["mask"])
        return {**memory, "chunk_keys": self.chunk_score.project_keys(key)}

    def chosen_alignment(self, chosen: Tensor, query: Tensor, memory: Memory) -> Tensor:
        scores = self.chunk_score.scores(query, memory["chunk_keys"])
        scores = ops.cast(scores, "float32")
        return chunk_alignment(chosen, scores, memory["mask"], self.chunk_size)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "chunk_score": keras.saving.serialize_keras_object(self.chunk_score),
            "chunk_size": self.chunk_size,
        }
