"""A training from settings: data, model, `model.fit`, scores, all in a run folder."""

import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import tensorflow as tf

from kseq2seq import losses, runs, tokenizers
from kseq2seq.config import Seq2SeqConfig
from kseq2seq.data import DataError
from kseq2seq.inference import FrameReader
from kseq2seq.models import (
    Consistency,
    GuidedAlignment,
    build_model,
    freeze,
    set_pretrained_embeddings,
)
from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer
from kseq2seq.trainer.batches import make_batches, make_training_batches
from kseq2seq.trainer.devices import check_machine, on_devices
from kseq2seq.trainer.epochs import (
    keep_average,
    make_callbacks,
    make_run_folder,
    make_scorer,
)
from kseq2seq.trainer.fine_tuning import (
    InitialRun,
    check_initial_run,
    read_initial_run,
)
from kseq2seq.trainer.frame_batches import with_frames
from kseq2seq.trainer.optimizer import leave_out_vectors, make_optimizer
from kseq2seq.trainer.pairs import read_parts
from kseq2seq.trainer.precision import advice
from kseq2seq.trainer.progress import Progress
from kseq2seq.trainer.readers import Pairs
from kseq2seq.trainer.resuming import is_resumed, log_resumed
from kseq2seq.trainer.run_folder import RunFolder
from kseq2seq.trainer.sampling_settings import make_scheduled_sampling
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import Settings, TrainingSettings
from kseq2seq.trainer.target_checks import warn_of_targets
from kseq2seq.trainer.training import Training
from kseq2seq.trainer.vocabularies import (
    Source,
    Vocabularies,
    load_vocabularies,
    make_vocabularies,
    save_vocabularies,
    source_size,
    warn_of_unknown_features,
)
from kseq2seq.utils import PathLike, write_text

# Of a model of frames, which comes from the data; the settings' help has its default.
_FRAME_SIZE = "source_frame_size"
_logger = logging.getLogger("kseq2seq")


def prepare(
    settings: Settings,
    run: PathLike,
    folder: PathLike = "",
    resume: bool = False,
    fresh: bool = False,
    command: str | None = None,
    from_run: PathLike | None = None,
) -> Training:
    """Reads, checks and makes all that a training needs, up to the first step.

    Args:
        settings: The `Settings`.
        run: Path of the run folder; made if it is not there.
        folder: Path of the folder of the data files that the settings name.
        resume: Whether to go on with a training in the run folder, if there is one.
        fresh: Whether to delete a training in the run folder, if there is one.
        command: The command line that is recorded.
        from_run: Path of the run folder of another training, whose weights and
            tokenizers this one begins with; `None` to begin anew. Symbols of the data
            that its tokenizers of kind "character" or "word" lack are added.

    Returns:
        A `Training`.

    Raises:
        ValueError: If the data cannot be read, another process trains in the run
            folder, it holds a training and neither `resume` nor `fresh` is set, the
            training to go on with did not begin with `from_run`, or did and has no
            checkpoint, a setting does not fit the rest, or Keras does not run on
            TensorFlow.
    """
    training, run, folder = settings.training, Path(run), Path(folder)
    check_machine(training)
    keras.utils.set_random_seed(training.seed)
    runs.check_is_free(run)
    resumed = is_resumed(settings, run, resume, fresh, from_run)
    pairs, validation, test = read_parts(settings.data, folder, not resumed)
    sizes = {"training": len(pairs), "validation": len(validation), "test": len(test)}
    _log_sizes(settings, sizes)
    if settings.data.stream:
        del sizes["training"]  # those of a sample: nobody counts a stream
    run_folder = make_run_folder(settings, run)
    initial = _initial_run(from_run, run, settings, pairs, resumed)
    model = _restored_model(settings, run_folder) if resumed else None
    vocabularies = _vocabularies(settings, pairs, initial, run if resumed else None)
    source, target, features = vocabularies
    warn_of_unknown_features(features, {"validation": validation, "test": test})
    warn_of_targets(settings, validation, vocabularies)
    # Paths of recordings and frames are replaced by what is in the files.
    pairs, validation_rows = with_frames(source, pairs, validation)
    batches = make_training_batches(settings, folder, pairs, vocabularies)
    progress = Progress(batches, run_folder.num_epochs, run_folder.state)
    if model is None:
        num_steps = training.epochs * batches.steps_per_epoch
        model = _new_model(settings, num_steps, vocabularies)
        if initial is not None:
            initial.transfer_weights(model)
        start_embeddings(settings, model, source, target, folder, features)
    else:
        log_resumed(progress, run, sizes)
    _set_training_options(model, settings)
    validation_batches = make_batches(settings, validation_rows, vocabularies)
    # The last step, as it deletes: whatever cannot be used was refused before.
    open_run(settings, run, vocabularies, resumed)
    provenance = _provenance(command, training.seed, initial)
    runs.record_start(run, provenance, sizes, resumed)
    return Training(
        settings=settings,
        run_folder=run_folder,
        source=source,
        target=target,
        features=features,
        model=model,
        batches=batches,
        progress=progress,
        validation_batches=validation_batches,
        validation=validation_rows,
        test=test or validation,
        provenance=provenance,
    )


