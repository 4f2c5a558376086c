"""Worker processes, which apply a function to items and keep their order."""

import itertools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import connection
from typing import Any, NamedTuple

# Items that may be ahead of the one whose result is next, for each process: a slow one
# holds up its own process alone, and memory stays bounded.
_AHEAD = 2


def map_in_processes(
    make_function: Callable[..., Callable[[Any], Any]],
    arguments: tuple[Any, ...],
    items: Iterable[Any],
    workers: int = 1,
) -> Iterator[Any]:
    """The results of a function for items, in the order of the items.

    Each process calls `make_function(*arguments)` once and applies what it returns to
    one item after the other. Processes are spawned, since TensorFlow's threads do not
    survive a fork, and have each a share of the cores: as small products as those of a
    decoder gain more from further batches than from further threads.

    When a process ends, killed for want of memory say, another one takes its place and
    does its item again, once. Nothing is lost, and nothing is there twice.

    Args:
        make_function: Function that can be imported by its name.
        arguments: Its arguments, which are pickled.
        items: Items, taken as they are needed; `str` of one tells errors what it is.
        workers: Number of processes; 1 for this one alone.

    Yields:
        The results.

    Raises:
        ValueError: If a process ends while it starts, or two end at the same item.

    Example:

    >>> def multiply_by(factor):
    ...     return lambda number: factor * number
    >>> [*map_in_processes(multiply_by, (3,), [1, 2, 5])]
    [3, 6, 15]
    """
    if workers == 1:
        yield from map(make_function(*arguments), items)
        return
    threads = max(1, (os.cpu_count() or 1) // workers)
    start = partial(_start, threads, make_function, arguments)
    pool = _Pool(start, workers)
    try:
        yield from pool.results(iter(items))
    finally:
        pool.stop()


class _Worker(NamedTuple):
    """A process and this side's end of the pipe to it."""

    process: Any
    pipe: Any


class _Task(NamedTuple):
    """An item with its number; `None` for the start of a worker."""

    number: int | None
    item: Any = None


class _Pool:
    """Workers, and the tasks that they are at."""

    def __init__(self, start: Callable[[], _Worker], workers: int) -> None:
        self._start = start
        self._size = workers
        self._idle: deque[_Worker] = deque()
        self._busy: dict[Any, tuple[_Worker, _Task]] = {}  # by the worker's pipe
        self._again: list[_Task] = []
        self._repeated: set[int | None] = {None}
        for _ in range(workers):
            self._add()

    def _add(self):
        worker = self._start()
        self._busy[worker.pipe] = worker, _Task(None)

    def results(self, items: Iterator[Any]) -> Iterator[Any]:
        """The results of the items, in their order."""
        waiting = map(_Task, itertools.count(), items)
        done: dict[int | None, Any] = {}
        sent, given, is_end = 0, 0, False
        while not (is_end and sent == given):
            while self._idle and self._again:
                self._send(self._again.pop())
            while self._idle and not is_end and sent - given < _AHEAD * self._size:
                task = next(waiting, None)
                if task is None:
                    is_end = True
                else:
                    self._send(task)
                    sent += 1
            if self._busy:
                for pipe in connection.wait(list(self._busy)):
                    self._receive(pipe, done)
            while given in done:
                yield done.pop(given)
                given += 1

    def _send(self, task):
        worker = self._idle.popleft()
        with suppress(OSError):  # it has ended; so the pipe will say
            worker.pipe.send(task.item)
        self._busy[worker.pipe] = worker, task

    def _receive(self, pipe, done):
        worker, task = self._busy.pop(pipe)
        try:
            error, result = pipe.recv()
        except (EOFError, OSError):
            self._replace(worker, task)
            return
        self._idle.append(worker)
        if error is not None:
            raise error
        if task.number is not None:
            done[task.number] = result

    def _replace(self, worker, task):
        worker.process.join()
        code = worker.process.exitcode
        if task.number in self._repeated:
            place = "while it started" if task.number is None else f"at {task.item}"
            times = "" if task.number is None else ", and so did another one before"
            raise ValueError(
                f"Worker processes must live until their work is done. Received: one "
                f"that ended {place} ({_reason(code)}){times}. If memory is short, ask "
                "for fewer --workers, or for less by --max-characters."
            )
        self._repeated.add(task.number)
        self._again.append(task)
        self._add()

    def stop(self):
        """Ends all processes, whatever they are at."""
        busy = [worker for worker, _ in self._busy.values()]
        for worker in busy:
            worker.process.terminate()
        for worker in [*self._idle, *busy]:
            worker.pipe.close()  # at which one that is idle ends
            worker.process.join()


def _reason(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"


def _start(threads, make_function, arguments):
    """Starts a process, which says when it is ready."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(
        target=_work, args=(theirs, threads, make_function, arguments), daemon=True
    )
    process.start()
    theirs.close()  # so that the pipe ends when the process does
    return _Worker(process, pipe)


def _work(pipe, threads, make_function, arguments):
    """Body of a process: a pair `(error, result)` for each item, and one first."""
    from tqdm import tqdm

    # Ctrl-C reaches all processes of a terminal; the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The usual lock is of all processes, and stays behind when one is killed.
    tqdm.set_lock(threading.RLock())
    # TensorFlow reads it when it is first imported.
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(threads)
    try:
        function, result = make_function(*arguments), None
        while True:
            pipe.send((None, result))
            result = function(pipe.recv())
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # the process that asked is gone
    # Any other one ends the process, with its traceback on standard error.
    except (ValueError, OSError) as error:
        pipe.send((error, None))
