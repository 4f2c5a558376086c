"""TensorFlow's import without its messages."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_tensorflow() -> None:
    """Imports TensorFlow and starts it, without its usual messages.

    TensorFlow's C++ code writes to standard error that it starts, what the processor
    can do and that there is no GPU, partly as errors although all is well. This is
    hidden, unless the import fails. After it TensorFlow's C++ code writes nothing:
    failures raise exceptions. To see every message, set `TF_CPP_MIN_LOG_LEVEL=0`.

    Example:

    >>> import sys
    >>> import_tensorflow()
    >>> "tensorflow" in sys.modules
    True
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if level in ("0", "1"):
        import tensorflow
    else:
        with hide_stderr():
            import tensorflow

            # Devices are looked for at the first operation, which is when CUDA
            # complains, and oneDNN complains of the first one on booleans.
            with tensorflow.device("CPU"):
                tensorflow.transpose(tensorflow.constant([[True]]))


@contextmanager
def hide_stderr(shown_on_error: bool = True) -> Iterator[None]:
    """Hides what is written to standard error, by C++ too.

    Args:
        shown_on_error: Whether to show it after all if an exception is raised. Not
            where the exception tells the same.

    Example:

    >>> with hide_stderr():
    ...     _ = os.write(2, b"I0000 all is well")
    """
    try:
        visible = os.dup(2)
    except OSError:  # standard error is closed: nobody will read anything
        yield
        return
    # C++ writes past `sys.stderr`, so this is the only place to catch it.
    with tempfile.TemporaryFile() as hidden:
        os.dup2(hidden.fileno(), 2)
        shown = False
        try:
            yield
        except BaseException:
            shown = shown_on_error
            raise
        finally:
            os.dup2(visible, 2)
            os.close(visible)
            if shown:
                hidden.seek(0)
                os.write(2, hidden.read())
