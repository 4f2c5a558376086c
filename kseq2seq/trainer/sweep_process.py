"""One training of a sweep, in a process of its own."""

import importlib
import logging
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kseq2seq.utils import import_tensorflow


def train_in_process(
    settings: Mapping[str, Mapping[str, Any]],
    run: str,
    data: str,
    threads: int,
    log: str,
    command: str,
    modules: Sequence[str] = (),
) -> None:
    """Trains, or goes on with a training, and ends when the sweep does.

    The test set is not looked at.

    Args:
        settings: Dict from section to a dict of settings.
        run: Path of the run folder.
        data: Path of the folder of the data files.
        threads: Number of threads for one operation.
        log: Path of the file that its output is added to.
        command: The command line that is recorded.
        modules: Names of Python modules to import first.
    """
    _end_with_parent()
    with Path(log).open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
    # TensorFlow reads it when it begins, which importing Keras makes it do.
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    import_tensorflow()
    for module in modules:
        importlib.import_module(module)
    from kseq2seq import runs
    from kseq2seq.trainer.pipeline import fit, prepare
    from kseq2seq.trainer.settings import make_settings

    logger = logging.getLogger("kseq2seq")
    logger.addHandler(logging.StreamHandler())
    logger.setLevel(logging.INFO)
    given = make_settings(settings, [])
    training = prepare(given, run, data, resume=True, command=command)
    fit(training)
    runs.record_finish(run)


def _end_with_parent() -> None:
    """Ends this process when the one that started it ends, even by SIGKILL."""
    parent: Any = multiprocessing.parent_process()

    def wait():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
