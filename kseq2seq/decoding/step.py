"""The step function that a search is given, and one call of it, checked."""

from typing import Any, NamedTuple

from keras import ops, tree


class Step(NamedTuple):
    """A step function whose search has less to do than with a plain one.

    It is called as any other, with tokens and state. A search looks inside:
    log-probabilities are computed for the best tokens alone, and rows of the batch that
    are done leave it, where the batch may change its size (a graph of TensorFlow that
    was traced with an unknown one).

    Attributes:
        function: Function `(tokens, state, memory) -> (log_probs, state, extras)`, of
            which each row depends on its own row of the arguments alone.
        memory: What does not change from step to step: a nested structure of tensors
            of shape `(batch, ...)`.
        gives_logits: Whether `function` gives logits in the place of log-probabilities.
        may_shrink: Whether rows may leave the batch. Not under XLA, which keeps shapes.

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

    function: Any
    memory: Any = ()
    gives_logits: bool = False
    may_shrink: bool = False

    def __call__(self, tokens, state):
        logits, state, extras = self.function(tokens, state, self.memory)
        if self.gives_logits:
            logits = ops.log_softmax(ops.cast(logits, "float32"))
        return logits, state, extras


def call_step(step, tokens, state, rules):
    """One call of `step`, checked; the alignment is a tuple of one or none."""
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
    if vocabulary is None:
        raise ValueError(
            "`log_probs` of `step` must have a vocabulary size that is known "
            f"statically; reshape them. Received: shape={tuple(log_probs.shape)}"
        )
    highest = max(rules.eos_id, rules.bos_id, *rules.forbidden_ids)
    if highest >= vocabulary:
        raise ValueError(
            "`eos_id`, `bos_id` and `forbidden_ids` must be ids of the vocabulary. "
            f"Received: id={highest}, while `step` gives {vocabulary} log-probabilities"
        )
    try:
        tree.assert_same_structure(state, new_state)
    except (ValueError, TypeError) as error:
        raise ValueError(
            "`step` must return a state of the structure that it was given. "
            f"Expected: {state!r}. Received: {new_state!r}"
        ) from error
    for new, old in zip(tree.flatten(new_state), tree.flatten(state), strict=True):
        check_shape("Every tensor in the state of `step`", new, old.shape)
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


def check_shape(what, x, expected):
    """Refuses what has another rank or size; `None` stands for any size."""
    received = tuple(x.shape)
    expected = tuple(expected)
    if len(received) != len(expected) or any(
        None not in (a, b) and a != b for a, b in zip(received, expected, strict=True)
    ):
        raise ValueError(
            f"{what} must have the expected shape. Expected: shape={expected}. "
            f"Received: shape={received}"
        )


def like(new, old):
    """`new` with the dtype and the static shape of `old`: a loop must keep both."""
    new = ops.cast(new, old.dtype)
    same = tuple(new.shape) == tuple(old.shape)
    return new if same else ops.reshape(new, ops.shape(old))


def _as_float32(x, tokens):
    """`x` in float32; its leading axes are known as far as those of `tokens` are."""
    return ops.reshape(ops.cast(x, "float32"), (*ops.shape(tokens), ops.shape(x)[2]))
