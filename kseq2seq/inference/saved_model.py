"""SavedModels, read again: the same answers without the code of the model."""

import json
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
import tensorflow_text  # noqa: F401  # registers the operations of the tokenizers

from kseq2seq.decoding import Search
from kseq2seq.inference import results
from kseq2seq.inference.base import Answers, alignment_of
from kseq2seq.inference.results import Translation
from kseq2seq.utils import numbered_folders

SIGNATURE = "serving_default"
SAVED_MODEL_FILE = "saved_model.pb"
# What the graph does not tell; servers take no notice of it.
SEARCH_FILE = Path("assets.extra", "kseq2seq.json")


class Signature(NamedTuple):
    """What a signature takes and gives: dicts from names to `tf.TensorSpec`s."""

    inputs: dict
    outputs: dict


def find_saved_model(path):
    """The folder of the SavedModel at a path, the newest if there are versions.

    Args:
        path: Path of a SavedModel, or of a folder with versions of it.

    Returns:
        The `Path` that holds `saved_model.pb`; `None` if there is none.
    """
    folders = [Path(path), *reversed(numbered_folders(path))]
    found = (x for x in folders if (x / SAVED_MODEL_FILE).is_file())
    return next(found, None)


class SavedTranslator(Answers):
    """Translates text with a SavedModel, without the code of its model.

    The search is that of the export. `kseq2seq.Translator.load` makes one of these.

    Args:
        path: Path of a SavedModel that `Translator.export` has written, or of the
            folder with its versions, of which the newest is taken.

    Attributes:
        path: The `Path` that holds `saved_model.pb`.
        search: The `kseq2seq.Search` of the export; `None` if nothing tells it.
        signatures: Dict from the names of its signatures to `Signature`s.

    Raises:
        FileNotFoundError: If there is no SavedModel.
        ValueError: If it is not whole, or has another signature.

    Example, with the model that comes with the repository:

    >>> translator = SavedTranslator("saved_models/dates")
    >>> translator(["4 March 2017"])
    ['2017-03-04']
    """

    def __init__(self, path):
        self.path = find_saved_model(path)
        if self.path is None:
            raise FileNotFoundError(
                f"{path} must hold {SAVED_MODEL_FILE}, or a numbered folder that "
                "holds it; `Translator.export` writes one."
            )
        self.search = _read_search(self.path)
        try:
            # The variables live only as long as what was loaded.
            self._loaded = tf.saved_model.load(str(self.path))
        except (tf.errors.OpError, OSError) as error:
            raise ValueError(
                f"{self.path} is not a whole SavedModel; export it again. {error}"
            ) from error
        self.signatures = {
            name: Signature(
                function.structured_input_signature[1],
                {
                    key: tf.TensorSpec(x.shape, x.dtype, key)
                    for key, x in function.structured_outputs.items()
                },
            )
            for name, function in sorted(self._loaded.signatures.items())
        }
        _check_signature(self.path, self.signatures)

    def run(self, signature, inputs):
        """The outputs of one of the SavedModel's signatures.

        It may be called by several threads at once.

        Args:
            signature: Its name, one of `signatures`.
            inputs: Dict from the names of its inputs to arrays or tensors of their
                dtypes; strings are bytes.

        Returns:
            Dict of NumPy arrays; strings are `bytes`, in arrays of objects.

        Raises:
            ValueError: If there is no such signature, or it takes other inputs.
        """
        specs = results.find_signature(self.signatures, signature).inputs
        results.check_inputs(signature, inputs, specs)
        tensors = {}
        for name, spec in specs.items():
            try:
                tensors[name] = tf.convert_to_tensor(inputs[name], spec.dtype)
            except (ValueError, TypeError) as error:
                raise ValueError(
                    f"{name!r} must be {spec.dtype.name}: {error}"
                ) from error
            if not spec.shape.is_compatible_with(tensors[name].shape):
                raise ValueError(
                    f"{name!r} must have one axis, the batch. "
                    f"Received: shape={tuple(tensors[name].shape)}"
                )
        sizes = {name: len(x) for name, x in tensors.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"All inputs must have the same number of rows. Received: {sizes}"
            )
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: x.numpy() for name, x in outputs.items()}

    def __call__(self, texts, beam=None):
        """The translation of each text.

        Args:
            texts: List of `str`.
            beam: Beam size of the export, the only one there is.

        Returns:
            List of `str`, in the order of `texts`.

        Raises:
            ValueError: If `beam` is not that of the export.
        """
        fixed = None if self.search is None else self.search.beam_size
        if beam is not None and beam != fixed:
            raise ValueError(
                f"`beam` must be left out, or be the beam size of the export, {fixed}: "
                "a SavedModel's search cannot be changed. Load the run folder, or "
                f"export with another `search`. Received: beam={beam!r}"
            )
        return [best.text for best, *_ in self.translate(texts)]

    def translate(
        self,
        texts,
        search=None,
        batch_size=64,
        progress=False,
        num_hypotheses=None,
        alignments=False,
    ):
        """Translations with their scores, the best first.

        Args:
            texts: List of `str`.
            search: The `kseq2seq.Search` of the export, the only one there is.
            batch_size: Texts translated at a time.
            progress: Whether to draw a progress bar on standard error.
            num_hypotheses: How many are wanted, at most as many as the signature
                `nbest` gives; `search.num_hypotheses` if `None`.
            alignments: Whether to give the best one alone, with its tokens and its
                alignment, by the signature `translate_align`.

        Returns:
            For each text a list of so many `Translation`s, or of fewer, as
            `Translator.translate` gives them, of which `text` and `score` are given,
            and what `alignments` adds.

        Raises:
            ValueError: If `search` is not that of the export, `num_hypotheses` is
                more than there are, or there are no alignments.
        """
        if search is not None and search != self.search:
            raise ValueError(
                "`search` must be left out, or be that of the export: a SavedModel's "
                "search cannot be changed. Load the run folder, or export with "
                f"another `search`. Expected: {self.search}. Received: {search}"
            )
        texts = results.check_texts(texts)
        if alignments:
            rows = self._rows(
                "translate_align", (batch_size, progress), texts, text=texts
            )
            return [[_aligned(row)] for row in rows]
        if num_hypotheses is None:
            num_hypotheses = 1 if self.search is None else self.search.num_hypotheses
        if num_hypotheses == 1:
            rows = self._rows(SIGNATURE, (batch_size, progress), texts, text=texts)
            rows = [([x["translation"]], [x["score"]]) for x in rows]
        else:
            self._check_num_hypotheses(num_hypotheses)
            rows = self._rows("nbest", (batch_size, progress), texts, text=texts)
            rows = [
                tuple(x[name][:num_hypotheses] for name in ("translations", "scores"))
                for x in rows
            ]
        return [
            [
                Translation(text.decode("utf-8", "replace"), float(score))
                for n, (text, score) in enumerate(zip(*row, strict=True))
                if n == 0 or score > -float("inf")
            ]
            for row in rows
        ]

    def _check_num_hypotheses(self, count):
        most = 1
        if "nbest" in self.signatures:
            most = self.signatures["nbest"].outputs["translations"].shape[1]
        if not isinstance(count, int) or not 1 <= count <= most:
            raise ValueError(
                f"`num_hypotheses` must be an integer from 1 to {most}, as many as "
                "were asked for at the export; export with another `search`, or load "
                f"the run folder. Received: num_hypotheses={count!r}"
            )


def _aligned(row):
    """One row of `translate_align` as a `Translation`."""
    found = alignment_of(row)
    return Translation(
        text=row["translation"].decode("utf-8", "replace"),
        score=float(row["score"]),
        source_tokens=found.source_tokens,
        target_tokens=found.target_tokens,
        alignment=found.weights,
    )


def _read_search(path):
    """The `Search` of an export; `None` if nothing, or nothing known, tells it."""
    try:
        about = json.loads((path / SEARCH_FILE).read_text(encoding="utf-8"))
        return Search(**about["search"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _check_signature(path, signatures):
    found = signatures.get(SIGNATURE, Signature({}, {}))
    inputs, outputs = set(found.inputs), set(found.outputs)
    if inputs != {"text"} or not {"translation", "score"} <= outputs:
        raise ValueError(
            f"{path} must have a signature {SIGNATURE!r} from 'text' to 'translation' "
            "and 'score', as `Translator.export` writes it. Received: a signature "
            f"from {sorted(inputs)} to {sorted(outputs)}"
        )
