"""Training from settings: data, model, `model.fit`, scores, all in a run folder."""

import dataclasses
import importlib.util
import json
import shutil
import sys
from typing import Any

from kseq2seq.runs import RECORD_FILE, SCORES_FILE, SETTINGS_FILE
from kseq2seq.trainer import records
from kseq2seq.trainer.pairs import read_parts
from kseq2seq.trainer.precision import advice
from kseq2seq.trainer.settings import SettingsError, check_resumed
from kseq2seq.utils import import_tensorflow

CONFIG_FILE, TRANSLATIONS_FILE = "config.json", "translations.txt"
ALIGNMENT_FILE, TENSORBOARD_FOLDER = "alignment.png", "tensorboard"


@dataclasses.dataclass
class Training:
    """Everything that `fit` and `score` need, made and checked by `prepare`."""

    settings: dict
    folder: Any  # kseq2seq.trainer.run_folder.RunFolder
    source: Any  # kseq2seq.Tokenizer
    target: Any
    model: Any  # compiled
    batches: Any  # tf.data.Dataset
    validation_batches: Any
    validation: list  # pairs
    test: list  # pairs; those of validation where there are no others


def check(settings):
    """Sees before anything slow that the later steps will take the settings."""
    from kseq2seq import Search, Seq2SeqConfig, evaluation

    training = settings["training"]
    evaluation.check_metrics(training["metrics"])
    sizes = {"source_vocabulary_size": 1000, "target_vocabulary_size": 1000}
    config = Seq2SeqConfig.from_dict({**sizes, **settings["model"]})
    known = [field.name for field in dataclasses.fields(Search)]
    unknown = [name for name in settings["search"] if name not in known]
    if unknown:
        raise SettingsError(
            f"unknown setting in [search]: {', '.join(unknown)}; "
            f"there are {', '.join(known)}."
        )
    search = Search(**settings["search"])
    if search.coverage_penalty and config.attention == "none":
        raise SettingsError("search.coverage_penalty needs a model with attention.")
    if training["tensorboard"] and not importlib.util.find_spec("tensorboard"):
        raise SettingsError(
            "training.tensorboard needs a package that is not installed: "
            "pip install tensorboard."
        )


def open_run(settings, options):
    """Makes the run folder ready; whether a training in it is to be gone on with."""
    from kseq2seq.runs import HISTORY_FILE, MODEL_FILE
    from kseq2seq.utils import write_text

    run = options.run
    began = run / SETTINGS_FILE
    finished_an_epoch = (run / HISTORY_FILE).is_file()
    if (run / MODEL_FILE).is_file() and not began.is_file():
        raise SettingsError(
            f"{run} holds a model, but no training: name another folder with --run."
        )
    if finished_an_epoch and not (options.resume or options.fresh):
        raise SettingsError(
            f"{run} holds a training already: go on with --resume, start anew with "
            "--fresh, or name another folder with --run."
        )
    resumed = finished_an_epoch and options.resume
    if resumed:
        check_resumed(json.loads(began.read_text(encoding="utf-8")), settings)
    else:
        clear(run)
    run.mkdir(parents=True, exist_ok=True)
    write_text(began, json.dumps(settings, indent=2) + "\n")
    return resumed


def clear(run):
    """Deletes what a training writes into its run folder, and nothing else."""
    from kseq2seq.runs import HISTORY_FILE, MODEL_FILE, SOURCE_FILE, TARGET_FILE
    from kseq2seq.trainer.run_folder import CHECKPOINTS, CURVES_FILE, TABLE_FILE

    for name in (
        *(MODEL_FILE, SOURCE_FILE, TARGET_FILE),
        *(HISTORY_FILE, TABLE_FILE, CURVES_FILE),
        *(SETTINGS_FILE, CONFIG_FILE, SCORES_FILE, TRANSLATIONS_FILE, ALIGNMENT_FILE),
        RECORD_FILE,
        *(path.name for path in run.glob(CHECKPOINTS)),
    ):
        (run / name).unlink(missing_ok=True)
    shutil.rmtree(run / TENSORBOARD_FOLDER, ignore_errors=True)


