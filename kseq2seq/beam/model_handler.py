"""`TranslatorHandler`: a translator as Beam's RunInference takes a model."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from apache_beam.ml.inference.base import ModelHandler

from kseq2seq.runs import EXPORT_SETTINGS_FILE, find_saved_model, is_run_folder
from kseq2seq.utils import PathLike, check_boolean, check_integer

# Key of a row that the translations get.
TRANSLATIONS = "translations"
# Rows that are given to the translator at once, which makes batches of like lengths of
# them: the more, the less padding. Long texts count for several.
MAX_ROWS = 2048
_CHARACTERS_OF_ROW = 128


class TranslatorHandler(ModelHandler[dict[str, Any], dict[str, Any], Any]):
    """Translates rows, dicts with a text, for Beam's RunInference.

    Each process of a worker loads the model once, and all of its threads share it.
    `Translate` checks rows before it gives them to a handler. The handler itself goes
    into a RunInference of your own, such as one with a `KeyedModelHandler`.

    Args:
        path: Path of a SavedModel or a run folder, on every worker.
        text: Key of the text in a row.
        features: Key of its features; `None` for a model without features, or where
            they are missing.
        num_hypotheses: Number of translations of each text; that of the search if
            `None`.
        alignments: Whether to give tokens and alignments, too. A SavedModel then gives
            the best translation alone.
        batch_size: Texts translated at a time.
        threads: Threads of one operation in each process, such as 1 where a worker has
            a process for each core; TensorFlow's choice if `None`.

    Raises:
        ValueError: If an argument is not as described, or the SavedModel gives fewer
            translations; if `path` is not on this machine, workers tell of them.

    Example:

    >>> handler = TranslatorHandler("saved_models/dates", text="english")
    >>> model = handler.load_model()
    >>> (row,) = handler.run_inference([{"english": "4 March 2017", "id": 7}], model)
    >>> row["id"], row["translations"][0]["text"]
    (7, '2017-03-04')
    """

    def __init__(
        self,
        path: PathLike,
        text: str = "text",
        features: str | None = None,
        num_hypotheses: int | None = None,
        alignments: bool = False,
        batch_size: int = 64,
        threads: int | None = None,
    ) -> None:
        threads = check_integer("threads", threads, 1, optional=True)
        # TensorFlow reads it when it is first imported, by `load_model`.
        variables = {"TF_NUM_INTRAOP_THREADS": str(threads)} if threads else {}
        super().__init__(
            min_batch_size=MAX_ROWS,
            max_batch_size=MAX_ROWS,
            element_size_fn=self.size_of_row,
            env_vars=variables,
        )
        self.path = str(path)
        self.text = text
        self.features = features
        self.num_hypotheses = check_integer(
            "num_hypotheses", num_hypotheses, 1, optional=True
        )
        self.alignments = check_boolean("alignments", alignments)
        self._check_num_hypotheses()
        self.batch_size = check_integer("batch_size", batch_size, 1)

    def _check_num_hypotheses(self):
        """Refuses more translations than the SavedModel gives, if it is there.

        Else each worker would, when the pipeline runs.
        """
        folder = None if is_run_folder(self.path) else find_saved_model(self.path)
        if self.num_hypotheses is None or folder is None:
            return
        most, why = _most_hypotheses(folder), "as many as were asked for at the export"
        if self.alignments:
            most, why = 1, "beside `alignments`"
        if most is not None and self.num_hypotheses > most:
            raise ValueError(
                f"`num_hypotheses` must be at most {most}, {why}: export with another "
                "`search`, or name a run folder. Received: "
                f"num_hypotheses={self.num_hypotheses} for {self.path}"
            )

    def size_of_row(self, row: Mapping[str, Any]) -> int:
        """The number of rows that a row counts for, by its length.

        Args:
            row: Dict with the text.
        """
        return min(MAX_ROWS, 1 + len(row[self.text]) // _CHARACTERS_OF_ROW)

    def load_model(self) -> Any:
        """Loads the translator.

        Returns:
            A `kseq2seq.Translator` or `kseq2seq.SavedTranslator`.
        """
        from kseq2seq.translator import Translator

        return Translator.load(self.path)

    def run_inference(
        self,
        batch: Sequence[Mapping[str, Any]],
        model: Any,
        inference_args: dict[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Translates rows.

        Args:
            batch: Dicts with the text, and its features if there are any.
            model: The result of `load_model`.
            inference_args: Not used.

        Returns:
            The same dicts, in their order, with `translations`: a list of dicts of
            `text` and `score`, the best first, and of `source_tokens`, `target_tokens`
            and `alignment`, a list of lists, where alignments were asked for.
        """
        options = {}
        if self.features is not None:
            options["features"] = [row.get(self.features) or "" for row in batch]
        translations = model.translate(
            [row[self.text] for row in batch],
            num_hypotheses=self.num_hypotheses,
            alignments=self.alignments,
            batch_size=self.batch_size,
            **options,
        )
        return [
            {**row, TRANSLATIONS: [*map(self._as_dict, best_first)]}
            for row, best_first in zip(batch, translations, strict=True)
        ]

    def _as_dict(self, translation):
        result = {"text": translation.text, "score": translation.score}
        if self.alignments:
            weights = translation.alignment
            result["source_tokens"] = translation.source_tokens
            result["target_tokens"] = translation.target_tokens
            result["alignment"] = None if weights is None else weights.tolist()
        return result

    def get_num_bytes(self, batch: Sequence[Mapping[str, Any]]) -> int:
        """The size of a batch's texts in UTF-8, for Beam's metrics.

        Args:
            batch: Dicts with the text.
        """
        return sum(len(row[self.text].encode("utf-8", "replace")) for row in batch)

    def get_metrics_namespace(self) -> str:
        """The namespace of the metrics that RunInference keeps."""
        return "kseq2seq"


def _most_hypotheses(folder: Path) -> int | None:
    """The most translations of a text that a SavedModel gives.

    `None` if it does not tell; without TensorFlow, which workers are to import.
    """
    try:
        text = (folder / EXPORT_SETTINGS_FILE).read_text(encoding="utf-8")
        search = json.loads(text)["search"]
        count, beam = search["num_hypotheses"], search["beam_size"]
        return count if count > 1 else beam
    except (OSError, ValueError, TypeError, KeyError):
        return None  # workers say so, if it cannot be loaded
