"""Settings of a training: a dataclass for each section of a TOML file."""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from typing import Any

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.decoding import Search
from kseq2seq.evaluation import METRICS
from kseq2seq.models import PARTS
from kseq2seq.tokenizers import KINDS, NORMALIZATIONS
from kseq2seq.trainer.batch_settings import BatchSettings
from kseq2seq.trainer.data_settings import DataSettings, check_data, check_features
from kseq2seq.trainer.frame_settings import LogMelSettings, check_frame_settings
from kseq2seq.trainer.model_checks import (
    check_consistency,
    check_dependent,
    check_guided,
    check_hard,
    check_sampled,
    check_search,
    check_shared,
    check_subwords,
    check_vocabulary_sizes,
    placeholder_sizes,
)
from kseq2seq.trainer.recipe_files import read_toml, toml_value
from kseq2seq.trainer.sampling_settings import ScheduledSamplingSettings
from kseq2seq.trainer.schedules import SCHEDULES
from kseq2seq.trainer.schema import (
    SettingsError,
    boolean,
    choice,
    integer,
    make_section,
    none_or_integer,
    number,
    one_or_two,
    only_tables,
    setting,
    string,
    strings,
    unknown_name,
)
from kseq2seq.utils import PathLike

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
VALIDATION_SEARCHES = ("greedy", "search")


@dataclasses.dataclass(frozen=True)
class TokenizerSettings:
    """Section [tokenizer]: vocabularies."""

    kind: str | tuple[str, str] = setting(
        "unigram", one_or_two(choice(KINDS)), "Kind of the pieces"
    )
    vocabulary_size: int | tuple[int, int] = setting(
        8000, one_or_two(integer(5)), "Most pieces; fewer where texts give no more"
    )
    shared: bool = setting(
        False, boolean(), "Whether source and target have one vocabulary"
    )
    normalization: str | tuple[str, str] = setting(
        "identity",
        one_or_two(choice(NORMALIZATIONS)),
        "Normalization of text: nfd decomposes Hangul and accents, and composes them "
        "in outputs; nfkc reads look-alikes such as full-width digits alike",
    )
    split_digits: bool | tuple[bool, bool] = setting(
        False,
        one_or_two(boolean()),
        "Whether each digit is a piece of its own, of unigram and bpe",
    )


@dataclasses.dataclass(frozen=True)
class EmbeddingsSettings:
    """Section [embeddings]: word vectors to start from."""

    source: str = setting(
        "", string(), "File of word2vec or GloVe, in the folder --data"
    )
    target: str = setting("", string(), "Likewise, for the target")


