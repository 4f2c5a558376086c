"""The contract of all attention, and the base class of global attention."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import keras
from keras import ops

from kseq2seq.layers.attention.inputs import check_inputs
from kseq2seq.layers.attention.scores import (
    PROBABILITY_FNS,
    masked_probabilities,
    zero_padding,
)
from kseq2seq.layers.dropout import Dropout
from kseq2seq.layers.recurrent import run_steps
from kseq2seq.utils import Tensor, check_choice, check_fraction, check_number

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
        """
        mask = ops.ones(ops.shape(value)[:2], "bool")
        if value_mask is not None:
            mask = ops.cast(value_mask, "bool")
            value = zero_padding(value, mask)
            key = None if key is None else zero_padding(key, mask)
        keys = self.project_keys(value if key is None else key)
        return {"value": value, "keys": keys, "mask": mask}

    def initial_state(self, memory: Memory) -> State:
        """The state before the first step.

        Args:
            memory: What `prepare` returned.

        Returns:
            A tuple of tensors of shape `(batch, size)`; empty for attention that
            does not see its past.
        """
        return ()

    def draw(self, memory: Memory, num_queries: Any, training: Any) -> Draws:
        """Random numbers for all steps, drawn ahead of the loop.

        Args:
            memory: What `prepare` returned.
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
        """One step of each query; a pure function. Queries know nothing of another.

        Args:
            query: Tensor of shape `(batch, num_queries, query_dim)`: hypotheses of
                one source, or target positions where there is no state.
            memory: What `prepare` returned.
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
        raise TypeError(f"{type(self).__name__} must define `attend`.")

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
            memory: What `prepare` returned.
            query_mask: Boolean tensor of shape `(batch, target_length)`: a position
                that is False leaves the state as it was. `None` for all True.
            draws: What `draw` returned for `target_length` queries.
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
        raise TypeError(f"{type(self).__name__} must define `alignment_loss`.")

    def __call__(self, query, value=None, key=None, **kwargs):
        # Ahead of Keras, which builds the layer first and fails there.
        masks = {x: kwargs.get(x) for x in ("query_mask", "value_mask")}
        check_inputs(type(self).__name__, query, value, key, **masks)
        return super().__call__(query, value, key, **kwargs)

    def call(
        self,
        query: Tensor,
        value: Tensor,
        key: Tensor | None = None,
        query_mask: Tensor | None = None,
        value_mask: Tensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        memory = self.prepare(value, key, value_mask)
        draws = self.draw(memory, ops.shape(query)[1], training)
        context, alignment = self.attend_all(
            query, memory, query_mask, draws, bool(training)
        )
        if self.has_alignment_loss:
            self.add_loss(self.alignment_loss(alignment, query_mask))
        return (context, alignment) if return_attention_scores else context

    def compute_mask(self, query: Any, query_mask: Any = None) -> Any:
        # What Keras calls this with: the first argument, and the mask it carries.
        return query_mask

    def compute_output_spec(
        self,
        query: keras.KerasTensor,
        value: keras.KerasTensor,
        key: keras.KerasTensor | None = None,
        query_mask: keras.KerasTensor | None = None,
        value_mask: keras.KerasTensor | None = None,
        return_attention_scores: bool = False,
        training: bool | None = None,
    ) -> Any:
        batch, target_length, _ = query.shape
        context = keras.KerasTensor(
            (batch, target_length, value.shape[-1]), self.compute_dtype
        )
        if not return_attention_scores:
            return context
        shape = (batch, target_length, value.shape[1])
        return context, keras.KerasTensor(shape, self.compute_dtype)


class GlobalAttention(Attention):
    """Base class of attention that compares a query with every source position.

    A subclass adds its weights in `build` and says in `project_keys` and `scores`
    how keys and queries are compared.

    Args:
        dropout: Fraction of the alignment to drop in training, from 0 to 1.
        seed: Integer seed of the dropout.
        kernel_initializer: Initializer of the matrices and of the score vector.
        probability_fn: How scores become an alignment: `"softmax"`,
            `"sparsemax"` or `"hardmax"`.
        temperature: Number that the scores are divided by before that.
        kernel_regularizer: Regularizer of the matrices and of the score vector.
        **kwargs: Passed to `keras.layers.Layer`.

    Raises:
        ValueError: If `dropout` is not in `[0, 1)`, `probability_fn` is unknown, or
            `temperature` is not above 0.

    Example: a score of the Euclidean distance.

    >>> class DistanceAttention(GlobalAttention):
    ...     def scores(self, query: Tensor, keys: Tensor) -> Tensor:
    ...         difference = query[:, :, None] - keys[:, None]  # (B, T, S, D)
    ...         return -keras.ops.sum(difference**2, axis=-1)
    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 4))
    >>> tuple(DistanceAttention(temperature=0.5)(query, value).shape)
    (2, 3, 4)
    """

    def __init__(
        self,
        dropout: float = 0.0,
        seed: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        probability_fn: str = "softmax",
        temperature: float = 1.0,
        kernel_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dropout = check_fraction("dropout", dropout)
        self.seed = seed
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.probability_fn = check_choice(
            "probability_fn", probability_fn, PROBABILITY_FNS
        )
        self.temperature = check_number("temperature", temperature, above=0)
        # A layer rather than a function, so that its seed's state is saved and
        # each call of `fit` draws anew.
        self.dropout_layer = Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def _kernel(self, shape: Shape, name: str) -> keras.Variable:
        # A clone each: one initializer used twice gives the same numbers twice.
        initializer = self.kernel_initializer.clone()
        return self.add_weight(
            shape=shape,
            initializer=initializer,
            regularizer=self.kernel_regularizer,
            name=name,
        )

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """Scores before softmax, of shape `(batch, target_length, source_length)`.

        Args:
            query: Tensor of shape `(batch, target_length, query_dim)`.
            keys: What `project_keys` returned.
        """
        raise TypeError(
            f"{type(self).__name__} must define `scores(query, keys)`: "
            "GlobalAttention is a base class without a score of its own."
        )

    def align(self, scores: Tensor, mask: Tensor) -> Tensor:
        """The alignment of scores, zero where `mask` is False."""
        return masked_probabilities(scores, mask, self.probability_fn, self.temperature)

    def read(
        self, alignment: Tensor, memory: Memory, draws: Draws | None = None
    ) -> Tensor:
        """The context that an alignment reads from the memory, after dropout."""
        if draws and "dropout" in draws:
            alignment = alignment * draws["dropout"]
        return ops.matmul(alignment, memory["value"])  # (B, T, Dv)

    def draw(self, memory: Memory, num_queries: Any, training: Any) -> Draws:
        if not self.dropout or not training:
            return {}
        batch, length = ops.shape(memory["mask"])
        ones = ops.ones((batch, num_queries, length), self.compute_dtype)
        return {"dropout": self.dropout_layer(ones, training=True)}

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        scores = self.scores(query, memory["keys"])
        alignment = self.align(scores, memory["mask"])
        return self.read(alignment, memory, draws), alignment, state

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "probability_fn": self.probability_fn,
            "temperature": self.temperature,
            "kernel_regularizer": keras.regularizers.serialize(self.kernel_regularizer),
        }


def check_score(score: Any, name: str) -> None:
    """Checks that `score` is attention that can be asked for scores.

    Args:
        score: Value of the argument.
        name: Name of the argument.

    Raises:
        ValueError: If it is not.
    """
    # One that sees its past cannot be asked for scores alone.
    plain = isinstance(score, GlobalAttention) and (
        type(score).attend is GlobalAttention.attend
    )
    if not plain:
        raise ValueError(
            f"`{name}` must be an attention layer that compares a query with every "
            "key, such as BahdanauAttention or LuongAttention. "
            f"Received: {name}={score!r}"
        )
