"""Whether a training may be resumed with the settings that are given now."""

import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kseq2seq import runs
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.decoding import Search
from kseq2seq.trainer.model_checks import VOCABULARY_SIZES
from kseq2seq.trainer.progress import Progress
from kseq2seq.trainer.schedules import SCHEDULES
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import SECTIONS, Settings, make_settings
from kseq2seq.utils import PathLike

_logger = logging.getLogger("kseq2seq")
# Sections that may change when a training is resumed: the training does not use them.
NOT_OF_TRAINING = ("search", "card")


def is_resumed(
    settings: Settings,
    run: Path,
    resume: bool,
    fresh: bool,
    from_run: PathLike | None = None,
) -> bool:
    """Whether a training in the run folder is to be resumed; nothing is written.

    Args:
        settings: The `Settings`.
        run: Path of the run folder.
        resume: Whether to go on with a training in it.
        fresh: Whether to delete a training in it.
        from_run: Path of the run folder to begin with; `None` without.

    Raises:
        SettingsError: If the folder holds a training, and neither `resume` nor `fresh`
            is set; if it holds a model, or files of the names that a training writes,
            but no training; or if a training in it is to
            begin again, as it has no checkpoint, without the run that it began with.
    """
    began = (run / runs.SETTINGS_FILE).is_file()
    has_trained = _has_checkpoint(run)
    if runs.is_run_folder(run) and not began:
        raise SettingsError(
            f"{run} holds a model, but no training: name another folder with --run."
        )
    if not began and (others := runs.written_paths(run)):
        names = ", ".join(path.name for path in others)
        raise SettingsError(
            f"{run} holds no training, but files that one would delete or write over: "
            f"{names}. Name another folder with --run, or move them."
        )
    if has_trained and not (resume or fresh):
        raise SettingsError(
            f"{run} holds a training already: go on with --resume, start anew with "
            "--fresh, or name another folder with --run."
        )
    resumed = has_trained and resume
    if resumed:
        check_resumed(runs.read_settings(run), settings)
    elif resume and began:
        former = runs.begun_with(run)
        if former is not None and from_run is None:
            raise SettingsError(
                f"the training in {run} has no checkpoint to go on from, and began "
                f"with the run {former!r}: name that run again with --from, or begin "
                "with new weights, by --fresh instead of --resume."
            )
        _logger.info("%s has no checkpoint yet: the training begins again", run)
    return resumed


def check_resumed(former: Mapping[str, Mapping[str, Any]], settings: Settings) -> None:
    """Checks that a training may be resumed with these settings.

    Args:
        former: The settings that it began with, as `kseq2seq.runs.read_settings` reads
            them.
        settings: Those to resume it with.

    Raises:
        SettingsError: If a setting differs that may not, such as the number of epochs
            with a schedule that depends on it.
    """
    # Settings of an older version may lack new ones, which then have their defaults.
    before, now = (_completed(x) for x in (make_settings(former, []), settings))
    wrong = []
    for section in now.keys() - set(_not_of_training(settings)):
        for name in sorted({*before[section], *now[section]}):
            values = before[section].get(name), now[section].get(name)
            if values[0] != values[1] and not _may_change(settings, section, name):
                wrong.append("{}.{} was {!r}, now {!r}".format(section, name, *values))
    if wrong:
        raise SettingsError(
            f"--resume cannot go on with other settings: {'; '.join(sorted(wrong))}. "
            "Take back the change, start anew with --fresh or in another folder with "
            "--run, or begin another training from this one, with --from and --run."
        )


def log_resumed(progress: Progress, run: Path, sizes: dict[str, int]) -> None:
    """Logs where a training goes on; warns if its data have changed since.

    Args:
        progress: The `Progress` of the training.
        run: Path of its run folder, with the record of before.
        sizes: Dict from the part of the data to its number of pairs now.
    """
    before = runs.recorded_pairs(run)
    for name, size in sizes.items():
        if before.get(name, size) != size:
            _logger.warning(
                "the training goes on with other data: %s pairs for %s, and before %s",
                f"{size:,}",
                name,
                f"{before[name]:,}",
            )
    epoch, inside = divmod(progress.step, progress.batches.steps_per_epoch)
    rest = f" and {inside} batches" if inside else ""
    _logger.info("going on after epoch %d%s", epoch, rest)


def _completed(settings: Settings) -> dict[str, dict[str, Any]]:
    """Settings with the defaults of the sections that hold what was given alone."""
    content = settings.to_dict()
    for section, cls in (("model", Seq2SeqConfig), ("search", Search)):
        defaults = {
            x.name: x.default
            if x.default_factory is dataclasses.MISSING
            else x.default_factory()
            for x in dataclasses.fields(cls)
            if x.name not in VOCABULARY_SIZES
        }
        content[section] = {**json.loads(json.dumps(defaults)), **content[section]}
    return content


def _not_of_training(settings: Settings) -> tuple[str, ...]:
    if settings.training.validation_search == "search":
        return ("card",)  # the best epoch is chosen by the search
    return NOT_OF_TRAINING


def _may_change(settings: Settings, section: str, name: str) -> bool:
    # The weights of the best epochs are deleted after they are averaged at the end.
    ends = section == "training" and name in ("epochs", "patience")
    if ends and settings.training.average_best:
        return False
    if (section, name) == ("training", "epochs"):
        return not SCHEDULES[settings.optimizer.schedule].has_end
    fields = {x.name: x for x in dataclasses.fields(SECTIONS.get(section, Settings))}
    return name in fields and fields[name].metadata.get("may_change", False)


def _has_checkpoint(run: Path) -> bool:
    """Whether a run folder, which need not exist, has a checkpoint to go on from."""
    return (run / runs.HISTORY_FILE).is_file() or runs.has_step_checkpoint(run)