@dataclasses.dataclass(frozen=True)
class OptimizerSettings:
    """Section [optimizer]: Adam and its learning rate."""

    learning_rate: float = setting(0.001, number(above=0), "The largest learning rate")
    schedule: str = setting(
        "constant", choice(SCHEDULES), "Learning rate after the warm-up"
    )
    warmup_steps: int = setting(
        0, integer(), "Steps in which the learning rate rises from 0"
    )
    clip_norm: float = setting(
        5.0, number(), "Largest norm of all gradients together; 0 for none"
    )
    weight_decay: float = setting(
        0.0,
        number(),
        "Decay of matrices, times the learning rate, as in Keras's AdamW; biases and "
        "other vectors do not decay; 0 for none",
    )
    accumulation_steps: int = setting(
        1, integer(1), "Batches whose gradients are averaged for one update"
    )
    plateau_factor: float = setting(
        0.5,
        number(above=0, below=1),
        "With schedule = 'plateau': factor of the learning rate",
    )
    plateau_patience: int = setting(
        2,
        integer(1),
        "With schedule = 'plateau': epochs without a better score, by the first of "
        "training.metrics, after which the factor is applied",
    )


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """Section [training]: the loss, epochs and scores."""

    epochs: int = setting(10, integer(1), "Passes over the data", may_change=True)
    steps_per_epoch: int = setting(
        0, integer(), "Batches of an epoch; 0 for a whole pass over the data"
    )
    checkpoint_steps: int = setting(
        0,
        integer(),
        "Batches between two checkpoints inside of an epoch, from which --resume goes "
        "on; 0 for none",
        may_change=True,
    )
    checkpoint_minutes: float = setting(
        0.0, number(), "Likewise, minutes between two; 0 for none", may_change=True
    )
    checkpoints_kept: int = setting(
        2, integer(1), "Number of these checkpoints that are kept", may_change=True
    )
    devices: tuple[str, ...] = setting(
        (),
        strings(),
        "Devices that share each batch, such as ['GPU:0', 'GPU:1']; the one that "
        "TensorFlow chooses if not given",
        may_change=True,
    )
    label_smoothing: float = setting(
        0.1, number(below=1), "Share of a label spread over the whole vocabulary"
    )
    num_sampled: int = setting(
        0,
        integer(),
        "For large vocabularies: tokens that are drawn for the loss (sampled softmax), "
        "with label_smoothing = 0; 0 for the whole vocabulary",
    )
    guided_alignment: float = setting(
        0.0,
        number(),
        "Weight of the loss by which attention learns the links in data.links, such as "
        "0.1; 0 for none",
    )
    consistency: float = setting(
        0.0,
        number(),
        "For small data: weight of the divergence between two passes with other "
        "dropout, such as 1; a step takes almost twice as long; 0 for one pass",
    )
    precision: str = setting(
        "float32",
        choice(PRECISIONS),
        "Keras's dtype policy; the others are faster on some machines",
    )
    jit_compile: bool = setting(
        False,
        boolean(),
        "Whether XLA compiles the step, once for each shape of batches; if false, as "
        "Keras chooses",
    )
    steps_per_execution: int = setting(
        1, integer(1), "Steps between two calls of the callbacks"
    )
    metrics: tuple[str, ...] = setting(
        ("bleu",), strings(METRICS), "Scores; the first one decides on the best epoch"
    )
    patience: int = setting(
        0,
        integer(),
        "Epochs without a better score after which the training stops; 0 for never",
        may_change=True,
    )
    ema: float = setting(
        0.0,
        number(below=1),
        "Momentum of a moving average of the weights, such as 0.999, over batches; the "
        "average is what is scored and kept; 0 for none",
    )
    frozen: tuple[str, ...] = setting(
        (),
        strings(PARTS, least=0),
        "Parts of the model that are not trained, such as in fine-tuning (--from) or "
        "with word vectors",
    )
    average_best: int = setting(
        0,
        none_or_integer(2),
        "Best epochs whose weights are averaged at the end; the average is kept if it "
        "scores better than the best epoch",
    )
    validation_search: str = setting(
        "greedy",
        choice(VALIDATION_SEARCHES),
        "How the validation set is translated after each epoch: greedily, with the "
        "lengths and rules of the section [search], or by all of it, as the model is "
        "used, which takes longer",
    )
    val_alignment: bool = setting(
        True,
        boolean(),
        "Whether to log how attention aligns the translations of the validation set, "
        "val_alignment (0: not at all) and others, and to warn at the end if the model "
        "has not learnt to align",
        may_change=True,
    )
    tensorboard: bool = setting(
        False, boolean(), "Whether to write logs for TensorBoard", may_change=True
    )
    seed: int = setting(1, integer(0, 2**32 - 1), "Seed of all random numbers")


@dataclasses.dataclass(frozen=True)
class CardSettings:
    """Section [card]: what the model card of an export says."""

    source: str = setting("", string(), 'What is translated, such as "English"')
    target: str = setting("", string(), "What it is translated to")
    data: str = setting("", string(), "Name of the data")
    licence: str = setting("", string(), "Licence of the data")
    example: str = setting("", string(), "A text to try the model with")
    example_features: str = setting(
        "", string(), "Its features, of a model with features"
    )


