"""Exact hard attention: the sum over all alignments, by dynamic programming.

Glossary of shapes, used in the comments below: B batch size, T target length or beam
size, S source length, V target vocabulary, J jumps that are told apart.
"""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.nested import NestedLayers
from kseq2seq.layers.recurrent import run_steps
from kseq2seq.utils import (
    Tensor,
    check_boolean,
    check_choice,
    check_integer,
    with_bounded_gradient,
)

HARD_ATTENTIONS = (
    "none",
    "zeroth_order",
    "first_order",
    "monotonic_zeroth_order",
    "monotonic_first_order",
)
ORDERS = (0, 1)
# Of what is impossible: far below any logarithm, and finite, for the sake of gradients.
_LEAST = -1e9
# A position that attention rounds to 0 is still possible.
_LEAST_PROBABILITY = 1e-30


@keras.saving.register_keras_serializable(package="kseq2seq")
class AlignmentMarginal(keras.layers.Layer):
    """Log-probabilities of tokens, each of which comes from one source position.

    Which one is not known; the probability of a target is the sum over all sequences of
    positions `a`, computed exactly by a forward recursion:

        p(y | x) = sum over a of prod over t of P[t, a[t]](y[t]) T[t](a[t] | a[t-1])
        T[t](j | i) = exp(log alignment[t, j] + jump[t, j - i]) / (the sum over j)

    where `P[t, j]` is the softmax of the logits of the pair of `t` and `j`. With order
    0 there are no jumps, and unless it is monotonic, `T[t](j | i)` is the alignment. A
    monotonic one never goes back: the sum is over `j >= i`. The first step comes from
    position 0.

    The layer gives the factors `p(y[t] | y[:t], x)`, whose state is the forward
    variable `p(a[t] | y[:t], x)`; so losses and searches need to know nothing of
    alignments. All of it is computed in float32, and in logarithms.

    Args:
        monotonic: Whether alignments never go back.
        order: 0, or 1 for positions that depend on the one before by how far it is.
        max_jump: The longest jump that is told apart from longer ones.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        logits: Tensor of shape `(batch, target_length, source_length, vocabulary)`.
        alignment: Tensor of shape `(batch, target_length, source_length)`: where
            attention looks.
        query: Tensor of shape `(batch, target_length, query_dim)`: the decoder's
            outputs, of which jumps depend.
        mask: Boolean tensor of shape `(batch, source_length)`.
        tokens: Integer tensor of shape `(batch, target_length)`: what the decoder
            reads, BOS first.

    Returns:
        Log-probabilities of shape `(batch, target_length, vocabulary)`, in float32:
        logits to every loss, metric and search.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> layer = AlignmentMarginal(monotonic=True)
    >>> log_probs = layer(
    ...     keras.ops.zeros((1, 2, 3, 7)),
    ...     keras.ops.full((1, 2, 3), 1 / 3),
    ...     keras.ops.zeros((1, 2, 5)),
    ...     keras.ops.ones((1, 3), "bool"),
    ...     keras.ops.convert_to_tensor([[2, 4]]),
    ... )
    >>> round(float(keras.ops.exp(log_probs[0, 1, 6])), 4)  # 1 / 7
    0.1429

    Reference:
        [Wu & Cotterell, 2019](https://aclanthology.org/P19-1148), sections 2 and 3;
        without monotonicity: [Wu et al., 2018](https://aclanthology.org/D18-1473).
    """

    def __init__(
        self, monotonic: bool = False, order: int = 0, max_jump: int = 4, **kwargs: Any
    ) -> None:
        super().__init__(**{"dtype": "float32", **kwargs}, autocast=False)
        self.monotonic = check_boolean("monotonic", monotonic)
        self.order = check_choice("order", order, ORDERS)
        self.max_jump = check_integer("max_jump", max_jump, least=1)

    @property
    def has_state(self) -> bool:
        """Whether a position depends on the one before."""
        return self.monotonic or self.order == 1

    def build(
        self,
        logits_shape: Any,
        alignment_shape: Any = None,
        query_shape: Any = None,
        mask_shape: Any = None,
        tokens_shape: Any = None,
    ) -> None:
        if self.order == 1:
            count = self.max_jump + 1 if self.monotonic else 2 * self.max_jump + 1
            self.jump_kernel = self.add_weight(
                shape=(query_shape[-1], count), name="jump_kernel"
            )
            self.jump_bias = self.add_weight(
                shape=(count,), initializer="zeros", name="jump_bias"
            )

    def initial_state(self, mask: Tensor, vocabulary_size: int) -> list[Tensor]:
        """The state before the first step.

        Args:
            mask: Boolean tensor of shape `(batch, source_length)`.
            vocabulary_size: Number of tokens.

        Returns:
            A list, empty without a state: the logarithms of the probabilities of
            positions, of shape `(batch, source_length)`, and those of all tokens at
            each of them, of shape `(batch, source_length * vocabulary_size)`.
        """
        if not self.has_state:
            return []
        zeros = ops.zeros_like(ops.cast(mask, "float32"))  # (B, S)
        is_first = ops.equal(ops.cumsum(zeros + 1.0, axis=1), 1.0)
        return [
            ops.where(is_first, zeros, _LEAST),
            ops.repeat(zeros, vocabulary_size, axis=1),
        ]

    def call(
        self,
        logits: Tensor,
        alignment: Tensor,
        query: Tensor,
        mask: Tensor,
        tokens: Tensor,
    ) -> Tensor:
        log_probs, prior = _logarithms(logits, alignment, mask)
        if self.has_state:
            prior = self._priors(prior, query, log_probs, tokens, mask)
        return _marginal(prior, log_probs)

    def step(
        self,
        logits: Tensor,
        alignment: Tensor,
        query: Tensor,
        mask: Tensor,
        tokens: Tensor,
        state: list[Tensor],
    ) -> tuple[Tensor, list[Tensor], Tensor]:
        """One step of some hypotheses of each source; a pure function.

        Args:
            logits: As of a call, with hypotheses in the place of target positions.
            alignment: Likewise.
            query: Likewise.
            mask: As of a call.
            tokens: Integer tensor of shape `(batch, beam)`, the last tokens.
            state: The list that the step before gave, or that of `initial_state` with
                an axis of the hypotheses behind the batch.

        Returns:
            A tuple of the log-probabilities, of shape `(batch, beam, vocabulary)`, the
            new state, and the probability of each position, of shape `(batch, beam,
            source_length)`.
        """
        log_probs, prior = _logarithms(logits, alignment, mask)
        if self.has_state:
            last, emission = state
            written = _of_tokens(ops.reshape(emission, ops.shape(log_probs)), tokens)
            prior = self._next(last, written, prior, self._jumps(query))
            batch, beam, length, size = ops.shape(log_probs)
            state = [prior, ops.reshape(log_probs, (batch, beam, length * size))]
        return _marginal(prior, log_probs), state, ops.softmax(prior)

    def _priors(self, alignment, query, log_probs, tokens, mask):
        """The logarithms of the probabilities of positions, (B, T, S), for a target."""
        written = _of_tokens(log_probs[:, :-1], tokens[:, 1:])
        written = ops.pad(written, ((0, 0), (1, 0), (0, 0)))
        draws = {"written": written}
        if self.order == 1:
            draws["jumps"] = self._jumps(query)

        def step(alignment, states, memory, draws):
            jumps = draws["jumps"][:, 0] if "jumps" in draws else None
            prior = self._next(states[0], draws["written"][:, 0], alignment, jumps)
            return prior, [prior]

        state = self.initial_state(mask, 1)[:1]
        return run_steps(step, alignment, state, {}, draws, "float32")

    def _jumps(self, query):
        """The logits of each jump, (B, T, J)."""
        if self.order == 0:
            return None
        kernel = ops.cast(self.jump_kernel, "float32")
        bias = ops.cast(self.jump_bias, "float32")
        return ops.matmul(ops.cast(query, "float32"), kernel) + bias

    def _next(self, last, written, alignment, jumps):
        """The logarithms of the probabilities of the next positions, (..., S).

        Given those of the last ones, and of what was written at each of them.
        """
        positions = ops.arange(ops.shape(alignment)[-1], dtype="int32")
        distance = positions - positions[:, None]  # (S, S), the first axis for the last
        scores = alignment[..., None, :]
        if jumps is not None:
            least = 0 if self.monotonic else -self.max_jump
            place = ops.clip(distance, least, self.max_jump) - least
            scores = scores + ops.take(jumps, place, axis=-1)
        if self.monotonic:
            scores = ops.where(distance >= 0, scores, _LEAST)
        scores = scores + ops.zeros_like(last)[..., None]  # all rows of it
        posterior = ops.log_softmax(last + written)
        joint = posterior[..., None] + ops.log_softmax(scores)
        return ops.logsumexp(joint, axis=-2)

    def compute_output_spec(
        self,
        logits: keras.KerasTensor,
        alignment: keras.KerasTensor,
        query: keras.KerasTensor,
        mask: keras.KerasTensor,
        tokens: keras.KerasTensor,
    ) -> keras.KerasTensor:
        return keras.KerasTensor((*logits.shape[:2], logits.shape[-1]), "float32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "monotonic": self.monotonic,
            "order": self.order,
            "max_jump": self.max_jump,
        }


