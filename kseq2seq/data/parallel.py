"""Readers of two files whose equal lines translate each other, and of their links."""

from collections.abc import Iterator
from itertools import zip_longest

from kseq2seq.data.containers import Pairs, Triples
from kseq2seq.data.lines import DataError, read_lines, stream_lines
from kseq2seq.data.links import format_links, read_links
from kseq2seq.data.pairs import is_header, without_empty_sides, without_header
from kseq2seq.utils import PathLike


def iter_parallel(
    source_path: PathLike, target_path: PathLike
) -> Iterator[tuple[str, str]]:
    """The rows of two files, one by one, as `read_parallel` reads them.

    Args:
        source_path: A file, as there.
        target_path: Another, with as many lines.

    Yields:
        Tuples `(source, target)`, with empty sides among them.

    Raises:
        DataError: As in `read_parallel`, when the line is reached.
    """
    sources, targets = stream_lines(source_path), stream_lines(target_path)
    for number, pair in enumerate(zip_longest(sources, targets), 1):
        source, target = pair
        if source is None or target is None:
            shorter = source_path if source is None else target_path
            raise DataError(
                "Parallel files must have the same number of lines. Received: "
                f"{source_path} and {target_path}, of which {shorter} ends before "
                f"line {number}"
            )
        if number > 1 or not is_header(
            (source, target), f"{source_path}, {target_path}"
        ):
            yield source, target


def read_parallel(source_path: PathLike, target_path: PathLike) -> Pairs:
    r"""Reads two files in which equal lines translate each other (as Moses does).

    Lines are as `read_lines` gives them. Pairs with an empty side, and first lines that
    name columns ("source" and "target", "English" and "German"), are left out and
    reported by a warning of the logger "kseq2seq".

    Args:
        source_path: A text file in UTF-8, plain or packed, as for `read_lines`.
        target_path: Another, with as many lines.

    Returns:
        A list of `(source, target)` strings.

    Raises:
        DataError: If a file is missing, empty, damaged or not UTF-8, or if the
            two have different numbers of lines.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "train.en").write_text("A dog.\nA cat.\n")
    >>> _ = (folder / "train.de").write_text("Ein Hund.\nEine Katze.\n")
    >>> read_parallel(folder / "train.en", folder / "train.de")
    [('A dog.', 'Ein Hund.'), ('A cat.', 'Eine Katze.')]
    """
    name = f"{source_path}, {target_path}"
    pairs = without_empty_sides(_read_both(source_path, target_path), name)
    return without_header(pairs, name)


def read_linked(
    source_path: PathLike, target_path: PathLike, links_path: PathLike
) -> Triples:
    r"""Reads pairs of two files, as `read_parallel` does, and their links of a third.

    Args:
        source_path: A text file, as for `read_lines`.
        target_path: Another, with as many lines.
        links_path: A third one, as for `read_links`.

    Returns:
        A list of `(source, target, links)` strings, which `split_triples` splits and
        `batches` takes with `linked=True`.

    Raises:
        DataError: As `read_parallel` and `read_links` do.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "train.en").write_text("A dog.\nSee you.\n")
    >>> _ = (folder / "train.de").write_text("Ein Hund.\nBis bald.\n")
    >>> _ = (folder / "train.links").write_text("0-0 1-1\n\n")
    >>> read_linked(*(folder / f"train.{x}" for x in ("en", "de", "links")))
    [('A dog.', 'Ein Hund.', '0-0 1-1'), ('See you.', 'Bis bald.', '')]
    """
    pairs = _read_both(source_path, target_path)
    links = read_links(links_path, pairs)
    triples = [
        (source, target, format_links(one.sure))
        for (source, target), one in zip(pairs, links, strict=True)
    ]
    name = f"{source_path}, {target_path}"
    return without_header(without_empty_sides(triples, name), name)


def _read_both(source_path: PathLike, target_path: PathLike) -> Pairs:
    """All lines of both files as pairs."""
    sources, targets = read_lines(source_path), read_lines(target_path)
    if len(sources) != len(targets):
        raise DataError(
            "Parallel files must have the same number of lines. Received: "
            f"{source_path} with {len(sources)} and {target_path} with "
            f"{len(targets)} lines; from line {min(len(sources), len(targets)) + 1} "
            "on, one of them has no counterpart"
        )
    return list(zip(sources, targets, strict=True))
