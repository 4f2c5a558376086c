"""A trained model with its tokenizers: text in, text out."""

import inspect
import os
from pathlib import Path

import keras
import tensorflow as tf

from kseq2seq import export, inference
from kseq2seq.inference import Translation
from kseq2seq.losses import token_crossentropy
from kseq2seq.models import start_decoding
from kseq2seq.special_ids import BOS_ID, PAD_ID
from kseq2seq.text import Tokenizer

MODEL_FILE = "model.keras"
SOURCE_FILE, TARGET_FILE = "source.model", "target.model"


class Translator:
    """Translates text with a model and the tokenizers that it was trained with.

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
        self._start = start_decoding(model)
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
        found = self.translate(texts, inference.Search(beam_size=beam))
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
        texts = inference.check_texts(texts)
        search = inference.Search() if search is None else search
        if not isinstance(search, inference.Search):
            raise ValueError(
                "`search` must be a `kseq2seq.Search`, such as Search(beam_size=5). "
                f"Received: search={search!r}"
            )
        function = self._traced(search, lambda texts: self._found(texts, search))
        results = [None] * len(texts)
        for rows in inference.by_length(texts, batch_size, progress):
            outputs = function(inference.encode([texts[row] for row in rows]))
            outputs = tf.nest.map_structure(lambda x: x.numpy(), outputs)
            for position, row in enumerate(rows):
                results[row] = self._translations(outputs, position)
        return results

    def _traced(self, key, function):
        """The graph of a function of string tensors, traced when it is new."""
        if key not in self._functions:
            spec = tf.TensorSpec([None], tf.string)
            signature = [spec for _ in inspect.signature(function).parameters]
            traced = tf.function(function, input_signature=signature, autograph=False)
            # By itself, a `tf.function` takes several beam sizes for a mistake and
            # warns of retracing.
            self._functions[key] = traced.get_concrete_function()
        return self._functions[key]

    def _found(self, texts, search):
        translations, found, source = inference.translate_texts(
            self._start, self.source_tokenizer, self.target_tokenizer, texts, search
        )
        found = {key: x for key, x in found._asdict().items() if x is not None}
        return {"translations": translations, "source": source, **found}

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

    def score(self, pairs, batch_size=64, progress=False):
        """How probable the model finds given translations.

        Args:
            pairs: List of `(source, target)` strings.
            batch_size: Pairs scored at a time.
            progress: Whether to draw a progress bar on standard error.

        Returns:
            List of `(log_prob, num_tokens)`: the natural logarithm of the
            target's probability, EOS included, and the number of its tokens.
        """
        sources = inference.check_texts([source for source, _ in pairs])
        targets = inference.check_texts([target for _, target in pairs])
        function = self._traced("score", self._scored)
        results = [None] * len(sources)
        for rows in inference.by_length(targets, batch_size, progress):
            log_probs, lengths = function(
                inference.encode([sources[row] for row in rows]),
                inference.encode([targets[row] for row in rows]),
            )
            found = zip(
                log_probs.numpy().tolist(), lengths.numpy().tolist(), strict=True
            )
            for row, result in zip(rows, found, strict=True):
                results[row] = result
        return results

    def _scored(self, sources, targets):
        source = inference.pad(self.source_tokenizer.tokenize(sources))
        labels = inference.pad(self.target_tokenizer.tokenize(targets))
        target = tf.pad(labels[:, :-1], [[0, 0], [1, 0]], constant_values=BOS_ID)
        logits = self.model({"source": source, "target": target})
        real = labels != PAD_ID
        losses = tf.where(real, token_crossentropy(labels, logits), 0.0)
        counts = tf.reduce_sum(tf.cast(real, tf.int32), axis=1)
        return -tf.reduce_sum(losses, axis=1), counts

    def export(self, folder, search=None):
        """Writes a SavedModel from text to text, as TensorFlow Serving loads it.

        Its signature `serving_default` takes `text`, strings of shape `(batch,)`,
        and gives `translation`, strings of shape `(batch,)`, and `score`, float32 of
        shape `(batch,)`: the search's score of each. It computes in float32, also
        if the model was trained in another precision. Bytes that are not UTF-8 are
        read as unknown characters.

        Args:
            folder: Path of the folder of versions, such as `saved_models/NAME`; made
                if it is not there. The next number under it, from 1 on, is written
                whole or not at all.
            search: The `kseq2seq.Search` that is fixed in the graph; its defaults if
                `None`.

        Returns:
            The `Path` of the new version.

        Raises:
            OSError: If it cannot be written.
            ValueError: If `search` wants several hypotheses, `folder` is itself a
                SavedModel, or the model holds operations that some server lacks.
        """
        return export.export_model(
            folder, self.model, self.source_tokenizer, self.target_tokenizer, search
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
            A `Translator`, or a `kseq2seq.export.SavedTranslator`.

        Raises:
            FileNotFoundError: If there is neither, or a tokenizer is missing.
        """
        path = Path(path)
        if not (path / MODEL_FILE).is_file():
            if export.find_saved_model(path) is None:
                raise FileNotFoundError(
                    "`path` must be a run folder, which holds "
                    f"{MODEL_FILE}, or a SavedModel, which holds "
                    f"{export.SAVED_MODEL_FILE}. Received: {path}"
                    + ("" if path.is_dir() else ", which is no folder")
                )
            return export.SavedTranslator(path)
        # Importing the layers has registered them: no custom_objects are needed.
        model = keras.saving.load_model(path / MODEL_FILE, compile=False)
        if not inference.is_float32(model):
            model = inference.float32_copy(model)
        return cls(model, *load_tokenizers(path))


def save_model(model, path):
    """Writes `path` beside and renames it, so that it is never half there."""
    path = Path(path)
    # A suffix that Keras knows: the name says how the file is written.
    beside = path.with_name(f".{path.stem}.{os.getpid()}.keras")
    try:
        model.save(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def save_tokenizers(folder, source_tokenizer, target_tokenizer):
    """Writes both tokenizers into a run folder."""
    source_tokenizer.save(Path(folder) / SOURCE_FILE)
    target_tokenizer.save(Path(folder) / TARGET_FILE)


def load_tokenizers(folder):
    """Both tokenizers of a run folder, `(source, target)`."""
    return tuple(
        Tokenizer.load(Path(folder) / name) for name in (SOURCE_FILE, TARGET_FILE)
    )
