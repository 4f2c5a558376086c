"""Vectors of a vocabulary's pieces, trained on text of one's own."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kseq2seq.tokenizers.tokenizer import Tokenizer
from kseq2seq.utils import (
    BOS_ID,
    PathLike,
    atomic_path,
    check_choice,
    check_installed,
    check_integer,
    check_number,
)

ALGORITHMS = ("skip_gram", "cbow")
# Texts that are tokenized at a time.
_CHUNK = 1000


def train_word_vectors(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    path: PathLike,
    size: int = 256,
    algorithm: str = "skip_gram",
    window: int = 5,
    epochs: int = 5,
    deviation: float = 1.0,
    seed: int = 1,
) -> int:
    """Trains vectors of pieces with gensim (extra `vectors`), to start embeddings from.

    The file is in the format of word2vec, with a piece, as "▁dog", in each line, those
    of BOS and EOS among them, for `kseq2seq.models.set_pretrained_embeddings` and the
    settings' `[embeddings]`.

    Args:
        texts: Strings, such as all sentences of one language that there are. They are
            held in memory as pieces.
        tokenizer: The `kseq2seq.Tokenizer` of the side that the vectors are for.
        path: Path of the file to write.
        size: Size of the vectors, the `embedding_size` of the model.
        algorithm: "skip_gram", which is better for rare pieces, or "cbow", which is
            quicker.
        window: Number of pieces on either side that a piece is learnt with.
        epochs: Times that the texts are gone through.
        deviation: Standard deviation of the vectors' values, to which they are scaled:
            those of a model's new embeddings have 1, or `size**-0.5` if tied.
        seed: Seed of the first values and the draws. With it the same texts give the
            same vectors in the same environment.

    Returns:
        The number of pieces that have a vector: those that occur, with BOS and EOS.

    Raises:
        OSError: If the file cannot be written.
        ValueError: If gensim is missing, an argument is not as described, or there is
            no text.

    Example:

    >>> import pathlib, tempfile
    >>> from kseq2seq import train_tokenizers
    >>> texts = ["a dog runs", "a cat runs"] * 20
    >>> tokenizer, _ = train_tokenizers([(text, text) for text in texts], kind="word")
    >>> path = pathlib.Path(tempfile.mkdtemp(), "vectors.txt")
    >>> train_word_vectors(texts, tokenizer, path, size=5)
    6

    Reference:
        [Mikolov et al., 2013](https://arxiv.org/abs/1310.4546), section 2: skip-gram
        with negative samples; [Mikolov et al.,
        2013](https://arxiv.org/abs/1301.3781), section 3.1: continuous bag of words.
    """
    check_installed("vectors")
    check_choice("algorithm", algorithm, ALGORITHMS)
    deviation = check_number("deviation", deviation, above=0)
    # By one process: with several the order of updates is another each time.
    settings: dict[str, Any] = {
        "vector_size": check_integer("size", size, 1),
        "window": check_integer("window", window, 1),
        "epochs": check_integer("epochs", epochs, 1),
        "sg": int(algorithm == "skip_gram"),
        "seed": check_integer("seed", seed, 0),
        "min_count": 1,
        "workers": 1,
    }
    from gensim.models import Word2Vec

    lines = _lines_of_pieces(texts, tokenizer)
    if not any(len(line) > 2 for line in lines):
        raise ValueError(
            "`texts` must hold text to learn the pieces of. "
            f"Received: {len(lines)} texts, none of which has a piece"
        )
    vectors = Word2Vec(lines, **settings).wv
    vectors.vectors *= deviation / vectors.vectors.std()
    with atomic_path(Path(path)) as beside:
        vectors.save_word2vec_format(str(beside))
    return len(vectors)


def _lines_of_pieces(texts, tokenizer):
    """The pieces of each text, BOS and EOS around them."""
    if isinstance(texts, str):  # each letter would be a text
        raise ValueError(
            "`texts` must be a list of strings; put a single one into a list. "
            f"Received: {texts!r:.80}"
        )
    texts, lines = list(texts), []
    for start in range(0, len(texts), _CHUNK):
        rows = tokenizer.tokenize(texts[start : start + _CHUNK]).to_list()
        lines += [tokenizer.pieces([BOS_ID, *ids]) for ids in rows]
    return lines
