"""Tokens that never come."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from kseq2seq.decoding.constraints.base import Constraint, Prefix
from kseq2seq.utils import Tensor, check_integers


class ForbiddenTokens(Constraint):
    """Forbids some tokens at every step.

    Args:
        ids: Tuple or list of integers.

    Raises:
        ValueError: If `ids` is anything else.

    Example:

    >>> from keras import ops
    >>> constraint = ForbiddenTokens([0, 2])
    >>> constraint.allowed(ops.arange(4)[None, None], None, ()).numpy().tolist()
    [[[False, True, False, True]]]
    """

    def __init__(self, ids: Sequence[int]) -> None:
        self.ids = check_integers("ids", ids, least=0)
        self.max_forbidden = len(self.ids)

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Any) -> Tensor:
        """See `Constraint.allowed`."""
        ids = np.array(self.ids, "int32")
        return ops.all(ops.not_equal(tokens[..., None], ids), axis=-1)
