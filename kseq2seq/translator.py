"""A trained model with its tokenizers: text in, text out."""

from pathlib import Path

import keras
import tensorflow as tf

from kseq2seq import export
from kseq2seq.decoding import Search
from kseq2seq.inference import (
    SAVED_MODEL_FILE,
    TEXT,
    Answers,
    SavedTranslator,
    Translation,
    by_length,
    check_inputs,
    check_texts,
    encode,
    find_saved_model,
    find_signature,
    search_texts,
    serve,
    signatures,
)
from kseq2seq.models import float32_copy, is_float32
from kseq2seq.runs import MODEL_FILE, load_tokenizers, save_model, save_tokenizers
from kseq2seq.utils import PAD_ID


class Translator(Answers):
    """Translates text with a model and the tokenizers that it was trained with.

    It also tells how probable a given translation is (`score`), what its tokens come
    from (`align`) and what the encoder makes of a text (`encode`), and it draws
    translations at random (`sample`).

    Args:
        model: What `kseq2seq.build_model` returned, trained.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.

    Raises:
        ValueError: If a tokenizer's vocabulary is not of the model's size, if the
            model does not come from `build_model`, or if Keras does not run on
            TensorFlow.

    Example:

    >>> import kseq2seq
    >>> source, target = kseq2seq.train_tokenizers(
    ...     [("a dog", "ein Hund"), ("a cat", "eine Katze")], kind="character"
    ... )
    >>> model = kseq2seq.build_model(kseq2seq.Seq2SeqConfig(
    ...     source.vocabulary_size, target.vocabulary_size, units=8, embedding_size=4
    ... ))
    >>> translator = Translator(model, source, target)
    >>> len(translator(["a dog", "a cat"], beam=3))
    2
    """

    def __init__(self, model, source_tokenizer, target_tokenizer):
        backend = keras.config.backend()
        if backend != "tensorflow":
            raise ValueError(
                "Tokenizers run in TensorFlow's graph: set KERAS_BACKEND=tensorflow. "
                f"Received: Keras with backend {backend!r}"
            )
        self.model = model
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        # The graphs of what was asked for so far: their variables are the model's,
        # so that they see what training makes of them.
        self._functions = {}
        self._served = serve([model], source_tokenizer, target_tokenizer, Search())
        # Of a run folder a model card can tell more than of a model alone.
        self.run_folder = None
        for side, tokenizer in (
            ("source", source_tokenizer),
            ("target", target_tokenizer),
        ):
            size = model.get_layer(f"{side}_embedding").input_dim
            if tokenizer.vocabulary_size != size:
                raise ValueError(
                    f"The {side} tokenizer must have the {size} ids that the model "
                    f"was built with. Received: {tokenizer.vocabulary_size} ids"
                )

    def __call__(self, texts, beam=5):
        """The best translation of each text.

        Args:
            texts: List of `str`.
            beam: Beam size; 1 for greedy search.

        Returns:
            List of `str`, in the order of `texts`.
        """
        found = self.translate(texts, Search(beam_size=beam))
        return [best.text for best, *_ in found]

    def translate(self, texts, search=None, batch_size=64, progress=False):
        """Translations with scores, tokens and alignments, the best first.

        Args:
            texts: List of `str`.
            search: A `kseq2seq.Search`; its defaults if `None`.
            batch_size: Texts translated at a time.
            progress: Whether to draw a progress bar on standard error.

        Returns:
            For each text a list of `search.num_hypotheses` `Translation`s, or of
            fewer, but at least one, where the model gives no more a probability
            above 0.

        Raises:
            ValueError: If `texts` is no list of strings, or `search` no `Search`.
        """
        texts = check_texts(texts)
        search = Search() if search is None else search
        if not isinstance(search, Search):
            raise ValueError(
                "`search` must be a `kseq2seq.Search`, such as Search(beam_size=5). "
                f"Received: search={search!r}"
            )
        function = self._traced(search, lambda text: self._found(text, search), [TEXT])
        results = [None] * len(texts)
        for rows in by_length(texts, batch_size, progress):
            outputs = function(encode([texts[row] for row in rows]))
            outputs = tf.nest.map_structure(lambda x: x.numpy(), outputs)
            for position, row in enumerate(rows):
                results[row] = self._translations(outputs, position)
        return results

    def run(self, signature, inputs):
        """The outputs of one of the functions that a SavedModel has as signatures.

        Args:
            signature: One of the names in `kseq2seq.inference.signatures`. Searches are
                those of `kseq2seq.Search()`.
            inputs: Dict from the names of its inputs to arrays or tensors.

        Returns:
            Dict of NumPy arrays.

        Raises:
            ValueError: If there is no such signature, as for alignments where the
                model has no attention.
        """
        function, specs = find_signature(signatures(self._served), signature)
        names = [spec.name for spec in specs]
        check_inputs(signature, inputs, names)
        outputs = self._traced(signature, function, specs)(*[inputs[x] for x in names])
        return {name: x.numpy() for name, x in outputs.items()}

    def _traced(self, key, function, specs):
        """The graph of a function of tensors, traced when it is new."""
        if key not in self._functions:
            traced = tf.function(function, input_signature=specs, autograph=False)
            # By itself, a `tf.function` takes several beam sizes for a mistake and
            # warns of retracing.
            self._functions[key] = traced.get_concrete_function()
        return self._functions[key]

    def _found(self, text, search):
        translations, found, source = search_texts(self._served, text, search)
        found = {key: x for key, x in found._asdict().items() if x is not None}
        return {"translations": translations, "source": source.ids, **found}

    def _translations(self, outputs, row):
        source = outputs["source"][row]
        source = self.source_tokenizer.pieces(source[source != PAD_ID].tolist())
        translations = []
        for n, length in enumerate(outputs["lengths"][row]):
            if n and length == 0:
                continue
            alignment = None
            if "alignments" in outputs:
                alignment = outputs["alignments"][row, n, :length, : len(source)]
            ids = outputs["ids"][row, n, :length].tolist()
            translations.append(
                Translation(
                    text=outputs["translations"][row, n].decode("utf-8", "replace"),
                    score=float(outputs["scores"][row, n]),
                    log_prob=float(outputs["log_probs"][row, n]),
                    source_tokens=source,
                    target_tokens=self.target_tokenizer.pieces(ids),
                    alignment=alignment,
                )
            )
        return translations

    def export(
        self,
        folder,
        search=None,
        limits=None,
        weights="float32",
        products="float32",
    ):
        """Writes a SavedModel from text to text, as TensorFlow Serving loads it.

        Its signatures are the functions of `kseq2seq.inference`: `serving_default`
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
            products: "float32", or "int8" to make products by large matrices in whole
                numbers, on x86 processors alone: faster on those with VNNI, for a
                little of the quality.

        Returns:
            The `Path` of the new version.

        Raises:
            OSError: If it cannot be written.
            ValueError: If `folder` is itself a SavedModel, `weights` or `products` is
                none of these, no matrix is large enough for products in int8, or the
                model holds operations that some server lacks.
        """
        return export.export_translators(
            folder, [self], search, limits, weights, products
        )

    def save(self, folder):
        """Writes model and tokenizers into a folder, each beside and renamed.

        Args:
            folder: Path of the folder; made if it is not there.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        save_tokenizers(folder, self.source_tokenizer, self.target_tokenizer)
        save_model(self.model, folder / MODEL_FILE)

    @classmethod
    def load(cls, path):
        """What translates, from a run folder or from a SavedModel.

        A model that was trained in half precision computes in float32 from here on,
        so that a run folder and the SavedModel exported from it agree.

        Args:
            path: Path of a run folder, as a training or `save` writes it; or of a
                SavedModel, as `export` writes it, or of the folder with its
                versions, of which the newest is taken.

        Returns:
            A `Translator`, or a `kseq2seq.inference.saved_model.SavedTranslator`.

        Raises:
            FileNotFoundError: If there is neither, or a tokenizer is missing.
        """
        path = Path(path)
        if not (path / MODEL_FILE).is_file():
            if find_saved_model(path) is None:
                raise FileNotFoundError(
                    "`path` must be a run folder, which holds "
                    f"{MODEL_FILE}, or a SavedModel, which holds "
                    f"{SAVED_MODEL_FILE}. Received: {path}"
                    + ("" if path.is_dir() else ", which is no folder")
                )
            return SavedTranslator(path)
        # Importing the layers has registered them: no custom_objects are needed.
        model = keras.saving.load_model(path / MODEL_FILE, compile=False)
        if not is_float32(model):
            model = float32_copy(model)
        translator = cls(model, *load_tokenizers(path))
        translator.run_folder = path
        return translator
