"""A SavedModel in a session, as TensorFlow Serving has it: what the scripts share."""

import os
import platform
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
MODEL = ROOT / "saved_models" / "dates" / "1"
PACKAGES = ("tensorflow", "tensorflow-text", "keras", "numpy")


class SavedSession:
    """A SavedModel that the session loader in C++ has loaded.

    Args:
        path: Path of the folder that holds `saved_model.pb`.

    Attributes:
        inputs: Dict from each signature's name to a dict from the name of an input to
            its NumPy dtype, `object` for strings.
    """

    def __init__(self, path):
        from kseq2seq.utils import import_tensorflow

        import_tensorflow()
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  # which a server has built in

        # It says each time that there is another loader, for Python.
        tf.get_logger().setLevel("ERROR")
        graph = tf.Graph()
        self.session = tf.compat.v1.Session(graph=graph)
        with graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self.session, ["serve"], str(path))
        # Some signatures of TensorFlow's own begin with `__`.
        signatures = {
            name: signature
            for name, signature in sorted(loaded.signature_def.items())
            if not name.startswith("__")
        }
        self._feeds, self._fetches, self.inputs = {}, {}, {}
        for name, signature in signatures.items():
            inputs, outputs = dict(signature.inputs), dict(signature.outputs)
            self._feeds[name] = {key: x.name for key, x in inputs.items()}
            self._fetches[name] = {key: x.name for key, x in outputs.items()}
            dtypes = {key: tf.as_dtype(x.dtype) for key, x in inputs.items()}
            self.inputs[name] = {key: x.as_numpy_dtype for key, x in dtypes.items()}

    def run(self, signature, inputs):
        """A signature's outputs, arrays, of a dict of inputs; threads may call it."""
        import numpy as np

        feeds, dtypes = self._feeds[signature], self.inputs[signature]
        fed = {feeds[key]: np.asarray(x, dtypes[key]) for key, x in inputs.items()}
        return self.session.run(self._fetches[signature], fed)

    def close(self):
        """Frees what the session holds."""
        self.session.close()


def add_model_arguments(parser):
    """Adds what both scripts take: the SavedModel, and the folder of the results."""
    parser.add_argument(
        "--model",
        type=Path,
        default=MODEL,
        help="folder of a version of a SavedModel (default: %(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, default=RESULTS, help="folder of the results"
    )


def check_model(parser, path):
    """Ends the script with a message if there is no SavedModel in a folder."""
    if not (path / "saved_model.pb").is_file():
        parser.error(
            f"{path} must hold a SavedModel (saved_model.pb): name one by --model, "
            "or write one with 'kseq2seq export RUN_FOLDER saved_models/NAME', which "
            "prints its folder"
        )


def about(path):
    """Facts of a measurement: date, machine, versions, and the model with its sizes."""
    import datetime

    sizes = {
        "saved_model.pb": (path / "saved_model.pb").stat().st_size,
        "variables": sum(x.stat().st_size for x in (path / "variables").iterdir()),
    }
    shown = path.resolve()
    if shown.is_relative_to(ROOT):
        shown = shown.relative_to(ROOT)
    else:
        shown = Path(*shown.parts[-2:])
    return {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in PACKAGES},
        },
        "model": {"path": shown.as_posix(), "bytes": sizes},
    }


def quantiles(seconds):
    """Some quantiles of a list of seconds, in milliseconds, and the longest."""
    import numpy as np

    at = np.quantile(seconds, [0.5, 0.95, 0.99, 1.0]) * 1000
    return dict(zip(("p50", "p95", "p99", "max"), at.round(3).tolist(), strict=True))
