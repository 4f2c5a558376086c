"""A trained model with its tokenizers: text in, text out."""

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import keras

from kseq2seq import export, presets
from kseq2seq.decoding import Search
from kseq2seq.inference import (
    DistinctSamples,
    Graphs,
    Joinable,
    ProductsError,
    SavedTranslator,
    TextSearches,
    TextToText,
    check_fork,
    check_processor,
    check_vocabularies,
    works_in_forks,
)
from kseq2seq.models import (
    check_no_nan,
    float16_copy,
    float32_copy,
    is_float32,
    load_model,
    vocabulary_sizes,
)
from kseq2seq.runs import (
    MODEL_FILE,
    SAVED_MODEL_FILE,
    Shortlist,
    check_is_shortlist,
    find_saved_model,
    load_features,
    load_shortlist,
    load_tokenizers,
    save_features,
    save_model,
    save_shortlist,
    save_tokenizers,
)
from kseq2seq.tokenizers import FeatureVocabulary, Limits, Tokenizer
from kseq2seq.utils import PathLike, check_choice

_logger = logging.getLogger("kseq2seq")


class Translator(Joinable, DistinctSamples, TextSearches):
    """Translates text with a model and the tokenizers that it was trained with.

    It also tells how probable a given translation is (`score`), which tokens belong
    together (`align`) and what the encoder gives for a text (`encode`), and it draws
    translations at random (`sample`).

    Args:
        model: A model of `kseq2seq.build_model`, trained.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        features: The `kseq2seq.FeatureVocabulary`; `None` for a model without features.
        shortlist: The `kseq2seq.runs.Shortlist` of searches by one; `None` for none.
        products: "float32", or "int8" to make products by large matrices in whole
            numbers, on x86 processors alone: faster on those with VNNI, for a little
            of the quality. The matrices are rounded once, as they are now.

    Attributes:
        model: The model.
        source_tokenizer: The tokenizer of the source.
        target_tokenizer: That of the target.
        features: The vocabulary of features, or `None`.
        has_features: Whether there is one.
        shortlist: The shortlist, or `None`.
        products: Type in which products by large matrices are computed.
        run_folder: The `Path` that it was loaded from, of which a model card can tell
            more than of a model alone; or `None`.

    Raises:
        ValueError: If a tokenizer's vocabulary is not of the model's size, if the
            model reads frames or does not come from `build_model`, if Keras does not
            run on TensorFlow, if `shortlist` is none, if there can be no products in
            int8, or if a weight is NaN, as of a training that diverged.

    Example:

    >>> import kseq2seq
    >>> source, target = kseq2seq.train_tokenizers(
    ...     [("a dog", "ein Hund"), ("a cat", "eine Katze")], kind="character"
    ... )
    >>> config = kseq2seq.Seq2SeqConfig(
    ...     source_vocabulary_size=source.vocabulary_size,
    ...     target_vocabulary_size=target.vocabulary_size,
    ...     embedding_size=4,
    ...     units=8,
    ... )
    >>> model = kseq2seq.build_model(config)
    >>> translator = Translator(model, source, target)
    >>> len(translator(["a dog", "a cat"], beam=3))
    2
    """

    def __init__(
        self,
        model: keras.Model,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        features: FeatureVocabulary | None = None,
        shortlist: Shortlist | None = None,
        products: str = "float32",
    ) -> None:
        backend = keras.config.backend()
        if backend != "tensorflow":
            raise ValueError(
                "Tokenizers run in TensorFlow's graph: set KERAS_BACKEND=tensorflow. "
                f"Received: Keras with backend {backend!r}"
            )
        super().__init__()
        check_vocabularies(
            vocabulary_sizes(model), source_tokenizer, target_tokenizer, features
        )
        check_is_shortlist(shortlist)
        if products == "int8":
            check_processor()
        self.model = model
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.features = features
        self.has_features = features is not None
        self.shortlist = shortlist
        self.products = products
        self.run_folder: Path | None = None
        self._graphs = Graphs(
            TextToText(
                [model],
                source_tokenizer,
                target_tokenizer,
                Search(),
                products=products,
                features=features,
                shortlist=shortlist,
            )
        )
        check_no_nan(model)

    def __reduce__(self):
        if self.members or self.fusion:
            return super().__reduce__()
        # Keras writes the model as into a file; graphs are traced anew.
        vocabularies = self.source_tokenizer, self.target_tokenizer, self.features
        parts = (self.model, *vocabularies, self.shortlist, self.products)
        return type(self), parts, {"run_folder": self.run_folder}

    @works_in_forks
    def export(
        self,
        folder: PathLike,
        search: Search | None = None,
        limits: Limits | None = None,
        weights: str = "float32",
        products: str = "float32",
        extra_signatures: Sequence[str] = (),
    ) -> Path:
        """Writes a SavedModel from text to text, as TensorFlow Serving loads it.

        Its signatures are the methods of a `TextToText`: `serving_default`
        takes `text`, strings of shape `(batch,)`, and gives `translation`, strings of
        shape `(batch,)`, and `score`, float32 of shape `(batch,)`; the others give the
        n best, alignments, scores of given translations, encodings and samples. It
        computes in float32, also if the model was trained in another precision. Beside
        the graph there are a model card, a README and requests to warm up with.

        Args:
            folder: Path of the folder of versions, such as `saved_models/NAME`; made
                if it is not there. The next number under it, from 1 on, is written
                whole or not at all.
            search: The `kseq2seq.Search` that is fixed in the graph; its defaults if
                `None`. `nbest` gives `search.num_hypotheses` translations, or, where
                that is 1, `search.beam_size`.
            limits: The `kseq2seq.Limits` of texts; its defaults if `None`.
            weights: "float32", or "float16" or "int8" to keep matrices in fewer bits,
                for a half or a quarter of the size and a little of the quality.
            products: "float32" or "int8", as for a `Translator`, whatever this one's
                are.
            extra_signatures: Names of signatures beside the others: "complete", for
                translations that begin with a given text; "alternatives", for the ways
                to go on from there.

        Returns:
            The `Path` of the new version.

        Raises:
            OSError: If it cannot be written.
            ValueError: If `folder` is itself a SavedModel, `weights`, `products` or an
                extra signature is none of these, no matrix is large enough for products
                in int8, or the model holds operations that some server lacks.
        """
        together = self.members or [self], search, limits, weights, products
        return export.export_translators(
            folder, *together, self.mixture, extra_signatures
        )

    @works_in_forks
    def save(self, folder: PathLike, weights: str = "float32") -> None:
        """Writes model and tokenizers into a folder, each beside and renamed.

        Args:
            folder: Path of the folder; made if it is not there.
            weights: "float32" for the model as it is, or "float16" for half of the
                bytes, which `load` makes float32 of.

        Raises:
            ValueError: If it is an ensemble, or has a language model.
        """
        check_choice("weights", weights, ("float32", "float16"))
        self._check_is_single("save")
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_tokenizers(folder, self.source_tokenizer, self.target_tokenizer)
        save_features(folder, self.features)
        save_shortlist(folder, self.shortlist)
        model = self.model if weights == "float32" else float16_copy(self.model)
        save_model(model, folder / MODEL_FILE)

    @works_in_forks
    def save_to_preset(
        self, folder: PathLike, weights: str = "float32", licence: str | None = None
    ) -> Path:
        """Writes a preset: a run folder with checksums and a model card, to share.

        Args:
            folder: Path of the preset, which must not exist yet, or be empty.
            weights: As for `save`.
            licence: Its licence, as model hubs name it, such as "apache-2.0"; its
                README.md names none if `None`.

        Returns:
            The `Path` of the preset.
        """
        return export.export_preset(folder, self, weights, licence)

    @works_in_forks
    def push(
        self,
        preset: str,
        weights: str = "float32",
        licence: str | None = None,
        private: bool | None = None,
    ) -> str:
        """Uploads a preset, with its model card, to the hub (extra `hub`).

        Args:
            preset: Its name, "hf://USER/NAME".
            weights: As for `save`.
            licence: As for `save_to_preset`.
            private: Whether a new repository is; `None` for the account's default.

        Returns:
            The name of what was uploaded, "hf://USER/NAME@COMMIT".
        """
        write = partial(
            export.export_preset,
            translator=self,
            weights=weights,
            licence=licence,
            preset=preset,
        )
        return presets.push_hub(preset, write, private)

    @classmethod
    def from_preset(cls, preset: PathLike, products: str = "float32") -> "Translator":
        """A translator by its name; see `kseq2seq.presets.find_preset`.

        Args:
            preset: "dates", which comes along; "hf://USER/NAME"; the https URL of a
                folder, or the path of one, as `save_to_preset` writes it.
            products: As for a `Translator`.

        Returns:
            A `Translator`.

        Example:

        >>> Translator.from_preset("dates")(["4 mai 1989"])
        ['1989-05-04']
        """
        return cls._of_run(presets.load_preset(preset, _read_run), products)

    @classmethod
    def load(
        cls, path: PathLike, products: str = "float32"
    ) -> "Translator | SavedTranslator":
        """A translator from a run folder or a SavedModel.

        A model that was trained in half precision computes in float32 from here on,
        so that a run folder and the SavedModel exported from it agree.

        Args:
            path: Path of a run folder, as a training or `save` writes it; or of a
                SavedModel, as `export` writes it, or of the folder with its
                versions, of which the newest is taken.
            products: "float32", or of a run folder "int8", as for a `Translator`.

        Returns:
            A `Translator` of a run folder; a `SavedTranslator` of a SavedModel.

        Raises:
            FileNotFoundError: If there is neither, or a tokenizer is missing.
            ValueError: If there can be no products in int8.
        """
        path = Path(path)
        if not (path / MODEL_FILE).is_file():
            if find_saved_model(path) is None:
                raise FileNotFoundError(
                    "`path` must be a run folder, which holds "
                    f"{MODEL_FILE}, or a SavedModel, which holds "
                    f"{SAVED_MODEL_FILE}; a preset such as 'dates' is loaded by "
                    f"from_preset. Received: {path}"
                    + ("" if path.is_dir() else ", which is no folder")
                )
            if products != "float32":
                raise ProductsError(
                    "A SavedModel computes as it was exported to: leave out "
                    "`products`, or export with it, or load the run folder. "
                    f"Received: products={products!r} for {path}"
                )
            return SavedTranslator(path)
        return cls._of_run(_read_run(path), products)

    @classmethod
    def _of_run(cls, run: "_Run", products: str) -> "Translator":
        translator = cls(*run.parts, products=products)
        translator.run_folder = run.path
        return translator


class _Run(NamedTuple):
    """The path of a run folder, and the arguments of a `Translator` in it."""

    path: Path
    parts: tuple[Any, ...]


def _read_run(path: Path) -> _Run:
    check_fork()
    model: Any = load_model(path / MODEL_FILE, compile=False)
    if not is_float32(model):
        model = float32_copy(model)
    vocabularies = *load_tokenizers(path), load_features(path)
    return _Run(path, (model, *vocabularies, _load_shortlist(path)))


def _load_shortlist(path: Path) -> Shortlist | None:
    """The shortlist of a run folder, without which all but searches by it go on."""
    try:
        return load_shortlist(path)
    except ValueError as error:
        _logger.warning("%s. Until then there is no shortlist.", error)
        return None
