"""Triples of source, target and features: their parts, references and columns.

Triples are plain lists of `(source, target, features)` strings; missing features are
`""`. `kseq2seq.data.batches` makes of them what `model.fit` takes, given the
`kseq2seq.FeatureVocabulary`.
"""

from collections.abc import Sequence
from typing import Any

from kseq2seq.data.containers import Triples, as_triples
from kseq2seq.data.pairs import parts_by_source


def split_triples(
    triples: Any, fractions: Sequence[float] = (0.9, 0.05, 0.05), seed: int = 0
) -> tuple[Triples, ...]:
    """Splits triples by source text, as `split` splits pairs.

    Args:
        triples: `(source, target, features)` strings, as `as_triples` takes them.
        fractions: The share of distinct sources for each part; they sum to 1.
        seed: An integer; the same seed gives the same parts.

    Returns:
        A tuple of lists of triples, one for each fraction, each in the order of
        `triples`.

    Raises:
        ValueError: If the fractions are not positive or do not sum to 1, or if
            there are too few sources for a part to have any.

    Example:

    >>> triples = [(str(n // 2), str(n), "A;B") for n in range(40)]
    >>> train, dev = split_triples(triples, fractions=(0.9, 0.1))
    >>> len(train), len(dev), dev[0][2]
    (36, 4, 'A;B')
    """
    triples = as_triples(triples)
    parts = parts_by_source([source for source, _, _ in triples], fractions, seed)
    return tuple([triples[row] for row in rows] for rows in parts)


def group_triples(triples: Any) -> tuple[list[str], list[str], list[list[str]]]:
    """Gathers the accepted targets of each source with its features.

    Args:
        triples: `(source, target, features)` strings, as `as_triples` takes them.

    Returns:
        A tuple `(sources, features, references)`: the sources and the features of the
        distinct pairs of both, and for each a list of its distinct targets; all in the
        order of first occurrence.

    Example:

    >>> triples = [("go", "went", "PST"), ("go", "goes", "PRS"), ("go", "yode", "PST")]
    >>> group_triples(triples)
    (['go', 'go'], ['PST', 'PRS'], [['went', 'yode'], ['goes']])
    """
    references: dict[tuple[str, str], list[str]] = {}
    for source, target, features in as_triples(triples):
        targets = references.setdefault((source, features), [])
        if target not in targets:
            targets.append(target)
    sources, features = ([key[side] for key in references] for side in (0, 1))
    return sources, features, list(references.values())
