"""Word vectors, trained elsewhere, for the embeddings of a model."""

from typing import TYPE_CHECKING, Literal

import keras
import numpy as np
from keras import ops

from kseq2seq.data import WORD_BEGINS, Coverage, load_word_vectors
from kseq2seq.models.sizes import layers_by_name
from kseq2seq.utils import BOS_ID, EOS_ID, PathLike, check_choice

if TYPE_CHECKING:
    from kseq2seq.tokenizers import Tokenizer


def set_pretrained_embeddings(
    model: keras.Model,
    side: Literal["source", "target"],
    tokenizer: "Tokenizer",
    path: PathLike,
    num_features: int = 0,
) -> Coverage:
    r"""Starts a model's embeddings from word vectors trained elsewhere.

    A piece that begins a word ("▁dog", which is all of a word or its beginning)
    takes the vector of the word "dog"; where there is none for "▁Dog", that of
    the word in lower case. All other pieces keep the numbers they have, which in a new
    model have a variance of 1 (untied embeddings): scale vectors that are much smaller,
    or they go under beside them. Of a file of pieces, which has BOS and EOS among its
    words, each piece takes its own vector; `kseq2seq.tokenizers.train_word_vectors`
    writes such files. Call it before training, which goes on to change these embeddings
    like all others.

    Args:
        model: A model of `kseq2seq.build_model`.
        side: `"source"` or `"target"`. With `tie_embeddings` the target's
            embeddings are also the weights of the softmax.
        tokenizer: The `kseq2seq.Tokenizer` of that side.
        path: A file in the format of word2vec or GloVe, as `load_word_vectors`
            reads it.
        num_features: The config's `feature_vocabulary_size`, for the source.

    Returns:
        A `Coverage`: the numbers of pieces that were found, and that could have
        been.

    Raises:
        kseq2seq.data.DataError: If the file cannot be used, as in
            `load_word_vectors`.
        ValueError: If `side` is neither, if the model has no such embeddings, if
            tokenizer and model do not belong together, or if the vectors are not of the
            model's `embedding_size`.

    Example:

    >>> import tempfile, pathlib
    >>> import kseq2seq
    >>> source, target = kseq2seq.train_tokenizers(
    ...     [("a dog", "un chien"), ("the dog", "le chien")], kind="word"
    ... )
    >>> config = kseq2seq.Seq2SeqConfig(
    ...     source_vocabulary_size=source.vocabulary_size,
    ...     target_vocabulary_size=target.vocabulary_size,
    ...     embedding_size=2,
    ...     units=4,
    ... )
    >>> model = kseq2seq.build_model(config)
    >>> path = pathlib.Path(tempfile.mkdtemp(), "vectors.txt")
    >>> _ = path.write_text("the 0.1 0.2\ndog 0.3 0.4\n")
    >>> set_pretrained_embeddings(model, "source", source, path)
    Coverage(covered=2, pieces=3)
    """
    check_choice("side", side, ("source", "target"))
    layers, name = layers_by_name(model), f"{side}_embedding"
    if name not in layers:
        raise ValueError(
            "`model` must come from `build_model` and have embeddings of that side: a "
            "model of frames has none of the source. "
            f"Received: side={side!r}, a model of layers {', '.join(layers)}"
        )
    layer = layers[name]
    matrix = np.array(ops.convert_to_numpy(layer.embeddings))  # (V, D)
    if tokenizer.vocabulary_size + num_features != len(matrix):
        raise ValueError(
            f"The tokenizer must be the one that the model's {side} was made for. "
            f"Received: tokenizer.vocabulary_size={tokenizer.vocabulary_size}, "
            f"num_features={num_features}, {side}_vocabulary_size={len(matrix)}"
        )

    words, pieces = _words_of(tokenizer), _pieces_of(tokenizer)
    forms = {form for word in words.values() for form in (word, word.lower())}
    known = load_word_vectors(path, {*forms, *pieces.values()})
    if {pieces[BOS_ID], pieces[EOS_ID]} <= known.keys():
        words = pieces
    count = 0
    for id_, word in words.items():
        other = None if words is pieces else known.get(word.lower())
        vector = known.get(word, other)
        if vector is None:
            continue
        if len(vector) != matrix.shape[1]:
            raise ValueError(
                f"{path}: the vectors must be of the model's embedding_size. Build it "
                f"with embedding_size={len(vector)}, or take other vectors. Received: "
                f"vectors of {len(vector)}, a model of {matrix.shape[1]}"
            )
        matrix[id_] = vector
        count += 1
    layer.embeddings.assign(matrix)
    return Coverage(count, len(words))


def _pieces_of(tokenizer):
    """The piece of each id but PAD and UNK."""
    ids = range(BOS_ID, tokenizer.vocabulary_size)
    return dict(zip(ids, tokenizer.pieces(ids), strict=True))


def _words_of(tokenizer):
    """The word of each id whose piece begins one."""
    pieces = tokenizer.pieces(range(tokenizer.vocabulary_size))
    return {
        id_: piece.removeprefix(WORD_BEGINS)
        for id_, piece in enumerate(pieces)
        if piece.startswith(WORD_BEGINS) and piece != WORD_BEGINS
    }
