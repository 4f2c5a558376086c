"""Texts to ids and back, as graphs that a SavedModel holds once."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import tensorflow as tf

from kseq2seq.decoding import Constraint, Hypotheses, Search
from kseq2seq.inference.attended_words import attended_words
from kseq2seq.inference.batches import check_features
from kseq2seq.inference.copying import copied_symbols, parts_of_tokens
from kseq2seq.inference.rows import check_rows
from kseq2seq.inference.text_rules import (
    allowed_texts,
    forced_ids,
    text_constraints,
)
from kseq2seq.tokenizers import (
    FeatureVocabulary,
    Limits,
    Tokenizer,
    TruncatedIds,
    composed,
    tokenize_truncated,
    with_features,
)
from kseq2seq.utils import EOS_ID, UNK_ID, Tensor

TEXTS = tf.TensorSpec([None], tf.string)
IDS = tf.TensorSpec([None, None], tf.int32)
SYMBOLS = tf.TensorSpec([None, None], tf.string)

Method = TypeVar("Method", bound=Callable[..., Any])


def one_graph(*specs: tf.TensorSpec) -> Callable[[Method], Method]:
    """Makes a method a graph of its own, which a SavedModel holds once.

    All that call it share the graph; each object has its own.

    Args:
        *specs: The `tf.TensorSpec` of each argument.
    """
    return tf.function(input_signature=specs, autograph=False)


def check_vocabularies(
    sizes: tuple[int, int],
    source_tokenizer: Tokenizer,
    target_tokenizer: Tokenizer,
    features: FeatureVocabulary | None,
) -> None:
    """Checks that tokenizers and features are of a model's size.

    Args:
        sizes: The numbers of ids on both sides, as of
            `kseq2seq.models.vocabulary_sizes`.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        features: The `kseq2seq.FeatureVocabulary`, or `None`.

    Raises:
        ValueError: If one of them is not, or the source are frames.
    """
    if not sizes[0]:
        raise ValueError(
            "The model must read texts, and so have ids of the source; a model of "
            "frames runs in `kseq2seq.Transcriber(model, tokenizer)`. Received: a "
            "model of frames"
        )
    extra = 0 if features is None else features.vocabulary_size
    others = f", of which {extra} are of features" if extra else ""
    sides = (
        ("source", source_tokenizer.vocabulary_size + extra, others),
        ("target", target_tokenizer.vocabulary_size, ""),
    )
    for size, (side, received, others) in zip(sizes, sides, strict=True):
        if received != size:
            raise ValueError(
                f"The {side} tokenizer must have the {size} ids that the model was "
                "built with, together with the features of the source. Received: "
                f"{received} ids{others}"
            )


class TokenizerGraphs:
    """The tokenizers of both sides, and features, as functions in the graph.

    Args:
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        features: The `kseq2seq.FeatureVocabulary`; `None` for a model without features.
        limits: The `kseq2seq.Limits` of texts; none if `None`.
        max_length: The most tokens of a target, where there are limits.
        copied_ids: For each source id, those of features included, the target id that
            models copy it as; `None` if they do not copy.

    Attributes:
        copies: Whether models copy.
        has_features: Whether there are features.
        writes_parts: Whether the tokens of targets are parts of characters, which are
            composed.

    Example:

    >>> from kseq2seq import train_tokenizers
    >>> tokenizers = train_tokenizers([("a dog", "ein Hund")], kind="character")
    >>> graphs = TokenizerGraphs(*tokenizers)
    >>> ids = graphs.read_target(tf.constant(["Hund"])).ids
    >>> graphs.write(ids).numpy().tolist()
    [b'Hund']
    """

    def __init__(
        self,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        features: FeatureVocabulary | None = None,
        limits: Limits | None = None,
        max_length: int = 2,
        copied_ids: Sequence[int] | None = None,
    ) -> None:
        self.copies = copied_ids is not None
        self._copied_ids = copied_ids
        self.has_features = features is not None
        self.writes_parts = target_tokenizer.decomposes
        self._copies_parts = self.copies and source_tokenizer.decomposes
        self._source_tokenizer = source_tokenizer
        self._target_tokenizer = target_tokenizer
        self._features = features
        self._source_limits = limits
        # A target to be scored may be as long as one that the search writes.
        self._target_limits = limits and dataclasses.replace(
            limits, max_tokens=max(2, max_length)
        )

    def source_ids(self, texts: Tensor, features: Tensor | None = None) -> TruncatedIds:
        """Source texts, of shape `(batch,)`, as ids, with their features.

        Args:
            texts: String tensor of shape `(batch,)`.
            features: String tensor of shape `(batch,)`, missing if `None`.

        Raises:
            ValueError: If features are given to a model without them.
        """
        if not self.has_features:
            check_features(features, False)
            return self.read_source(texts)
        if features is None:
            features = tf.zeros_like(texts)
        texts = check_rows(texts, features=features)
        return self.read_source_and_features(texts, features)

    @one_graph(TEXTS)
    def read_source(self, texts: Tensor) -> TruncatedIds:
        """Source texts, of shape `(batch,)`, as ids."""
        return tokenize_truncated(self._source_tokenizer, texts, self._source_limits)

    @one_graph(TEXTS, TEXTS)
    def read_source_and_features(self, texts: Tensor, features: Tensor) -> TruncatedIds:
        """Source texts and their features, of shape `(batch,)`, as ids."""
        limits, first = self._source_limits, self._source_tokenizer.vocabulary_size
        source = tokenize_truncated(self._source_tokenizer, texts, limits)
        vocabulary: Any = self._features
        return with_features(source, features, vocabulary, first, limits)

    @one_graph(TEXTS, IDS, IDS)
    def source_parts(
        self, texts: Tensor, ids: Tensor, ends: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Source texts in parts of characters; see `parts_of_tokens`."""
        return parts_of_tokens(self._source_tokenizer, texts, ids, ends)

    @one_graph(TEXTS)
    def read_target(self, texts: Tensor) -> TruncatedIds:
        """Target texts, of shape `(batch,)`, as ids."""
        return tokenize_truncated(self._target_tokenizer, texts, self._target_limits)

    @one_graph(IDS)
    def write(self, ids: Tensor) -> Tensor:
        """Target ids, of shape `(batch, length)`, as texts, of shape `(batch,)`."""
        return self._target_tokenizer.detokenize(ids)

    @one_graph(IDS, SYMBOLS)
    def write_copied(self, ids: Tensor, symbols: Tensor) -> Tensor:
        """The same, with symbols, `(batch, length)`, in the place of UNK."""
        texts = self._target_tokenizer.detokenize(ids, symbols)
        if self.writes_parts or not self._copies_parts:
            return texts
        has_copies = tf.reduce_any((ids == UNK_ID) & (symbols != ""), axis=1)
        is_whole = tf.reduce_any(ids == EOS_ID, axis=1)
        return tf.where(has_copies, composed(texts, is_whole), texts)

    def needs_alignments(self, search: Search) -> bool:
        """Whether what a search gives can be written by its alignments alone."""
        return self.copies or bool(search.replace_unknown)

    def write_all(
        self,
        texts: Tensor,
        source: TruncatedIds,
        hypotheses: Hypotheses,
        search: Search,
    ) -> Tensor:
        """The texts of hypotheses, of shape `(batch, n)`.

        Args:
            texts: The source texts, of shape `(batch,)`.
            source: Their `TruncatedIds`.
            hypotheses: The `Hypotheses`, with alignments if these are needed.
            search: The `Search` that gave them.
        """
        shape = tf.shape(hypotheses.ids)
        flat = tf.reshape(hypotheses.ids, [-1, shape[2]])  # (B * N, L)
        write = self.writer(texts, source, hypotheses.alignments, search)
        return tf.reshape(write(flat), shape[:2])

    def writer(
        self,
        texts: Tensor,
        source: TruncatedIds,
        alignments: Tensor | None,
        search: Search,
    ) -> Callable[[Tensor], Tensor]:
        """The function that writes target ids, and what is written for unknown ones.

        Args:
            texts: The source texts, of shape `(batch,)`.
            source: Their `TruncatedIds`.
            alignments: float32 of shape `(batch, n, length, source_length)`; `None`
                where they are not needed.
            search: The `Search` that gave them.

        Returns:
            A function from ids of shape `(rows, length)` to strings of shape `(rows,)`,
            where rows are `batch * n`, or several for each of these.

        Raises:
            ValueError: If the search needs alignments and there are none.
        """
        if not self.needs_alignments(search):
            return self.write
        if alignments is None:
            raise ValueError(
                "`search` must have replace_unknown=False where a model has no "
                "attention, which tells the word. Received: replace_unknown="
                f"{search.replace_unknown!r:.80}"
            )
        shape = tf.shape(alignments)
        flat = tf.reshape(alignments, [shape[0], shape[1] * shape[2], shape[3]])
        if self._copied_ids is not None:
            copied_ids = tf.gather(tf.constant(self._copied_ids), source.ids)
            if self._copies_parts:
                texts, starts, ends = self.source_parts(texts, source.ids, source.ends)
                source = source._replace(starts=starts, ends=ends)
            symbols = copied_symbols(texts, source, copied_ids, flat)
        else:
            pairs = search.replace_unknown
            pairs = pairs if isinstance(pairs, tuple) else ()
            symbols = attended_words(texts, source, flat, pairs)
        symbols = tf.reshape(symbols, [shape[0] * shape[1], shape[2]])

        def write(ids):
            shape = tf.shape(ids)
            times = shape[0] // tf.maximum(tf.shape(symbols)[0], 1)
            here = symbols[:, : shape[1]]
            return self.write_copied(ids, tf.repeat(here, times, axis=0))

        return write

    def text_rules(self, search: Search) -> list[Constraint]:
        """The constraints of a search that are about target texts."""
        return text_constraints(search, self._target_tokenizer)

    def allowed_texts(self, texts: Sequence[str]) -> Constraint:
        """The constraint that allows the target texts of a list alone."""
        return allowed_texts(texts, self._target_tokenizer)

    def forced_ids(
        self, phrases: Iterable[Sequence[str] | None] | None, count: int
    ) -> dict[str, Any]:
        """The phrases that each of `count` translations holds, as ids, in a dict."""
        return forced_ids(phrases, count, self._target_tokenizer)

    def target_texts(self) -> list[str | None]:
        """The text of each id of the target; `None` for those without."""
        return self._target_tokenizer.piece_texts()

    @one_graph(IDS)
    def source_pieces(self, ids: Tensor) -> Tensor:
        """The pieces and features of source ids, `(batch, length)`, as strings."""
        if self._features is None:
            return self._source_tokenizer.piece_strings(ids)
        tokenizer, features = self._source_tokenizer, self._features
        pieces = tokenizer.piece_strings(tf.range(tokenizer.vocabulary_size))
        return tf.gather(tf.concat([pieces, features.labels], axis=0), ids)

    def source_tokens(self, ids: Sequence[int]) -> list[str]:
        """The pieces and features of source ids, a list, in Python.

        Args:
            ids: The ids, without padding.
        """
        first = self._source_tokenizer.vocabulary_size
        tokens = self._source_tokenizer.pieces([x for x in ids if x < first])
        if self._features is not None:
            tokens += [self._features.labels[x - first] for x in ids if x >= first]
        return tokens

    @one_graph(IDS)
    def target_pieces(self, ids: Tensor) -> Tensor:
        """The pieces of target ids, of shape `(batch, length)`, as strings."""
        return self._target_tokenizer.piece_strings(ids)