def _vocabularies(
    settings: Settings, pairs: Pairs, initial: InitialRun | None, resumed: Path | None
) -> Vocabularies:
    """The vocabularies of a resumed run, of an initial run, or new ones."""
    if resumed is not None:
        return load_vocabularies(resumed, settings, pairs)
    return (
        make_vocabularies(settings, pairs) if initial is None else initial.vocabularies
    )


def _set_training_options(model: Any, settings: Settings) -> None:
    """Sets the options of a model's training, which `.keras` files do not hold."""
    training = settings.training
    sampling = make_scheduled_sampling(settings.scheduled_sampling, training.seed)
    model.scheduled_sampling = sampling
    if training.guided_alignment:
        model.guided_alignment = GuidedAlignment(training.guided_alignment)
    if training.consistency:
        model.consistency = Consistency(training.consistency)


def _restored_model(settings: Settings, run_folder: RunFolder) -> Any:
    """The model of the newest checkpoint, on its devices."""
    with on_devices(settings.training.devices):
        model = run_folder.restore()
    if model is None:
        raise SettingsError(
            f"{run_folder.folder} has no whole checkpoint to go on from: start anew "
            "with --fresh."
        )
    leave_out_vectors(model)
    return model


def _new_model(
    settings: Settings, num_steps: int, vocabularies: Vocabularies
) -> keras.Model:
    """A model on its devices."""
    source, target, _ = vocabularies
    config = make_config(settings, *vocabularies)
    copied = None
    if config.copying and not isinstance(source, FrameReader):
        copied = tokenizers.copied_ids(source, target)
    with on_devices(settings.training.devices):
        return make_model(settings, config, num_steps, copied)


def _initial_run(
    from_run: PathLike | None,
    run: Path,
    settings: Settings,
    pairs: Pairs,
    resumed: bool,
) -> InitialRun | None:
    """The initial run of a new training; `None` without one, or to resume."""
    if from_run is None:
        return None
    if resumed:
        check_initial_run(Path(from_run), run)
        return None
    return read_initial_run(Path(from_run), run, settings, pairs)


def _provenance(
    command: str | None, seed: int, initial: InitialRun | None
) -> dict[str, Any]:
    """The provenance of a training, and of its initial run."""
    provenance = runs.provenance_of(command, seed)
    if initial is not None:
        provenance["from"] = initial.record()
    return provenance


def _log_sizes(settings: Settings, sizes: dict[str, int]) -> None:
    """Logs the number of pairs in each part of the data."""
    _logger.info(
        "pairs for %s, validation and test: %s, %s and %s",
        "tokenizers" if settings.data.stream else "training",
        *(f"{size:,}" for size in sizes.values()),
    )


def open_run(
    settings: Settings, run: Path, vocabularies: Vocabularies, resumed: bool
) -> None:
    """Makes the run folder ready; deletes a training that is not resumed.

    Args:
        settings: The `Settings`.
        run: Path of the run folder.
        vocabularies: A tuple `(source, target, features)`.
        resumed: Whether the training in it goes on.
    """
    runs.check_is_free(run)  # time has passed
    runs.remove_incomplete(run)
    if not resumed:
        runs.clear(run)
    run.mkdir(parents=True, exist_ok=True)
    runs.write_settings(run, settings.to_dict())
    if not resumed:
        config = make_config(settings, *vocabularies)
        write_text(run / runs.CONFIG_FILE, config.to_json())
        save_vocabularies(run, vocabularies)


def make_config(
    settings: Settings,
    source: Source,
    target: Tokenizer,
    features: FeatureVocabulary | None = None,
) -> Seq2SeqConfig:
    """The config of the model: the section [model], and the sizes of vocabularies.

    Args:
        settings: The `Settings`.
        source: The tokenizer of the source, or the reader of its frames.
        target: That of the target.
        features: The vocabulary of features, if there are any.
    """
    model = {x: value for x, value in settings.model.items() if x != _FRAME_SIZE}
    return Seq2SeqConfig(
        **source_size(source),
        target_vocabulary_size=target.vocabulary_size,
        feature_vocabulary_size=features.vocabulary_size if features else 0,
        **model,
    )


