"""Callback that scores translations after each epoch."""

from collections.abc import Sequence
from typing import Any

import keras

from kseq2seq.callbacks.epoch_scores import EpochScores
from kseq2seq.data import as_pairs, as_triples, group_references, group_triples
from kseq2seq.decoding import Search
from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer
from kseq2seq.translator import Translator


class DecodeAndScore(EpochScores):
    """Translates a development set after each epoch and scores the result.

    The scores join the epoch's logs as `val_bleu`, `val_exact_match` and so on,
    so that callbacks behind this one can watch them; they are NaN for an epoch
    that was not scored.

    With `alignments` the logs also tell whether the model learns to align, as
    `kseq2seq.evaluation.alignment_statistics` of the same translations:
    `val_alignment` (the information), `val_alignment_sharpness`,
    `val_alignment_coverage` and `val_alignment_monotonicity`. If the last one scored
    has a `val_alignment` below 0.1 or a coverage below 0.5, a warning of the logger
    "kseq2seq" says so when training ends: the model hardly looks at the source, such as
    with a learning rate that is too high. Models without attention have no such logs.

    Args:
        pairs: `(source, target)` strings, as `kseq2seq.data.as_pairs` takes them; a
            source with several targets accepts each of them.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        metrics: Names from `kseq2seq.evaluation.METRICS`, or one of them.
        search: A `kseq2seq.Search`; greedy search if `None`.
        every: Number of epochs from one scoring to the next.
        alignments: Whether to log statistics of the alignments as well.
        features: The `kseq2seq.FeatureVocabulary` of a model with features, of which
            `pairs` may be triples, as `kseq2seq.data.as_triples` takes them.

    Raises:
        ValueError: If `pairs` is empty, a metric is unknown, `search` is no `Search` or
            `every` is not a positive integer; when training begins, if the model is not
            of the vocabularies.

    Example:

    >>> import kseq2seq
    >>> pairs = [("a dog", "ein Hund"), ("a cat", "eine Katze")]
    >>> source, target = kseq2seq.train_tokenizers(pairs, kind="character")
    >>> model = kseq2seq.build_model(kseq2seq.Seq2SeqConfig(
    ...     source_vocabulary_size=source.vocabulary_size,
    ...     target_vocabulary_size=target.vocabulary_size,
    ...     units=8,
    ...     embedding_size=4,
    ... ))
    >>> model.compile("adam", loss=kseq2seq.MaskedCrossentropy())
    >>> history = model.fit(
    ...     kseq2seq.data.batches(pairs, source, target, seed=0),
    ...     callbacks=[DecodeAndScore(pairs, source, target, ["chrf"])],
    ...     shuffle=False,
    ...     verbose=0,
    ... )
    >>> len(history.history["val_chrf"])
    1
    """

    def __init__(
        self,
        pairs: Any,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        metrics: str | Sequence[str] = ("bleu",),
        search: Search | None = None,
        every: int = 1,
        alignments: bool = False,
        features: FeatureVocabulary | None = None,
    ) -> None:
        if features is None:
            pairs = as_pairs(pairs, with_features="`DecodeAndScore(..., features=...)`")
        else:
            pairs = as_triples(pairs, "pairs")
        if not pairs:
            raise ValueError("`pairs` must hold at least one pair. Received: none")
        if features is None:
            self.sources, references = group_references(pairs)
            self.features = None
        else:
            self.sources, self.features, references = group_triples(pairs)
        super().__init__(references, metrics, search, every, alignments)
        self.vocabularies = source_tokenizer, target_tokenizer, features

    def make_decoder(self, model: keras.Model) -> Translator:
        """The translator that a model makes with the tokenizers.

        Args:
            model: The `keras.Model`.

        Raises:
            ValueError: If it is not of the tokenizers' vocabularies.
        """
        return Translator(model, *self.vocabularies)

    def decode(self, model: keras.Model) -> list[list[Any]]:
        """The model's translations of each source, the best first.

        Args:
            model: The `keras.Model`, of the tokenizers' vocabularies.

        Returns:
            List of lists of `kseq2seq.inference.Translation`s.
        """
        translator = self._decoder_of(model)
        return translator.translate(self.sources, self.search, features=self.features)
