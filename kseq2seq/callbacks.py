"""Callbacks for `model.fit`: scores of translations after each epoch."""

import math
from collections.abc import Sequence
from typing import Any, cast

import keras

from kseq2seq import evaluation
from kseq2seq.data import as_pairs, group_references
from kseq2seq.decoding import Search
from kseq2seq.tokenizers import Tokenizer
from kseq2seq.translator import Translator
from kseq2seq.utils import check_choice, check_integer


class DecodeAndScore(keras.callbacks.Callback):
    """Translates a development set after each epoch and scores the result.

    The scores join the epoch's logs as `val_bleu`, `val_exact_match` and so on,
    so that callbacks behind this one can watch them; they are NaN for an epoch
    that was not scored.

    Args:
        pairs: `(source, target)` strings, as `kseq2seq.data.as_pairs` takes them; a
            source with several targets accepts each of them.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        metrics: Names from `kseq2seq.evaluation.METRICS`.
        search: A `kseq2seq.Search`; greedy search if `None`.
        every: Number of epochs from one scoring to the next.

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
    ) -> None:
        super().__init__()
        pairs = as_pairs(pairs)
        if not pairs:
            raise ValueError("`pairs` must hold at least one pair. Received: none")
        for name in metrics:
            check_choice("metrics", name, evaluation.METRICS)
        self.sources, self.references = group_references(pairs)
        self.tokenizers = source_tokenizer, target_tokenizer
        self.metrics = tuple(metrics)
        self.search = search or Search(beam_size=1)
        self.every = check_integer("every", every, least=1)
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
        # Once for each model: the graph is traced once, and reads the weights anew.
        model = cast(keras.Model, self.model)
        if self._translator is None or self._translator.model is not model:
            self._translator = Translator(model, *self.tokenizers)
        translations = self._translator.translate(self.sources, self.search)
        hypotheses = [best[0].text if best else "" for best in translations]
        scores = evaluation.evaluate(hypotheses, self.references, self.metrics)
        for name, score in scores.items():
            logs[f"val_{name}"] = score.value
