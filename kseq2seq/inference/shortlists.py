"""Shortlists of a model, made from its own alignments of training pairs."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from kseq2seq.data import as_pairs, as_triples
from kseq2seq.inference.batches import length_sorted_batches, tensors_of_rows
from kseq2seq.inference.text_to_text import TextToText
from kseq2seq.inference.tokenizer_graphs import TEXTS
from kseq2seq.runs import Shortlist
from kseq2seq.utils import EOS_ID, PAD_ID, Tensor, check_integer

# Attention below it is no link, unless it is the most that a token has.
LEAST_WEIGHT = 0.1
# Pieces whose links weigh less in all pairs together are left out: chance links of long
# texts, which would make a batch half as large again.
LEAST_TOTAL = 0.5
# Links that are kept before those of the same pieces are added up: 48 MB.
MAX_LINKS = 2_000_000
# Rows of a batch, by which `measure_shortlist` counts columns.
BATCH_SIZE = 64
# Pairs that it translates.
MAX_MEASURED = 1000


class ShortlistReport(NamedTuple):
    """The fit of a shortlist to pairs.

    Attributes:
        covered_targets: Share of the target tokens that are among the pieces of their
            source.
        covered_outputs: That of the tokens that the model writes without a shortlist.
        columns_of_text: Mean number of pieces of a text.
        columns_of_batch: That of a batch of 64 texts, sorted by length.
    """

    covered_targets: float
    covered_outputs: float
    columns_of_text: float
    columns_of_batch: float


class _Links(NamedTuple):
    """Pairs of pieces, as one number each, in order, and how much links them."""

    keys: np.ndarray
    weights: np.ndarray


def make_shortlist(
    text_to_text: TextToText,
    pairs: Any,
    pieces: int = 20,
    frequent: int = 500,
    batch_size: int = BATCH_SIZE,
    progress: bool = False,
) -> Shortlist:
    """The target pieces that attention links most to each source piece.

    The model reads each pair by teacher forcing. The weights of attention from 0.1 on,
    and each token's largest, are added up for each pair of pieces; those of less than
    0.5 in all are left out.

    Args:
        text_to_text: A `TextToText` of a model with attention.
        pairs: `(source, target)` strings, as `kseq2seq.data.as_pairs` takes them; of a
            model with features also `(source, target, features)`.
        pieces: The most target pieces of each source piece.
        frequent: Number of the most frequent target pieces, which all sources have.
        batch_size: Pairs read at a time.
        progress: Whether to draw a progress bar on standard error.

    Returns:
        A `kseq2seq.runs.Shortlist`.

    Raises:
        ValueError: If the model has no attention, there are no pairs, one is none of
            strings, or a number is out of range.

    Example:

    >>> from kseq2seq import Search, Translator
    >>> translator = Translator.from_preset("dates")
    >>> tokenizers = translator.source_tokenizer, translator.target_tokenizer
    >>> text_to_text = TextToText([translator.model], *tokenizers, Search())
    >>> pairs = [("4 May 1989", "1989-05-04"), ("7 June 2012", "2012-06-07")]
    >>> make_shortlist(text_to_text, pairs, pieces=3, frequent=2).table.shape[1]
    3
    """
    pairs = _checked(text_to_text, pairs)
    pieces = check_integer("pieces", pieces, 1)
    frequent = check_integer("frequent", frequent, 0)
    if not text_to_text.has_attention or not pairs:
        raise ValueError(
            "A shortlist needs a model with attention, which links pieces, and pairs. "
            f"Received: attention: {text_to_text.has_attention}, {len(pairs)} pairs"
        )
    source_size, target_size = text_to_text.vocabulary_sizes
    counts = np.zeros(target_size, "int64")
    waiting: list[_Links] = []
    num_waiting = 0
    for links, tokens in _links_of_batches(text_to_text, pairs, batch_size, progress):
        counts += np.bincount(tokens, minlength=target_size)
        waiting.append(links)
        num_waiting += len(links.keys)
        if num_waiting > MAX_LINKS:
            waiting, num_waiting = [_added_up(waiting)], 0
    links = _added_up(waiting)
    counts[: EOS_ID + 1] = 0  # they are always there
    order = np.argsort(-counts, kind="stable")[:frequent]
    table = _table(links, source_size, target_size, pieces)
    return Shortlist(table, order[counts[order] > 0].astype("int32"))


def _checked(text_to_text, pairs):
    """The pairs as a list, each with features where the model has them."""
    return as_triples(pairs, "pairs") if text_to_text.has_features else as_pairs(pairs)


def measure_shortlist(
    text_to_text: TextToText, shortlist: Shortlist, pairs: Any
) -> ShortlistReport:
    """The share of tokens that a shortlist has, and how large batches are.

    Args:
        text_to_text: A `TextToText`, of the model that the shortlist is of, by whose
            default search it translates.
        shortlist: The `kseq2seq.runs.Shortlist`.
        pairs: As for `make_shortlist`, which the shortlist should not be made of; 1,000
            of them are taken, at random.

    Returns:
        A `ShortlistReport`.

    Raises:
        ValueError: If there are no pairs, or one is none of strings.
    """
    pairs = _checked(text_to_text, pairs)
    if not pairs:
        raise ValueError(
            "`pairs` must hold a pair, at least one, to measure by. Received: pairs=[]"
        )
    always = {*range(EOS_ID + 1), *shortlist.frequent.tolist()}
    if len(pairs) > MAX_MEASURED:
        pairs = random.Random(0).sample(pairs, MAX_MEASURED)
    targets, outputs = _Share(), _Share()
    of_texts, of_batches = [], []
    read = _reader(text_to_text)
    for inputs in _inputs(pairs, BATCH_SIZE, progress=False):
        source, target = read(**inputs)
        written = text_to_text.search_ids(source, 1).ids[:, 0]
        of_batch = set(always)
        rows = zip(source.numpy(), target.numpy(), written.numpy(), strict=True)
        for row, target_ids, output_ids in rows:
            own = row[row != PAD_ID]
            given = always.union(shortlist.table[own].ravel().tolist())
            targets.count(target_ids, given)
            outputs.count(output_ids, given)
            of_texts.append(len(given))
            of_batch |= given
        of_batches += [len(of_batch)] * len(source)
    return ShortlistReport(
        targets.share,
        outputs.share,
        float(np.mean(of_texts)),
        float(np.mean(of_batches)),
    )


class _Share:
    """The share of tokens that are among some pieces."""

    def __init__(self) -> None:
        self._known = self._tokens = 0

    def count(self, ids: np.ndarray, pieces: set[int]) -> None:
        ids = ids[ids != PAD_ID].tolist()
        self._known += sum(token in pieces for token in ids)
        self._tokens += len(ids)

    @property
    def share(self) -> float:
        return self._known / self._tokens


def _inputs(
    pairs: Sequence[tuple[str, ...]], batch_size: int, progress: bool
) -> Iterator[dict[str, Any]]:
    """The texts of batches as tensors, those of the longest pairs first."""
    names = ["text", "target", "features"]
    columns = dict(zip(names, map(list, zip(*pairs, strict=True)), strict=False))
    longer = [max(pair[:2], key=len) for pair in pairs]
    for rows in length_sorted_batches(longer, batch_size, progress):
        yield tensors_of_rows(columns, rows)


def _reader(text_to_text: TextToText) -> Callable[..., tuple[Tensor, Tensor]]:
    """A function from texts to the ids of both sides."""

    def read(text, target, features=None):
        source = text_to_text.source_ids(text, features)
        return source.ids, text_to_text.read_target(target).ids

    return read


def _links_of_batches(text_to_text, pairs, batch_size, progress):
    """The `_Links` of each batch, and its target tokens."""
    read, (_, size) = _reader(text_to_text), text_to_text.vocabulary_sizes

    def link(text, target, features=None):
        source, labels = read(text, target, features)
        alignments = text_to_text.force_ids(source, labels).alignments
        weights = alignments[:, 0, : tf.shape(labels)[1]]  # (B, T, S)
        weights = tf.where((source != PAD_ID)[:, None], weights, 0.0)
        largest = tf.reduce_max(weights, axis=2, keepdims=True)
        is_link = (weights >= tf.minimum(largest, LEAST_WEIGHT)) & (weights > 0)
        is_link &= (labels != PAD_ID)[..., None]
        keys = tf.cast(source, tf.int64)[:, None] * size
        keys += tf.cast(labels, tf.int64)[..., None]
        tokens = labels[labels != PAD_ID]
        return keys[is_link], weights[is_link], tokens

    specs = [TEXTS] * len(pairs[0])
    graph = tf.function(link, input_signature=specs, autograph=False)
    for inputs in _inputs(pairs, batch_size, progress):
        keys, weights, tokens = (x.numpy() for x in graph(*inputs.values()))
        yield _added_up([_Links(keys, weights)]), tokens


def _added_up(links: Sequence[_Links]) -> _Links:
    """Each pair of pieces once."""
    keys = np.concatenate([x.keys for x in links])
    weights = np.concatenate([x.weights for x in links])
    keys, places = np.unique(keys, return_inverse=True)
    return _Links(keys, np.bincount(places, weights, len(keys)))


def _table(links, source_size, target_size, pieces):
    """The target pieces of each source piece, those with the most weight first."""
    sources, targets = np.divmod(links.keys, target_size)
    # Special ones are always there.
    is_piece = (targets > EOS_ID) & (links.weights >= LEAST_TOTAL)
    sources, targets = sources[is_piece], targets[is_piece]
    order = np.lexsort((-links.weights[is_piece], sources))
    sources, targets = sources[order], targets[order]
    ranks = np.arange(len(sources)) - np.searchsorted(sources, sources)
    is_kept = ranks < pieces
    table = np.full((source_size, pieces), PAD_ID, "int32")
    table[sources[is_kept], ranks[is_kept]] = targets[is_kept]
    return table
