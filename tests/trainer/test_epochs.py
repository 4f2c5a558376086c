"""Callbacks of a training: which there are, and in which order."""

import logging
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from kseq2seq import Search, runs, trainer
from kseq2seq.callbacks import AveragedWeights, DecodeAndScore, TranscribeAndScore
from kseq2seq.inference import FrameReader
from kseq2seq.tokenizers import train_tokenizer
from kseq2seq.trainer import epochs
from kseq2seq.trainer.plateau import ReduceOnPlateau
from kseq2seq.trainer.progress import StepCheckpoints
from kseq2seq.trainer.run_folder import RunFolder

PAIRS = [("ab", "ba"), ("c", "c"), ("bca", "acb")]


class Steps(keras.callbacks.Callback):
    """It counts nothing."""

    step = 0


def settings_of(*changes):
    return trainer.read_settings(trainer.find_recipe("dates"), changes)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["abc"], kind="character")


def training_of(tokenizer, folder, *changes, **parts):
    """A training of which no model was made, nor any batch."""
    settings = settings_of(*changes)
    given = {
        "settings": settings,
        "run_folder": epochs.make_run_folder(settings, folder),
        "source": tokenizer,
        "target": tokenizer,
        "features": None,
        "validation": PAIRS,
        "progress": Steps(),
    }
    return SimpleNamespace(**{**given, **parts})


def test_the_first_metric_tells_the_best_epoch(tmp_path):
    folder = epochs.make_run_folder(settings_of(), tmp_path)
    assert (folder.monitor, folder.higher_is_better) == ("val_exact_match", True)
    assert folder.folder == tmp_path and folder.averaged is None
    changes = ['training.metrics=["ter", "bleu"]', "training.patience=7"]
    changes += ["training.average_best=3", "training.ema=0.9"]
    folder = epochs.make_run_folder(settings_of(*changes), tmp_path)
    assert (folder.monitor, folder.higher_is_better) == ("val_ter", False)
    assert (folder.patience, folder.average_best) == (7, 3)
    assert isinstance(folder.averaged, AveragedWeights)
    folder = epochs.make_run_folder(settings_of("training.patience=0"), tmp_path)
    assert folder.patience is None


def test_texts_are_scored_by_the_search_that_is_asked_for(tokenizer, tmp_path):
    training = training_of(tokenizer, tmp_path)
    scorer = epochs.make_scorer(training)
    assert type(scorer) is DecodeAndScore and scorer.metrics == ("exact_match",)
    assert scorer.search == Search(beam_size=1, length_penalty=0.0)
    # Lengths and rules are those of the final scores; only the beam is left out.
    rules = {"max_length_factor": 50, "min_length": 2, "pattern": "[a-c]+"}
    changes = [f"search.{name}={value}" for name, value in rules.items()]
    changes += ["search.num_groups=5", "search.num_hypotheses=5"]
    scorer = epochs.make_scorer(training_of(tokenizer, tmp_path, *changes))
    assert scorer.search == Search(beam_size=1, length_penalty=0.0, **rules)
    changes = ["training.validation_search=search", "search.beam_size=3"]
    changes += ["training.val_alignment=false", "training.metrics=chrf"]
    scorer = epochs.make_scorer(training_of(tokenizer, tmp_path, *changes))
    assert scorer.search == Search(beam_size=3, length_penalty=0.0)
    assert scorer.metrics == ("chrf",) and not scorer.alignments


def test_frames_are_transcribed(tokenizer, tmp_path):
    pairs = [(np.zeros((3, 7)), "ab")]
    parts = {"source": FrameReader(7), "validation": pairs}
    scorer = epochs.make_scorer(training_of(tokenizer, tmp_path, **parts))
    assert type(scorer) is TranscribeAndScore and scorer.log_mel is None
    assert scorer.references == [["ab"]] and scorer.alignments


def kinds_of(training):
    scorer = epochs.make_scorer(training)
    callbacks = epochs.make_callbacks(training, scorer)
    assert callbacks[0] is training.run_folder.progress is training.progress
    assert scorer in callbacks and training.run_folder in callbacks
    return [type(x) for x in callbacks[1:]]


def test_callbacks_stand_behind_those_that_they_need(tokenizer, tmp_path):
    kinds = kinds_of(training_of(tokenizer, tmp_path))
    assert kinds == [DecodeAndScore, RunFolder, keras.callbacks.TerminateOnNaN]
    changes = ["training.checkpoint_steps=5", "training.checkpoints_kept=3"]
    changes += ["training.ema=0.9", "training.tensorboard=true"]
    changes += ["optimizer.schedule=plateau", "optimizer.warmup_steps=0"]
    training = training_of(tokenizer, tmp_path, *changes)
    # Averages before they are scored, rates by scores, and the folder after all.
    assert kinds_of(training) == [
        StepCheckpoints,
        AveragedWeights,
        DecodeAndScore,
        ReduceOnPlateau,
        keras.callbacks.TensorBoard,
        RunFolder,
        keras.callbacks.TerminateOnNaN,
    ]
    for callback in epochs.make_callbacks(training, epochs.make_scorer(training)):
        if isinstance(callback, keras.callbacks.TensorBoard):
            assert callback.log_dir == str(tmp_path / runs.TENSORBOARD_FOLDER)
    minutes = training_of(tokenizer, tmp_path, "training.checkpoint_minutes=7")
    assert kinds_of(minutes)[0] is StepCheckpoints


@pytest.mark.parametrize("kept", [True, False])
def test_the_score_of_an_average_is_told(tokenizer, tmp_path, caplog, kept):
    training = training_of(tokenizer, tmp_path, model="model")
    scorer, asked = epochs.make_scorer(training), []
    scores = {training.run_folder.monitor: 62.345}

    def keep_average(model, score):
        asked.append((model, score))
        training.run_folder.average = {"epochs": [3, 5], "scores": scores, "kept": kept}

    training.run_folder.keep_average = keep_average
    with caplog.at_level(logging.INFO, "kseq2seq"):
        epochs.keep_average(training, scorer)
    assert asked == [("model", scorer.score)]
    told = "which is kept" if kept else "no better than the best"
    expected = f"average of the epochs 3, 5: val_exact_match 62.34, {told}"
    assert caplog.messages == [expected]


def test_nothing_is_told_without_an_average(tokenizer, tmp_path, caplog):
    training = training_of(tokenizer, tmp_path, model="model")
    training.run_folder.keep_average = lambda model, score: None
    with caplog.at_level(logging.INFO, "kseq2seq"):
        epochs.keep_average(training, epochs.make_scorer(training))
    assert not caplog.messages
