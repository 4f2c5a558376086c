"""Base class of the callbacks that decode a development set after each epoch."""

import logging
import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, cast

import keras

from kseq2seq import evaluation
from kseq2seq.decoding import Search
from kseq2seq.inference import check_search
from kseq2seq.utils import check_boolean, check_integer

_logger = logging.getLogger("kseq2seq")
# docs/training.md has what models came to that had learnt to align, and others.
LEAST_INFORMATION, LEAST_COVERAGE = 0.1, 0.5


class EpochScores(keras.callbacks.Callback):
    """Decodes a development set after each epoch and scores the result.

    A subclass has `decode`, and `make_decoder` for what it decodes with. See
    `DecodeAndScore` for the logs.

    Args:
        references: For each source the list of its right answers.
        metrics: Names from `kseq2seq.evaluation.METRICS`, or one of them.
        search: A `kseq2seq.Search`; greedy search if `None`.
        every: Number of epochs from one scoring to the next.
        alignments: Whether to log statistics of the alignments as well.

    Attributes:
        least_coverage: Coverage of the source below which a model counts as one that
            has not learnt to align.

    Raises:
        ValueError: If a metric is unknown, `search` is no `Search` or `every` is not a
            positive integer; when training begins, if the model cannot be decoded.
    """

    least_coverage = LEAST_COVERAGE

    def __init__(
        self,
        references: list[list[str]],
        metrics: str | Sequence[str],
        search: Search | None,
        every: int,
        alignments: bool,
    ) -> None:
        super().__init__()
        self.references = references
        self.metrics = tuple(evaluation.check_metrics(metrics))
        self.search = check_search(Search(beam_size=1) if search is None else search)
        self.every = check_integer("every", every, least=1)
        self.alignments = check_boolean("alignments", alignments)
        self._decoder: Any = None
        self._statistics: evaluation.AlignmentStatistics | None = None

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
        """The scores of a model's texts for the development set.

        Args:
            model: The `keras.Model`, of the vocabularies that the callback has.

        Returns:
            Dict from name, such as `val_bleu`, to number.
        """
        translations = self.decode(model)
        hypotheses = [best[0].text if best else "" for best in translations]
        scores = evaluation.evaluate(hypotheses, self.references, self.metrics)
        logs = {f"val_{name}": score.value for name, score in scores.items()}
        return {**logs, **self._alignment_logs(translations)}

    @abstractmethod
    def decode(self, model: keras.Model) -> list[list[Any]]:
        """The model's texts for each source of the development set, the best first.

        Args:
            model: The `keras.Model`.

        Returns:
            List of lists of results with attributes `text` and `alignment`.
        """

    @abstractmethod
    def make_decoder(self, model: keras.Model) -> Any:
        """The translator or transcriber that decodes a model's texts.

        Args:
            model: The `keras.Model`.

        Raises:
            ValueError: If it does not fit the vocabularies that the callback has.
        """

    def _decoder_of(self, model):
        # Once for each model: the graph is traced once, and reads the weights anew.
        if self._decoder is None or self._decoder.model is not model:
            self._decoder = self.make_decoder(model)
        return self._decoder

    def _alignment_logs(self, translations):
        alignments = [best[0].alignment for best in translations if best]
        if not self.alignments or any(x is None for x in alignments):
            return {}
        self._statistics = evaluation.alignment_statistics(alignments)
        others = self._statistics._asdict()
        return {
            "val_alignment": others.pop("information"),
            **{f"val_alignment_{name}": value for name, value in others.items()},
        }

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forgets an earlier training, and checks that the model can be decoded."""
        self._statistics = None
        # Before the first epoch, which may take hours, and not behind it.
        self._decoder_of(cast(keras.Model, self.model))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Warns of a model that has not learnt to align."""
        if self._statistics is None:
            return
        if self._statistics.information < LEAST_INFORMATION:
            reason = "where it looks in the source does not depend on the step"
            name, value, least = "", self._statistics.information, LEAST_INFORMATION
        elif self._statistics.coverage < self.least_coverage:
            reason = "it keeps to few tokens of the source"
            name, value = "_coverage", self._statistics.coverage
            least = self.least_coverage
        else:
            return
        _logger.warning(
            "the model has not learnt to align: %s (val_alignment%s is %.3f, below "
            "%s). Lower the learning rate or give it a warm-up, train for longer, or "
            "try another seed or another attention. Targets of a token or two, or of a "
            "small part of the source, need no alignment",
            reason,
            name,
            value,
            least,
        )
