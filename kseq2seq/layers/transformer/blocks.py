"""The layers of a Transformer: sublayers with normalised inputs, and sums."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention import (
    MultiHeadAttention,
    build_attention,
    check_decoder_inputs,
    check_memory,
)
from kseq2seq.layers.dropout import Dropout
from kseq2seq.utils import Tensor, check_fraction, check_integer

# As in Vaswani et al., 2017; the default of Keras is 1e-3.
_EPSILON = 1e-6


class _Sublayer(keras.layers.Layer):
    """A function of normalised inputs that is added to the inputs."""

    def __init__(self, units: int, dropout: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy
        self.norm = keras.layers.LayerNormalization(
            epsilon=_EPSILON, dtype=policy, name="norm"
        )
        self.dropout = Dropout(dropout, dtype=policy, name="dropout")
        self.shape = (None, None, units)


class _Attention(_Sublayer):
    """Attention of several heads, with a matrix behind it."""

    def __init__(
        self, units: int, num_heads: int, dropout: float, **kwargs: Any
    ) -> None:
        super().__init__(units, dropout, **kwargs)
        policy = self.dtype_policy
        self.heads = MultiHeadAttention(
            num_heads, units, score="dot", dtype=policy, name="heads"
        )
        self.output_layer = keras.layers.Dense(
            units, use_bias=False, dtype=policy, name="output"
        )

    def build(self, *shapes: Any) -> None:
        self.norm.build(self.shape)
        build_attention(self.heads, self.shape, self.shape)
        self.output_layer.build(self.shape)
        self.built = True

    def attend(self, inputs, normed, memory, training=False):
        """The sum with what the normalised inputs read of a memory; the alignment."""
        context, alignment, _ = self.heads.attend(normed, memory, training=training)
        added = self.dropout(self.output_layer(context), training=training)
        return inputs + added, alignment

    def step(self, inputs, normed, memory):
        """As `attend`, for the few positions that a step of a search has."""
        context, alignment = self.heads.attend_few(normed, memory)
        return inputs + self.output_layer(context), alignment


class _FeedForward(_Sublayer):
    """Two dense layers, each position by itself."""

    def __init__(
        self, units: int, feed_forward_size: int, dropout: float, **kwargs: Any
    ) -> None:
        super().__init__(units, dropout, **kwargs)
        policy = self.dtype_policy
        self.inner = keras.layers.Dense(
            feed_forward_size, "relu", dtype=policy, name="inner"
        )
        self.outer = keras.layers.Dense(units, dtype=policy, name="outer")

    def build(self, *shapes: Any) -> None:
        self.norm.build(self.shape)
        self.inner.build(self.shape)
        self.outer.build((*self.shape[:2], self.inner.units))
        self.built = True

    def call(self, inputs, training=False):
        outputs = self.outer(self.inner(self.norm(inputs)))
        return inputs + self.dropout(outputs, training=training)


class _TransformerLayer(keras.layers.Layer):
    """Base class of the layers of encoder and decoder."""

    def __init__(
        self,
        units: int,
        num_heads: int,
        feed_forward_size: int | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True
        self.units = check_integer("units", units, least=1)
        self.num_heads = check_integer("num_heads", num_heads, least=1)
        self.feed_forward_size = check_integer(
            "feed_forward_size", feed_forward_size, least=1, optional=True
        )
        self.dropout = check_fraction("dropout", dropout)
        self.self_attention = self._attention("self_attention")
        self.feed_forward = _FeedForward(
            units,
            self.feed_forward_size or 4 * self.units,
            dropout,
            dtype=self.dtype_policy,
            name="feed_forward",
        )

    def _attention(self, name):
        return _Attention(
            self.units,
            self.num_heads,
            self.dropout,
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, *shapes: Any) -> None:
        self.self_attention.build()
        self.feed_forward.build()
        self.built = True

    def _check(self, **vectors):
        """Refuses vectors of other sizes, which products would fail at or broadcast."""
        for name, x in vectors.items():
            if len(x.shape) != 3 or x.shape[-1] not in (None, self.units):
                raise ValueError(
                    f"`{name}` must have the shape (batch, length, {self.units}), as "
                    "`units` says: a Dense layer makes vectors of another size so. "
                    f"Received: {name}.shape={tuple(x.shape)}"
                )

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        # Keras calls it with the first argument of the call and its mask.
        return mask

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "num_heads": self.num_heads,
            "feed_forward_size": self.feed_forward_size,
            "dropout": self.dropout,
        }


@keras.saving.register_keras_serializable(package="kseq2seq")
class TransformerEncoderLayer(_TransformerLayer):
    """A layer of a Transformer's encoder, with normalised inputs of each sublayer.

    With `N` for layer normalization, of which each sublayer has its own:

        y = x + dropout(MultiHead(N(x), N(x), N(x)))
        z = y + dropout(W_2 relu(W_1 N(y) + b_1) + b_2)

    `MultiHead` is `kseq2seq.layers.MultiHeadAttention` of dot products with a matrix
    behind it, all without biases.

    Args:
        units: Size of the vectors.
        num_heads: Number of heads, which divides `units`.
        feed_forward_size: Size between both dense layers; `None` for `4 * units`.
        dropout: Fraction that is dropped of what is added.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, length, units)`.
        mask: Boolean tensor of shape `(batch, length)`, True where positions may be
            read; all by default.
        training: Whether to drop.

    Returns:
        Tensor of the shape of `inputs`.

    Raises:
        ValueError: If a size is not a positive integer, `num_heads` does not divide
            `units`, `dropout` is not in `[0, 1)`, vectors are not of size `units`, or a
            mask has another shape or is not boolean.

    Example:

    >>> layer = TransformerEncoderLayer(units=6, num_heads=2)
    >>> tuple(layer(keras.ops.ones((2, 5, 6))).shape)
    (2, 5, 6)

    Reference:
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), section 3.
        - [Xiong et al., 2020](https://arxiv.org/abs/2002.04745), for normalised inputs
          in the place of normalised sums.
    """

    def call(
        self, inputs: Tensor, mask: Tensor | None = None, training: bool = False
    ) -> Tensor:
        self._check(inputs=inputs)
        check_memory(type(self).__name__, inputs, mask, ("inputs", "mask"))
        block = self.self_attention
        normed = block.norm(inputs)
        memory = block.heads.prepare(normed, value_mask=mask)
        outputs, _ = block.attend(inputs, normed, memory, training)
        return self.feed_forward(outputs, training=training)

    def compute_output_spec(
        self,
        inputs: keras.KerasTensor,
        mask: keras.KerasTensor | None = None,
        training: bool = False,
    ) -> keras.KerasTensor:
        self._check(inputs=inputs)
        check_memory(type(self).__name__, inputs, mask, ("inputs", "mask"))
        return keras.KerasTensor(inputs.shape, self.compute_dtype)


@keras.saving.register_keras_serializable(package="kseq2seq")
class TransformerDecoderLayer(_TransformerLayer):
    """A layer of a Transformer's decoder: attention to the target, then to the source.

    As `TransformerEncoderLayer`, with a sublayer in the middle that reads the memory. A
    position of the target reads those before it and itself alone.

    Args:
        units: Size of the vectors, those of the memory included.
        num_heads: Number of heads, which divides `units`.
        feed_forward_size: Size between both dense layers; `None` for `4 * units`.
        dropout: Fraction that is dropped of what is added.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, target_length, units)`.
        memory: Tensor of shape `(batch, source_length, units)`.
        memory_mask: Boolean tensor of shape `(batch, source_length)`, True where the
            memory may be read; all by default.
        return_attention_scores: Whether to return the alignment as well.
        training: Whether to drop.

    Returns:
        Tensor of the shape of `inputs`; with `return_attention_scores=True` a tuple of
        it and the alignment, the mean over the heads, of shape `(batch, target_length,
        source_length)`.

    Raises:
        ValueError: If a size is not a positive integer, `num_heads` does not divide
            `units`, `dropout` is not in `[0, 1)`, vectors are not of size `units`, or a
            mask has another shape or is not boolean.

    Example:

    >>> layer = TransformerDecoderLayer(units=6, num_heads=2)
    >>> target, source = keras.ops.ones((2, 3, 6)), keras.ops.ones((2, 5, 6))
    >>> outputs, alignment = layer(target, source, return_attention_scores=True)
    >>> tuple(outputs.shape), tuple(alignment.shape)
    ((2, 3, 6), (2, 3, 5))

    Reference:
        As of `TransformerEncoderLayer`.
    """

    def __init__(
        self,
        units: int,
        num_heads: int,
        feed_forward_size: int | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, num_heads, feed_forward_size, dropout, **kwargs)
        self.cross_attention = self._attention("cross_attention")

    def build(self, *shapes: Any) -> None:
        self.cross_attention.build()
        super().build()

    def call(
        self,
        inputs: Tensor,
        memory: Tensor,
        memory_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool = False,
    ) -> Any:
        self._check(inputs=inputs, memory=memory)
        check_decoder_inputs(type(self).__name__, inputs, memory, memory_mask)
        block = self.self_attention
        normed = block.norm(inputs)
        places = ops.arange(ops.shape(inputs)[1], dtype="int32")
        past = ops.less_equal(places[None, None], places[None, :, None])  # (1, T, T)
        own = {**block.heads.prepare(normed), "mask": past}
        outputs, _ = block.attend(inputs, normed, own, training)
        block, own = self.cross_attention, self.prepare(memory, memory_mask)
        outputs, alignment = block.attend(outputs, block.norm(outputs), own, training)
        outputs = self.feed_forward(outputs, training=training)
        return (outputs, alignment) if return_attention_scores else outputs

    def prepare(
        self, memory: Tensor, memory_mask: Tensor | None = None
    ) -> dict[str, Tensor]:
        """The memory as each step reads it.

        Args:
            memory: Tensor of shape `(batch, source_length, units)`.
            memory_mask: Boolean tensor of shape `(batch, source_length)`.

        Returns:
            A dict of `keys` and `value`, of the shape of the memory, and `mask`.

        Raises:
            ValueError: If memory or mask have other shapes, or if the mask is not
                boolean.
        """
        self._check(memory=memory)
        check_memory(type(self).__name__, memory, memory_mask)
        return self.cross_attention.heads.prepare(memory, value_mask=memory_mask)

    def step(
        self,
        inputs: Tensor,
        position: Tensor,
        cache: tuple[Tensor, Tensor],
        memory: dict[str, Tensor],
    ) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """The outputs at one position, by the keys and values of those before it.

        Args:
            inputs: Tensor of shape `(batch, beam, units)`.
            position: int32 of shape `(batch, beam, 1)`, from 0 on.
            cache: Keys and values, of shape `(batch, beam, room, units)` each, `room`
                above `position`; what stands from `position` on is not read.
            memory: The result of `prepare`.

        Returns:
            A tuple of the outputs, the cache with this position in it, and the
            alignment, of shape `(batch, beam, source_length)`.
        """
        block = self.self_attention
        batch, beam, room, units = ops.shape(cache[0])
        # Hypotheses have a past of their own, as rows have.
        rows = batch * beam
        inputs = ops.reshape(inputs, (rows, 1, units))
        normed = block.norm(inputs)
        own = block.heads.prepare(normed)
        position = ops.reshape(position, (rows, 1))
        place = ops.concatenate(
            [ops.arange(rows, dtype="int32")[:, None], position], axis=1
        )
        keys, value = (
            ops.scatter_update(
                ops.reshape(old, (rows, room, units)), place, own[name][:, 0]
            )
            for name, old in zip(("keys", "value"), cache, strict=True)
        )
        past = ops.less_equal(ops.arange(room, dtype="int32"), position)
        own = {"keys": keys, "value": value, "mask": past}
        outputs, _ = block.step(inputs, normed, own)
        outputs = ops.reshape(outputs, (batch, beam, units))
        block = self.cross_attention
        outputs, alignment = block.step(outputs, block.norm(outputs), memory)
        outputs = self.feed_forward(outputs)
        shape = (batch, beam, room, units)
        return outputs, (ops.reshape(keys, shape), ops.reshape(value, shape)), alignment

    def compute_output_spec(
        self,
        inputs: keras.KerasTensor,
        memory: keras.KerasTensor,
        memory_mask: keras.KerasTensor | None = None,
        return_attention_scores: bool = False,
        training: bool = False,
    ) -> Any:
        self._check(inputs=inputs, memory=memory)
        check_decoder_inputs(type(self).__name__, inputs, memory, memory_mask)
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return outputs
        shape = (*inputs.shape[:2], memory.shape[1])
        return outputs, keras.KerasTensor(shape, self.compute_dtype)