def make_model(
    settings: Settings,
    config: Seq2SeqConfig,
    num_steps: int,
    copied_ids: Sequence[int] | None = None,
) -> keras.Model:
    """A model, compiled.

    Args:
        settings: The `Settings`.
        config: Its config.
        num_steps: Number of steps that it is going to be trained for in all.
        copied_ids: As of `kseq2seq.build_model`.
    """
    training = settings.training
    if warning := advice(training.precision):
        _logger.warning(warning)
    keras.config.set_dtype_policy(training.precision)
    model = build_model(config, copied_ids=copied_ids)
    try:
        freeze(model, training.frozen)
    except ValueError as error:
        raise SettingsError(f"training.frozen: {error}") from error
    loss, metrics = make_loss(training, config)
    jit_compile: Any = training.jit_compile or "auto"
    model.compile(
        make_optimizer(settings, num_steps),
        loss=loss,
        metrics=metrics,
        jit_compile=jit_compile,
        steps_per_execution=training.steps_per_execution,
    )
    leave_out_vectors(model)
    return model


def make_loss(
    settings: TrainingSettings, config: Seq2SeqConfig
) -> tuple[keras.losses.Loss, list[keras.metrics.Metric]]:
    """The loss that fits a model, and the metrics that can be told with it.

    Args:
        settings: The section [training].
        config: The config of the model.

    Returns:
        A tuple `(loss, metrics)`.
    """
    if settings.num_sampled:
        return losses.SampledCrossentropy(settings.num_sampled), []
    if config.output_probability_fn != "softmax":
        loss = losses.EntmaxLoss(config.output_probability_fn, settings.label_smoothing)
        return loss, [losses.TokenAccuracy()]
    loss = losses.MaskedCrossentropy(settings.label_smoothing)
    return loss, [losses.TokenAccuracy(), losses.Perplexity()]


def start_embeddings(
    settings: Settings,
    model: keras.Model,
    source: Source,
    target: Tokenizer,
    folder: Path,
    features: FeatureVocabulary | None = None,
) -> None:
    """Gives a new model the word vectors that the settings name, if any.

    Args:
        settings: The `Settings`.
        model: The model.
        source: The tokenizer of the source, or the reader of its frames.
        target: That of the target.
        folder: Path of the folder of the files.
        features: The vocabulary of features, if there are any.
    """
    sides: dict[Literal["source", "target"], Tokenizer] = {"target": target}
    if isinstance(source, Tokenizer):
        sides["source"] = source
    for side, tokenizer in sides.items():
        name = getattr(settings.embeddings, side)
        if name:
            # The source's embedding has rows of features, too.
            extra = features.vocabulary_size if features and side == "source" else 0
            coverage = set_pretrained_embeddings(
                model, side, tokenizer, folder / name, extra
            )
            _logger.info(
                "%s embeddings: %s of %s pieces that begin a word have a vector in %s",
                side,
                f"{coverage.covered:,}",
                f"{coverage.pieces:,}",
                folder / name,
            )


def fit(training: Training) -> None:
    """Trains, from where the run folder stands to the last epoch.

    Args:
        training: Result of `prepare`.
    """
    run_folder, settings = training.run_folder, training.settings.training
    scorer, progress = make_scorer(training), training.progress
    if run_folder.num_epochs < settings.epochs and not run_folder.is_done():
        try:
            training.model.fit(
                training.batches.dataset(progress.step, progress.place),
                epochs=settings.epochs,
                initial_epoch=run_folder.num_epochs,
                steps_per_epoch=training.batches.steps_per_epoch,
                validation_data=training.validation_batches,
                callbacks=make_callbacks(training, scorer),
                shuffle=False,  # the data set does it
                # A bar or lines; nothing without a console.
                verbose=0 if sys.stdout is None else 2 - sys.stdout.isatty(),
            )
        except tf.errors.OpError as error:
            raise (training.batches.error or _data_error(error) or error) from error
        runs.remove_step_checkpoints(run_folder.folder)
    if run_folder.diverged:
        _logger.warning(
            "the loss or a weight was no number in epoch %d: lower "
            "optimizer.learning_rate, or set optimizer.clip_norm",
            run_folder.num_epochs + 1,
        )
    elif settings.average_best:
        keep_average(training, scorer)


def _data_error(error):
    """The error of a file that was read in a graph, whose message TensorFlow wraps."""
    match = re.search(r"\bDataError: (.+)", error.message)
    return DataError(match[1]) if match else None
