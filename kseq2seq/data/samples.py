"""Random samples of corpora, of one pass over their files."""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice

from kseq2seq.data.corpora import (
    MAX_OPEN,
    Corpus,
    CorpusReader,
    Part,
    Row,
    as_corpora,
)
from kseq2seq.data.lines import DataError
from kseq2seq.data.pairs import has_empty_side
from kseq2seq.utils import check_integer


def sample(
    corpora: Corpus | Sequence[Corpus],
    count: int = 200_000,
    seed: int = 0,
    most: int = 2_000_000,
) -> list[Row]:
    r"""A random sample of the pairs of corpora, such as to train tokenizers on.

    Each pair that is read has the same chance (a reservoir). Of corpora with weights
    the sample has shares by them.

    Args:
        corpora: A `Corpus`, or several.
        count: Number of pairs; fewer where there are no more.
        seed: Integer seed.
        most: Most pairs that are read; of more than 16 files as many of each.

    Returns:
        A list of rows, those with an empty side left out.

    Raises:
        DataError: If a file cannot be read, or no row is left.

    Example:

    >>> import pathlib, tempfile
    >>> from kseq2seq.data import corpus
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pairs.tsv"
    >>> _ = path.write_text("".join(f"{n}\t{n}\n" for n in range(100)))
    >>> len(sample(corpus(path), 7))
    7
    """
    count, most = check_integer("count", count, 1), check_integer("most", most, 1)
    several = as_corpora(corpora)
    total = sum(x.weight for x in several)
    rows: list[Row] = []
    for number, one in enumerate(several):
        share = one.weight / total
        draws = random.Random(f"{seed}/{number}")
        size, limit = max(1, round(count * share)), max(1, round(most * share))
        reader = CorpusReader(_of_all_files(one, limit), seed, passes=1)
        rows += _reservoir(reader, size, limit, draws)
    kept = [row for row in rows if not has_empty_side(row)]
    if not kept:
        raise DataError(
            "expected pairs with text on both sides. Received: a sample of "
            f"{len(rows)} pairs, of which every pair has an empty side"
        )
    return kept


def _of_all_files(corpus: Corpus, most: int) -> Corpus:
    """A corpus of which `most` rows are of all files, not of the first ones alone."""
    if len(corpus.parts) <= MAX_OPEN:  # They give rows in turn.
        return corpus
    of_each = -(-most // len(corpus.parts))
    parts = [
        Part(name, partial(_first_rows, rows, of_each)) for name, rows in corpus.parts
    ]
    return corpus._replace(parts=parts)


def _first_rows(rows: Callable[[], Iterator[Row]], count: int) -> Iterator[Row]:
    return islice(rows(), count)


def _reservoir(
    reader: CorpusReader, size: int, most: int, draws: random.Random
) -> list[Row]:
    """A sample of `size` rows of the first `most` (reservoir sampling)."""
    held: list[Row] = []
    seen = 0
    while seen < most and (rows := reader.take(min(4096, most - seen))):
        for row in rows:
            seen += 1
            if len(held) < size:
                held.append(row)
            elif (slot := int(draws.random() * seen)) < size:
                held[slot] = row
    return held
