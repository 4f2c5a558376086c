"""Callback that scores transcriptions after each epoch."""

from collections.abc import Iterable, Sequence
from typing import Any

import keras

from kseq2seq.callbacks.epoch_scores import EpochScores
from kseq2seq.decoding import Search
from kseq2seq.inference import sources_and_texts
from kseq2seq.layers import LogMel
from kseq2seq.tokenizers import Tokenizer
from kseq2seq.transcriber import Transcriber


class TranscribeAndScore(EpochScores):
    """Transcribes a development set after each epoch and scores the result.

    The logs are those of `DecodeAndScore`, for sources that are frames. A low coverage
    gives no warning here: a part of its frames may be enough to recognise a token.

    Args:
        pairs: List of `(source, text)`, sources as a `kseq2seq.Transcriber` takes them.
        tokenizer: The `kseq2seq.Tokenizer` of the texts.
        log_mel: The `kseq2seq.layers.LogMel`, if there are sources that need it.
        metrics: Names from `kseq2seq.evaluation.METRICS`, or one of them.
        search: A `kseq2seq.Search`; greedy search if `None`.
        every: Number of epochs from one scoring to the next.
        alignments: Whether to log statistics of the alignments as well.

    Raises:
        ValueError: If `pairs` is empty, a metric is unknown, `search` is no `Search` or
            `every` is not a positive integer; when training begins, if the model is not
            of the vocabularies.

    Example:

    >>> import numpy as np
    >>> import kseq2seq
    >>> tokenizer = kseq2seq.tokenizers.train_tokenizer(["ab"], kind="character")
    >>> model = kseq2seq.build_model(kseq2seq.Seq2SeqConfig(
    ...     source_frame_size=3,
    ...     target_vocabulary_size=tokenizer.vocabulary_size,
    ...     units=8,
    ...     embedding_size=4,
    ... ))
    >>> pairs = [(np.ones((5, 3)), "ab"), (np.zeros((7, 3)), "b")]
    >>> callback = TranscribeAndScore(pairs, tokenizer)
    >>> list(callback.score(model))
    ['val_word_error_rate']
    """

    least_coverage = 0.0

    def __init__(
        self,
        pairs: Iterable[tuple[Any, str]],
        tokenizer: Tokenizer,
        log_mel: LogMel | None = None,
        metrics: str | Sequence[str] = ("word_error_rate",),
        search: Search | None = None,
        every: int = 1,
        alignments: bool = False,
    ) -> None:
        sources, texts = sources_and_texts(pairs)
        if not sources:
            raise ValueError("`pairs` must hold at least one pair. Received: none")
        references = [[text] for text in texts]
        super().__init__(references, metrics, search, every, alignments)
        self.sources = sources
        self.tokenizer, self.log_mel = tokenizer, log_mel

    def make_decoder(self, model: keras.Model) -> Transcriber:
        """The transcriber that a model makes with the tokenizer.

        Args:
            model: The `keras.Model`.

        Raises:
            ValueError: If it is not of the tokenizer's vocabulary.
        """
        return Transcriber(model, self.tokenizer, self.log_mel)

    def decode(self, model: keras.Model) -> list[list[Any]]:
        """The model's texts for each source, the best first.

        Args:
            model: The `keras.Model`, of the tokenizer's vocabulary.

        Returns:
            List of lists of `kseq2seq.inference.Transcription`s.
        """
        return self._decoder_of(model).transcribe(
            self.sources, self.search, alignments=self.alignments
        )
