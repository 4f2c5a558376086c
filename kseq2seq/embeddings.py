"""Word vectors, trained elsewhere, for the embeddings of a model."""

import gzip
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from keras import ops

from kseq2seq.files import DataError

# How SentencePiece writes the blank before a word.
WORD_BEGINS = "▁"


class Coverage(NamedTuple):
    """How many pieces of a vocabulary have been given a word's vector.

    Args:
        found: Number of pieces that took a vector.
        pieces: Number of pieces that begin a word, and so could have taken one.
    """

    found: int
    pieces: int


def load_word_vectors(path, words):
    r"""Reads the vectors of some words from a file of many.

    Only what is asked for is kept in memory. Where a word occurs twice the first
    vector counts. Words are compared as they are written.

    Args:
        path: A text file, plain or gzipped (`.gz`), with a word and the numbers of
            its vector in each line, separated by single blanks: GloVe's format, or
            word2vec's, whose first line is the number of words and their size.
        words: An iterable of `str`.

    Returns:
        A dict from each word that was found to a float32 array of shape `(size,)`.

    Raises:
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
    # As bytes: a word that nobody asks for may be anything.
    wanted = {word.encode(): word for word in words}
    vectors = {}
    for number, word, values in _read_lines(Path(path)):
        if word in wanted and wanted[word] not in vectors:
            vectors[wanted[word]] = _parse(path, number, values)
    return vectors


def _read_lines(path):
    """Line number, word and values, as bytes, of each vector in the file."""
    opener = gzip.open if path.suffix == ".gz" else open
    number, size, count = 0, None, None
    try:
        with opener(path, "rb") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip(b" \r\n")
                if number == 1 and _is_header(line):
                    count, size = map(int, line.split(b" "))
                    continue
                size = line.count(b" ") if size is None else size
                yield number, *_split(path, number, line, size)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}, after line {number}: damaged gzip; fetch the file anew. ({error})"
        ) from error
    vectors = number - (count is not None)
    if not vectors:
        raise DataError(f"{path}: expected a word and its vector in each line; empty.")
    if count not in (None, vectors):
        raise DataError(
            f"{path}, line {number}: the first line promises {count} vectors and the "
            f"file ends after {vectors}; fetch it anew."
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
            f"separated by single blanks. Received: {line.count(b' ')} values after "
            f"{word[:40].decode(errors='replace')!r}"
        )
    return words, b" ".join(fields)


def _is_number(field):
    try:
        return np.isfinite(float(field))
    except ValueError:
        return False


def _parse(path, number, values):
    for field in values.split(b" "):
        if not _is_number(field):
            raise DataError(
                f"{path}, line {number}: expected numbers. "
                f"Received: {field[:40].decode(errors='replace')!r}"
            )
    return np.array([float(field) for field in values.split(b" ")], "float32")


def set_pretrained_embeddings(model, side, tokenizer, path):
    r"""Starts a model's embeddings from word vectors trained elsewhere.

    A piece that begins a word ("▁dog", which is all of a word or its beginning)
    takes the vector of the word "dog"; where there is none for "▁Dog", that of
    the word in lower case. All other pieces keep the numbers they have, which in a new
    model have a variance of 1 (untied embeddings): scale vectors that are much smaller,
    or they go under beside them. Call it before training, which goes on to change these
    embeddings like all others.

    Args:
        model: What `kseq2seq.build_model` returned.
        side: `"source"` or `"target"`. With `tie_embeddings` the target's
            embeddings are also the weights of the softmax.
        tokenizer: The `kseq2seq.Tokenizer` of that side.
        path: A file in the format of word2vec or GloVe, as `load_word_vectors`
            reads it.

    Returns:
        A `Coverage`: the numbers of pieces that were found, and that could have
        been.

    Raises:
        kseq2seq.data.DataError: If the file cannot be used, as in
            `load_word_vectors`.
        ValueError: If `side` is neither, if tokenizer and model do not belong
            together, or if the vectors are not of the model's `embedding_size`.

    Example:

    >>> import tempfile, pathlib
    >>> import kseq2seq
    >>> source, target = kseq2seq.train_tokenizers(
    ...     [("a dog", "un chien"), ("the dog", "le chien")], kind="word"
    ... )
    >>> config = kseq2seq.Seq2SeqConfig(
    ...     source.vocabulary_size, target.vocabulary_size, embedding_size=2, units=4
    ... )
    >>> model = kseq2seq.build_model(config)
    >>> path = pathlib.Path(tempfile.mkdtemp(), "vectors.txt")
    >>> _ = path.write_text("the 0.1 0.2\ndog 0.3 0.4\n")
    >>> set_pretrained_embeddings(model, "source", source, path)
    Coverage(found=2, pieces=3)
    """
    if side not in ("source", "target"):
        raise ValueError(
            f"`side` must be 'source' or 'target'. Received: side={side!r}"
        )
    layer = model.get_layer(f"{side}_embedding")
    matrix = np.array(ops.convert_to_numpy(layer.embeddings))  # (V, D)
    if tokenizer.vocabulary_size != len(matrix):
        raise ValueError(
            f"The tokenizer must be the one that the model's {side} was made for. "
            f"Received: tokenizer.vocabulary_size={tokenizer.vocabulary_size}, a model "
            f"with {side}_vocabulary_size={len(matrix)}"
        )
    words = _words_of(tokenizer)
    known = load_word_vectors(
        path, {form for word in words.values() for form in (word, word.lower())}
    )
    found = 0
    for id_, word in words.items():
        vector = known.get(word, known.get(word.lower()))
        if vector is None:
            continue
        if len(vector) != matrix.shape[1]:
            raise ValueError(
                f"{path}: the vectors must be of the model's embedding_size. Build it "
                f"with embedding_size={len(vector)}, or take other vectors. Received: "
                f"vectors of {len(vector)}, a model of {matrix.shape[1]}"
            )
        matrix[id_] = vector
        found += 1
    layer.embeddings.assign(matrix)
    return Coverage(found, len(words))


def _words_of(tokenizer):
    """The word of each id whose piece begins one."""
    pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
    return {
        id_: piece.removeprefix(WORD_BEGINS)
        for id_, piece in enumerate(pieces)
        if piece.startswith(WORD_BEGINS) and piece != WORD_BEGINS
    }
