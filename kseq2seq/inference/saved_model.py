"""`SavedTranslator`: an exported SavedModel, without the code of its model."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  # registers the operations of the tokenizers

from kseq2seq.decoding import Search
from kseq2seq.inference.base import BaseTranslator
from kseq2seq.inference.batches import check_texts
from kseq2seq.inference.forks import works_in_forks
from kseq2seq.inference.quantization import INT8_OPERATION, check_processor
from kseq2seq.inference.results import (
    LOWEST_SCORE,
    Translation,
    alignment_of_row,
    decoded_text,
)
from kseq2seq.inference.signatures import (
    DEFAULT_SIGNATURE,
    Signature,
    check_inputs,
    find_signature,
)
from kseq2seq.runs import (
    EXPORT_SETTINGS_FILE,
    SAVED_MODEL_FILE,
    find_saved_model,
)
from kseq2seq.utils import PathLike, Tensor, check_integer


class SavedTranslator(BaseTranslator):
    """Translates text with a SavedModel, without the code of its model.

    The search is that of the export. `kseq2seq.Translator.load` makes one of these.

    Args:
        path: Path of a SavedModel that `Translator.export` has written, or of the
            folder with its versions, of which the newest is taken.

    Attributes:
        path: The `Path` that holds `saved_model.pb`.
        search: The `kseq2seq.Search` of the export; `None` if it holds no
            `assets.extra/kseq2seq.json`.
        signatures: Dict from the names of its signatures to `Signature`s.
        has_features: Whether they take features beside a text.

    Raises:
        FileNotFoundError: If there is no SavedModel.
        ProductsError: If its products are in int8, and TensorFlow has none here.
        ValueError: If it is not whole, has another signature, or its
            `kseq2seq.json` cannot be read.

    Example, with the model that comes with the repository:

    >>> translator = SavedTranslator("saved_models/dates")
    >>> translator(["4 March 2017"])
    ['2017-03-04']
    """

    def __init__(self, path: PathLike) -> None:
        super().__init__()
        folder = find_saved_model(path)
        if folder is None:
            raise FileNotFoundError(
                f"{path} must hold {SAVED_MODEL_FILE}, or a numbered folder that "
                "holds it; `Translator.export` writes one."
            )
        self.path = folder
        self.search = _read_search(folder / EXPORT_SETTINGS_FILE)
        if INT8_OPERATION.encode() in (folder / SAVED_MODEL_FILE).read_bytes():
            check_processor()
        try:
            # The variables live only as long as what was loaded.
            self._loaded = tf.saved_model.load(str(folder))
        except (tf.errors.OpError, OSError) as error:
            raise ValueError(
                f"{folder} is not a whole SavedModel; export it again. {error}"
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
        _check_signature(folder, self.signatures)
        self.has_features = "features" in self.signatures[DEFAULT_SIGNATURE].inputs

    @works_in_forks
    def run(
        self, signature: str, inputs: Mapping[str, Tensor]
    ) -> dict[str, np.ndarray]:
        """The outputs of one of the SavedModel's signatures.

        It may be called by several threads at once.

        Args:
            signature: Its name, one of `signatures`.
            inputs: Dict from the names of its inputs to arrays or tensors of their
                dtypes, of shape `(batch,)`; strings are bytes.

        Returns:
            Dict of NumPy arrays; strings are `bytes`, in arrays of objects.

        Raises:
            ValueError: If there is no such signature, or it takes other inputs.
        """
        specs = find_signature(self.signatures, signature).inputs
        check_inputs(signature, inputs, specs)
        tensors = {name: _tensor(inputs[name], spec) for name, spec in specs.items()}
        sizes = {name: len(x) for name, x in tensors.items()}
        if len(set(sizes.values())) > 1:
            raise ValueError(
                f"All inputs of {signature!r} must have the same number of rows: give "
                f"each text its own value of every input. Received: {sizes}"
            )
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: x.numpy() for name, x in outputs.items()}

    def __getattr__(self, name: str) -> Any:
        # Of names alone that nothing else has.
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}: a SavedModel "
            "does what it was exported for. If it is one of `Translator`, load the run "
            "folder, or the preset, for it.",
            name=name,
            obj=self,
        )

    def __reduce__(self):
        return type(self), (str(self.path),)

    def __call__(
        self,
        texts: Iterable[str],
        beam: int | None = None,
        features: Iterable[str] | None = None,
    ) -> list[str]:
        """The best translation of each text.

        Args:
            texts: List of `str`.
            beam: Beam size of the export, the only one there is.
            features: List of `str`, the features of each text; missing if `None`.

        Returns:
            List of `str`, in the order of `texts`.

        Raises:
            ValueError: If `beam` is not that of the export.
        """
        if beam is not None and (self.search is None or beam != self.search.beam_size):
            known = "" if self.search is None else f", {self.search.beam_size}"
            raise ValueError(
                f"`beam` must be left out, or be the beam size of the export{known}: "
                "a SavedModel's search cannot be changed. Load the run folder, or "
                f"export with another `search`. Received: beam={beam!r}"
            )
        best = self.translate(texts, num_hypotheses=1, features=features)
        return [first.text for first, *_ in best]

    @works_in_forks
    def translate(
        self,
        texts: Iterable[str],
        search: Search | None = None,
        batch_size: int = 64,
        progress: bool = False,
        num_hypotheses: int | None = None,
        alignments: bool | None = None,
        features: Iterable[str] | None = None,
        prefix: Iterable[str | None] | None = None,
        forced: Iterable[Sequence[str] | None] | None = None,
        allowed: Iterable[str] | None = None,
        forced_in_order: bool = False,
    ) -> list[list[Translation]]:
        """Translations with their scores, the best first.

        Args:
            texts: List of `str`.
            search: The `kseq2seq.Search` of the export, the only one there is.
            batch_size: Texts translated at a time.
            progress: Whether to draw a progress bar on standard error.
            num_hypotheses: Number of translations of each text, at most as many as the
                signature `nbest` gives; `search.num_hypotheses` if `None`.
            alignments: Whether to give the best one alone, with its tokens and its
                alignment, by the signature `translate_align`. Not if `None`.
            features: List of `str`, the features of each text; missing if `None`.
            prefix: As for `Translator.translate`, by the signature `complete`, which
                gives the best translation alone.
            forced: Not supported by a SavedModel: leave it out, and use
                `Translator.translate` of the run folder.
            allowed: Not supported, likewise.
            forced_in_order: Not supported, likewise.

        Returns:
            For each text a list of `num_hypotheses` `Translation`s or fewer, as from
            `Translator.translate`, with `text` and `score`, and what `alignments` adds.

        Raises:
            ValueError: If `search` is not that of the export, `num_hypotheses` is
                more than there are, there are no alignments, or an argument is given
                that is not supported.
        """
        _check_left_out(
            forced=forced, allowed=allowed, forced_in_order=forced_in_order or None
        )
        if search is not None and search != self.search:
            raise ValueError(
                "`search` must be left out, or be that of the export: a SavedModel's "
                "search cannot be changed. Load the run folder, or export with "
                f"another `search`. Expected: {self.search}. Received: {search}"
            )
        texts = check_texts(texts)
        if prefix is None:
            signature, count = self._signature_of(num_hypotheses, alignments)
        else:
            self._check_completes(num_hypotheses, alignments)
            signature, count = "complete", 1
        inputs = self._inputs_of_texts(texts, features, prefix)
        rows = self._run_in_batches(signature, inputs, texts, batch_size, progress)
        if alignments:
            return [[_with_alignment(row)] for row in rows]
        return [_translations(row, count) for row in rows]

    def _check_completes(self, num_hypotheses, alignments):
        if num_hypotheses not in (None, 1) or alignments:
            raise ValueError(
                "`prefix` must come without `alignments`, and with `num_hypotheses` 1 "
                "or left out: a SavedModel completes the best translation alone. Load "
                f"the run folder. Received: num_hypotheses={num_hypotheses!r}, "
                f"alignments={alignments!r}"
            )
        find_signature(self.signatures, "complete")

    def _signature_of(self, num_hypotheses, alignments):
        """The signature that gives so many translations, and how many they are."""
        if alignments:
            if num_hypotheses not in (None, 1):
                raise ValueError(
                    "`num_hypotheses` must be 1, or left out, beside `alignments`: a "
                    "SavedModel aligns the best translation alone. Load the run "
                    f"folder. Received: num_hypotheses={num_hypotheses!r}"
                )
            if "translate_align" not in self.signatures:
                raise ValueError(
                    f"{self.path} has no attention, and so no alignments: leave out "
                    f"`alignments`. Received: alignments={alignments!r}"
                )
            return "translate_align", 1
        if num_hypotheses is None:
            num_hypotheses = 1 if self.search is None else self.search.num_hypotheses
        most = 1
        if "nbest" in self.signatures:
            most = self.signatures["nbest"].outputs["translations"].shape[1]
        remedy = "; export with another `search`, or load the run folder"
        note = "as many as were asked for at the export" + remedy
        count = check_integer("num_hypotheses", num_hypotheses, 1, most, note=note)
        return DEFAULT_SIGNATURE if count == 1 else "nbest", count


def _check_left_out(**others):
    for name, value in others.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be left out: a SavedModel has no search by it. Load "
                f"the run folder, or the preset. Received: {name}={value!r:.200}"
            )


def _translations(row, count):
    """The `Translation`s in one row of `serving_default` or `nbest`."""
    if "translation" in row:
        return [Translation(decoded_text(row["translation"]), float(row["score"]))]
    texts, scores = row["translations"][:count], row["scores"][:count].tolist()
    return [
        Translation(decoded_text(text), score)
        for n, (text, score) in enumerate(zip(texts, scores, strict=True))
        if n == 0 or score > LOWEST_SCORE
    ]


def _with_alignment(row):
    """The `Translation` in one row of `translate_align`."""
    alignment = alignment_of_row(row)
    return Translation(
        text=decoded_text(row["translation"]),
        score=float(row["score"]),
        source_tokens=alignment.source_tokens,
        target_tokens=alignment.target_tokens,
        alignment=alignment.weights,
    )


def _tensor(values, spec):
    try:
        tensor = tf.convert_to_tensor(values, spec.dtype)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{spec.name!r} must be {spec.dtype.name}: {error}") from error
    if not spec.shape.is_compatible_with(tensor.shape):
        raise ValueError(
            f"{spec.name!r} must have one axis, the batch: put a single value into a "
            f"list. Received: shape={tuple(tensor.shape)}"
        )
    return tensor


def _read_search(file):
    """The `Search` in the settings of an export; `None` if there is no such file."""
    try:
        fields = json.loads(file.read_text(encoding="utf-8"))["search"]
        # Exports of 0.1.0 wrote unknown tokens, and do not tell.
        return Search(**{"forbid_unknown": False, **fields})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{file} must be JSON with the fields of a `Search`, as "
            "`Translator.export` writes it: export the model again, or delete the "
            f"file to do without it. Received: {type(error).__name__}: {error}"
        ) from error


def _check_signature(path, signatures):
    signature = signatures.get(DEFAULT_SIGNATURE, Signature({}, {}))
    inputs, outputs = set(signature.inputs), set(signature.outputs)
    if inputs - {"features"} != {"text"} or not {"translation", "score"} <= outputs:
        raise ValueError(
            f"{path} must have a signature {DEFAULT_SIGNATURE!r} from 'text' to "
            "'translation' and 'score', as `Translator.export` writes it. Received: a "
            f"signature from {sorted(inputs)} to {sorted(outputs)}"
        )
