"""Callbacks of a training: scores, averages and rates between its epochs."""

import logging
from pathlib import Path

import keras

from kseq2seq import evaluation, export, runs
from kseq2seq.callbacks import (
    AveragedWeights,
    DecodeAndScore,
    EpochScores,
    TranscribeAndScore,
)
from kseq2seq.decoding import Search
from kseq2seq.inference import FrameReader
from kseq2seq.trainer.plateau import ReduceOnPlateau
from kseq2seq.trainer.progress import StepCheckpoints
from kseq2seq.trainer.run_folder import RunFolder
from kseq2seq.trainer.schedules import SCHEDULES
from kseq2seq.trainer.settings import Settings
from kseq2seq.trainer.training import Training

_logger = logging.getLogger("kseq2seq")


def make_run_folder(settings: Settings, run: Path) -> RunFolder:
    """The callback that keeps the training in its folder.

    Args:
        settings: The `Settings`.
        run: Path of the run folder.
    """
    training = settings.training
    metric = training.metrics[0]
    return RunFolder(
        run,
        f"val_{metric}",
        evaluation.METRICS[metric].higher_is_better,
        training.patience or None,
        training.average_best,
        AveragedWeights() if training.ema else None,
    )


def make_scorer(training: Training) -> EpochScores:
    """The callback that scores each epoch, as the section [training] asks for.

    Args:
        training: The result of `prepare`.
    """
    settings = training.settings
    search = Search(**settings.search)
    if settings.training.validation_search == "greedy":
        search = export.greedy(search)
    if isinstance(training.source, FrameReader):
        return TranscribeAndScore(
            training.validation,
            training.target,
            training.source.log_mel,
            settings.training.metrics,
            search,
            alignments=settings.training.val_alignment,
        )
    return DecodeAndScore(
        training.validation,
        training.source,
        training.target,
        settings.training.metrics,
        search,
        alignments=settings.training.val_alignment,
        features=training.features,
    )


def make_callbacks(
    training: Training, scorer: EpochScores
) -> list[keras.callbacks.Callback]:
    """The callbacks, each behind those whose logs and weights it needs.

    Args:
        training: The result of `prepare`.
        scorer: The result of `make_scorer` for it.
    """
    run_folder, settings = training.run_folder, training.settings
    options, progress = settings.training, training.progress
    run_folder.progress = progress
    callbacks: list[keras.callbacks.Callback] = [progress]
    if options.checkpoint_steps or options.checkpoint_minutes:
        callbacks.append(
            StepCheckpoints(
                run_folder.folder,
                progress,
                options.checkpoint_steps,
                options.checkpoint_minutes,
                options.checkpoints_kept,
            )
        )
    if run_folder.averaged is not None:
        callbacks.append(run_folder.averaged)
    callbacks.append(scorer)
    if SCHEDULES[settings.optimizer.schedule].on_plateau:
        callbacks.append(
            ReduceOnPlateau(
                run_folder.monitor,
                run_folder.higher_is_better,
                settings.optimizer.plateau_factor,
                settings.optimizer.plateau_patience,
                run_folder.history,
            )
        )
    if settings.training.tensorboard:
        logs = run_folder.folder / runs.TENSORBOARD_FOLDER
        callbacks.append(keras.callbacks.TensorBoard(str(logs)))
    return [*callbacks, run_folder, keras.callbacks.TerminateOnNaN()]


def keep_average(training: Training, scorer: EpochScores) -> None:
    """Averages the best epochs' weights at the end of a training, and tells the score.

    Args:
        training: The result of `prepare`, trained.
        scorer: The result of `make_scorer` for it.
    """
    run_folder = training.run_folder
    run_folder.keep_average(training.model, scorer.score)
    if run_folder.average is not None:
        _logger.info(
            "average of the epochs %s: %s %.2f, %s",
            ", ".join(map(str, run_folder.average["epochs"])),
            run_folder.monitor,
            run_folder.average["scores"][run_folder.monitor],
            "which is kept"
            if run_folder.average["kept"]
            else "no better than the best",
        )
