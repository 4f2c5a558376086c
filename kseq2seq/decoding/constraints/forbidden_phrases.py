"""Words and phrases that never come, of one or several tokens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from kseq2seq.decoding.constraints.base import Constraint, Prefix
from kseq2seq.utils import Tensor, check_integers

# Ahead of shorter phrases, where any token may stand.
ANY_TOKEN = -1


class ForbiddenPhrases(Constraint):
    """Forbids the last token of each phrase where the others stand before it.

    Args:
        phrases: List of lists of ids, none of them empty.

    Raises:
        ValueError: If `phrases` is anything else.

    Example: 4 alone may come, 4 behind 5 may not.

    >>> from keras import ops
    >>> from kseq2seq.decoding import greedy_search
    >>> def step(tokens, state):
    ...     log_probs = ops.log([0.0, 0.0, 0.0, 0.1, 0.4, 0.5])
    ...     return log_probs + ops.zeros((*tokens.shape, 6)), state, {}
    >>> forbidden = ForbiddenPhrases([[5, 5], [5, 4]])
    >>> hypotheses = greedy_search(
    ...     step, ops.zeros((1, 1)), max_length=4, constraints=[forbidden])
    >>> hypotheses.ids.numpy().tolist()
    [[[5, 3, 0, 0]]]
    """

    def __init__(self, phrases: Sequence[Sequence[int]]) -> None:
        checked = check_phrases("phrases", phrases)
        self.phrases = checked
        self.max_forbidden = len({phrase[-1] for phrase in checked})
        rows = _padded_ahead(checked)
        self._heads, self._lasts = rows[:, :-1], rows[:, -1]

    def initial_state(self, batch_size: int | Tensor) -> Tensor:
        """The last tokens, of shape `(batch, longest - 1)`; PAD where there is none."""
        return ops.zeros((batch_size, self._heads.shape[1]), "int32")

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Tensor) -> Tensor:
        """See `Constraint.allowed`."""
        same = ops.logical_or(
            ops.equal(state[:, :, None], self._heads), self._heads == ANY_TOKEN
        )
        begun = ops.all(same, axis=-1)[:, :, None]  # (B, K, 1, phrases)
        ends = ops.equal(tokens[..., None], self._lasts)
        return ops.logical_not(ops.any(ops.logical_and(begun, ends), axis=-1))

    def next_state(self, tokens: Tensor, state: Tensor) -> Tensor:
        """See `Constraint.next_state`."""
        return ops.concatenate([state, tokens[..., None]], axis=-1)[..., 1:]


def check_phrases(name: str, phrases: Any) -> tuple[tuple[int, ...], ...]:
    """Checks a list of lists of ids, of which none is empty.

    Args:
        name: Name of the argument.
        phrases: Value of the argument.

    Returns:
        The phrases, as tuples.

    Raises:
        ValueError: If it is anything else.

    Example:

    >>> check_phrases("phrases", [[4], [5, 6]])
    ((4,), (5, 6))
    """
    is_list = isinstance(phrases, (list, tuple)) and bool(phrases)
    if not is_list or not all(isinstance(x, (list, tuple)) and x for x in phrases):
        raise ValueError(
            f"`{name}` must be a list of lists of ids, at least one, none of them "
            f"empty. Received: {name}={phrases!r:.200}"
        )
    return tuple(check_integers(f"{name}[{n}]", x, 0) for n, x in enumerate(phrases))


def _padded_ahead(phrases):
    """Phrases as int32 of shape `(count, longest)`, `ANY_TOKEN` ahead of them."""
    longest = max(map(len, phrases))
    rows = [[ANY_TOKEN] * (longest - len(ids)) + [*ids] for ids in phrases]
    return np.array(rows, "int32")
