"""`Constraint`: which tokens may come next, as a small class with one method."""

from typing import Any, NamedTuple

from keras import ops

from kseq2seq.utils import Tensor


class Prefix(NamedTuple):
    """The hypotheses so far, whose next tokens a constraint allows or forbids.

    Attributes:
        ids: int32 of shape `(batch, beam, length)`: the tokens so far, PAD after them.
        position: Scalar, the number of tokens so far. A finished hypothesis has
            fewer, and what is allowed to it changes nothing.
        max_length: int32 of shape `(batch, 1)` or `(1, 1)`: the most tokens of a
            hypothesis of this row.
        eos_id: Integer, the id that ends a hypothesis.
    """

    ids: Tensor
    position: Tensor
    max_length: Tensor
    eos_id: int


class Constraint:
    """Base class of constraints: override `allowed`, or `adjusted`.

    A search gives the tokens that are not allowed the probability 0. The
    log-probabilities of the others stay as they are. A hypothesis of which nothing is
    allowed is dropped; where that happens to all of a row, its hypotheses are empty.

    A constraint may have a state for each hypothesis, by `initial_state` and
    `next_state`. The state follows the hypothesis from slot to slot of the beam. What
    differs between rows belongs in the state, since rows that are done leave the
    batch; what all rows share may be an attribute.

    All methods are traced where the search is: use `keras.ops`.

    Attributes:
        max_forbidden: The most tokens that may be forbidden to one hypothesis at one
            step, or `None` for any number. If all constraints of a search have such a
            bound, they are asked about a few candidates alone, not about the whole
            vocabulary.
        changes_scores: Whether `adjusted` is to be called.
        least_room: Tokens that a hypothesis may need, an integer or an int32 tensor of
            shape `(batch,)`. `search_ids` raises its limits to it.

    Example: no token twice in a row.

    >>> import keras
    >>> from kseq2seq.decoding import Constraint, greedy_search
    >>> class NoRepeat(Constraint):
    ...     def initial_state(self, batch_size):
    ...         return keras.ops.zeros((batch_size,), "int32")  # PAD is no token
    ...
    ...     def allowed(self, tokens, prefix, state):
    ...         return keras.ops.not_equal(tokens, state[..., None])
    ...
    ...     def next_state(self, tokens, state):
    ...         return tokens
    >>> def step(tokens, state):
    ...     log_probs = keras.ops.log([0.0, 0.0, 0.0, 0.1, 0.5, 0.4])
    ...     return log_probs + keras.ops.zeros((*tokens.shape, 6)), state, {}
    >>> state = keras.ops.zeros((1, 1))
    >>> greedy_search(step, state, max_length=4).ids.numpy().tolist()
    [[[4, 4, 4, 4]]]
    >>> constrained = greedy_search(
    ...     step, state, max_length=4, constraints=[NoRepeat()])
    >>> constrained.ids.numpy().tolist()
    [[[4, 5, 4, 5]]]
    """

    max_forbidden: int | None = None
    changes_scores: bool = False
    least_room: Any = 0

    def initial_state(self, batch_size: int | Tensor) -> Any:
        """The state before the first token.

        Args:
            batch_size: Number of rows, an integer or a scalar tensor.

        Returns:
            Nested structure of tensors of shape `(batch, ...)`; none by default.
        """
        return ()

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """Which tokens may come next.

        Args:
            tokens: int32, the ids in question: of shape `(1, 1, vocabulary)`, all in
                order, or of shape `(batch, beam, candidates)`. The latter only if the
                constraint has `max_forbidden`.
            prefix: The `Prefix`.
            state: Nested structure of tensors of shape `(batch, beam, ...)`.

        Returns:
            Boolean tensor of shape `(batch, beam, vocabulary)` or
            `(batch, beam, candidates)`, or one that broadcasts to it.

        Raises:
            TypeError: If a subclass does not override it.
        """
        if self.changes_scores:
            return ops.ones((1, 1, 1), "bool")
        raise TypeError(
            "A constraint must override `allowed`. "
            f"Received: {type(self).__name__}, which does not"
        )

    def adjusted(self, log_probs: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """Other log-probabilities of the next tokens, if `changes_scores`.

        They count in place of the model's, in `scores` and `log_probs` of the result.
        None may be above 0.

        Args:
            log_probs: float32 of shape `(batch, beam, vocabulary)`.
            prefix: The `Prefix`.
            state: As for `allowed`.

        Returns:
            Tensor of the shape of `log_probs`; by default `log_probs`.
        """
        return log_probs

    def next_state(self, tokens: Tensor, state: Any) -> Any:
        """The state after the next token.

        Args:
            tokens: int32 of shape `(batch, beam)`: the tokens by which the hypotheses
                went on; PAD for those that have ended.
            state: The states of these hypotheses before the token.

        Returns:
            Structure with the shapes and dtypes of `state`; by default `state`.
        """
        return state


class GuidingConstraint(Constraint):
    """Base class of constraints that demand tokens, for which beam search makes room.

    Beam search adds the tokens of `wanted` to its candidates, and divides its slots
    evenly among hypotheses of different `progress`. A subclass overrides both, and
    `max_progress`.

    Reference:
        [Post & Vilar, 2018](https://arxiv.org/abs/1804.06609), section 3.
    """

    def wanted(self, state: Any) -> Tensor:
        """Tokens that bring hypotheses further.

        Args:
            state: As for `allowed`.

        Returns:
            int32 of shape `(batch, beam, count)`; PAD for none.

        Raises:
            TypeError: If a subclass does not override it.
        """
        raise self._lacks("wanted")

    def progress(self, tokens: Tensor, state: Any) -> Tensor:
        """The progress of hypotheses after each of some tokens.

        Args:
            tokens: int32 of shape `(batch, beam, candidates)`.
            state: As for `allowed`, before the token.

        Returns:
            int32 of the shape of `tokens`, from 0 on. Some token of `wanted` must bring
            a hypothesis further, unless all is there.

        Raises:
            TypeError: If a subclass does not override it.
        """
        raise self._lacks("progress")

    def max_progress(self, state: Any) -> int | Tensor:
        """The highest number that `progress` may give.

        Args:
            state: As for `allowed`.

        Raises:
            TypeError: If a subclass does not override it.
        """
        raise self._lacks("max_progress")

    def _lacks(self, method):
        return TypeError(
            "A guiding constraint must override `wanted`, `progress` and "
            f"`max_progress`. Received: {type(self).__name__}, which does not override "
            f"`{method}`"
        )
