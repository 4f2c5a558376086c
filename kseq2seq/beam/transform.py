"""`Translate`: texts or rows to rows with their translations."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.ml.inference.base import RunInference

from kseq2seq.beam.model_handler import TRANSLATIONS, TranslatorHandler
from kseq2seq.utils import PathLike, check_integer

REJECTED = "rejected"


class Translated(NamedTuple):
    """The outputs of `Translate`.

    Attributes:
        rows: PCollection of dicts: the rows, with `translations`.
        rejected: PCollection of dicts of `row`, as it came, and `reason`, a `str`.
    """

    rows: Any
    rejected: Any


class Translate(beam.PTransform):
    """Translates a PCollection of texts, or of dicts with a text.

    A row comes out as it went in, with one more key, `translations`: a list of dicts
    of `text` and `score`, the best first. A text alone is taken for the row
    `{"text": text}`. Rows keep no order: give them a key of their own, such as the
    number of a line. What cannot be translated (no text, too long a one, a dict without
    the key) goes to an output of its own, with the reason, and Beam's metrics count
    both: `translated` and `rejected` in the namespace `kseq2seq`.

    Rows are shared out among all workers, whatever file they come from. The model runs
    in Beam's RunInference: each process loads it once for all of its threads, and up to
    2,048 rows of a bundle are cut into batches of like lengths.

    Args:
        path: Path of a SavedModel or a run folder, on every worker.
        text: Key of the text in a row.
        features: Key of its features; `None` for a model without features, or where
            they are missing.
        num_hypotheses: Number of translations of each text; that of the search if
            `None`.
        alignments: Whether to give `source_tokens`, `target_tokens` and `alignment`
            beside `text` and `score`. A SavedModel then gives the best translation
            alone.
        batch_size: Texts translated at a time.
        max_characters: The longest text that is translated; 0 for any.
        threads: Threads of one operation in each process, such as 1 where a worker has
            a process for each core; TensorFlow's choice if `None`.

    Raises:
        ValueError: If an argument is not as described, or the SavedModel gives fewer
            translations; if `path` is not on this machine, workers tell of them.

    Example:

    >>> with beam.Pipeline() as pipeline:
    ...     texts = pipeline | beam.Create(["4 March 2017", 4])
    ...     translated = texts | Translate("saved_models/dates")
    ...     best = translated.rows | beam.Map(lambda row: row["translations"][0])
    ...     _ = best | beam.Map(lambda translation: print(translation["text"]))
    2017-03-04
    """

    def __init__(
        self,
        path: PathLike,
        text: str = "text",
        features: str | None = None,
        num_hypotheses: int | None = None,
        alignments: bool = False,
        batch_size: int = 64,
        max_characters: int = 10_000,
        threads: int | None = None,
    ) -> None:
        super().__init__()
        self._handler = TranslatorHandler(
            path, text, features, num_hypotheses, alignments, batch_size, threads
        )
        most = check_integer("max_characters", max_characters, 0)
        self._check = CheckRows(text, features, most)

    def expand(self, input_or_inputs: Any) -> Translated:
        """Applies the transform.

        Args:
            input_or_inputs: PCollection of `str` or of dicts.
        """
        checked = input_or_inputs | "Check" >> beam.ParDo(self._check).with_outputs(
            REJECTED, main="rows"
        )
        # Else the worker that reads a file would translate all of it.
        rows = checked.rows | "Share" >> beam.Reshuffle()
        rows = rows | "Translate" >> RunInference(self._handler)
        return Translated(rows, checked[REJECTED])


class CheckRows(beam.DoFn):
    """Lets rows that can be translated pass, and gives the others a reason.

    Args:
        text: Key of the text.
        features: Key of the features, or `None`.
        max_characters: The longest text; 0 for any.

    Example:

    >>> check = CheckRows("text", None, 5)
    >>> [*check.process("a dog")]
    [{'text': 'a dog'}]
    >>> (rejected,) = check.process("two dogs")
    >>> rejected.value["reason"]
    "'text' must have at most 5 characters. Received: 8"
    """

    def __init__(self, text: str, features: str | None, max_characters: int) -> None:
        super().__init__()
        self._text = text
        self._features = features
        self._max_characters = max_characters
        self._accepted = Metrics.counter("kseq2seq", "translated")
        self._rejected = Metrics.counter("kseq2seq", REJECTED)

    def process(self, element: Any) -> Iterator[Any]:
        """Checks one row.

        Args:
            element: The row.

        Yields:
            The row as a dict, or what is known of a row that cannot be translated.
        """
        row = {self._text: element} if isinstance(element, str) else element
        reason = self._reason(row)
        if reason is None:
            self._accepted.inc()
            yield row
        else:
            self._rejected.inc()
            rejected = {"row": element, "reason": reason}
            yield beam.pvalue.TaggedOutput(REJECTED, rejected)

    def _reason(self, row):
        """Why a row cannot be translated; `None` if it can."""
        if not isinstance(row, dict):
            return f"A row must be a text or a dict. Received: {type(row).__name__}"
        if self._text not in row:
            keys = ", ".join(map(repr, row)) or "none"
            return f"A row must have the key {self._text!r}. Received: {keys:.80}"
        if TRANSLATIONS in row:
            return (
                f"A row must not have the key {TRANSLATIONS!r}, which the result adds: "
                f"rename it first. Received: {row[TRANSLATIONS]!r:.80}"
            )
        text, most = row[self._text], self._max_characters
        if not isinstance(text, str):
            kind = type(text).__name__
            return f"{self._text!r} must be a text. Received: {kind}"
        if 0 < most < len(text):
            return (
                f"{self._text!r} must have at most {most} characters. "
                f"Received: {len(text)}"
            )
        features = row.get(self._features) or ""
        if not isinstance(features, str):
            kind = type(features).__name__
            return f"{self._features!r} must be a text, or missing. Received: {kind}"
        return None
