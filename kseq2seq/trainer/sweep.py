"""Sweeps: many trainings, n at a time, and what they came to."""

import csv
import io
import logging
import math
import multiprocessing
import os
import shlex
import statistics
from collections.abc import Sequence
from multiprocessing import connection
from pathlib import Path
from typing import Any, NamedTuple

from kseq2seq import plots, runs
from kseq2seq.evaluation import METRICS
from kseq2seq.trainer.pairs import read_parts
from kseq2seq.trainer.resuming import check_resumed
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.sweep_process import train_in_process
from kseq2seq.trainer.sweep_settings import SweepRun, read_sweep
from kseq2seq.utils import PathLike, check_integer, write_text

_logger = logging.getLogger("kseq2seq")
SWEEP_TABLE_FILE, SWEEP_CURVES_FILE = "sweep.csv", "sweep.png"


class SweepScore(NamedTuple):
    """The score of one training of a sweep.

    Attributes:
        run: The `SweepRun`.
        folder: `Path` of its run folder.
        score: Of the validation set, by the first of the metrics; NaN if the training
            gave no model.
        epoch: Number of its best epoch, from 1; 0 if there is none.
        finished: Whether the training has come to its end.
    """

    run: SweepRun
    folder: Path
    score: float
    epoch: int
    finished: bool = True


class SweepResult(NamedTuple):
    """The scores of a sweep, and its best trainings.

    Attributes:
        metric: Name of the metric.
        scores: A `SweepScore` for each training, the best first, and behind those that
            are finished the others.
        best: Paths of the best run folders whose models can be an ensemble, as they
            have the same tokenizers; of models of frames, which cannot, the best alone.
    """

    metric: str
    scores: list[SweepScore]
    best: list[Path]


def run_sweep(
    path: PathLike,
    folder: PathLike,
    data: PathLike = "",
    jobs: int = 1,
    best: int = 3,
    modules: Sequence[str] = (),
) -> SweepResult:
    """Trains what a settings file with a table [sweep] asks for, and compares it.

    Each training is a run folder in `folder`, by a process of its own, with its output
    in a file `NAME.log` beside it. A sweep that was ended, by a kill as well, goes on
    when it is called again. Trainings are compared by the validation set; the test set
    is not looked at. `sweep.csv` is the table, `sweep.png` the picture.

    Args:
        path: Path of the TOML file; see `read_sweep`.
        folder: Path of the folder to write; made if it is not there.
        data: Path of the folder of the data files that the settings name.
        jobs: Number of trainings at a time.
        best: Number of the best trainings to name.
        modules: Names of Python modules that each training imports first: they
            register layers of one's own.

    Returns:
        A `SweepResult`.

    Raises:
        SettingsError: As `read_sweep`, or if a training in `folder` began with other
            settings.
        ValueError: If the data cannot be read, or `jobs` or `best` is no positive
            integer.
    """
    check_integer("jobs", jobs, 1)
    check_integer("best", best, 1)
    sweep, folder = read_sweep(path), Path(folder)
    # All are looked at before one begins.
    waiting = [run for run in sweep if _is_waiting(run, folder / run.name)]
    _check_data(waiting, Path(data))
    folder.mkdir(parents=True, exist_ok=True)
    _logger.info("%d trainings, %d of them to go", len(sweep), len(waiting))
    command = shlex.join(["kseq2seq", "sweep", Path(path).name])
    _train(waiting, folder, Path(data), jobs, command, modules)
    result = compare(sweep, folder, best)
    write_text(folder / SWEEP_TABLE_FILE, _table(result))
    if any(math.isfinite(_final(x)) for x in result.scores):
        _draw(result, folder / SWEEP_CURVES_FILE)
    return result


def _is_waiting(run: SweepRun, run_folder: Path) -> bool:
    """Whether there is something left to train, such as more epochs than before."""
    former = runs.read_settings(run_folder)
    if not former:
        return True
    try:
        check_resumed(former, run.settings)
    except SettingsError as error:
        raise SettingsError(
            f"{run_folder} began with other settings than {run.name} has now: name "
            f"another folder with --run, or take the change back. {error}"
        ) from error
    return not _is_finished(run, run_folder)


