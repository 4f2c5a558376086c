"""TensorFlow's import, without what it says of itself each time."""

import os
import re
import sys
import tempfile
from contextlib import contextmanager

# Written before TensorFlow reads how much it is to say, or as errors although all is
# well: that absl starts, what the processor can or cannot do, that there is no GPU.
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|I\d{4} "
    rb"|To enable the following instructions:"
    rb"|E\d{4} .*cuInit.*(?:\(303\)|CUDA_ERROR_NO_DEVICE)"
    rb"|E\d{4} .*oneDNN supports DT_BOOL only"
)


def import_tensorflow():
    """Imports TensorFlow and starts it up, without the usual messages.

    What else is written to standard error meanwhile, such as that a library for the
    GPU is missing, is held back to the end; all of it is shown if the import
    fails. After it TensorFlow's C++ code writes nothing: what it calls errors are
    remarks (oneDNN's on the first mask, say), and what fails raises an exception.
    A user who has set `TF_CPP_MIN_LOG_LEVEL` to less than 3 sees more, and with 0
    or 1 everything.

    Example:

    >>> import_tensorflow()
    >>> "tensorflow" in sys.modules
    True
    """
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if level in ("0", "1") or "tensorflow" in sys.modules:
        import tensorflow
    else:
        with _held_back(2, _NOISE):
            import tensorflow

            # Devices are looked for at the first operation, which is when CUDA
            # complains, and oneDNN complains of the first one on booleans.
            with tensorflow.device("CPU"):
                tensorflow.transpose([[True]])


@contextmanager
def said_once():
    """Drops what C++ writes to standard error ahead of an exception that says it too.

    Where there is no exception, all but the usual messages is shown at the end.

    Example:

    >>> with said_once():
    ...     _ = os.write(2, b"I0000 all is well")
    """
    with _held_back(2, _NOISE, re.compile(b"")):
        yield


@contextmanager
def _held_back(descriptor, noise, noise_of_failure=re.compile(rb"(?!)")):
    """Holds back what is written to a file descriptor; drops lines of `noise`.

    If it ends with an exception, it drops those of `noise_of_failure` instead, none by
    default. C++ writes past `sys.stderr`, so this is the only place to catch it.
    """
    try:
        before = os.dup(descriptor)
    except OSError:  # closed: nobody will read anything
        yield
        return
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), descriptor)
        try:
            yield
        except BaseException:
            noise = noise_of_failure
            raise
        finally:
            os.dup2(before, descriptor)
            os.close(before)
            file.seek(0)
            for line in file:
                if not noise.match(line):
                    os.write(descriptor, line)
