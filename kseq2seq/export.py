"""SavedModels, from text to text: written for TensorFlow Serving, read again.

A SavedModel's signature `serving_default` takes `text`, strings of shape `(batch,)`,
and gives `translation`, strings of shape `(batch,)`, and `score`, float32 of shape
`(batch,)`. Tokenizers and search are in its graph: whoever loads it needs TensorFlow
with the operations of TF Text, and nothing of this package.
"""

import dataclasses
import json
from pathlib import Path

import keras
import tensorflow as tf
import tensorflow_text  # noqa: F401  # registers the operations of the tokenizers
from tensorflow.core.protobuf import saved_model_pb2

from kseq2seq import __version__, inference
from kseq2seq.inference import Search, Translation
from kseq2seq.models import start_decoding
from kseq2seq.versions import add_version, versions

SIGNATURE = "serving_default"
SAVED_MODEL_FILE = "saved_model.pb"
# What the graph does not tell; servers take no notice of it.
SEARCH_FILE = Path("assets.extra", "kseq2seq.json")
# All that `kseq2seq.text` uses of TF Text; TensorFlow Serving has them built in.
TEXT_OPERATIONS = {
    "SentencepieceOp",
    "SentencepieceTokenizeOp",
    "SentencepieceDetokenizeOp",
}
# Operations of TensorFlow that not every server has: of GPUs, and of Python itself.
UNSERVABLE = ("Cudnn", "PyFunc")


def export_model(folder, model, source_tokenizer, target_tokenizer, search=None):
    """Writes the next version of a SavedModel; see `Translator.export`."""
    search = search or Search()
    folder = Path(folder)
    if search.num_hypotheses != 1:
        raise ValueError(
            "`search` must have num_hypotheses=1: a SavedModel gives the best "
            f"translation alone. Received: num_hypotheses={search.num_hypotheses}"
        )
    if (folder / SAVED_MODEL_FILE).is_file():
        raise ValueError(
            "`folder` must be a folder of versions, which are numbered 1, 2, and so "
            f"on. Received: {folder}, which is itself a SavedModel"
        )
    archive = _archive(model, source_tokenizer, target_tokenizer, search)

    def write(path):
        try:
            archive.write_out(str(path), verbose=False)
        except tf.errors.OpError as error:
            raise OSError(
                f"{folder}: the SavedModel could not be written: {error.message}"
            ) from error
        _check_operations(path)
        about = {"kseq2seq": __version__, "search": dataclasses.asdict(search)}
        (path / SEARCH_FILE).parent.mkdir(exist_ok=True)
        text = json.dumps(about, indent=2) + "\n"
        (path / SEARCH_FILE).write_text(text, encoding="utf-8")

    return add_version(folder, write)


def _archive(model, source_tokenizer, target_tokenizer, search):
    # In float32, whatever the model was trained in: it runs at a like speed on every
    # server, and gives the same as `Translator.load`. With bfloat16 a CPU that has
    # instructions for it took 0.75 times as long for batches of 64, but 2 times as
    # long for single sentences, and others have no such instructions.
    model = inference.float32_copy(model)
    # Where a GPU is visible, layers would choose operations that no CPU has. The
    # copy is for this graph alone, so that nothing has to be set back.
    for layer in _with_sublayers(model.layers):
        if hasattr(layer, "use_cudnn"):
            layer.use_cudnn = False
    start = start_decoding(model)

    def serve(text):
        translations, found, _ = inference.translate_texts(
            start, source_tokenizer, target_tokenizer, text, search
        )
        return {"translation": translations[:, 0], "score": found.scores[:, 0]}

    archive = keras.export.ExportArchive()
    # It finds the variables itself; those of a tracked model would be written twice.
    archive.add_endpoint(
        SIGNATURE, serve, input_signature=[tf.TensorSpec([None], tf.string, "text")]
    )
    return archive


def _with_sublayers(layers):
    """The layers, and with a bidirectional one both of its own."""
    for layer in layers:
        yield layer
        if isinstance(layer, keras.layers.Bidirectional):
            yield from (layer.forward_layer, layer.backward_layer)


