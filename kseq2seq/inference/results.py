"""Results of translators: translations, alignments, encodings."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from kseq2seq.utils import PAD_ID

# In place of the score where there is no hypothesis; exports of 0.1.0 give -inf.
LOWEST_SCORE = float(np.finfo("float32").min)


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
    source_tokens: list[str] | None = None
    target_tokens: list[str] | None = None
    alignment: np.ndarray | None = None


class Alignment(NamedTuple):
    """The tokens of a text and its translation, and which of them belong together.

    Attributes:
        source_tokens: The source as the model read it, EOS included.
        target_tokens: The target's tokens, likewise.
        source_spans: For each token of the source where it begins and ends, in bytes
            of the text in UTF-8, without blanks before it; EOS is empty, at the end.
        target_spans: The same for the target.
        weights: NumPy array of shape `(target_tokens, source_tokens)`.
        links: For each token of the target the position of the source's token that it
            attends to most.
    """

    source_tokens: list[str]
    target_tokens: list[str]
    source_spans: list[tuple[int, int]]
    target_spans: list[tuple[int, int]]
    weights: np.ndarray
    links: list[int]


class Encoded(NamedTuple):
    """The encoder's output for one text.

    Attributes:
        memory: NumPy array of shape `(source_tokens, memory_dim)`, the values that
            attention reads: the encoder's outputs, or, with several heads, what the
            heads' matrices make of them. `None` for a model without attention.
        state: NumPy array of shape `(size,)`: what the decoder starts from.
    """

    memory: np.ndarray | None
    state: np.ndarray


def translations_of_row(
    row: Mapping[str, Any],
    source_pieces: Callable[[list[int]], list[str]],
    target_pieces: Callable[[list[int]], list[str]],
) -> list[Translation]:
    """The `Translation`s in one row of what `ControlledSearches.search_texts` gives.

    Args:
        row: Dict from the names of the outputs to their values in this row.
        source_pieces: Function from ids of the source to the pieces that they are.
        target_pieces: The same for the target.
    """
    source = row["source"]
    source_tokens = source_pieces(source[source != PAD_ID].tolist())
    translations = []
    for n, length in enumerate(row["lengths"]):
        if n and length == 0:
            continue
        alignment = None
        if "alignments" in row:
            alignment = row["alignments"][n, :length, : len(source_tokens)]
        translations.append(
            Translation(
                text=decoded_text(row["translations"][n]),
                score=float(row["scores"][n]),
                log_prob=float(row["log_probs"][n]),
                source_tokens=source_tokens,
                target_tokens=target_pieces(row["ids"][n, :length].tolist()),
                alignment=alignment,
            )
        )
    return translations


def decoded_text(text: bytes) -> str:
    """A text that a graph wrote, as a string."""
    return text.decode("utf-8", "replace")


def alignment_of_row(row: Mapping[str, Any]) -> Alignment:
    """The `Alignment` in one row of the outputs of `align` or `translate_align`.

    Args:
        row: Dict from the names of the outputs to their values in this row.
    """
    sides = {}
    for side in ("source", "target"):
        count = row[f"num_{side}_tokens"]
        tokens = row[f"{side}_tokens"][:count].tolist()
        sides[f"{side}_tokens"] = [token.decode() for token in tokens]
        starts, ends = (row[f"{side}_{x}"][:count].tolist() for x in ("starts", "ends"))
        sides[f"{side}_spans"] = list(zip(starts, ends, strict=True))
    target, source = row["num_target_tokens"], row["num_source_tokens"]
    return Alignment(
        **sides,
        weights=row["alignment"][:target, :source],
        links=row["links"][:target].tolist(),
    )
