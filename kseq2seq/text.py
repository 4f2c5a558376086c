"""Tokenizers: text to ids and back, inside the TensorFlow graph.

Every tokenizer is one SentencePiece model, trained by the sentencepiece package
and run by tensorflow-text, so that training, decoding and the SavedModel see the
same ids. The first four ids are those of `kseq2seq.special_ids`.
"""

import io
import os
import random
import re
import tempfile
from pathlib import Path

import tensorflow as tf
import tensorflow_text

from kseq2seq.special_ids import BOS_ID, EOS_ID, PAD_ID, UNK_ID

# Our names of the kinds, and SentencePiece's.
KINDS = {"unigram": "unigram", "bpe": "bpe", "character": "char", "word": "word"}
NORMALIZATIONS = ("identity", "nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf")
# A normaliser without any rule has TensorFlow write a line to standard error each time
# it is made. This one is for a character that no text may hold (U+FFFE).
_IDENTITY_RULES = "FFFE\tFFFD\n"
# Training unigram or BPE on more text than this takes long and changes little.
_MAX_TRAINING_TEXTS = 2_000_000


class Tokenizer:
    """One SentencePiece model, run in the TensorFlow graph.

    The ids are those that Python's `sentencepiece` gives for the same model, for
    every kind of model, followed by EOS. Text in which every character belongs to
    the vocabulary comes back exactly as it was, repeated, leading and trailing
    blanks included, when the model was trained by `train_tokenizer` with its
    default normalization, with two exceptions: the character "▁" (U+2581), by
    which SentencePiece writes a blank, comes back as a blank; and a tokenizer of
    kind "word" gives one blank between words and none around them.

    Text such as "</s>" is text: it never becomes one of the special ids.

    Args:
        model: A serialised SentencePiece model (the bytes of a `.model` file),
            whose ids of PAD, UNK, BOS and EOS are 0, 1, 2 and 3.

    Raises:
        ValueError: If `model` is no such model.

    Example:

    >>> tokenizer = train_tokenizer(["a dog runs", "a cat sees a dog"],
    ...                             kind="character")
    >>> ids = tokenizer.tokenize(["a cat", "dogs"])
    >>> ids.dtype, ids.row_lengths().numpy().tolist()  # with EOS
    (tf.int32, [6, 5])
    >>> tokenizer.detokenize(ids).numpy().tolist()
    [b'a cat', b'dogs']

    Reference:
        [Kudo & Richardson, 2018](https://arxiv.org/abs/1808.06226), SentencePiece.
    """

    def __init__(self, model):
        self.model = bytes(model)
        self._processor = _processor(self.model)
        self.vocabulary_size = self._processor.vocab_size()
        self._guard = _guard(self._processor)

    def __repr__(self):
        return f"<Tokenizer vocabulary_size={self.vocabulary_size}>"

    @property
    def _tokenizer(self):
        # Anew for each call, which costs 0.2 ms. TensorFlow frees what the op holds
        # together with its kernels, so that one kept here would be dead after
        # `keras.utils.set_random_seed` or `clear_session`. A SavedModel, too, has
        # all in its graph: nothing is to be tracked.
        return tensorflow_text.SentencepieceTokenizer(
            model=self.model, out_type=tf.int32, add_eos=True
        )

    def tokenize(self, texts):
        """Turns texts into ids, each row ending with EOS, without BOS.

        Args:
            texts: String tensor of shape `(batch,)`, or a list of `str`.

        Returns:
            A `tf.RaggedTensor` of int32, of shape `(batch, None)`. An empty text
            gives EOS alone.
        """
        texts = tf.convert_to_tensor(texts, tf.string)
        if texts.shape.rank not in (None, 1):
            raise ValueError(
                "`texts` must be a list of strings or a string tensor of shape "
                f"(batch,); put a single text into a list. Received: {texts!r}"
            )
        return self._tokenizer.tokenize(texts)

    def detokenize(self, ids):
        """Turns ids into text, up to the first EOS; PAD and BOS leave no trace.

        Args:
            ids: Integer tensor of shape `(batch, length)`, dense or ragged.

        Returns:
            A string tensor of shape `(batch,)`, valid UTF-8. UNK gives " ⁇ ", at
            the beginning also "⁇ ".
        """
        if isinstance(ids, tf.RaggedTensor):
            ids = ids.to_tensor(PAD_ID)
        ids = tf.cast(ids, tf.int32)  # (B, L)
        ended = tf.cumsum(tf.cast(tf.equal(ids, EOS_ID), tf.int32), axis=1)
        ids = tf.ragged.boolean_mask(ids, tf.equal(ended, 0))
        # SentencePiece itself writes nothing for PAD and BOS.
        if self._guard is None:
            return self._tokenizer.detokenize(ids)
        unknown = tf.fill([ids.nrows(), 1], UNK_ID)
        texts = self._tokenizer.detokenize(tf.concat([unknown, ids], axis=1))
        return tf.strings.regex_replace(texts, self._guard, "")

    def pieces(self, ids):
        """Gives each id's piece as text, for plots.

        Args:
            ids: A list of int.

        Returns:
            A list of `str`, in which "▁" stands for a blank and EOS is "</s>".
        """
        return [self._processor.id_to_piece(int(id_)) for id_ in ids]

    def save(self, path):
        """Writes the model as a file that sentencepiece itself reads.

        Args:
            path: The file's path. A file that is there is replaced at once, so
                that no reader ever sees half of it.
        """
        path = Path(path)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            beside.write_bytes(self.model)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path):
        """Reads what `save` has written.

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


def _processor(model):
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


def train_tokenizer(
    texts, vocabulary_size=8000, kind="unigram", normalization="identity"
):
    """Trains a tokenizer on texts; the same texts give the same tokenizer.

    Args:
        texts: An iterable of `str`. Of more than two million texts, unigram and
            BPE learn from a sample.
        vocabulary_size: Number of ids, the four special ones included. For
            "character" and "word" an upper bound: the most frequent ones are kept.
        kind: "unigram" or "bpe" (subwords), "character", or "word" (symbols that
            blanks separate, such as phones).
        normalization: One of SentencePiece's normalizers: "identity" (text is
            kept as it is), "nfkc", "nfkc_cf", "nmt_nfkc", "nmt_nfkc_cf" (`cf`
            folds case). All but the first make the model 240 kB larger.

    Returns:
        A `Tokenizer`.

    Raises:
        ValueError: If an argument is not one of the above, if there is no text,
            or if `texts` are too few or too varied for `vocabulary_size`.

    Example:

    >>> phones = train_tokenizer(["HH AH L OW", "W ER L D"], kind="word")
    >>> phones.pieces(phones.tokenize(["W AH L"])[0])
    ['▁W', '▁AH', '▁L', '</s>']

    Reference:
        [Kudo, 2018](https://arxiv.org/abs/1804.10959), section 3.2 (unigram);
        [Sennrich et al., 2016](https://arxiv.org/abs/1508.07909), section 3.2
        (BPE).
    """
    _check_choice("kind", kind, KINDS)
    _check_choice("normalization", normalization, NORMALIZATIONS)
    if not isinstance(vocabulary_size, int) or vocabulary_size <= 4:
        raise ValueError(
            "`vocabulary_size` must be an integer greater than 4 (the number of "
            f"special ids). Received: vocabulary_size={vocabulary_size!r}"
        )
    if isinstance(texts, str):
        raise ValueError(f"`texts` must be a list of strings. Received: {texts!r}")
    texts = [text for text in texts if text.strip()]
    if not texts:
        raise ValueError("`texts` must hold text to train a tokenizer on: it is empty.")
    is_subword = kind in ("unigram", "bpe")
    if is_subword and len(texts) > _MAX_TRAINING_TEXTS:
        # SentencePiece's own sampling cannot be repeated.
        texts = random.Random(0).sample(texts, _MAX_TRAINING_TEXTS)
    return Tokenizer(_train(texts, vocabulary_size, kind, normalization))


def _train(texts, vocabulary_size, kind, normalization):
    """Trains by the sentencepiece package; returns the serialised model."""
    import sentencepiece

    is_subword = kind in ("unigram", "bpe")
    # Longer ones would be left out.
    longest = max(len(text.encode()) for text in texts)
    model = io.BytesIO()
    try:
        with tempfile.TemporaryDirectory() as folder:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts),
                model_writer=model,
                model_type=KINDS[kind],
                vocab_size=vocabulary_size,
                hard_vocab_limit=is_subword,
                character_coverage=1.0,
                **_normalizer(normalization, folder),
                # A word keeps its blank, so that "</s>" is never looked up as such.
                add_dummy_prefix=kind != "character",
                remove_extra_whitespaces=kind == "word",
                max_sentence_length=max(4192, longest),
                pad_id=PAD_ID,
                unk_id=UNK_ID,
                bos_id=BOS_ID,
                eos_id=EOS_ID,
                minloglevel=2,
            )
    except (RuntimeError, ValueError) as error:
        raise ValueError(_training_error(str(error), vocabulary_size, kind)) from error
    # The model remembers the path of the rules, which is another at each training and
    # of no use to anybody. Of the same length, since the model says how long it is.
    path = os.fsencode(folder)
    return model.getvalue().replace(path, b"-" * len(path))


def _normalizer(normalization, folder):
    """Arguments of the trainer that say how text is normalised."""
    if normalization != "identity":
        return {"normalization_rule_name": normalization}
    rules = Path(folder, "rules.tsv")
    rules.write_text(_IDENTITY_RULES, encoding="utf-8")
    return {"normalization_rule_tsv": str(rules)}


def _training_error(message, vocabulary_size, kind):
    """Says in our words what SentencePiece's trainer objects to."""
    received = f"Received: vocabulary_size={vocabulary_size}, kind={kind!r}"
    if found := re.search(r"too high .* value <= (\d+)", message):
        return (
            "The texts give too few pieces for this vocabulary. Set "
            f"`vocabulary_size` to at most {found[1]}, or train on more text. "
            + received
        )
    if found := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return (
            "The texts hold more distinct characters than the vocabulary has room "
            f"for. Set `vocabulary_size` to at least {found[1]}, better several times "
            "that. " + received
        )
    return f"SentencePiece cannot train on these texts: {message} " + received


def _check_choice(name, value, choices):
    if value not in tuple(choices):
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}. "
            f"Received: {name}={value!r}"
        )


