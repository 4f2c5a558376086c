"""Callback that scores translations after each epoch."""

import logging
import math
from collections.abc import Sequence
from typing import Any, cast

import keras

from kseq2seq import evaluation
from kseq2seq.data import as_pairs, as_triples, group_references, group_triples
from kseq2seq.decoding import Search
from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer
from kseq2seq.translator import Translator
from kseq2seq.utils import check_boolean, check_choice, check_integer

_logger = logging.getLogger("kseq2seq")
# docs/training.md has what models came to that had learnt to align, and others.
LEAST_INFORMATION, LEAST_COVERAGE = 0.1, 0.5


class DecodeAndScore(keras.callbacks.Callback):
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
        metrics: Names from `kseq2seq.evaluation.METRICS`.
        search: A `kseq2seq.Search`; greedy search if `None`.
        every: Number of epochs from one scoring to the next.
        alignments: Whether to tell of alignments as well.
        features: The `kseq2seq.FeatureVocabulary` of a model with features, of which
            `pairs` may be triples, as `kseq2seq.data.as_triples` takes them.

    Raises:
        ValueError: If `pairs` is empty, a metric is unknown or `every` is not a
            positive integer.

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
        metrics: Sequence[str] = ("bleu",),
        search: Search | None = None,
        every: int = 1,
        alignments: bool = False,
        features: FeatureVocabulary | None = None,
    ) -> None:
        super().__init__()
        pairs = as_pairs(pairs) if features is None else as_triples(pairs, "pairs")
        if not pairs:
            raise ValueError("`pairs` must hold at least one pair. Received: none")
        for name in metrics:
            check_choice("metrics", name, evaluation.METRICS)
        if features is None:
            self.sources, self.references = group_references(pairs)
            self.features = None
        else:
            self.sources, self.features, self.references = group_triples(pairs)
        self.vocabularies = source_tokenizer, target_tokenizer, features
        self.metrics = tuple(metrics)
        self.search = search or Search(beam_size=1)
        self.every = check_integer("every", every, least=1)
        self.alignments = check_boolean("alignments", alignments)
        self._told: evaluation.AlignmentStatistics | None = None
        self._translator: Translator | None = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds the scores to the epoch's logs.

        Args:
            epoch: Index of the epoch.
            logs: Dict from name to number.
        """
        logs = {} if logs is None else logs
        logs.update({f"val_{name}": math.nan for name in self.metrics})
        if (epoch + 1) % self.every or not math.isfinite(logs.get("loss", 0.0)):
            return
        logs.update(self.score(cast(keras.Model, self.model)))

    def score(self, model: keras.Model) -> dict[str, float]:
        """The scores of a model's translations of the development set.

        Args:
            model: The `keras.Model`, of the tokenizers' vocabularies.

        Returns:
            Dict from name, such as `val_bleu`, to number.
        """
        # Once for each model: the graph is traced once, and reads the weights anew.
        if self._translator is None or self._translator.model is not model:
            self._translator = Translator(model, *self.vocabularies)
        translations = self._translator.translate(
            self.sources, self.search, features=self.features
        )
        hypotheses = [best[0].text if best else "" for best in translations]
        scores = evaluation.evaluate(hypotheses, self.references, self.metrics)
        logs = {f"val_{name}": score.value for name, score in scores.items()}
        return {**logs, **self._alignment_logs(translations)}

    def _alignment_logs(self, translations):
        alignments = [best[0].alignment for best in translations if best]
        if not self.alignments or any(x is None for x in alignments):
            return {}
        told = evaluation.alignment_statistics(alignments)
        self._told = told
        others = told._asdict()
        return {
            "val_alignment": others.pop("information"),
            **{f"val_alignment_{name}": value for name, value in others.items()},
        }

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forgets the alignments of an earlier training."""
        self._told = None

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Warns of a model that has not learnt to align."""
        if self._told is None:
            return
        if self._told.information < LEAST_INFORMATION:
            reason = "where it looks in the source does not depend on the step"
            name, value, least = "", self._told.information, LEAST_INFORMATION
        elif self._told.coverage < LEAST_COVERAGE:
            reason = "it keeps to few tokens of the source"
            name, value, least = "_coverage", self._told.coverage, LEAST_COVERAGE
        else:
            return
        _logger.warning(
            "the model has not learnt to align: %s (val_alignment%s %.3f, of 1 at "
            "most; below %s is told). Lower the learning rate or give it a warm-up, "
            "train for longer, take another seed, or another attention. Targets of a "
            "token or two, or of a small part of the source, need no alignment",
            reason,
            name,
            value,
            least,
        )
