"""Texts in batches of like lengths."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from typing import Any

import numpy as np
import tensorflow as tf
from tqdm import tqdm

from kseq2seq.utils import Tensor, check_integer

# With a beam of 5 a character takes some 25 kB while its batch is translated.
MAX_CHARACTERS = 2**14


def check_texts(texts: Iterable[str], name: str = "texts") -> list[str]:
    """Checks a list of texts.

    Args:
        texts: Strings, but no single one.
        name: Name of the argument, for errors.

    Returns:
        The texts as a list.

    Raises:
        ValueError: If they are anything but strings.

    Example:

    >>> check_texts(iter(["a dog", "a cat"]))
    ['a dog', 'a cat']
    """
    if isinstance(texts, (str, bytes)):
        raise ValueError(
            f"`{name}` must be a list of strings; put a single one into a list. "
            f"Received: {texts!r:.80}"
        )
    checked = list(texts)
    others = [text for text in checked if not isinstance(text, str)]
    if others:
        item: Any = others[0]
        remedy = "decode bytes" if isinstance(item, bytes) else "give the text of each"
        raise ValueError(
            f"`{name}` must be a list of strings; {remedy}. "
            f"Received: an item {item!r:.80} of type {type(item).__name__}"
        )
    return checked


def check_features(features: Any, has_features: bool) -> None:
    """Refuses features for a model that has none.

    Args:
        features: The argument as it was given, or `None`.
        has_features: Whether the model has features.

    Raises:
        ValueError: If they are given and it has none.

    Example:

    >>> check_features(["V;PST"], has_features=True)
    """
    if features is not None and not has_features:
        raise ValueError(
            "`features` must be left out: the model was trained without features. "
            f"Received: features={features!r:.80}"
        )


def features_of_texts(
    features: Iterable[str] | None, count: int, has_features: bool
) -> dict[str, list[str]]:
    """The input `features` of a model, in a dict; an empty one if it has none.

    Args:
        features: List of `str`, one for each text; missing if `None`.
        count: Number of texts.
        has_features: Whether the model has features.

    Raises:
        ValueError: If they are no list of as many strings, or the model has none.

    Example:

    >>> features_of_texts(None, 2, has_features=True)
    {'features': ['', '']}
    """
    check_features(features, has_features)
    if not has_features:
        return {}
    checked = [""] * count if features is None else check_texts(features, "features")
    if len(checked) != count:
        raise ValueError(
            f"`features` must hold one string for each of the {count} texts, an empty "
            f"one where they are missing. Received: {len(checked)}"
        )
    return {"features": checked}


def prefix_of_texts(
    prefix: Iterable[str | None] | None, count: int
) -> dict[str, list[str]]:
    """The input `prefix` of a search, in a dict; an empty one if there is none.

    Args:
        prefix: List of `str` or `None`, one for each text; or `None`.
        count: Number of texts.

    Raises:
        ValueError: If it is no list of as many strings.

    Example:

    >>> prefix_of_texts(["ein", None], 2)
    {'prefix': ['ein', '']}
    """
    if prefix is None:
        return {}
    is_single = isinstance(prefix, (str, bytes))
    filled = prefix if is_single else ["" if text is None else text for text in prefix]
    checked = check_texts(filled, "prefix")
    if len(checked) != count:
        raise ValueError(
            f"`prefix` must hold one string for each of the {count} texts, or `None` "
            f"where a translation is free. Received: {len(checked)}"
        )
    return {"prefix": checked}


def check_allowed(allowed: Iterable[str] | None) -> tuple[str, ...]:
    """Checks a list of the translations that there are.

    Args:
        allowed: List of `str`, or `None`.

    Returns:
        The texts, each once; empty for `None`.

    Raises:
        ValueError: If it is no list of strings, at least one.

    Example:

    >>> check_allowed(["yes", "no", "yes"])
    ('yes', 'no')
    """
    if allowed is None:
        return ()
    texts = check_texts(allowed, "allowed")
    if not texts:
        raise ValueError(
            "`allowed` must hold a text, at least one; leave it out to allow any. "
            f"Received: allowed={texts!r}"
        )
    return tuple(dict.fromkeys(texts))


def text_tensor(texts: Sequence[str]) -> Tensor:
    r"""A list of `str` as a string tensor of shape `(batch,)`.

    Args:
        texts: The strings. A lone surrogate, as in the name of a file, becomes bytes
            that are not UTF-8, which the tokenizer takes for unknown characters.

    Example:

    >>> text_tensor(["é", "\ud800"]).numpy().tolist()
    [b'\xc3\xa9', b'\xed\xa0\x80']
    """
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return tf.constant(encoded, tf.string, shape=[len(texts)])


def tensors_of_rows(inputs: Mapping[str, Any], rows: Sequence[int]) -> dict[str, Any]:
    """The inputs of some rows, lists of strings as tensors.

    Args:
        inputs: Dict from names to lists of `str`, or arrays of shape `(count, ...)`.
        rows: Numbers of rows.

    Example:

    >>> inputs = {"text": ["a", "b", "c"], "seed": np.array([3, 5, 7])}
    >>> tensors = tensors_of_rows(inputs, [2, 0])
    >>> tensors["text"].numpy().tolist(), tensors["seed"].tolist()
    ([b'c', b'a'], [7, 3])
    """
    return {
        name: text_tensor([values[row] for row in rows])
        if isinstance(values, list)
        else values[list(rows)]
        for name, values in inputs.items()
    }


def length_sorted_batches(
    texts: Sequence[Sized], batch_size: int, progress: bool = False
) -> Iterator[list[int]]:
    """Batches of row numbers, of like lengths, so that little is padded.

    A batch has at most `MAX_CHARACTERS`, counted as if all its texts were as long as
    the longest, so that memory is bounded whatever the lengths are. A longer text is
    a batch of its own.

    Args:
        texts: List of `str`, or of whatever else has a length.
        batch_size: The most rows of a batch.
        progress: Whether to draw a progress bar on standard error.

    Yields:
        Lists of row numbers, those of the longest texts first.

    Raises:
        ValueError: If `batch_size` is no positive integer.

    Example:

    >>> list(length_sorted_batches(["a", "a dog", "dog"], batch_size=2))
    [[1, 2], [0]]
    """
    batch_size = check_integer("batch_size", batch_size, 1)
    order = np.argsort([-len(text) for text in texts], kind="stable")
    with tqdm(total=len(texts), unit=" texts", disable=not progress) as bar:
        first = 0
        while first < len(texts):
            longest = max(1, len(texts[order[first]]))
            size = min(batch_size, max(1, MAX_CHARACTERS // longest))
            rows = order[first : first + size].tolist()
            yield rows
            bar.update(len(rows))
            first += size