def train_tokenizers(
    pairs,
    vocabulary_size=8000,
    kind="unigram",
    shared=False,
    normalization="identity",
):
    """Trains the tokenizers of source and target.

    Args:
        pairs: A list of `(source, target)` texts.
        vocabulary_size: As in `train_tokenizer`; or a tuple, one for the source
            and one for the target.
        kind: As in `train_tokenizer`; or a tuple, as above.
        shared: Whether one tokenizer, trained on both sides, serves both.
        normalization: As in `train_tokenizer`; or a tuple, as above.

    Returns:
        A tuple `(source, target)` of `Tokenizer`s: the same object twice if
        `shared`.

    Raises:
        ValueError: As in `train_tokenizer`, or if `shared` is given together with
            a tuple of two different values.

    Example:

    >>> source, target = train_tokenizers([("dog", "D AO G"), ("god", "G AA D")],
    ...                                   kind=("character", "word"))
    >>> source.vocabulary_size, target.vocabulary_size
    (7, 8)
    """
    sides = list(
        zip(
            _two("vocabulary_size", vocabulary_size, shared),
            _two("kind", kind, shared),
            _two("normalization", normalization, shared),
            strict=True,
        )
    )
    sources, targets = [s for s, _ in pairs], [t for _, t in pairs]
    if shared:
        tokenizer = train_tokenizer(sources + targets, *sides[0])
        return tokenizer, tokenizer
    tokenizers = []
    for name, texts, side in zip(
        ("Source", "Target"), (sources, targets), sides, strict=True
    ):
        try:
            tokenizers.append(train_tokenizer(texts, *side))
        except ValueError as error:
            raise ValueError(f"{name} tokenizer: {error}") from error
    return tuple(tokenizers)


def _two(name, value, shared):
    """`value` for the source and for the target."""
    if not isinstance(value, (tuple, list)):
        return value, value
    if len(value) != 2 or (shared and value[0] != value[1]):
        expected = "one value" if shared else "one value or a pair of them"
        raise ValueError(
            f"`{name}` must be {expected} with shared={shared}. "
            f"Received: {name}={value!r}"
        )
    return tuple(value)
