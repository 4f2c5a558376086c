"""The contract of all attention."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
from keras import ops

from kseq2seq.layers.attention.inputs import (
    check_attention_mask,
    check_inputs,
    check_key,
    check_memory,
    mask_by_query,
)
from kseq2seq.layers.attention.scores import zero_padding
from kseq2seq.layers.recurrent import run_steps
from kseq2seq.utils import Tensor

Shape: TypeAlias = Sequence[int | None]
Memory: TypeAlias = dict[str, Tensor]
State: TypeAlias = tuple[Tensor, ...]
Draws: TypeAlias = dict[str, Tensor]


class Attention(keras.layers.Layer):
    """Base class of all attention, for decoders and for models that call it as a layer.

    A loop over target positions asks for `prepare` and `initial_state` once, ahead
    of it, and for `attend` at each step; `call` does all of it for a whole target.
    A subclass says in `project_keys` what of the keys does not depend on the query,
    and in `attend` what one step does. Attention that sees its own past also says
    in `initial_state` what it starts from; what it draws by chance it draws in
    `draw`. The decoder and the models know no more of a mechanism than that.

    Args:
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        query: Tensor of shape `(batch, target_length, query_dim)`.
        value: Tensor of shape `(batch, source_length, value_dim)`.
        key: Tensor of shape `(batch, source_length, key_dim)`. Defaults to
            `value`.
        query_mask: Boolean tensor of shape `(batch, target_length)`.
        value_mask: Boolean tensor of shape `(batch, source_length)`.
        attention_mask: Boolean tensor of shape `(batch, target_length,
            source_length)`, True where that query may read that position; where
            `takes_attention_mask` is True.
        use_causal_mask: Whether the query at position `t` may read the positions up
            to `t` only; likewise.
        return_attention_scores: Whether to return the alignment as well.
        training: Whether to do what a mechanism does in training alone.

    Returns:
        The context, of shape `(batch, target_length, value_dim)`; with
        `return_attention_scores=True` a tuple `(context, alignment)`, the latter
        of shape `(batch, target_length, source_length)`, before dropout.

    Example: attention to the source position that is the target's own.

    >>> class DiagonalAttention(Attention):
    ...     def initial_state(self, memory):
    ...         return (keras.ops.cast(memory["mask"][:, :1], "int32") * 0,)
    ...
    ...     def attend(self, query, memory, state=(), draws=None, training=False):
    ...         (position,) = state  # (B, K, 1)
    ...         source_length = keras.ops.shape(memory["mask"])[1]
    ...         alignment = keras.ops.one_hot(position[..., 0], source_length)
    ...         alignment *= keras.ops.cast(memory["mask"], "float32")[:, None]
    ...         context = keras.ops.matmul(alignment, memory["value"])
    ...         return context, alignment, (position + 1,)
    >>> query, value = keras.ops.ones((1, 2, 3)), keras.ops.arange(4.0)[None, :, None]
    >>> keras.ops.convert_to_numpy(DiagonalAttention()(query, value)).ravel().tolist()
    [0.0, 1.0]
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def project_keys(self, key: Tensor) -> Tensor:
        """Keys as the score compares them: independent of the query.

        Args:
            key: Tensor of shape `(batch, source_length, key_dim)`.

        Returns:
            Tensor of shape `(batch, source_length, projected_dim)`.
        """
        return key

    def prepare(
        self,
        value: Tensor,
        key: Tensor | None = None,
        value_mask: Tensor | None = None,
    ) -> Memory:
        """The memory that `attend` reads, made once for all steps.

        Args:
            value: Tensor of shape `(batch, source_length, value_dim)`.
            key: Tensor of shape `(batch, source_length, key_dim)`; `value` by
                default.
            value_mask: Boolean tensor of shape `(batch, source_length)`; all True
                by default.

        Returns:
            A dict of tensors that each have the batch as first axis: `value`, with
            zeros at padding, of shape `(batch, source_length, value_dim)`, `keys`,
            and the boolean `mask`, of shape `(batch, source_length)`. A subclass
            may add more.

        Raises:
            ValueError: If the layer has no weights yet, or if one of the tensors has
                another shape or is no mask.
        """
        # `__call__` has checked them already, but loops call `prepare` directly.
        name, names = type(self).__name__, ("value", "value_mask")
        check_memory(name, value, value_mask, names, self.takes_kinds)
        check_key(name, key, value)
        mask = ops.ones(ops.shape(value)[:2], "bool")
        if value_mask is not None:
            mask = ops.cast(value_mask, "bool")
            value = zero_padding(value, mask)
            key = None if key is None else zero_padding(key, mask)
        try:
            keys = self.project_keys(value if key is None else key)
        except AttributeError as error:
            if self.built:
                raise
            raise ValueError(
                f"{type(self).__name__} must have its weights before `prepare`: call "
                "the layer once, or build(query_shape, value_shape). Received: "
                "a layer that is not built"
            ) from error
        return {"value": value, "keys": keys, "mask": mask}

    def initial_state(self, memory: Memory) -> State:
        """The state before the first step.

        Args:
            memory: Dict that `prepare` returned.

        Returns:
            A tuple of tensors of shape `(batch, size)`; empty for attention that
            does not see its past.
        """
        return ()

    def draw(self, memory: Memory, num_queries: Any, training: Any) -> Draws:
        """Random numbers for all steps, drawn ahead of the loop.

        Args:
            memory: Dict that `prepare` returned.
            num_queries: Number of target positions.
            training: Whether this is training.

        Returns:
            A dict of tensors of shape `(batch, num_queries, size)`, of which
            `attend` gets those of its queries.
        """
        return {}

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        """One step of each query; a pure function. Queries are independent.

        Args:
            query: Tensor of shape `(batch, num_queries, query_dim)`: hypotheses of
                one source, or target positions where there is no state.
            memory: Dict that `prepare` returned.
            state: Tuple of tensors of shape `(batch, num_queries, size)`: what
                the step before returned, or `initial_state` with an axis for the
                queries.
            draws: Dict of tensors of shape `(batch, num_queries, size)`, as `draw`
                made them; `None` outside of training.
            training: Whether this is training.

        Returns:
            A tuple `(context, alignment, state)`: tensors of shapes `(batch,
            num_queries, value_dim)` and `(batch, num_queries, source_length)`, and
            a tuple as `state`.
        """
        raise TypeError(
            f"{type(self).__name__} must define `attend`, which makes one step: "
            "override it, or extend `GlobalAttention`, which asks for `scores` alone. "
            f"Received: {type(self).__name__} without"
        )

    def attend_all(
        self,
        query: Tensor,
        memory: Memory,
        query_mask: Tensor | None = None,
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """All target positions, in their order: `attend` at once, or in a loop.

        A mechanism with a state may have a better way than the loop.

        Args:
            query: Tensor of shape `(batch, target_length, query_dim)`.
            memory: Dict that `prepare` returned.
            query_mask: Boolean tensor of shape `(batch, target_length)`: a position
                that is False leaves the state as it was. `None` for all True.
            draws: Dict that `draw` returned for `target_length` queries.
            training: Whether this is training.

        Returns:
            A tuple `(context, alignment)`, of shapes `(batch, target_length,
            value_dim)` and `(batch, target_length, source_length)`.
        """
        state = self.initial_state(memory)
        if not state:
            return self.attend(query, memory, (), draws, training)[:2]
        draws = {**(draws or {})}
        if query_mask is not None:
            draws["query_mask"] = ops.cast(query_mask, "bool")[:, :, None]

        def step(query, state, memory, draws):
            query_mask = draws.pop("query_mask", None)
            context, alignment, new_state = self.attend(
                query[:, None],
                memory,
                tuple(x[:, None] for x in state),
                draws,
                training,
            )
            new_state = [x[:, 0] for x in new_state]
            if query_mask is not None:
                kept = query_mask[:, 0]
                both = zip(new_state, state, strict=True)
                new_state = [ops.where(kept, new, old) for new, old in both]
            return ops.concatenate([context, alignment], axis=-1)[:, 0], new_state

        outputs = run_steps(step, query, [*state], memory, draws, self.dtype_policy)
        size = memory["value"].shape[-1]
        return outputs[..., :size], outputs[..., size:]

    @property
    def has_alignment_loss(self) -> bool:
        """Whether there is an `alignment_loss`, for which a loop keeps alignments."""
        return False

    def alignment_loss(
        self, alignment: Tensor, query_mask: Tensor | None = None
    ) -> Tensor:
        """The term that training adds to the loss, where `has_alignment_loss`.

        Args:
            alignment: Tensor of shape `(batch, target_length, source_length)`.
            query_mask: Boolean tensor of shape `(batch, target_length)`, or `None`.

        Returns:
            A scalar tensor.
        """
        raise TypeError(
            f"{type(self).__name__} must define `alignment_loss`: override it, or let "
            "`has_alignment_loss` be False. "
            f"Received: {type(self).__name__} without"
        )

    @property
    def takes_kinds(self) -> bool:
        """Whether the `value_mask` may be integers, as `SourceKinds` makes them."""
        return False

    @property
    def takes_attention_mask(self) -> bool:
        """Whether the layer may be called with a mask of each query's own.

        `attend` then gets a memory whose `mask` has the shape `(batch, num_queries,
        source_length)`.
        """
        return False

    def __call__(
        self,
        query: Any,
        value: Any = None,
        key: Any = None,
        query_mask: Any = None,
        value_mask: Any = None,
        **kwargs: Any,
    ) -> Any:
        # Before Keras, which would build the layer first and fail in `build`.
        name = type(self).__name__
        masks = query_mask, value_mask
        check_inputs(name, query, value, key, *masks, takes_kinds=self.takes_kinds)
        check_attention_mask(name, self.takes_attention_mask, query, value, kwargs)
        # By name, so that Keras does not take masks for inputs.
        masks = {"query_mask": query_mask, "value_mask": value_mask}
        kwargs |= {name: mask for name, mask in masks.items() if mask is not None}
        return super().__call__(query, value, key, **kwargs)

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        attention_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
        key_mask: Tensor | None = None,
    ) -> Any:
        # Keras passes the mask that keys carry as `key_mask`.
        value_mask = key_mask if value_mask is None else value_mask
        memory = self.prepare(value, key, value_mask)
        draws = self.draw(memory, ops.shape(query)[1], training)
        if attention_mask is not None or use_causal_mask:
            mask = memory["mask"]
            mask = mask_by_query(mask, query, attention_mask, use_causal_mask)
            memory = {**memory, "mask": mask}
        context, alignment = self.attend_all(
            query, memory, query_mask, draws, bool(training)
        )
        if self.has_alignment_loss:
            self.add_loss(self.alignment_loss(alignment, query_mask))
        return (context, alignment) if return_attention_scores else context

    def compute_mask(self, query: Any, query_mask: Any = None) -> Any:
        # Keras calls it with the first argument of the call and its mask.
        return query_mask

    def compute_output_spec(
        self,
        query: keras.KerasTensor,
        value: keras.KerasTensor,
        key: keras.KerasTensor | None = None,
        query_mask: keras.KerasTensor | None = None,
        value_mask: keras.KerasTensor | None = None,
        attention_mask: keras.KerasTensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
        use_causal_mask: bool = False,
        key_mask: keras.KerasTensor | None = None,
    ) -> Any:
        batch, target_length, _ = query.shape
        context = keras.KerasTensor(
            (batch, target_length, value.shape[-1]), self.compute_dtype
        )
        if not return_attention_scores:
            return context
        shape = (batch, target_length, value.shape[1])
        return context, keras.KerasTensor(shape, self.compute_dtype)
