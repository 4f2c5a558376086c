"""How a translation is looked for, and what is found: the graph's side and Python's."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from tqdm import tqdm


class Translation(NamedTuple):
    """One translation of one text.

    What an exported SavedModel does not give is `None`: all but `text` and `score`.

    Attributes:
        text: The translation.
        score: By which the search ranked it.
        log_prob: Natural logarithm of its probability, EOS included.
        source_tokens: The source as the model read it, EOS included.
        target_tokens: The translation as the model wrote it, EOS included unless
            the length's limit cut it off.
        alignment: NumPy array of shape `(target_tokens, source_tokens)`; `None`
            for a model without attention.
    """

    text: str
    score: float
    log_prob: float | None = None
    source_tokens: list | None = None
    target_tokens: list | None = None
    alignment: Any = None


def check_texts(texts):
    """The texts as a list, or a `ValueError` if they are anything but strings."""
    texts = texts if isinstance(texts, (str, bytes)) else list(texts)
    if isinstance(texts, (str, bytes)) or not all(isinstance(x, str) for x in texts):
        raise ValueError(
            "`texts` must be a list of strings; put a single one into a list. "
            f"Received: {texts!r:.80}"
        )
    return texts


def find_signature(signatures, name):
    """The entry of a dict of signatures, or a `ValueError` that names those there."""
    if name not in signatures:
        raise ValueError(
            f"`signature` must be one of {', '.join(sorted(signatures))}; alignments "
            f"are there for models with attention alone. Received: {name!r}"
        )
    return signatures[name]


def check_inputs(signature, inputs, names):
    """Refuses inputs that are not those of a signature."""
    if set(inputs) != set(names):
        raise ValueError(
            f"`inputs` of {signature!r} must be {', '.join(sorted(names))}. "
            f"Received: {', '.join(sorted(inputs)) or 'none'}"
        )


def encode(texts):
    """A list of `str` as a string tensor of shape `(batch,)`."""
    # A lone surrogate, as in the name of a file, becomes bytes that are not UTF-8,
    # which the tokenizer takes for unknown characters.
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return tf.constant(encoded, tf.string, shape=[len(texts)])


def by_length(texts, batch_size, progress):
    """Batches of row numbers, of like lengths, so that little is padded.

    Args:
        texts: List of `str`.
        batch_size: The most rows of a batch.
        progress: Whether to draw a progress bar on standard error.

    Yields:
        Lists of row numbers, those of the longest texts first.
    """
    whole = isinstance(batch_size, int) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ValueError(
            "`batch_size` must be a positive integer. "
            f"Received: batch_size={batch_size!r}"
        )
    order = np.argsort([-len(text) for text in texts], kind="stable")
    with tqdm(total=len(texts), unit=" texts", disable=not progress) as bar:
        for first in range(0, len(texts), batch_size):
            rows = order[first : first + batch_size].tolist()
            yield rows
            bar.update(len(rows))
