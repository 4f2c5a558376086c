"""Batches of more pairs than memory holds, read from files while training goes on."""

import logging
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kseq2seq.data.bucketing import (
    DEFAULT_BUCKETS,
    Batching,
    Order,
    bucket_lengths,
    combine_seed,
    order_by_length,
    ragged,
    shuffled_plan,
    warn_of_unknown_tokens,
    without_autotune,
)
from kseq2seq.data.corpora import Corpus, CorpusReader, as_corpora
from kseq2seq.data.padding import element_function
from kseq2seq.data.pairs import has_empty_side
from kseq2seq.utils import check_integer

if TYPE_CHECKING:
    import tensorflow as tf

_logger = logging.getLogger("kseq2seq")
# Number of the last buffers whose places are kept for `Stream.place`.
_REMEMBERED = 1024
BLANK, TOO_LONG = "blank", "too long"
# If so many of the first pairs are left out, and no other, all will be.
_ENOUGH = 1000


def stream(
    corpora: Corpus | Sequence[Corpus],
    source_tokenizer: Any,
    target_tokenizer: Any,
    batch_size: int = 64,
    batch_tokens: int | None = None,
    buckets: Sequence[int] = DEFAULT_BUCKETS,
    seed: int = 0,
    features: Any = None,
    buffer_size: int = 65536,
    passes: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> "Stream":
    r"""Makes batches of files that are larger than memory.

    Files are read side by side, in another order in each pass. Of so many pairs as
    `buffer_size` says batches are cut as `batches` with a seed cuts them of all: pairs
    of like lengths together, in random order. While a training takes the batches of
    one buffer, the next one is read and tokenised. No more than a few buffers are in
    memory, however much there is.

    Args:
        corpora: A `Corpus`, or several, of which each buffer has shares by their
            weights.
        source_tokenizer: A `kseq2seq.Tokenizer`, such as one trained on a `sample`.
        target_tokenizer: Another, or the same.
        batch_size: Rows of a batch, as for `batches`, and so are the next two.
        batch_tokens: Instead of `batch_size`: positions of a batch.
        buckets: Lengths in tokens, EOS included.
        seed: Integer to shuffle by.
        features: The `kseq2seq.FeatureVocabulary`, where rows have features.
        buffer_size: Number of pairs that are mixed.
        passes: Passes over each corpus, after which it has no more; endless if `None`.
        shard: Index of this worker, from 0, and number of workers, of which each has
            files of its own, or rows where there are fewer files. Processes that train
            one model together take `shard_rows` of one stream instead.

    Returns:
        A `Stream`.

    Raises:
        ValueError: If an argument is out of range.

    Example:

    >>> import pathlib, tempfile
    >>> from kseq2seq.data import corpus
    >>> from kseq2seq.tokenizers import train_tokenizer
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "pairs.tsv"
    >>> _ = path.write_text("ab\tc\nb\t\na\tb\n")
    >>> tokenizer = train_tokenizer(["abc"], kind="character")
    >>> streamed = stream(corpus(path), tokenizer, tokenizer, passes=1)
    >>> [labels.shape for _, labels in streamed.dataset()]
    [TensorShape([2, 4])]
    >>> streamed.left_out
    {'blank': 1}
    """
    tokenizers = source_tokenizer, target_tokenizer
    batching = Batching.of(*tokenizers, batch_size, batch_tokens, buckets, features)
    return Stream(as_corpora(corpora), batching, seed, buffer_size, passes, shard)


class Stream:
    """Batches of corpora, in an order given by the seed; made by `stream`.

    Args:
        corpora: The `Corpus` objects.
        batching: The way that pairs become batches.
        seed: Integer to shuffle by.
        buffer_size: Number of pairs that are mixed.
        passes: Passes over each corpus; endless if `None`.
        shard: Index of this worker, and number of workers.

    Attributes:
        left_out: Dict from the reason, "blank" or "too long", to the number of pairs
            that were left out so far, in all buffers that were read.
        error: The error that a dataset has ended with, which TensorFlow wraps; `None`
            without.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        corpora: Sequence[Corpus],
        batching: Batching,
        seed: int = 0,
        buffer_size: int = 65536,
        passes: int | None = None,
        shard: tuple[int, int] = (0, 1),
    ) -> None:
        self._corpora, self._batching = corpora, batching
        self._seed = check_integer("seed", seed)
        self._buffer_size = check_integer("buffer_size", buffer_size, 1)
        self._passes, self._shard = passes, shard
        self._readers({})  # which checks the arguments
        self._places: deque[dict[str, Any]] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()
        self.left_out: dict[str, int] = {}
        self.error: Exception | None = None

    def _readers(self, place: Mapping[str, Any]) -> list[CorpusReader]:
        places = place.get("corpora") or [None] * len(self._corpora)
        return [
            CorpusReader(one, self._seed, self._passes, self._shard, of_one)
            for one, of_one in zip(self._corpora, places, strict=True)
        ]

    def dataset(
        self, start: int = 0, place: Mapping[str, Any] | None = None
    ) -> "tf.data.Dataset":
        """The batches from a step on.

        Args:
            start: Number of the first batch, from 0.
            place: Result of `place` for this number. Without it all earlier batches
                are read and cut again.

        Returns:
            A `tf.data.Dataset` of elements as of `batches`, endless or of unknown
            cardinality.

        Raises:
            DataError: If a file cannot be read, when it is reached.
        """
        import tensorflow as tf

        start = check_integer("start", start, 0)
        integers = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None], tf.int64)
        order = *integers[1:] * 2, tf.TensorSpec([None, 3], tf.int64)
        scalar = tf.TensorSpec([], tf.int64)
        buffers = tf.data.Dataset.from_generator(
            lambda: self._watched(self._buffers(start, dict(place or {}))),
            output_signature=(integers, integers, order, scalar, scalar),
        )

        def batches_of(source, target, order, seed, skip):
            element = element_function(ragged(*source), ragged(*target))
            return shuffled_plan(Order(*order), seed).skip(skip).map(element)

        batches = buffers.prefetch(1).flat_map(batches_of)
        return without_autotune(batches.prefetch(4))

    def place(self, step: int) -> dict[str, Any]:
        """The place of a batch in the files, as a dict for JSON.

        Args:
            step: Number of a batch that a dataset of this object has come to.

        Returns:
            A dict for `dataset`: the beginning of the batch's buffer, its `step`, its
            number (`buffer`), and `left_out` before it.

        Raises:
            ValueError: If no dataset has come so far, or it was long ago.
        """
        with self._lock:
            before = [place for place in self._places if place["step"] <= step]
        if not before:
            raise ValueError(
                "`step` must be the number of a batch that a dataset of this stream "
                f"has come to not long ago. Received: step={step}"
            )
        return max(before, key=lambda place: place["buffer"])

    def _watched(self, buffers: Iterator[Any]) -> Iterator[Any]:
        self.error = None
        try:
            yield from buffers
        except Exception as error:  # each one, which is raised again
            self.error = error
            raise

    def _buffers(self, start: int, place: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
        """Ids, order and seed of each buffer, from that of the batch `start` on."""
        readers = self._readers(place)
        number, step = place.get("buffer", 0), place.get("step", 0)
        counts = Counter(place.get("left_out", {}))
        with self._lock:
            self._places.clear()
        while True:
            here = {
                "step": step,
                "buffer": number,
                "corpora": [reader.place() for reader in readers],
                "left_out": dict(counts),
            }
            rows = self._rows(readers, number)
            if not rows:
                if all(reader.has_ended for reader in readers):
                    self._check_any_left(counts, step, 1)
                    return
                # The corpora of this buffer have ended; later buffers have the others.
                number += 1
                continue
            ids, order = self._batches_of(rows, counts, number)
            with self._lock:
                self._places.append(here)
                self.left_out = dict(counts)
            number, first, step = number + 1, step, step + len(order.cuts)
            self._check_any_left(counts, step, _ENOUGH)
            if step > start:
                seed = int(combine_seed(self._seed, number))
                yield *ids, tuple(order), seed, max(0, start - first)

    def _rows(self, readers: Sequence[CorpusReader], number: int) -> list[Any]:
        """The rows of a buffer: of each corpus a share by its weight."""
        total = sum(one.weight for one in self._corpora)

        def share(number, weight):
            return round(self._buffer_size * number * weight / total)

        rows, before = [], 0.0
        for one, reader in zip(self._corpora, readers, strict=True):
            # Shares are rounded over all buffers so far: rounded in each buffer, that
            # of a small corpus could always be 0.
            taken, due = (
                share(n, before + one.weight) - share(n, before)
                for n in (number, number + 1)
            )
            rows += reader.take(max(0, due - taken))
            before += one.weight
        return rows

    def _batches_of(
        self, rows: list[Any], counts: Counter, number: int
    ) -> tuple[tuple[Any, ...], Order]:
        """Ids of both sides, and their order; counts the pairs that are left out."""
        kept = [row for row in rows if not has_empty_side(row)]
        left_out = {BLANK: len(rows) - len(kept), TOO_LONG: 0}
        order = Order(*(np.zeros(x, np.int64) for x in ((0,), (0,), (0, 3))))
        sides: tuple[Any, ...] = tuple(
            (np.zeros(0, np.int32), np.zeros(0, np.int64)) for _ in range(2)
        )
        if kept:
            ids = self._batching.tokenize(kept, progress=False)
            sides = tuple((x.values.numpy(), x.row_lengths().numpy()) for x in ids)
            fit, lengths = bucket_lengths(*ids, self._batching.buckets)
            left_out[TOO_LONG] = len(kept) - len(fit)
            if len(fit):
                order = order_by_length(fit, lengths, self._batching.most_rows)
            if number == 0:
                warn_of_unknown_tokens(ids)
        counts.update({reason: n for reason, n in left_out.items() if n})
        if number == 0 and any(left_out.values()):
            reasons = self._reasons(left_out)
            _logger.warning("Left out of the first %d pairs: %s.", len(rows), reasons)
        return sides, order

    def _check_any_left(
        self, left_out: Mapping[str, int], step: int, enough: int
    ) -> None:
        """Raises an error if `enough` pairs were read, and all of them left out."""
        count = sum(left_out.values())
        if step == 0 and count >= enough:
            raise ValueError(
                f"No pair is left to make batches of: {self._reasons(left_out)} of the "
                f"first {count}. Give longer `buckets` or other pairs."
            )

    def _reasons(self, left_out: Mapping[str, int]) -> str:
        """The numbers of pairs that are left out, by reason, for messages."""
        reasons = ", ".join(f"{n} {reason}" for reason, n in left_out.items() if n)
        longest = self._batching.buckets[-1]
        return f"{reasons} (more than {longest} tokens with EOS are too long)"