@dataclasses.dataclass(frozen=True)
class Settings:
    """All settings of a training, checked.

    The section [model] holds arguments of `kseq2seq.Seq2SeqConfig`, without sizes of
    vocabularies; [search] those of `kseq2seq.Search`.
    """

    data: DataSettings
    log_mel: LogMelSettings
    tokenizer: TokenizerSettings
    embeddings: EmbeddingsSettings
    batches: BatchSettings
    optimizer: OptimizerSettings
    training: TrainingSettings
    scheduled_sampling: ScheduledSamplingSettings
    model: dict[str, Any]
    search: dict[str, Any]
    card: CardSettings

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Dict from section to settings, of what JSON has."""
        return json.loads(json.dumps(dataclasses.asdict(self)))


SECTIONS: dict[str, Any] = {
    field.name: field.type
    for field in dataclasses.fields(Settings)
    if dataclasses.is_dataclass(field.type)
}


def read_settings(path: PathLike, changes: Iterable[str] = ()) -> Settings:
    """The settings in a TOML file, complete and checked.

    Args:
        path: Path of the file.
        changes: Strings `section.name=value`, values as in TOML; a value that is no
            TOML is taken as a string.

    Returns:
        The `Settings`.

    Raises:
        SettingsError: If the file cannot be read, or a setting cannot be used; it names
            all of those.
    """
    given = read_toml(path)
    errors = []
    if given.pop("sweep", None) is not None:
        errors.append(
            f"{path}: has a table [sweep]: run 'kseq2seq sweep {path}', or take it out."
        )
    given = only_tables(given, path, errors)
    for change in changes:
        key, equals, text = change.partition("=")
        section, dot, name = key.strip().partition(".")
        if equals and dot:
            given.setdefault(section, {})[name] = toml_value(text.strip())
        else:
            errors.append(f"--set must be section.name=value. Received: {change!r}")
    settings = make_settings(given, errors)
    check_dependent(given, errors)
    if errors:
        raise SettingsError(*errors)
    return settings


def make_settings(
    given: Mapping[str, Mapping[str, Any]], errors: list[str]
) -> Settings:
    """Settings from values, and defaults for all others.

    Args:
        given: Dict from section to a dict of settings.
        errors: List to which a message is added for each that cannot be used.

    Returns:
        The `Settings`, which can be used if nothing was added to `errors`.
    """
    names = [field.name for field in dataclasses.fields(Settings)]
    for section in sorted(given.keys() - set(names)):
        errors.append(
            f"[{section}] is no section: there are {', '.join(names)}. "
            f"Received: [{section}]"
        )
    given = {
        **given,
        "optimizer": _upgraded_optimizer(given.get("optimizer", {}), errors),
    }
    sections = {
        name: make_section(cls, name, given.get(name, {}), errors)
        for name, cls in SECTIONS.items()
    }
    model, search = dict(given.get("model", {})), dict(given.get("search", {}))
    check_subwords(sections["tokenizer"], sections["batches"], errors)
    check_shared(sections["tokenizer"], errors)
    has_features = check_features(sections["data"], errors)
    has_frames = check_frame_settings(sections, model, errors)
    check_vocabulary_sizes(model, errors)
    frame_size = sections["log_mel"].num_bands if has_frames else 0
    sizes = placeholder_sizes(frame_size, has_features)
    _checked("model", Seq2SeqConfig, {**model, **sizes}, errors)
    check_data(sections["data"], sections["training"], errors)
    searches = _checked("search", Search, search, errors)
    settings = Settings(**sections, model=model, search=search)
    if searches:
        check_search(searches, model, has_frames, errors)
    schedule = settings.optimizer
    try:
        SCHEDULES[schedule.schedule].make(
            schedule.learning_rate, 1000, schedule.warmup_steps
        )
    except ValueError as error:
        errors.append(str(error))
    check_sampled(settings.training, model, errors)
    check_guided(settings, model, errors)
    check_consistency(settings.training, model, errors)
    check_hard(settings.scheduled_sampling, model, errors)
    return settings


def _checked(
    section: str, cls: type, values: Mapping[str, Any], errors: list[str]
) -> Any:
    """An instance of a dataclass that checks itself; `None` if there are errors."""
    names = [field.name for field in dataclasses.fields(cls)]
    unknown = [name for name in values if name not in names]
    errors += [unknown_name(section, name, names) for name in unknown]
    try:
        return cls(**{x: value for x, value in values.items() if x in names})
    except (ValueError, TypeError) as error:
        errors.append(f"[{section}] {error}")
        return None


def _upgraded_optimizer(
    optimizer: Mapping[str, Any], errors: list[str]
) -> dict[str, Any]:
    """The section [optimizer]; `decay` of version 0.1 becomes a schedule."""
    settings = dict(optimizer)
    if "decay" not in settings:
        return settings
    decay = settings.pop("decay")
    if not isinstance(decay, bool) or "schedule" in settings:
        errors.append(
            "`optimizer.decay` must be true or false, without optimizer.schedule, which"
            f" has taken its place. Received: {decay!r}"
        )
    return {"schedule": "cosine" if decay else "constant", **settings}
