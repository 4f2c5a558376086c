"""`Tokenizer`: text to ids and back, inside the TensorFlow graph."""

import re
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_text

from kseq2seq.utils import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    UNK_ID,
    PathLike,
    Tensor,
    check_integer,
    check_number,
    write_bytes,
)

# How SentencePiece writes a blank.
_BLANK = "\N{LOWER ONE EIGHTH BLOCK}"
# The first syllable of Unicode, and its parts.
_SYLLABLE, _JAMO = "\uac00", "\u1100\u1161"
# "fi" as one character, which NFKD alone takes apart.
_LIGATURE = "\ufb01"
# Leading consonants, in RE2's words, with no vowel behind them.
_BEGUN_SYLLABLE = r"[\x{1100}-\x{115E}]+\z"


class Tokenizer:
    """One SentencePiece model, run in the TensorFlow graph.

    The ids are those that Python's `sentencepiece` gives for the same model, for
    every kind of model, followed by EOS. Text in which every character belongs to
    the vocabulary comes back exactly as it was, repeated, leading and trailing
    blanks included, when the model was trained by `train_tokenizer` with its
    default normalization, with two exceptions: the character "▁" (U+2581), by
    which SentencePiece writes a blank, comes back as a blank; and a tokenizer of
    kind "word" gives one blank between words and none around them.

    A tokenizer of normalization "nfd" reads characters in parts and writes them
    composed, in Unicode's form NFC.

    Text such as "</s>" is text: it never becomes one of the special ids.

    Args:
        model: A serialised SentencePiece model (the bytes of a `.model` file),
            whose ids of PAD, UNK, BOS and EOS are 0, 1, 2 and 3.

    Raises:
        ValueError: If `model` is no such model.

    Example:

    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> tokenizer = train_tokenizer(["a dog runs", "a cat sees a dog"],
    ...                                  kind="character")
    >>> ids = tokenizer.tokenize(["a cat", "dogs"])
    >>> ids.dtype, ids.row_lengths().numpy().tolist()  # with EOS
    (tf.int32, [6, 5])
    >>> tokenizer.detokenize(ids).numpy().tolist()
    [b'a cat', b'dogs']

    Reference:
        [Kudo & Richardson, 2018](https://arxiv.org/abs/1808.06226), SentencePiece.
    """

    def __init__(self, model: bytes) -> None:
        self.model = bytes(model)
        self._processor = _processor(self.model)
        self.vocabulary_size: int = self._processor.vocab_size()
        self._guard = _guard(self._processor)
        first = "".join(self._processor.encode_as_pieces("a"))
        self.writes_blank_ahead: bool = first.startswith("▁")
        self.decomposes: bool = _JAMO in self._processor.normalize(_SYLLABLE)

    def __reduce__(self):
        return type(self), (self.model,)

    def __repr__(self) -> str:
        return f"<Tokenizer vocabulary_size={self.vocabulary_size}>"

    @property
    def _has_bytes(self) -> bool:
        return any(map(self._processor.is_byte, range(self.vocabulary_size)))

    @property
    def _tokenizer(self) -> Any:
        # Anew for each call, which costs 0.2 ms. TensorFlow frees what the op holds
        # together with its kernels, so that one kept here would be dead after
        # `keras.utils.set_random_seed` or `clear_session`. A SavedModel, too, has
        # all in its graph: nothing is to be tracked.
        # Its name is of the model: operations of one name in several functions of a
        # SavedModel that Python has loaded share what they hold.
        integers: Any = tf.int32
        return tensorflow_text.SentencepieceTokenizer(
            model=self.model,
            out_type=integers,
            add_eos=True,
            name=f"sentencepiece_{zlib.crc32(self.model):08x}",
        )

    def tokenize(self, texts: Tensor | Sequence[str]) -> tf.RaggedTensor:
        """Turns texts into ids, each row ending with EOS, without BOS.

        Args:
            texts: String tensor of shape `(batch,)`, or a list of `str`.

        Returns:
            A `tf.RaggedTensor` of int32, of shape `(batch, None)`. An empty text
            gives EOS alone.
        """
        return self._tokenizer.tokenize(_checked(texts))

    def tokenize_with_offsets(
        self, texts: Tensor | Sequence[str]
    ) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Turns texts into ids and the bytes of the text that each id stands for.

        Args:
            texts: As for `tokenize`.

        Returns:
            A tuple `(ids, starts, ends)` of `tf.RaggedTensor`s of int32, of shape
            `(batch, None)`: the ids as of `tokenize`, and where each token begins and
            ends in its text, in bytes; EOS does both at the text's end.
        """
        texts = _checked(texts)
        ids, starts, ends = self._tokenizer.tokenize_with_offsets(texts)
        at_end = tf.gather(tf.strings.length(texts), ids.value_rowids())
        is_end = ids.values == EOS_ID
        starts, ends = (
            ids.with_values(tf.where(is_end, at_end, tf.cast(offsets.values, tf.int32)))
            for offsets in (starts, ends)
        )
        return ids, starts, ends

    def decomposed(self, texts: Tensor) -> Tensor:
        """Texts with each character in the parts that a tokenizer of "nfd" reads.

        Args:
            texts: String tensor of shape `(batch,)`.

        Returns:
            A string tensor of the same shape, of the same ids, in which each token has
            bytes of its own; the texts themselves where nothing is decomposed.
        """
        if not self.decomposes:
            return texts
        form = "NFKD" if "fi" in self._processor.normalize(_LIGATURE) else "NFD"
        # One by one, since SentencePiece leaves the order of marks as it is.
        characters = tf.strings.unicode_split(texts, "UTF-8")
        parts = tensorflow_text.normalize_utf8(characters.values, form)
        return tf.strings.reduce_join(characters.with_values(parts), axis=1)

    def sample(
        self, texts: Tensor | Sequence[str], alpha: float = 0.1, nbest_size: int = -1
    ) -> tf.RaggedTensor:
        """Turns texts into ids of pieces that are drawn at random, without a seed.

        Args:
            texts: As for `tokenize`.
            alpha: Of kind "unigram" the exponent of the segmentations' probabilities;
                of "bpe" the probability that a merge is left out.
            nbest_size: Number of the best segmentations that are drawn from, of
                "unigram", from 2 to 512; -1 for all.

        Returns:
            A `tf.RaggedTensor` of int32, of shape `(batch, None)`.

        Raises:
            ValueError: If the tokenizer is of another kind, or a number out of range.
        """
        alpha = float(check_number("alpha", alpha, 0))
        if nbest_size != -1:
            note = "or -1 for all segmentations"
            nbest_size = check_integer("nbest_size", nbest_size, 2, 512, note=note)
        try:
            options = {"alpha": alpha, "nbest_size": nbest_size}
            self._processor.encode("a", enable_sampling=True, **options)
        except RuntimeError as error:
            raise ValueError(
                "Segmentations can be drawn by tokenizers of kind unigram or bpe alone;"
                " take one of these, or draw none. Received: a tokenizer of kind "
                "character or word"
            ) from error
        integers: Any = tf.int32
        tokenizer: Any = tensorflow_text.SentencepieceTokenizer(
            model=self.model,
            out_type=integers,
            add_eos=True,
            alpha=alpha,
            nbest_size=nbest_size,
        )
        return tokenizer.tokenize(_checked(texts))

    def detokenize(self, ids: Tensor, unknown: Tensor | None = None) -> Tensor:
        """Turns ids into text, up to the first EOS; PAD and BOS leave no trace.

        Args:
            ids: Integer tensor of shape `(batch, length)`, dense or ragged.
            unknown: String tensor of the same shape, dense as well: texts that are
                written in the place of UNK, where they are not empty. A tokenizer that
                falls back on bytes has no need of them, and writes none.

        Returns:
            A string tensor of shape `(batch,)`, valid UTF-8. UNK gives " ⁇ ", at
            the beginning also "⁇ ". Of a tokenizer that decomposes, the beginning of
            a Hangul syllable at the end of a row without EOS is left out; the last
            character may lack marks that were cut off.
        """
        if isinstance(ids, tf.RaggedTensor):
            ids = ids.to_tensor(PAD_ID)
        ids = tf.cast(ids, tf.int32)  # (B, L)
        ended = tf.cumsum(tf.cast(tf.equal(ids, EOS_ID), tf.int32), axis=1)
        is_whole = tf.reduce_any(ended > 0, axis=1)  # (B,)
        written = tf.equal(ended, 0)
        texts = self._detokenize(tf.ragged.boolean_mask(ids, written))
        if unknown is not None and not self._has_bytes:
            known = tf.where(written & (ids == UNK_ID), unknown, "")  # (B, L)
            joined = self._joined(tf.where(written, ids, PAD_ID), known)
            texts = tf.where(tf.reduce_any(known != "", axis=1), joined, texts)
        return composed(texts, is_whole) if self.decomposes else texts

    def _detokenize(self, ids: tf.RaggedTensor) -> Tensor:
        # SentencePiece itself writes nothing for PAD and BOS.
        if self._guard is None:
            return self._tokenizer.detokenize(ids)
        unknown = tf.fill([ids.nrows(), 1], UNK_ID)
        texts = self._tokenizer.detokenize(tf.concat([unknown, ids], axis=1))
        return tf.strings.regex_replace(texts, self._guard, "")

    def _joined(self, ids: Tensor, unknown: Tensor) -> Tensor:
        """The texts of ids of shape `(batch, length)`, without SentencePiece."""
        others = self.pieces(range(EOS_ID + 1, self.vocabulary_size))
        surface = self._processor.decode([UNK_ID])
        if all(piece.startswith(_BLANK) for piece in others):  # each begins a word
            unknown = tf.where(unknown == "", "", _BLANK + unknown)
        pieces = tf.constant(["", surface, "", "", *others])
        texts = tf.where(unknown == "", tf.gather(pieces, ids), unknown)
        texts = tf.strings.reduce_join(texts, axis=1)
        texts = tf.strings.regex_replace(texts, _BLANK, " ")
        if not "".join(self._processor.encode_as_pieces("x")).startswith(_BLANK):
            return texts
        # The blank that SentencePiece writes before a text; see `_guard`.
        begin = "^ +" if self._guard is None else "^ "
        return tf.strings.regex_replace(texts, begin, "")

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """The piece of each id as text, for plots.

        Args:
            ids: Integers, such as a list or an array of shape `(length,)`.

        Returns:
            A list of `str`, in which "▁" stands for a blank and EOS is "</s>".
        """
        return [self._processor.id_to_piece(int(id_)) for id_ in ids]

    def piece_texts(self) -> list[str | None]:
        """The text of each id, with a blank for "▁".

        Returns:
            A list of `str`, in which `None` stands for ids that are no text by
            themselves: the special ones, and bytes.
        """
        processor = self._processor
        return [
            None
            if processor.is_control(id_)
            or processor.is_unknown(id_)
            or processor.is_byte(id_)
            or processor.is_unused(id_)
            else processor.id_to_piece(id_).replace("▁", " ")
            for id_ in range(self.vocabulary_size)
        ]

    def read(self, text: str) -> list[tuple[str, int]]:
        """The pieces of a text, also of those that are unknown, and their ids.

        Args:
            text: A `str`.

        Returns:
            A list of tuples of `str` and `int`, without EOS. Neighbouring pieces that
            are unknown are one.
        """
        # Halves of characters (surrogates) are unknown.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        pieces = self._processor.encode(text, out_type=str)
        return list(zip(pieces, self._processor.encode(text), strict=True))

    def piece_strings(self, ids: Tensor) -> Tensor:
        """The piece of each id in the graph, for alignments.

        Args:
            ids: Integer tensor of any shape.

        Returns:
            A string tensor of the same shape: the `pieces`, but "" for PAD.
        """
        pieces = self.pieces(range(self.vocabulary_size))
        pieces[PAD_ID] = ""
        return tf.gather(tf.constant(pieces), ids)

    def save(self, path: PathLike) -> None:
        """Writes the model as a file that sentencepiece itself reads.

        Args:
            path: The file's path. A file that is there is replaced at once, so
                that no reader ever sees half of it.
        """
        write_bytes(path, self.model)

    @classmethod
    def load(cls, path: PathLike) -> "Tokenizer":
        """Reads a file that `save` or sentencepiece has written.

        Args:
            path: Path of a SentencePiece `.model` file.

        Returns:
            A `Tokenizer`.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If the file is no SentencePiece model, or one with other
                special ids.
        """
        try:
            return cls(Path(path).read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error


def _checked(texts):
    texts = tf.convert_to_tensor(texts, tf.string)
    if texts.shape.rank not in (None, 1):
        raise ValueError(
            "`texts` must be a list of strings or a string tensor of shape "
            f"(batch,); put a single text into a list. Received: {texts!r}"
        )
    return texts


def composed(texts: Tensor, is_whole: Tensor) -> Tensor:
    """Texts in NFC; of one that was cut, without half a syllable at the end.

    Args:
        texts: String tensor of shape `(batch,)`.
        is_whole: Boolean tensor of shape `(batch,)`, False where a text was cut.

    Example:

    >>> texts = composed(["\u1112", "\u1112"], tf.constant([True, False]))
    >>> [text.decode() for text in texts.numpy()]
    ['ᄒ', '']
    """
    cut = tf.strings.regex_replace(texts, _BEGUN_SYLLABLE, "")
    texts = tf.where(is_whole, texts, cut)
    return tensorflow_text.normalize_utf8(texts, "NFC")


def _processor(model: bytes) -> Any:
    """Python's SentencePiece for `model`, its special ids checked."""
    import sentencepiece

    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        size = processor.vocab_size()
    except RuntimeError:
        size = 0
    if size == 0:
        raise ValueError(
            "Not a SentencePiece model: expected the bytes of a `.model` file. "
            f"Received: {len(model)} bytes that begin with {model[:16]!r}"
        )
    ids = (
        processor.pad_id(),
        processor.unk_id(),
        processor.bos_id(),
        processor.eos_id(),
    )
    if ids != (PAD_ID, UNK_ID, BOS_ID, EOS_ID):
        raise ValueError(
            "A tokenizer's ids of PAD, UNK, BOS and EOS must be 0, 1, 2 and 3: train "
            "it with pad_id=0, unk_id=1, bos_id=2, eos_id=3, or by "
            f"`train_tokenizer`. Received: {ids}"
        )
    return processor


def _guard(processor):
    """A pattern for what must go from the beginning of text; None if nothing.

    SentencePiece writes a blank before the text, which detokenizing takes away
    again. But tensorflow-text takes away all blanks at the beginning, those of the
    text too. So where a model keeps them, we put UNK before the ids, and then take
    away what UNK gives and one blank.
    """
    if "".join(processor.encode_as_pieces("  ")) != "▁▁▁":
        return None
    return f"^ *{re.escape(processor.decode([UNK_ID]).strip())}  ?"