def make_tokenizers(settings, run, train):
    """The tokenizers, trained on the pairs and written into the run folder."""
    from kseq2seq.runs import save_tokenizers
    from kseq2seq.tokenizers import train_tokenizers

    source, target = train_tokenizers(
        train,
        vocabulary_size=settings["vocabulary_size"],
        kind=settings["kind"],
        shared=settings["shared"],
        normalization=settings["normalization"],
    )
    save_tokenizers(run, source, target)
    return source, target


def make_batches(settings, pairs, source, target, seed=None):
    """The batches of pairs, as the section [batches] asks for."""
    from kseq2seq import data

    return data.batches(
        pairs,
        source,
        target,
        batch_size=settings["batch_size"],
        batch_tokens=settings["batch_tokens"] or None,
        buckets=tuple(settings["buckets"]),
        seed=seed,
    )


def make_model(settings, source, target, num_steps, run):
    """A model, compiled, for training of `num_steps` steps in all."""
    import keras

    import kseq2seq
    from kseq2seq.utils import write_text

    training, optimizer = settings["training"], settings["optimizer"]
    config = kseq2seq.Seq2SeqConfig.from_dict(
        {
            "source_vocabulary_size": source.vocabulary_size,
            "target_vocabulary_size": target.vocabulary_size,
            **settings["model"],
        }
    )
    write_text(run / CONFIG_FILE, config.to_json())
    if found := advice(training["precision"]):
        print(found, file=sys.stderr)
    keras.config.set_dtype_policy(training["precision"])
    model = kseq2seq.build_model(config)
    rate = learning_rate(optimizer, num_steps)
    loss = kseq2seq.MaskedCrossentropy(training["label_smoothing"])
    metrics = [kseq2seq.TokenAccuracy(), kseq2seq.Perplexity()]
    if training["num_sampled"]:
        loss, metrics = kseq2seq.SampledCrossentropy(training["num_sampled"]), []
    model.compile(
        kseq2seq.Adam(rate, global_clipnorm=optimizer["clip_norm"] or None),
        loss=loss,
        metrics=metrics,
        jit_compile=training["jit_compile"] or "auto",
        steps_per_execution=training["steps_per_execution"],
    )
    # Else a scaled loss makes numbers of its own in the first step, which is traced
    # twice then.
    model.optimizer.build(model.trainable_variables)
    return model


def start_embeddings(settings, model, source, target, folder):
    """Gives a new model the word vectors that the settings name, if any."""
    from kseq2seq.models import set_pretrained_embeddings

    for side, tokenizer in (("source", source), ("target", target)):
        if settings[side]:
            path = folder / settings[side]
            found = set_pretrained_embeddings(model, side, tokenizer, path)
            print(
                f"{side} embeddings: {found.found:,} of {found.pieces:,} pieces that "
                f"begin a word have a vector in {path}",
                file=sys.stderr,
            )


def learning_rate(settings, num_steps):
    """A number, or a schedule where there is a warm-up or a decay."""
    import keras

    rate, warmup = settings["learning_rate"], settings["warmup_steps"]
    if not settings["decay"] and not warmup:
        return rate
    return keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else rate,
        max(1, num_steps - warmup),
        alpha=0.0 if settings["decay"] else 1.0,
        warmup_target=rate if warmup else None,
        warmup_steps=warmup,
    )


