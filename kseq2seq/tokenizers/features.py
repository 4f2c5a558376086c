"""`FeatureVocabulary`: features beside a text, such as morphological tags, as ids.

A model with features reads one row of ids: those of the text, EOS, and behind it those
of the features, which go on where the ids of the source's tokenizer end.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from kseq2seq.data import as_texts
from kseq2seq.tokenizers.lookup import look_up
from kseq2seq.tokenizers.truncation import Limits, TruncatedIds, cut_bytes
from kseq2seq.utils import PAD_ID, PathLike, Tensor, check_string, write_text

MISSING_ID, UNKNOWN_ID = 0, 1
_LABELS = ("<missing>", "<unknown>")
# What `tf.strings.strip` takes away.
_WHITE_SPACE = " \t\n\v\f\r"


class FeatureVocabulary:
    """The features that a model knows: tags, languages, parts of speech.

    The features of a text are one string, such as "V;PST;3;SG", whose parts are symbols
    of this vocabulary. Two ids are reserved: 0 stands for missing features, an empty
    string, and 1 for each unknown symbol. So a text always has at least one feature.
    White space around a symbol does not count.

    Args:
        symbols: The symbols, each once.
        separator: String between two symbols.

    Attributes:
        symbols: Tuple of the symbols, whose ids go on from 2.
        separator: The string between them.
        labels: Tuple of a name for each id, as in plots.
        vocabulary_size: Number of ids, both others included.

    Raises:
        ValueError: If a symbol is blank, holds the separator or stands there twice, if
            there is none, or if the separator is empty.

    Example:

    >>> features = FeatureVocabulary.from_texts(["V;PST;3;SG", "N;PL"], separator=";")
    >>> features.symbols
    ('3', 'N', 'PL', 'PST', 'SG', 'V')
    >>> features.tokenize(["N; SG", "", "N;DU"]).to_list()
    [[3, 6], [0], [3, 1]]
    """

    def __init__(self, symbols: Iterable[str], separator: str = ";") -> None:
        self.separator = check_string("separator", separator)
        if not separator:
            raise ValueError(
                "`separator` must hold at least one character, such as ';'. "
                f"Received: separator={separator!r}"
            )
        self.symbols = tuple(as_texts(symbols, "symbols"))
        for symbol, count in Counter(self.symbols).items():
            if self.split(symbol) != [symbol] or count > 1:
                raise ValueError(
                    "`symbols` must be there once each, without white space around "
                    f"them and without the separator {separator!r}. "
                    f"Received: {symbol!r}, {count} times"
                )
        if not self.symbols:
            raise ValueError(
                "`symbols` must hold one feature or more: leave features out where "
                "there are none. Received: none"
            )
        self.labels = (*_LABELS, *self.symbols)
        self.vocabulary_size = len(self.labels)

    @classmethod
    def from_texts(
        cls, texts: Iterable[str], separator: str = ";"
    ) -> "FeatureVocabulary":
        """The vocabulary of all symbols in strings of features, sorted.

        Args:
            texts: Strings of features, those of training.
            separator: String between two symbols.

        Raises:
            ValueError: As for the class.
        """
        parts = (_split(text, separator) for text in as_texts(texts))
        return cls(sorted({x for symbols in parts for x in symbols}), separator)

    def extended(self, texts: Iterable[str]) -> "FeatureVocabulary":
        """The vocabulary with new symbols behind its own, whose ids stay.

        Args:
            texts: Strings of features.

        Example:

        >>> FeatureVocabulary(["V", "N"]).extended(["N;PL", "A"]).symbols
        ('V', 'N', 'A', 'PL')
        """
        symbols = (*self.symbols, *sorted(self.unknown(texts)))
        return type(self)(symbols, self.separator)

    def __repr__(self) -> str:
        return f"<FeatureVocabulary vocabulary_size={self.vocabulary_size}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FeatureVocabulary):
            return NotImplemented
        return (self.symbols, self.separator) == (other.symbols, other.separator)

    def __hash__(self) -> int:
        return hash((self.symbols, self.separator))

    def split(self, text: str) -> list[str]:
        """The symbols in a string of features.

        Args:
            text: The string.
        """
        return _split(text, self.separator)

    def unknown(self, texts: Iterable[str]) -> Mapping[str, int]:
        """Symbols in strings of features that are not of the vocabulary.

        Args:
            texts: The strings.

        Returns:
            Dict from each of them to how often it is there, the most frequent first.

        Example:

        >>> FeatureVocabulary(["N", "PL"]).unknown(["N;DU", "V;PL", "V;DU", "V"])
        {'V': 3, 'DU': 2}
        """
        known = set(self.symbols)
        symbols = (symbol for text in as_texts(texts) for symbol in self.split(text))
        return dict(Counter(x for x in symbols if x not in known).most_common())

    def tokenize(self, texts: Tensor | Sequence[str]) -> tf.RaggedTensor:
        """Turns strings of features into ids, inside the TensorFlow graph.

        Args:
            texts: String tensor of shape `(batch,)`, or a list of `str`.

        Returns:
            A `tf.RaggedTensor` of int32, of shape `(batch, None)`, with at least one id
            in each row.
        """
        texts = tf.convert_to_tensor(texts, tf.string)
        parts = tf.strings.split(texts, self.separator)
        parts = parts.with_values(tf.strings.strip(parts.values))
        is_symbol = parts.with_values(tf.strings.length(parts.values) > 0)
        parts = tf.ragged.boolean_mask(parts, is_symbol)
        is_missing = parts.row_lengths() == 0
        missing = tf.ragged.boolean_mask(
            tf.fill([parts.nrows(), 1], MISSING_ID), is_missing[:, None]
        )
        return tf.concat([parts.with_values(self._look_up(parts.values)), missing], 1)

    def _look_up(self, symbols: Tensor) -> Tensor:
        """Ids of symbols, of shape `(n,)`."""
        place = look_up(self.symbols, symbols)
        return tf.where(place < 0, UNKNOWN_ID, place + len(_LABELS))

    def save(self, path: PathLike) -> None:
        """Writes the vocabulary as JSON, complete or not at all.

        Args:
            path: The file's path.
        """
        content = {"separator": self.separator, "symbols": self.symbols}
        write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: PathLike) -> "FeatureVocabulary":
        """Reads a file that `save` has written.

        Args:
            path: Path of the file.

        Returns:
            A `FeatureVocabulary`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it holds no vocabulary of features.
        """
        text = Path(path).read_text(encoding="utf-8")
        try:
            content = json.loads(text)
            return cls(content["symbols"], content["separator"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{path} must be JSON with `separator` and `symbols`, as "
                "`FeatureVocabulary.save` writes it: copy it anew. "
                f"Received: {type(error).__name__}: {error}"
            ) from error


def _split(text: str, separator: str) -> list[str]:
    parts = (part.strip(_WHITE_SPACE) for part in text.split(separator))
    return [part for part in parts if part]


def with_features(
    source: TruncatedIds,
    texts: Tensor,
    vocabulary: FeatureVocabulary,
    first_id: int,
    limits: Limits | None = None,
) -> TruncatedIds:
    """Ids of texts with those of their features behind EOS.

    Features are never cut in favour of the text, nor the text in favour of them: both
    have the limits for themselves. They begin and end where the text ends.

    Args:
        source: The `TruncatedIds` of the texts.
        texts: String tensor of shape `(batch,)`: the features of each.
        vocabulary: The `FeatureVocabulary`.
        first_id: The id that its first one becomes: the size of the vocabulary of
            `source`.
        limits: The `Limits`; none if `None`.

    Returns:
        The `TruncatedIds` of both.

    Example:

    >>> from kseq2seq.tokenizers import tokenize_truncated, train_tokenizer
    >>> tokenizer = train_tokenizer(["ab"], kind="character")
    >>> source = tokenize_truncated(tokenizer, tf.constant(["ab", "a"]))
    >>> vocabulary = FeatureVocabulary(["N", "PL"])
    >>> result = with_features(source, tf.constant(["N;PL", ""]), vocabulary, 6)
    >>> result.ids.numpy().tolist(), result.starts.numpy().tolist()
    ([[4, 5, 3, 8, 9], [4, 3, 6, 0, 0]], [[0, 1, 2, 2, 2], [0, 1, 1, 0, 0]])
    """
    is_cut = tf.zeros_like(source.truncated)
    if limits is not None:
        texts, is_cut = cut_bytes(texts, limits.max_bytes)
    features = vocabulary.tokenize(texts) + first_id
    if limits is not None:
        is_cut |= features.row_lengths() > limits.max_tokens
        features = features[:, : limits.max_tokens]
    ids = tf.RaggedTensor.from_tensor(source.ids, padding=PAD_ID)
    ids = tf.concat([ids, features], axis=1)
    source_length = tf.shape(source.ids)[1]
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    length = tf.reduce_max(tf.concat([lengths, [source_length]], axis=0))
    ids = ids.to_tensor(PAD_ID, shape=tf.stack([-1, length]))
    # EOS is at the end of the text.
    at_end = tf.reduce_max(source.ends, axis=1, keepdims=True)
    starts, ends = (
        tf.where(
            ids >= first_id,
            at_end,
            tf.pad(offsets, [[0, 0], [0, length - source_length]]),
        )
        for offsets in (source.starts, source.ends)
    )
    return TruncatedIds(ids, starts, ends, source.truncated | is_cut)
