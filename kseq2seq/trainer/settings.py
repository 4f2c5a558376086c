"""The settings of a training: a TOML file, what `--set` changes, and defaults."""

import math
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Every setting there is, with its default; the section [model] is that of
# `kseq2seq.Seq2SeqConfig`, the section [search] that of `kseq2seq.Search`.
DEFAULTS = {
    "data": {
        "format": "parallel",  # or "tsv", "tfds", "dates"
        "train": [],  # files, or splits for tfds; parallel: source, target
        "validation": [],  # none: a part of train, held out by source text
        "test": [],  # none: the validation set, or what is held out, is scored
        "columns": [0, 1],  # of a tsv file, from 0
        "name": "",  # of a tfds data set
        "source": "",  # feature of a tfds data set; none: the one it states
        "target": "",
        "count": 20000,  # of dates
        "held_out": 2000,  # sources held out of train for validation
        "limit": 0,  # sources of each part at most, drawn by chance; 0: all
    },
    "tokenizer": {
        "kind": "unigram",  # or "bpe", "character", "word"; a list for both sides
        "vocabulary_size": 8000,  # likewise
        "shared": False,
        "normalization": "identity",
    },
    "embeddings": {  # files of word2vec or GloVe to start from; none: by chance
        "source": "",
        "target": "",
    },
    "batches": {
        "batch_size": 64,
        "batch_tokens": 0,  # instead of batch_size; 0: none
        # Those of `kseq2seq.data.batches`, which is not imported for them: it is slow.
        "buckets": [4, 6, 8, 10, 12, 14, 17, 20, 24, 28, 34, 40, 48, 64],
    },
    "optimizer": {
        "learning_rate": 0.001,
        "warmup_steps": 0,
        "decay": False,  # by a cosine, to 0 at the last step
        "clip_norm": 5.0,  # of all gradients together; 0: none
    },
    "training": {
        "epochs": 10,
        "label_smoothing": 0.1,
        # Draws of the vocabulary that the loss looks at, for large ones; 0: all of it.
        # Without label smoothing, and without metrics of the logits.
        "num_sampled": 0,
        # Or "mixed_float16", or "mixed_bfloat16", which trains faster where products in
        # bfloat16 are fast, and more slowly elsewhere, which is told then.
        "precision": "float32",
        # By XLA, which compiles for each shape of batches, so with few buckets; false:
        # as Keras chooses, and that is without XLA for TensorFlow on a CPU.
        "jit_compile": False,
        "steps_per_execution": 1,  # steps between two looks at the callbacks
        "metrics": ["bleu"],  # the first one tells which epoch is best
        "patience": 0,  # epochs without a better one before stopping; 0: never
        "tensorboard": False,
        "seed": 1,
    },
    "model": {},
    "search": {},
    "card": {  # what the model card of an export says; "": not known
        "source": "",  # what is translated, such as "English"
        "target": "",
        "data": "",
        "licence": "",  # of the data
        "example": "",  # a text to try the model with
    },
}
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
ABOVE_ZERO = {
    *("count", "held_out", "batch_size", "learning_rate", "epochs"),
    "steps_per_execution",
}
ONE_OR_ONE_A_SIDE = {"kind", "vocabulary_size"}
# What a training may be resumed with another value of, beside these sections.
MAY_CHANGE = {"training.epochs", "training.patience", "training.tensorboard"}
NOT_OF_TRAINING = {"search", "card"}


class SettingsError(ValueError):
    """A setting that cannot be."""


def read_settings(path, changes=()):
    """The settings of a file, complete and checked for unknown names.

    Args:
        path: Path of a TOML file.
        changes: Strings `section.name=value`, values as in TOML; a value that is
            no TOML is taken as a string.

    Returns:
        A dict of sections, each a dict of settings.
    """
    path = Path(path)
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not a TOML file: {error}.") from error
    settings = {section: dict(values) for section, values in DEFAULTS.items()}
    for section, values in given.items():
        if not isinstance(values, dict):
            raise SettingsError(f"{path}: {section!r} must stand in a [section].")
        for name, value in values.items():
            _put(settings, section, name, value, f"{path}: ")
    for change in changes:
        key, equals, text = change.partition("=")
        section, dot, name = key.strip().partition(".")
        if not equals or not dot:
            raise SettingsError(f"--set wants section.name=value. Received: {change!r}")
        _put(settings, section, name, _value(text.strip()), "--set: ")
    _check_together(settings)
    return settings