def prepare(settings, options):
    """Reads, checks and makes all that is needed, up to the first step.

    Returns:
        A `Training`.
    """
    import_tensorflow()
    import keras

    from kseq2seq import evaluation
    from kseq2seq.runs import load_tokenizers
    from kseq2seq.trainer import run_folder

    check(settings)
    training = settings["training"]
    keras.utils.set_random_seed(training["seed"])
    pairs, validation, test = read_parts(settings["data"], options.data)
    sizes = f"{len(pairs):,}, {len(validation):,} and {len(test):,}"
    print(f"pairs for training, validation and test: {sizes}", file=sys.stderr)
    metric = training["metrics"][0]
    folder = run_folder.RunFolder(
        options.run,
        f"val_{metric}",
        evaluation.METRICS[metric].higher_is_better,
        training["patience"] or None,
    )
    resumed = open_run(settings, options)
    parts = {"training": pairs, "validation": validation, "test": test}
    records.begin(options, parts, resumed)
    if resumed:
        source, target = load_tokenizers(options.run)
        model = folder.restore()
        print(f"going on after epoch {folder.num_epochs}", file=sys.stderr)
    else:
        source, target = make_tokenizers(settings["tokenizer"], options.run, pairs)
        model = None
    # Another order than that of the epochs before a kill.
    seed = training["seed"] + folder.num_epochs
    batches = make_batches(settings["batches"], pairs, source, target, seed)
    if model is None:
        num_steps = training["epochs"] * int(batches.cardinality())
        model = make_model(settings, source, target, num_steps, options.run)
        start_embeddings(settings["embeddings"], model, source, target, options.data)
    return Training(
        settings=settings,
        folder=folder,
        source=source,
        target=target,
        model=model,
        batches=batches,
        validation_batches=make_batches(
            settings["batches"], validation, source, target
        ),
        validation=validation,
        test=test or validation,
    )


def fit(prepared):
    """Trains, from where the run folder stands to the last epoch."""
    import keras

    from kseq2seq.callbacks import DecodeAndScore

    folder, settings = prepared.folder, prepared.settings["training"]
    if folder.num_epochs >= settings["epochs"] or folder.is_done():
        return
    sides = prepared.source, prepared.target
    callbacks = [
        DecodeAndScore(prepared.validation, *sides, settings["metrics"]),
        folder,
        keras.callbacks.TerminateOnNaN(),
    ]
    if settings["tensorboard"]:
        logs = folder.folder / TENSORBOARD_FOLDER
        callbacks.insert(1, keras.callbacks.TensorBoard(logs))
    prepared.model.fit(
        prepared.batches,
        epochs=settings["epochs"],
        initial_epoch=folder.num_epochs,
        validation_data=prepared.validation_batches,
        callbacks=callbacks,
        shuffle=False,  # the data set does it
        verbose=1 if sys.stdout.isatty() else 2,
    )
    if folder.diverged:
        print(
            f"train.py: the loss was no number in epoch {folder.num_epochs + 1}: lower "
            "optimizer.learning_rate, or set optimizer.clip_norm.",
            file=sys.stderr,
        )


def score(settings, run, pairs):
    """Translates with the best model, scores it, and writes and prints the scores."""
    from kseq2seq import Search, Translator, evaluation
    from kseq2seq.data import group_references
    from kseq2seq.utils import write_text

    translator, search = Translator.load(run), Search(**settings["search"])
    sources, references = [x for x, _ in pairs], [[y] for _, y in pairs]
    if settings["data"]["format"] in ("tsv", "dates"):
        # A source in several rows has several right answers. A test set of
        # sentences, though, is scored as it is, line by line.
        sources, references = group_references(pairs)
    found = translator.translate(sources, search, progress=sys.stderr.isatty())
    hypotheses = [best[0].text if best else "" for best in found]
    scores = evaluation.evaluate(
        hypotheses, references, settings["training"]["metrics"], bootstrap=1000
    )
    report = {
        "search": dataclasses.asdict(search),
        "sentences": len(sources),
        "scores": {
            name: {**value._asdict(), "line": str(value)}
            for name, value in scores.items()
        },
    }
    lines = [hypothesis.replace("\n", " ") + "\n" for hypothesis in hypotheses]
    write_text(run / TRANSLATIONS_FILE, "".join(lines))
    write_text(run / SCORES_FILE, json.dumps(report, indent=2) + "\n")
    draw_alignment(found, run / ALIGNMENT_FILE)
    for value in scores.values():
        print(value)


def draw_alignment(found, path):
    """Draws the first translation that has an alignment."""
    from kseq2seq import plots

    for best, *_ in filter(None, found):
        if best.alignment is not None:
            tokens = best.source_tokens, best.target_tokens
            plots.save(plots.alignment_heatmap(best.alignment, *tokens), path)
            return
