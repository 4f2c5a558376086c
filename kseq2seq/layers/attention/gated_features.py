"""Attention to a text and to its features, with a gate between both contexts."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention.base import Attention, Draws, Memory, Shape, State
from kseq2seq.layers.attention.building import build_attention, new_initializer
from kseq2seq.layers.attention.global_attention import GlobalAttention, check_score
from kseq2seq.layers.attention.inputs import check_memory
from kseq2seq.layers.attention.scores import project, zero_padding
from kseq2seq.layers.nested import NestedLayers
from kseq2seq.layers.source_kinds import FEATURE_KIND, TEXT_KIND
from kseq2seq.utils import Tensor

_TEXT, _FEATURES = "text_", "features_"


@keras.saving.register_keras_serializable(package="kseq2seq")
class GatedFeaturesAttention(NestedLayers, Attention):
    """Two attentions, one to a text and one to its features, and a gate (scalar).

    The memory holds a vector of each token of the text and of each feature. For a query
    `h`:

        c, a = attention(h, text)
        c', a' = features(h, features)
        g = sigmoid(w . [h; c; c'] + b)
        context = g * c + (1 - g) * c'
        alignment = g * a + (1 - g) * a'

    So the alignment tells of each position, of the text or a feature, how much of it is
    in the context. In a row without features the gate is 1.

    Masking: padding receives exactly 0, and so does the text of the features'
    attention and the reverse.

    Args:
        attention: Attention to the text that keeps the contract of `kseq2seq.layers`,
            without a loss of its alignment.
        features: `BahdanauAttention` or `LuongAttention`, or another layer that
            compares a query with every position: attention to the features, whose order
            does not count.
        kernel_initializer: Initializer of the gate's vector.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        query: Tensor of shape `(batch, target_length, query_dim)`.
        value: Tensor of shape `(batch, source_length, value_dim)`.
        key: Tensor of shape `(batch, source_length, key_dim)`. Defaults to `value`.
        query_mask: Boolean tensor of shape `(batch, target_length)`.
        value_mask: int32 tensor of shape `(batch, source_length)`, as
            `kseq2seq.layers.SourceKinds` makes it: 0 at padding, 1 at the text, 2 at
            features. A boolean one, or none, is of a text without features.
        return_attention_scores: Whether to return the alignment as well.
        training: Whether this is training.

    Returns:
        Context of shape `(batch, target_length, value_dim)`; with
        `return_attention_scores=True` a tuple `(context, alignment)`, the latter of
        shape `(batch, target_length, source_length)`.

    Raises:
        ValueError: If `features` is no such layer, or `attention` none or one with a
            loss.

    Example:

    >>> from kseq2seq.layers import BahdanauAttention, LuongAttention
    >>> layer = GatedFeaturesAttention(LuongAttention("general"), BahdanauAttention(7))
    >>> query, value = keras.ops.ones((1, 2, 3)), keras.ops.ones((1, 5, 6))
    >>> kinds = keras.ops.convert_to_tensor([[1, 1, 1, 2, 0]])
    >>> tuple(layer(query, value, value_mask=kinds).shape)
    (1, 2, 6)

    Reference:
        [Peters & Martins, 2019](https://aclanthology.org/W19-4207), section 2:
        two-headed attention to a lemma and its tags, whose heads a gate weighs.
    """

    def __init__(
        self,
        attention: Attention,
        features: GlobalAttention,
        kernel_initializer: Any = "glorot_uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(attention, Attention) or attention.has_alignment_loss:
            raise ValueError(
                "`attention` must be an attention layer without a loss of its "
                "alignment, such as LuongAttention or BahdanauAttention: in what the "
                "gate makes of it, features would count as a text. "
                f"Received: attention={attention!r}"
            )
        check_score(features, "features")
        self.attention = attention
        self.features = features
        self.kernel_initializer: Any = keras.initializers.get(kernel_initializer)

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        for layer in (self.attention, self.features):
            build_attention(layer, query_shape, value_shape, key_shape)
        query_size: Any = query_shape[-1]
        value_size: Any = value_shape[-1]
        self.gate_kernel = self.add_weight(
            shape=(query_size + 2 * value_size, 1),
            initializer=new_initializer(self.kernel_initializer),
            name="gate_kernel",
        )
        self.gate_bias = self.add_weight(
            shape=(1,), initializer="zeros", name="gate_bias"
        )

    @property
    def takes_kinds(self) -> bool:
        return True

    def prepare(
        self,
        value: Tensor,
        key: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> Memory:
        names = ("value", "value_mask")
        check_memory(type(self).__name__, value, value_mask, names, takes_kinds=True)
        if value_mask is None:
            value_mask = ops.ones(ops.shape(value)[:2], "bool")
        kinds = ops.cast(value_mask, "int32")
        mask = ops.not_equal(kinds, 0)
        memory = {"value": zero_padding(value, mask), "mask": mask}
        parts = {
            _TEXT: (self.attention, TEXT_KIND),
            _FEATURES: (self.features, FEATURE_KIND),
        }
        for prefix, (layer, kind) in parts.items():
            own = layer.prepare(value, key, ops.equal(kinds, kind))
            memory |= {f"{prefix}{name}": tensor for name, tensor in own.items()}
        return memory

    def initial_state(self, memory: Memory) -> State:
        return self.attention.initial_state(_part(memory, _TEXT))

    def draw(self, memory: Memory, num_queries: Any, training: Any) -> Draws:
        draws = {}
        for prefix, layer in ((_TEXT, self.attention), (_FEATURES, self.features)):
            own = layer.draw(_part(memory, prefix), num_queries, training)
            draws |= {f"{prefix}{name}": tensor for name, tensor in own.items()}
        return draws

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        context, alignment, state = self.attention.attend(
            query, _part(memory, _TEXT), state, _part(draws, _TEXT), training
        )
        both = self._gated(query, memory, context, alignment, draws, training)
        return (*both, state)

    def attend_all(
        self,
        query: Tensor,
        memory: Memory,
        query_mask: Tensor | None = None,
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        context, alignment = self.attention.attend_all(
            query, _part(memory, _TEXT), query_mask, _part(draws, _TEXT), training
        )
        return self._gated(query, memory, context, alignment, draws, training)

    def _gated(self, query, memory, context, alignment, draws, training):
        """Context and alignment of both, given those of the text."""
        of_features = _part(memory, _FEATURES)
        other, other_alignment, _ = self.features.attend(
            query, of_features, (), _part(draws, _FEATURES), training
        )
        joined = ops.concatenate([query, context, other], axis=-1)
        # In float32: in half precision `1 - gate` would be rounded too much.
        logits = project(joined, self.gate_kernel) + self.gate_bias
        logits = ops.cast(logits, "float32")
        has_features = ops.any(of_features["mask"], axis=1)[:, None, None]
        gate = ops.where(has_features, ops.sigmoid(logits), 1.0)  # (B, T, 1)

        def mixed(text, features):
            share = ops.cast(gate, text.dtype)
            return share * text + (1.0 - share) * ops.cast(features, text.dtype)

        return mixed(context, other), mixed(alignment, other_alignment)

    def get_config(self) -> dict[str, Any]:
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "attention": serialize(self.attention),
            "features": serialize(self.features),
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _part(tensors: dict[str, Tensor] | None, prefix: str) -> dict[str, Tensor]:
    """The tensors of one of the two attentions, by the names that it knows."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in (tensors or {}).items()
        if name.startswith(prefix)
    }