def _put(settings, section, name, value, where):
    if section not in DEFAULTS:
        raise SettingsError(
            f"{where}unknown section [{section}]; there are {', '.join(DEFAULTS)}."
        )
    known = DEFAULTS[section]
    if known and name not in known:
        raise SettingsError(
            f"{where}unknown setting {name!r} in [{section}]; "
            f"there are {', '.join(known)}."
        )
    if known and not _fits(name, value, known[name]):
        raise SettingsError(
            f"{where}{section}.{name} must be {_kind(name, known[name])}. "
            f"Received: {value!r}"
        )
    settings[section][name] = value


def _fits(name, value, default):
    """Whether a value is of the default's type, and in range if a number."""
    if isinstance(value, list) and name in ONE_OR_ONE_A_SIDE:
        return len(value) == 2 and all(_fits(name, x, default) for x in value)
    if isinstance(default, list):
        example = default[0] if default else ""
        items = value if isinstance(value, list) else [None]
        return all(_fits("", item, example) for item in items)
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(value, bool) and isinstance(default, bool)
    if isinstance(default, str):
        return isinstance(value, str)
    if not isinstance(value, (int, float) if isinstance(default, float) else int):
        return False
    return 0 <= value < math.inf and (value > 0 or name not in ABOVE_ZERO)


def _kind(name, default):
    """What a setting must be, in words."""
    if isinstance(default, list):
        numbers = default and isinstance(default[0], int)
        return f"a list of {'integers from 0 on' if numbers else 'strings'}"
    if isinstance(default, bool):
        return "true or false"
    if isinstance(default, str):
        words = "a string"
    else:
        words = "a number" if isinstance(default, float) else "an integer"
        words += " above 0" if name in ABOVE_ZERO else " from 0 on"
    return words + (", or a list of two" if name in ONE_OR_ONE_A_SIDE else "")


def _check_together(settings):
    training = settings["training"]
    if training["precision"] not in PRECISIONS:
        raise SettingsError(
            f"training.precision must be one of {', '.join(PRECISIONS)}. "
            f"Received: {training['precision']!r}"
        )
    if training["num_sampled"] and training["label_smoothing"]:
        raise SettingsError(
            "training.num_sampled has no label smoothing: set training.label_smoothing "
            f"to 0. Received: {training['label_smoothing']}"
        )
    if not training["metrics"]:
        raise SettingsError("training.metrics must name at least one metric.")


def check_resumed(former, settings):
    """Refuses to go on with a training under settings that do not fit it.

    Args:
        former: The settings that the training began with.
        settings: Those to go on with.

    Raises:
        SettingsError: If more differs than what may, or a decay that was laid out
            for a number of epochs would have to be laid out for another.
    """
    may_change = MAY_CHANGE
    if settings["optimizer"]["decay"]:
        may_change = MAY_CHANGE - {"training.epochs"}
    wrong = []
    for section in DEFAULTS.keys() - NOT_OF_TRAINING:
        # An older version may not have known a setting that has its default now.
        before = {**DEFAULTS[section], **former.get(section, {})}
        now = settings[section]
        for name in sorted({*before, *now}):
            key, values = f"{section}.{name}", (before.get(name), now.get(name))
            if values[0] != values[1] and key not in may_change:
                wrong.append("{} was {!r}, now {!r}".format(key, *values))
    if wrong:
        raise SettingsError(
            f"--resume cannot go on with other settings: {'; '.join(sorted(wrong))}. "
            "Take back the change, or start anew with --fresh or in another folder "
            "with --run."
        )


def _value(text):
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