def _is_finished(run: SweepRun, run_folder: Path) -> bool:
    """Whether a training has ended as the sweep asks for it now."""
    settings = run.settings.to_dict()
    return runs.is_finished(run_folder) and runs.read_settings(run_folder) == settings


def _check_data(waiting: Sequence[SweepRun], folder: Path) -> None:
    """Reads the data of each section [data] once: else every training would fail."""
    sections = {repr(run.settings.data): run.settings.data for run in waiting}
    for section in sections.values():
        read_parts(section, folder, sampled=False)


def _train(
    waiting: Sequence[SweepRun],
    folder: Path,
    data: Path,
    jobs: int,
    command: str,
    modules: Sequence[str],
) -> None:
    """Trains in processes of their own, `jobs` at a time."""
    # Threads of TensorFlow do not survive a fork.
    context = multiprocessing.get_context("spawn")
    threads = max(1, (os.cpu_count() or 1) // jobs)
    queue, running, done = list(waiting), {}, 0
    try:
        while queue or running:
            while queue and len(running) < jobs:
                run = queue.pop(0)
                process: Any = context.Process(
                    target=train_in_process,
                    kwargs={
                        "settings": run.settings.to_dict(),
                        "run": str(folder / run.name),
                        "data": str(data),
                        "threads": threads,
                        "log": str(folder / f"{run.name}.log"),
                        "command": command,
                        "modules": tuple(modules),
                    },
                )
                process.start()
                running[process.sentinel] = process, run
            for sentinel in connection.wait(list(running)):
                process, run = running.pop(sentinel)
                process.join()
                done += 1
                count = f"{done} of {len(waiting)}"
                _log_result(count, run, folder, process.exitcode)
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.join()


def _log_result(count: str, run: SweepRun, folder: Path, code: int) -> None:
    """Logs the best score of a training, or that it failed or has none."""
    changes = ", ".join(f"{name} = {value}" for name, value in run.changes.items())
    if code:
        _logger.warning(
            "%s: %s failed (%s): see %s; it is tried again when the sweep is",
            count,
            run.name,
            changes,
            folder / f"{run.name}.log",
        )
        return
    metric = run.settings.training.metrics[0]
    score, epoch = best_score(folder / run.name, metric)
    if not epoch:
        _logger.warning(
            "%s: %s has no scored epoch (%s): see %s",
            count,
            run.name,
            changes,
            folder / f"{run.name}.log",
        )
        return
    _logger.info(
        "%s: %s: val_%s %.4g, the best, in epoch %d (%s)",
        count,
        run.name,
        metric,
        score,
        epoch,
        changes,
    )


def best_score(folder: PathLike, metric: str) -> tuple[float, int]:
    """The best score of the validation set in a run folder, and its epoch.

    Args:
        folder: Path of the run folder.
        metric: Name of the metric, from `kseq2seq.evaluation.METRICS`.

    Returns:
        A tuple of the score, NaN if there is none, and the number of the epoch, 0 if
        there is none. Of an average of epochs that was kept it is the average's score.
    """
    name = f"val_{metric}"
    try:
        history = runs.load_history(folder)
    except FileNotFoundError:
        return math.nan, 0
    ranked = runs.ranked_epochs(history.epochs, name, METRICS[metric].higher_is_better)
    if not ranked:
        return math.nan, 0
    best = ranked[0]
    if history.average is not None and history.average["kept"]:
        return history.average["scores"][name], best + 1
    return history.epochs[best][name], best + 1


def compare(sweep: Sequence[SweepRun], folder: PathLike, best: int) -> SweepResult:
    """The result of the trainings of a sweep, as far as they have run.

    Args:
        sweep: The result of `read_sweep`.
        folder: Path of the folder of the run folders.
        best: Number of the best ones to name.
    """
    metric = sweep[0].settings.training.metrics[0]
    scores = []
    for run in sweep:
        run_folder = Path(folder) / run.name
        score, epoch = best_score(run_folder, metric)
        finished = _is_finished(run, run_folder)
        scores.append(SweepScore(run, run_folder, score, epoch, finished))
    scores.sort(key=lambda x: _rank(_final(x), metric))
    # One that ended early has a score by luck, or a model without one.
    scored = (x.folder for x in scores if math.isfinite(_final(x)))
    models = [x for x in scored if runs.is_run_folder(x)]
    if models and runs.is_transcriber(models[0]):
        best = 1
    alike = [x for x in models if _vocabularies(x) == _vocabularies(models[0])]
    return SweepResult(metric, scores, alike[:best])


def _vocabularies(folder: Path) -> list[bytes]:
    names = runs.SOURCE_FILE, runs.TARGET_FILE, runs.FEATURES_FILE
    # Frames have no tokenizer, and most models no features.
    return [(folder / x).read_bytes() for x in names if (folder / x).is_file()]


def _by_setting(result: SweepResult) -> list[list[SweepScore]]:
    """The trainings of each setting, that of the best mean first."""
    settings: dict[str, list[SweepScore]] = {}
    for score in result.scores:
        settings.setdefault(repr(score.run.changes), []).append(score)
    return sorted(settings.values(), key=lambda x: _rank(_mean(x), result.metric))


def _rank(score: float, metric: str) -> float:
    """The key to sort scores by, the best first and those without a model last."""
    if not math.isfinite(score):
        return math.inf
    return -score if METRICS[metric].higher_is_better else score


def _final(score: SweepScore) -> float:
    """The score of a training; NaN if it is not finished, or has no model."""
    return score.score if score.finished else math.nan


def _mean(scores: Sequence[SweepScore]) -> float:
    """The mean of all seeds, NaN if one of them is not finished or has no model."""
    return statistics.fmean(map(_final, scores))


def describe_sweep(result: SweepResult) -> str:
    """A table of a sweep, a line for each setting, the best first.

    Args:
        result: The result of `run_sweep`.
    """
    names = list(result.scores[0].run.changes)
    rows = [[*names, f"val_{result.metric}", "from", "to", "trainings"]]
    for scores in _by_setting(result):
        values = [_final(x) for x in scores]
        # The lowest and highest of those that there are.
        values = [x for x in values if math.isfinite(x)] or [math.nan]
        numbers = [f"{x:.4g}" for x in (_mean(scores), min(values), max(values))]
        changes = [str(scores[0].run.changes[name]) for name in names]
        unfinished = sum(not x.finished for x in scores)
        more = f", of which unfinished: {unfinished}" if unfinished else ""
        rows.append([*changes, *numbers, f"{len(scores)}{more}"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _table(result: SweepResult) -> str:
    """A line of CSV for each training, the best first."""
    names = list(result.scores[0].run.changes)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = ["run", *names, "seed", f"val_{result.metric}", "epoch", "finished"]
    writer.writerow(header)
    for score in result.scores:
        values = [score.run.changes[name] for name in names]
        number = score.score if math.isfinite(score.score) else ""
        row = [score.run.name, *values, score.run.seed, number, score.epoch or ""]
        writer.writerow([*row, "yes" if score.finished else "no"])
    return text.getvalue()


def _draw(result: SweepResult, path: Path) -> None:
    curves = {}
    for scores in _by_setting(result):
        changes = scores[0].run.changes.items()
        label = ", ".join(f"{key.rpartition('.')[2]} {x}" for key, x in changes)
        histories = [_curve(x.folder, f"val_{result.metric}") for x in scores]
        curves[label or "all"] = histories, [_final(x) for x in scores]
    plots.save(plots.sweep_curves(curves, METRICS[result.metric].label), path)


def _curve(folder: Path, name: str) -> list[float]:
    try:
        return runs.read_history(folder).get(name, [])
    except FileNotFoundError:
        return []
