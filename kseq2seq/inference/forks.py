"""Forks of a process with translators, for which a process of their own answers.

TensorFlow's threads do not survive a fork: whatever is asked of it there may wait for
ever. A translator that a fork has inherited is sent to a new process instead.
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

# The processes in which there have been translators.
_processes: set[int] = set()
# By process, since a fork may inherit one that a thread holds which it does not have.
_locks: dict[int, threading.Lock] = {}

_START = (
    "import sys; sys.path[:] = sys.argv[1:]; "
    "from kseq2seq.inference.forks import answer; answer()"
)


def enter_process() -> None:
    """Notes that there are translators in this process.

    Raises:
        RuntimeError: If there has been one before this process was forked.
    """
    check_fork()
    _processes.add(os.getpid())


def is_fork() -> bool:
    """Whether there has been a translator before this process was forked.

    Example:

    >>> is_fork()
    False
    """
    return bool(_processes) and os.getpid() not in _processes


def check_fork() -> None:
    """Refuses to load or make a translator in a fork of a process that has had one.

    Raises:
        RuntimeError: If this is such a fork.

    Example:

    >>> check_fork()
    """
    if is_fork():
        _refuse("Received: a new translator")


def works_in_forks(
    method: Callable[Concatenate[Any, _Arguments], _Result],
) -> Callable[Concatenate[Any, _Arguments], _Result]:
    """Method of a translator that a fork, too, can call, by a process that it starts.

    The translator and the arguments are pickled.

    Args:
        method: The method.

    Returns:
        The same method; in forks one that warns at its first call.

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
            return _answerer_of(self).ask(sent)

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


def _answerer_of(translator: Any) -> "_Answerer":
    """The process that answers for a translator, started when there is none yet."""
    answerer = translator.__dict__.get("_answerer")
    if answerer is None or not answerer.is_alive():
        answerer = translator.__dict__["_answerer"] = _Answerer(translator)
    return answerer


class _Answerer:
    """A new process with a copy of a translator, for one fork."""

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
            # In servers that Python runs inside of, by multiprocessing.set_executable.
            [spawn.get_executable(), "-c", _START, *sys.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        with suppress(BrokenPipeError):  # of its end `ask` tells
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
        except BaseException:  # such as Ctrl-C: its answer would be taken for the next
            self._process.kill()
            self._process.wait()
            raise
        if is_error:
            raise result
        return result

    def _send(self, data):
        stdin: Any = self._process.stdin
        pickle.dump(data, stdin)  # whole, whether it can be read there or not
        stdin.flush()


def _pickled(value, name):
    try:
        return pickle.dumps(value)
    except Exception as error:
        _refuse(f"Received: {name} that cannot be pickled ({error})")


def answer() -> None:
    """Answers on standard output to the calls on standard input, until it ends."""
    # The terminal's Ctrl-C is for the fork, at whose end the input ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    calls, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing else is printed among the answers
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
            pickle.dump(reply, answers)
            answers.flush()
    except (EOFError, BrokenPipeError, pickle.UnpicklingError):  # the fork has ended
        with suppress(BrokenPipeError):
            answers.close()


def _sendable(error):
    try:
        return pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
