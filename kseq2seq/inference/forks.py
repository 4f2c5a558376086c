"""Translators in forked processes, whose methods run in a process that is spawned.

TensorFlow's threads do not survive a fork, so that a call of TensorFlow there may wait
forever. A fork sends its translator to a new process, and each call of a method after
it; that process sends the results back.
"""

import functools
import os
import pickle
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing import spawn
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

# Ids of the processes that have made translators.
_processes: set[int] = set()
# A lock for each process id: a thread that is not in the fork may hold the parent's.
_locks: dict[int, threading.Lock] = {}

_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from kseq2seq.inference.forks import run_calls; run_calls()"
)


def enter_process() -> None:
    """Notes that this process makes a translator.

    Raises:
        RuntimeError: If this process was forked after another translator was made.
    """
    check_fork()
    _processes.add(os.getpid())


def is_fork() -> bool:
    """Whether this process was forked after a translator was made.

    Example:

    >>> is_fork()
    False
    """
    return bool(_processes) and os.getpid() not in _processes


def check_fork() -> None:
    """Refuses a new translator in a process that was forked after another was made.

    Raises:
        RuntimeError: If this is such a process.

    Example:

    >>> check_fork()
    """
    if is_fork():
        _refuse("Received: a new translator")


def works_in_forks(
    method: Callable[Concatenate[Any, _Arguments], _Result],
) -> Callable[Concatenate[Any, _Arguments], _Result]:
    """Makes a method of a translator work in forks, by a process that they start.

    The translator and the arguments are pickled.

    Args:
        method: The method.

    Returns:
        The method, which warns at its first call in a fork.

    Example:

    >>> class Doubler:
    ...     @works_in_forks
    ...     def double(self, number):
    ...         return 2 * number
    >>> Doubler().double(3)
    6
    """

    @functools.wraps(method)
    def call(self: Any, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        if not is_fork():
            return method(self, *args, **kwargs)
        # One thread at a time asks.
        with _locks.setdefault(os.getpid(), threading.Lock()):
            named = {name: _listed(value) for name, value in kwargs.items()}
            call = method.__name__, [*map(_listed, args)], named
            sent = _pickled(call, f"arguments of `{method.__name__}`")
            return _copy_process_of(self).ask(sent)

    return call


def _listed(value):
    """A list in place of an iterator, such as a generator: these are not pickled."""
    return list(value) if isinstance(value, Iterator) else value


def _refuse(received: str) -> NoReturn:
    raise RuntimeError(
        "Translators must be loaded in a process that was not forked after another "
        "translator was made, since TensorFlow's threads are not there. Start "
        'processes by multiprocessing.get_context("spawn"), or fork first. '
        f"{received}, in process {os.getpid()}, a fork of process "
        f"{', '.join(map(str, sorted(_processes)))}"
    )


def _copy_process_of(translator: Any) -> "_CopyProcess":
    """The process that runs a translator's methods, started at the first call."""
    process = translator.__dict__.get("_copy_process")
    if process is None or not process.is_alive():
        process = translator.__dict__["_copy_process"] = _CopyProcess(translator)
    return process


class _CopyProcess:
    """A new process with a copy of a translator, which serves one fork."""

    def __init__(self, translator: Any) -> None:
        warnings.warn(
            "This process was forked, and TensorFlow's threads are not there: another "
            "process is started, which loads a copy of the translator and answers for "
            "it. To save its time and memory, fork before the first translator is "
            'made, or start processes by multiprocessing.get_context("spawn").',
            RuntimeWarning,
            stacklevel=4,
        )
        copy = _pickled(translator, f"a {type(translator).__name__}")
        self._owner = os.getpid()
        self._process = subprocess.Popen(
            # Not `sys.executable`: Python may be embedded in another program, which
            # calls `multiprocessing.set_executable`.
            [spawn.get_executable(), "-c", _START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with suppress(BrokenPipeError):  # `ask` raises an error if it has ended
            self._send(copy)

    def is_alive(self) -> bool:
        """Whether it was started by this process, and has not ended."""
        return self._owner == os.getpid() and self._process.poll() is None

    def ask(self, call: bytes) -> Any:
        """The result of a pickled call, a method's name and arguments; or its error."""
        try:
            self._send(call)
            is_error, result = pickle.load(self._process.stdout)  # type: ignore
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            code = self._process.wait()
            raise RuntimeError(
                "The process that answers for this fork must live until it has "
                "answered; the next call starts another. Received: its end, with exit "
                f"status {code}"
            ) from error
        except BaseException:  # such as Ctrl-C: the next call would get this reply
            self._process.kill()
            self._process.wait()
            raise
        if is_error:
            raise result
        return result

    def _send(self, data):
        stdin: Any = self._process.stdin
        pickle.dump(data, stdin)  # bytes: the receiver gets all before it unpickles
        stdin.flush()


def _pickled(value, name):
    try:
        return pickle.dumps(value)
    except Exception as error:
        _refuse(f"Received: {name} that cannot be pickled ({error})")


def run_calls() -> None:
    """Runs the calls on standard input; their results go to standard output."""
    # Ctrl-C reaches all processes of a terminal. This one ends with the fork, which
    # closes its standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calls, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed goes to standard error
    try:
        copy, translator = pickle.load(calls), None
        while True:
            call = pickle.load(calls)
            try:
                translator = translator or pickle.loads(copy)
                name, args, kwargs = pickle.loads(call)
                reply = False, getattr(translator, name)(*args, **kwargs)
            except Exception as error:
                reply = True, _sendable(error)
            pickle.dump(reply, replies)
            replies.flush()
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):  # the fork has ended
        with suppress(BrokenPipeError):
            replies.close()


def _sendable(error):
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
