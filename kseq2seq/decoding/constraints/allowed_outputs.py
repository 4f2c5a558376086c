"""A list of the only outputs that are allowed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from kseq2seq.decoding.constraints.base import Constraint, Prefix
from kseq2seq.decoding.constraints.marks import mark_tokens
from kseq2seq.utils import EOS_ID, Tensor, check_integer, check_integers

# More tokens than any output has.
NEVER = 2**30
# A node with more children than this has a row in a table over the vocabulary. All
# nodes have one if the table has at most this number of entries.
MOST_CHILDREN = 32
MAX_TABLE = 2**20


class AllowedOutputs(Constraint):
    """Allows the outputs of a list, and no others.

    The outputs form a tree, a constant of the graph. A hypothesis is at a node. It may
    go on to a child if an output below that child fits into the tokens that are left.

    Args:
        sequences: List of lists of ids, without EOS.
        vocabulary_size: Number of ids.
        eos_id: Id that ends a hypothesis.

    Attributes:
        least_room: Tokens of the longest output, EOS included.

    Raises:
        ValueError: If there is no output, or an id is out of range or EOS.

    Example:

    >>> from kseq2seq.decoding import greedy_search
    >>> def step(tokens, state):
    ...     log_probs = ops.log([0.0, 0.0, 0.0, 0.1, 0.5, 0.4])
    ...     return log_probs + ops.zeros((*tokens.shape, 6)), state, {}
    >>> outputs = AllowedOutputs([[4, 5, 5], [5, 4]], vocabulary_size=6)
    >>> greedy_search(
    ...     step, ops.zeros((1, 1)), max_length=6, constraints=[outputs]
    ... ).ids.numpy().tolist()
    [[[4, 5, 5, 3, 0, 0]]]

    Reference:
        [De Cao et al., 2021](https://arxiv.org/abs/2010.00904), section 3.2.
    """

    def __init__(
        self,
        sequences: Sequence[Sequence[int]],
        vocabulary_size: int,
        eos_id: int = EOS_ID,
    ) -> None:
        self._vocabulary = check_integer("vocabulary_size", vocabulary_size, 1)
        children = _tree(sequences, vocabulary_size, eos_id)
        needed = _needed(children, eos_id)
        self.least_room = 1 + max(map(len, sequences))
        is_small = len(children) * vocabulary_size <= MAX_TABLE
        wide = [
            node
            for node, edges in enumerate(children)
            if is_small or len(edges) > MOST_CHILDREN
        ]
        self._make_table(children, needed, wide)
        self._make_edges(children, needed)

    def _make_table(self, children, needed, wide):
        """Makes a row of the table for each wide node; row 0 is for all others."""
        self._row = np.zeros(len(children), "int32")  # of each node
        self._row[wide] = 1 + np.arange(len(wide))
        shape = (1 + len(wide), self._vocabulary)
        self._next = np.zeros(shape, "int32")  # the child
        self._needed = np.full(shape, NEVER, "int32")  # tokens of the shortest output
        for row, node in enumerate(wide, 1):
            for token, child in children[node].items():
                self._next[row, token] = child
                self._needed[row, token] = needed[node, token]

    def _make_edges(self, children, needed):
        """Makes the list of the edges of all other nodes, one node after the other."""
        narrow = [{} if row else x for row, x in zip(self._row, children, strict=True)]
        counts = np.array([len(edges) for edges in narrow])
        self._most = int(counts.max())
        self._first = (np.cumsum(counts) - counts).astype("int32")  # edge of each node
        self._count = counts.astype("int32")
        edges = [(n, *edge) for n, x in enumerate(narrow) for edge in x.items()]
        edges += [(0, 0, 0)] * self._most  # so that no slice is cut short
        self._tokens = np.array([token for _, token, _ in edges], "int32")
        self._children = np.array([child for *_, child in edges], "int32")
        self._edges_need = np.array(
            [needed.get((node, token), NEVER) for node, token, _ in edges], "int32"
        )

    def initial_state(self, batch_size: int | Tensor) -> Tensor:
        """The number of the node, `(batch,)`."""
        return ops.zeros((batch_size,), "int32")

    def allowed(self, tokens: Tensor, prefix: Prefix, state: Tensor) -> Tensor:
        """See `Constraint.allowed`."""
        room = (prefix.max_length - prefix.position)[..., None]  # (B, 1, 1)
        row = _take(self._row, state)
        allowed = ops.take(ops.convert_to_tensor(self._needed), row, axis=0) <= room
        if not self._most:
            return allowed
        places, is_edge = self._edges(state)
        fits = ops.logical_and(is_edge, _take(self._edges_need, places) <= room)
        marks = mark_tokens(_take(self._tokens, places), fits, self._vocabulary)
        return ops.logical_or(allowed, marks)

    def next_state(self, tokens: Tensor, state: Tensor) -> Tensor:
        """See `Constraint.next_state`."""
        places = _take(self._row, state) * self._vocabulary + tokens
        child = _take(self._next.reshape(-1), places)
        if not self._most:
            return child
        places, is_edge = self._edges(state)
        same = ops.equal(_take(self._tokens, places), tokens[..., None])
        taken = ops.where(
            ops.logical_and(is_edge, same), _take(self._children, places), 0
        )
        return child + ops.sum(taken, axis=-1)

    def _edges(self, state):
        """Places of the edges of nodes, and which of these exist; (B, K, most)."""
        numbers = np.arange(self._most, dtype="int32")
        places = _take(self._first, state)[..., None] + numbers
        return places, _take(self._count, state)[..., None] > numbers


def _take(values, places):
    return ops.take(ops.convert_to_tensor(values), places, axis=0)


def _tree(sequences: Any, vocabulary_size: int, eos_id: int) -> list[dict[int, int]]:
    """A dict of children for each node, the root first; EOS stays at its node."""
    children: list[dict[int, int]] = [{}]
    if not isinstance(sequences, (list, tuple)) or not sequences:
        raise ValueError(
            "`sequences` must be a list of lists of ids, at least one. "
            f"Received: sequences={sequences!r:.200}"
        )
    for number, sequence in enumerate(sequences):
        node = 0
        for token in check_integers(f"sequences[{number}]", sequence, 0):
            if token >= vocabulary_size or token == eos_id:
                raise ValueError(
                    f"`sequences` must hold ids below {vocabulary_size}, without EOS, "
                    f"{eos_id}. Received: sequences[{number}]={sequence!r:.200}"
                )
            if token not in children[node]:
                children[node][token] = len(children)
                children.append({})
            node = children[node][token]
        children[node][eos_id] = node
    return children


def _needed(children, eos_id):
    """By edge, `(node, token)`: the tokens of the shortest output from there on."""
    needed = {}
    shortest = [NEVER] * len(children)
    # Children have higher numbers than their parents.
    for node in reversed(range(len(children))):
        for token, child in children[node].items():
            needed[node, token] = 1 if token == eos_id else 1 + shortest[child]
            shortest[node] = min(shortest[node], needed[node, token])
    return needed
