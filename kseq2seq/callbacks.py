"""What happens between epochs: decode and score, save, stop, draw."""

import math

import keras

from kseq2seq import evaluation
from kseq2seq.data import group_references
from kseq2seq.decoding import Search
from kseq2seq.translator import Translator


class DecodeAndScore(keras.callbacks.Callback):
    """Translates a development set after each epoch and scores the result.

    The scores join the epoch's logs as `val_bleu`, `val_exact_match` and so on,
    so that callbacks behind this one can watch them; they are NaN for an epoch
    that was not scored.

    Args:
        pairs: List of `(source, target)`; a source with several targets accepts
            each of them.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        metrics: Names from `kseq2seq.evaluation.METRICS`.
        search: A `kseq2seq.Search`; greedy search if `None`.
        every: Number of epochs from one scoring to the next.

    Raises:
        ValueError: If `pairs` is empty, a metric is unknown or `every` is not a
            positive integer.
    """

    def __init__(
        self,
        pairs,
        source_tokenizer,
        target_tokenizer,
        metrics=("bleu",),
        search=None,
        every=1,
    ):
        super().__init__()
        if not pairs:
            raise ValueError("`pairs` must hold at least one pair. Received: none")
        metrics = evaluation.check_metrics(metrics)
        if isinstance(every, bool) or not isinstance(every, int) or every < 1:
            raise ValueError(
                f"`every` must be a positive integer. Received: every={every!r}"
            )
        self.sources, self.references = group_references(pairs)
        self.tokenizers = source_tokenizer, target_tokenizer
        self.metrics = tuple(metrics)
        self.search = search or Search(beam_size=1)
        self.every = every
        self._translator = None

    def on_epoch_end(self, epoch, logs=None):
        logs.update({f"val_{name}": math.nan for name in self.metrics})
        if (epoch + 1) % self.every or not math.isfinite(logs.get("loss", 0.0)):
            return
        # Once for each model: the graph is traced once, and reads the weights anew.
        if self._translator is None or self._translator.model is not self.model:
            self._translator = Translator(self.model, *self.tokenizers)
        found = self._translator.translate(self.sources, self.search)
        hypotheses = [best[0].text if best else "" for best in found]
        scores = evaluation.evaluate(hypotheses, self.references, self.metrics)
        for name, score in scores.items():
            logs[f"val_{name}"] = score.value