def _check_operations(path):
    """Refuses a SavedModel that some servers could not load."""
    used = _operations(path)
    refused = sorted(
        name
        for name in used
        if not (hasattr(tf.raw_ops, name) or name in TEXT_OPERATIONS)
        or any(word in name for word in UNSERVABLE)
    )
    if refused:
        raise ValueError(
            "The exported graph must hold only operations that every server has, "
            "those of TensorFlow for CPUs and of TF Text. Received: a model that "
            f"needs {', '.join(refused)}; replace the layers that call them"
        )


def _operations(path):
    """Names of the operations in a SavedModel's graphs and their functions."""
    saved = saved_model_pb2.SavedModel.FromString(
        (path / SAVED_MODEL_FILE).read_bytes()
    )
    used, functions = set(), set()
    for graph in (meta_graph.graph_def for meta_graph in saved.meta_graphs):
        used.update(node.op for node in graph.node)
        for function in graph.library.function:
            functions.add(function.signature.name)
            used.update(node.op for node in function.node_def)
    return used - functions


def find_saved_model(path):
    """The folder of the SavedModel at a path, the newest if there are versions.

    Args:
        path: Path of a SavedModel, or of a folder with versions of it.

    Returns:
        The `Path` that holds `saved_model.pb`; `None` if there is none.
    """
    folders = [Path(path), *reversed(versions(path))]
    found = (x for x in folders if (x / SAVED_MODEL_FILE).is_file())
    return next(found, None)


class SavedTranslator:
    """Translates text with a SavedModel, without the code of its model.

    The search is that of the export. `kseq2seq.Translator.load` makes one of these.

    Args:
        path: Path of a SavedModel that `Translator.export` has written, or of the
            folder with its versions, of which the newest is taken.

    Raises:
        FileNotFoundError: If there is no SavedModel.
        ValueError: If it is not whole, or has another signature.
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
        self._function = self._loaded.signatures.get(SIGNATURE)
        _check_signature(self.path, self._function)

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

    def translate(self, texts, search=None, batch_size=64, progress=False):
        """Translations with their scores.

        Args:
            texts: List of `str`.
            search: The `kseq2seq.Search` of the export, the only one there is.
            batch_size: Texts translated at a time.
            progress: Whether to draw a progress bar on standard error.

        Returns:
            For each text a list of one `Translation`, of which `text` and `score`
            are given.

        Raises:
            ValueError: If `search` is not that of the export.
        """
        if search is not None and search != self.search:
            raise ValueError(
                "`search` must be left out, or be that of the export: a SavedModel's "
                "search cannot be changed. Load the run folder, or export with "
                f"another `search`. Expected: {self.search}. Received: {search}"
            )
        texts = inference.check_texts(texts)
        results = [None] * len(texts)
        for rows in inference.by_length(texts, batch_size, progress):
            found = self._function(text=inference.encode([texts[x] for x in rows]))
            translations, scores = found["translation"].numpy(), found["score"].numpy()
            for row, text, score in zip(rows, translations, scores, strict=True):
                text = text.decode("utf-8", "replace")
                results[row] = [Translation(text, float(score))]
        return results


def _read_search(path):
    """The `Search` of an export; `None` if nothing, or nothing known, tells it."""
    try:
        about = json.loads((path / SEARCH_FILE).read_text(encoding="utf-8"))
        return Search(**about["search"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _check_signature(path, function):
    inputs, outputs = {}, {}
    if function is not None:
        inputs = function.structured_input_signature[1]
        outputs = function.structured_outputs
    if set(inputs) != {"text"} or not {"translation", "score"} <= set(outputs):
        raise ValueError(
            f"{path} must have a signature {SIGNATURE!r} from 'text' to 'translation' "
            "and 'score', as `Translator.export` writes it. Received: a signature "
            f"from {sorted(inputs)} to {sorted(outputs)}"
        )
