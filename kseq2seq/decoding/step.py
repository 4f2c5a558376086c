"""The step function that a search is given, and one call of it, checked."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from keras import ops, tree

from kseq2seq.decoding.columns import Columns, spread
from kseq2seq.decoding.shapes import check_shape, check_structure, like
from kseq2seq.decoding.slots import Rules
from kseq2seq.utils import Tensor

# `(log_probs, state, extras)`, as `kseq2seq.decoding.searches` describes them.
StepOutputs: TypeAlias = tuple[Tensor, Any, dict[str, Any]]
StepFunction: TypeAlias = Callable[[Tensor, Any], StepOutputs]


class Step(NamedTuple):
    """A step function whose search has less to do than with a plain one.

    It is called as any other, with tokens and state. A search looks inside:
    log-probabilities are computed for the best tokens alone, and rows of the batch that
    are done leave it, where the batch may change its size (a graph of TensorFlow that
    was traced with an unknown one).

    Attributes:
        function: Function `(tokens, state, memory) -> (log_probs, state, extras)`, of
            which each row depends on its own row of the arguments alone.
        memory: Nested structure of tensors of shape `(batch, ...)` that do not change
            from step to step.
        gives_logits: Whether `function` gives logits in the place of log-probabilities.
        may_shrink: Whether rows may leave the batch. Not under XLA, which keeps shapes.
        columns: The `Columns` that `function` gives log-probabilities of; `None` for
            the whole vocabulary. Other tokens have the probability 0.
        make_room: Function `(initial_state, length) -> initial_state` for a state that
            keeps something of each step: makes room for `length` steps, the most that
            the search may make. `None` for states whose size says nothing of that.

    Example:

    >>> import keras
    >>> from kseq2seq.decoding import Step
    >>> def function(tokens, state, memory):  # memory: (batch, vocabulary)
    ...     return memory, state, ()
    >>> memory = keras.ops.convert_to_tensor([[0.0, 1.0, 0.0, 0.0, 3.0]])
    >>> step = Step(function, memory, gives_logits=True)
    >>> log_probs, _, _ = step(keras.ops.zeros((1,), "int32"), keras.ops.zeros((1, 1)))
    >>> round(float(keras.ops.sum(keras.ops.exp(log_probs))), 3)
    1.0
    """

    function: Callable[[Tensor, Any, Any], StepOutputs]
    memory: Any = ()
    gives_logits: bool = False
    may_shrink: bool = False
    columns: Columns | None = None
    make_room: Callable[[Any, Any], Any] | None = None

    def __call__(self, tokens: Tensor, state: Any) -> StepOutputs:
        """The function, called with the memory; log-probabilities of all tokens."""
        logits, state, extras = self.function(tokens, state, self.memory)
        if self.gives_logits:
            logits = ops.log_softmax(ops.cast(logits, "float32"))
        if self.columns is not None:
            logits = spread(logits, self.columns)
        return logits, state, extras


def call_step(
    step: StepFunction, tokens: Tensor, state: Any, rules: Rules
) -> tuple[Tensor, Any, tuple]:
    """One call of `step`, checked.

    Args:
        step: The step function.
        tokens: int32 of shape `(batch, beam)`.
        state: Nested structure of tensors of shape `(batch, beam, ...)`.
        rules: The `Rules` of the search.

    Returns:
        A tuple `(log_probs, state, alignment)`: log-probabilities, or logits if the
        rules say so, in float32; the state with the dtypes of the one before; a tuple
        of one alignment, or of none.

    Raises:
        ValueError: If `step` returns anything else than a search needs.
    """
    if isinstance(step, Step):
        outputs = step.function(tokens, state, step.memory)
    else:
        outputs = step(tokens, state)
    if not isinstance(outputs, (tuple, list)) or len(outputs) != 3:
        raise ValueError(
            "`step` must return a tuple `(log_probs, state, extras)`. "
            f"Received: {outputs!r}"
        )
    log_probs, new_state, extras = outputs
    check_shape("`log_probs` of `step`", log_probs, (*tokens.shape, None))
    vocabulary = log_probs.shape[-1]
    if rules.columns is not None:
        vocabulary = rules.columns.vocabulary_size
    if vocabulary is None:
        raise ValueError(
            "`log_probs` of `step` must have a vocabulary size that is known "
            f"statically; reshape them. Received: shape={tuple(log_probs.shape)}"
        )
    if rules.highest_id >= vocabulary:
        raise ValueError(
            "`eos_id`, `bos_id` and `forbidden_ids` must be ids of the vocabulary. "
            f"Received: id={rules.highest_id}, while `step` gives {vocabulary} "
            "log-probabilities"
        )
    check_structure("`step`", new_state, state)
    if not isinstance(extras, dict):
        raise ValueError(
            "`extras` of `step` must be a dict, if only an empty one. "
            f"Received: extras={extras!r}"
        )
    alignment = ()
    if "alignment" in extras:
        values = extras["alignment"]
        check_shape("`alignment` of `step`", values, (*tokens.shape, None))
        alignment = (_as_float32(values, tokens),)
        if rules.source_mask is not None:
            expected = (values.shape[0], values.shape[2])
            check_shape("`source_mask`", rules.source_mask, expected)
    elif rules.coverage_penalty:
        raise ValueError(
            "`coverage_penalty` above 0 needs alignments: let `step` return them as "
            f'`extras["alignment"]`. Received: extras={extras!r}'
        )
    new_state = tree.map_structure(like, new_state, state)
    return _as_float32(log_probs, tokens), new_state, alignment


def _as_float32(values, tokens):
    """Float32; the leading axes are known as far as those of `tokens` are."""
    shape = (*ops.shape(tokens), ops.shape(values)[2])
    return ops.reshape(ops.cast(values, "float32"), shape)