@keras.saving.register_keras_serializable(package="kseq2seq")
class MarginalStep(NestedLayers, keras.layers.Layer):
    """One step of an `AlignmentMarginal` for the hypotheses of each source.

    Args:
        marginal: The `AlignmentMarginal`, built; it keeps its weights.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        logits, alignment, query, mask, tokens, state: As of `AlignmentMarginal.step`.

    Returns:
        The result of `AlignmentMarginal.step`.

    Example:

    >>> marginal = AlignmentMarginal()
    >>> log_probs, _, positions = MarginalStep(marginal)(
    ...     keras.ops.zeros((1, 2, 3, 7)),
    ...     keras.ops.full((1, 2, 3), 1 / 3),
    ...     keras.ops.zeros((1, 2, 5)),
    ...     keras.ops.ones((1, 3), "bool"),
    ...     keras.ops.convert_to_tensor([[2, 4]]),
    ...     [],
    ... )
    >>> tuple(log_probs.shape), tuple(positions.shape)
    ((1, 2, 7), (1, 2, 3))
    """

    def __init__(self, marginal: AlignmentMarginal, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs}, autocast=False)
        if not isinstance(marginal, AlignmentMarginal):
            raise ValueError(
                "`marginal` must be an AlignmentMarginal, such as that of a model. "
                f"Received: marginal={marginal!r}"
            )
        self.marginal = marginal

    def build(
        self,
        logits_shape: Any,
        alignment_shape: Any = None,
        query_shape: Any = None,
        mask_shape: Any = None,
        tokens_shape: Any = None,
        state_shape: Any = None,
    ) -> None:
        if not self.marginal.built:
            self.marginal.build(logits_shape, alignment_shape, query_shape)
            self.marginal.built = True

    def call(
        self,
        logits: Tensor,
        alignment: Tensor,
        query: Tensor,
        mask: Tensor,
        tokens: Tensor,
        state: list[Tensor],
    ) -> Any:
        return self.marginal.step(logits, alignment, query, mask, tokens, state)

    def compute_output_spec(
        self,
        logits: keras.KerasTensor,
        alignment: keras.KerasTensor,
        query: keras.KerasTensor,
        mask: keras.KerasTensor,
        tokens: keras.KerasTensor,
        state: list[keras.KerasTensor],
    ) -> Any:
        def spec(shape):
            return keras.KerasTensor(shape, "float32")

        log_probs = spec((*logits.shape[:2], logits.shape[-1]))
        return log_probs, [spec(x.shape) for x in state], spec(alignment.shape)

    def get_config(self) -> dict[str, Any]:
        marginal = keras.saving.serialize_keras_object(self.marginal)
        return {**super().get_config(), "marginal": marginal}


def _logarithms(logits, alignment, mask):
    """Those of tokens, (B, T, S, V), and of positions by attention, (B, T, S)."""
    alignment = ops.cast(with_bounded_gradient(alignment), "float32")
    alignment = ops.maximum(alignment, _LEAST_PROBABILITY)
    seen = ops.cast(mask, "bool")[:, None]
    positions = ops.where(seen, ops.log(alignment), _LEAST)
    return ops.log_softmax(ops.cast(logits, "float32")), positions


def _marginal(prior, log_probs):
    return ops.logsumexp(prior[..., None] + log_probs, axis=-2)


def _of_tokens(log_probs, tokens):
    """The logarithms of tokens, (B, T), at each position: (B, T, S)."""
    chosen = ops.one_hot(tokens, log_probs.shape[-1], dtype="float32")
    return ops.einsum("btsv,btv->bts", log_probs, chosen)
