"""Word vectors of word2vec and GloVe, read from files."""

import codecs
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from kseq2seq.data.lines import PACKING_ERRORS, DataError, open_binary
from kseq2seq.utils import PathLike

# How SentencePiece writes the blank before a word.
WORD_BEGINS = "▁"
_LARGEST = float(np.finfo("float32").max)


class Coverage(NamedTuple):
    """Number of the pieces of a vocabulary that have a word's vector.

    Attributes:
        covered: Number of pieces that have a vector.
        pieces: Number of pieces that begin a word, and so could have one.
    """

    covered: int
    pieces: int


def load_word_vectors(path: PathLike, words: Iterable[str]) -> dict[str, np.ndarray]:
    r"""Reads the vectors of some words from a file of many.

    Only the vectors asked for are kept in memory. Where a word occurs twice the first
    vector counts. Words are compared as they are written.

    Args:
        path: A text file, plain, gzipped or the only `.txt` file in a zip, with a
            word and the numbers of its vector in each line, separated by single
            blanks: GloVe's format, or word2vec's, whose first line is the number of
            words and their size.
        words: An iterable of `str`.

    Returns:
        A dict from each word in the file to a float32 array of shape `(size,)`.

    Raises:
        ValueError: If `words` is a single string.
        kseq2seq.data.DataError: If the file is missing, empty or damaged, or if a
            line has another number of values or something that is not a number.
            The message names the file and the line.

    Example:

    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "vectors.txt")
    >>> _ = path.write_text("the 0.1 0.2\ndog 0.3 0.4\n")
    >>> load_word_vectors(path, ["dog", "cat"])
    {'dog': array([0.3, 0.4], dtype=float32)}

    Reference:
        [Pennington et al., 2014](https://aclanthology.org/D14-1162), GloVe;
        [Mikolov et al., 2013](https://arxiv.org/abs/1301.3781), word2vec.
    """
    if isinstance(words, str):  # each letter would be a word
        raise ValueError(
            "`words` must be a list of strings; put a single one into a list. "
            f"Received: {words!r:.80}"
        )
    # As bytes: a word that nobody asks for may be anything.
    wanted = {word.encode(): word for word in words}
    vectors = {}
    for number, word, values in _read_vectors(path):
        if word in wanted and wanted[word] not in vectors:
            vectors[wanted[word]] = _parse(path, number, values)
    return vectors


def _read_vectors(path: PathLike) -> Iterator[tuple[int, bytes, bytes]]:
    """Line number, word and values, as bytes, of each vector in the file."""
    number, size, count = 0, None, None
    try:
        with open_binary(path) as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip(b" \r\n")
                if number == 1:
                    line = line.removeprefix(codecs.BOM_UTF8)
                if number == 1 and _is_header(line):
                    count, size = map(int, line.split(b" "))
                    continue
                size = line.count(b" ") if size is None else size
                yield number, *_split(path, number, line, size)
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: no such file. Expected word vectors in the format of GloVe or "
            "word2vec: fetch them, or name the folder that they are in, too."
        ) from error
    except PACKING_ERRORS as error:
        raise DataError(
            f"{path}, after line {number}: damaged file; fetch it anew. ({error})"
        ) from error
    vectors = number - (count is not None)
    if not vectors:
        received = "an empty file" if count is None else "a line of sizes alone"
        raise DataError(
            f"{path}: expected a word and its vector in each line. Received: "
            f"{received}; fetch it anew."
        )
    if count not in (None, vectors):
        raise DataError(
            f"{path}, line {number}: expected {count} vectors, as the first line says. "
            f"Received: {vectors}; fetch the file anew."
        )


def _is_header(line):
    fields = line.split(b" ")
    return len(fields) == 2 and all(field.isdigit() for field in fields)


def _split(path, number, line, size):
    """A line's word and its values."""
    word, _, values = line.partition(b" ")
    if size and values.count(b" ") + 1 == size:
        return word, values
    # Some of GloVe's words hold blanks.
    words, *fields = line.rsplit(b" ", size)
    if not size or len(fields) < size or _is_number(words.split(b" ")[-1]):
        raise DataError(
            f"{path}, line {number}: expected a word and {size or 'its'} values, "
            "separated by single blanks: delete the line, or fetch the file anew. "
            f"Received: {line.count(b' ')} values after "
            f"{word[:40].decode(errors='replace')!r}"
        )
    return words, b" ".join(fields)


def _is_number(field):
    try:
        return abs(float(field)) <= _LARGEST  # neither NaN nor infinite
    except ValueError:
        return False


def _parse(path, number, values):
    for field in values.split(b" "):
        if not _is_number(field):
            raise DataError(
                f"{path}, line {number}: expected numbers of float32: delete the "
                "line, or fetch the file anew. "
                f"Received: {field[:40].decode(errors='replace')!r}"
            )
    return np.array([float(field) for field in values.split(b" ")], "float32")
