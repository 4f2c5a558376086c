"""Checks of settings of a training that depend on several sections."""

from collections.abc import Mapping
from typing import Any

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.tokenizers import SUBWORD_KINDS
from kseq2seq.trainer.readers import READERS

VOCABULARY_SIZES = (
    "source_vocabulary_size",
    "target_vocabulary_size",
    "feature_vocabulary_size",
)
# Settings without effect while the one in front of them has its default.
_DEPENDENT = {
    ("scheduled_sampling", "schedule"): ("probability", "steps", "draws"),
    ("optimizer", "schedule"): ("plateau_factor", "plateau_patience"),
    ("batches", "sampling_nbest_size"): ("sampling_alpha",),
}
# Any size that a config accepts.
_PLACEHOLDER = 1000


def placeholder_sizes(frame_size: int, has_features: bool) -> dict[str, int]:
    """Sizes to check a config with, before there are vocabularies.

    Args:
        frame_size: Size of the frames that sources are; 0 for texts.
        has_features: Whether sources have features.

    Returns:
        Dict from arguments of `kseq2seq.Seq2SeqConfig` to sizes.

    Example:

    >>> config = Seq2SeqConfig(**placeholder_sizes(frame_size=80, has_features=False))
    >>> config.source_vocabulary_size, config.source_frame_size
    (0, 80)
    """
    return {
        "source_vocabulary_size": 0 if frame_size else _PLACEHOLDER,
        "source_frame_size": frame_size,
        "target_vocabulary_size": _PLACEHOLDER,
        "feature_vocabulary_size": _PLACEHOLDER if has_features else 0,
    }


def check_dependent(given: Mapping[str, Mapping[str, Any]], errors: list[str]) -> None:
    """Refuses settings without the one that they have an effect with.

    It must be given, if only with its default: who switches it off for a while need not
    take out the others, nor a complete list of settings.

    Args:
        given: Dict from section to a dict of settings, as they stand in a file.
        errors: List to which a message is added for what cannot be used.

    Example:

    >>> errors = []
    >>> check_dependent({"batches": {"sampling_alpha": 0.2}}, errors)
    >>> errors[0].partition(":")[0]
    'batches.sampling_alpha has no effect without batches.sampling_nbest_size'
    """
    options = dict.fromkeys(x for reader in READERS.values() for x in reader.options)
    for (section, switch), names in {**_DEPENDENT, ("data", "format"): options}.items():
        values = given.get(section, {})
        for name in names:
            if name in values and switch not in values:
                errors.append(
                    f"{section}.{name} has no effect without {section}.{switch}: give "
                    "both or none. Received: "
                    f"{section}.{name} = {values[name]!r} alone"
                )


def check_shared(tokenizer: Any, errors: list[str]) -> None:
    """Refuses a shared tokenizer with two values of its settings.

    Args:
        tokenizer: The section [tokenizer].
        errors: List to which a message is added for what cannot be used.
    """
    for name in ("kind", "vocabulary_size", "normalization", "split_digits"):
        value = getattr(tokenizer, name)
        if tokenizer.shared and isinstance(value, tuple) and value[0] != value[1]:
            errors.append(
                f"tokenizer.{name} must be one value with tokenizer.shared, which "
                f"makes one tokenizer for both sides. Received: {list(value)}"
            )


def check_subwords(tokenizer: Any, batches: Any, errors: list[str]) -> None:
    """Refuses settings of subwords where the tokens of a tokenizer are others.

    Args:
        tokenizer: The section [tokenizer].
        batches: The section [batches].
        errors: List to which a message is added for what cannot be used.
    """
    kinds = both_sides(tokenizer.kind)
    sizes = batches.sampling_nbest_size
    is_split = both_sides(tokenizer.split_digits)
    is_sampled = [size not in (0, 1) for size in both_sides(sizes)]
    settings = (
        ("tokenizer.split_digits", tokenizer.split_digits, is_split, "false", "true"),
        ("batches.sampling_nbest_size", sizes, is_sampled, "0", "-1"),
    )
    for name, value, is_used, off, on in settings:
        if any(
            used and kind not in SUBWORD_KINDS
            for used, kind in zip(is_used, kinds, strict=True)
        ):
            errors.append(
                f"{name} must be {off} unless tokenizer.kind is 'unigram' or 'bpe'; "
                f"for one side alone it is such as [{on}, {off}]. Received: {value}, "
                f"kind = {tokenizer.kind!r}"
            )


def both_sides(value: Any) -> tuple[Any, Any]:
    """The values of the source and the target, of a setting of both or of each.

    Args:
        value: One value, or a tuple or a list of two.

    Example:

    >>> both_sides("word"), both_sides(["word", "bpe"])
    (('word', 'word'), ('word', 'bpe'))
    """
    source, target = value if isinstance(value, (tuple, list)) else (value, value)
    return source, target


def check_vocabulary_sizes(model: Mapping[str, Any], errors: list[str]) -> None:
    """Refuses sizes of vocabularies, which come from the tokenizers.

    Args:
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    for name in VOCABULARY_SIZES:
        if name in model:
            errors.append(
                f"model.{name} comes from the data: leave it out, and set "
                "tokenizer.vocabulary_size for the tokenizers. "
                f"Received: model.{name}={model[name]!r}"
            )


def check_sampled(training: Any, model: Mapping[str, Any], errors: list[str]) -> None:
    """Checks settings that a sampled softmax excludes.

    Args:
        training: The section [training].
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    if training.num_sampled and training.label_smoothing:
        errors.append(
            "training.num_sampled has no label smoothing: set training.label_smoothing "
            f"to 0. Received: {training.label_smoothing}"
        )
    if training.num_sampled and model.get("copying"):
        errors.append(
            "training.num_sampled estimates a softmax, which model.copying mixes with "
            "copies: set it to 0, or model.copying to false. "
            f"Received: num_sampled = {training.num_sampled}"
        )
    probability_fn = model.get("output_probability_fn", "softmax")
    if training.num_sampled and probability_fn != "softmax":
        errors.append(
            "training.num_sampled estimates a softmax: set it to 0, or "
            "model.output_probability_fn to 'softmax'. Received: num_sampled = "
            f"{training.num_sampled} with {probability_fn!r}"
        )


def check_consistency(
    training: Any, model: Mapping[str, Any], errors: list[str]
) -> None:
    """Checks settings that training.consistency needs or excludes.

    Args:
        training: The section [training].
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    if not training.consistency:
        return
    received = f"Received: training.consistency = {training.consistency}"
    noises = ("recurrent_dropout", "zoneout", "spec_augment")
    has_dropout = model.get("dropout", Seq2SeqConfig.dropout)
    if not has_dropout and not any(model.get(name) for name in noises):
        errors.append(
            "training.consistency compares two passes that differ by dropout: set "
            f"model.dropout, or leave it out. {received} without dropout"
        )
    probability_fn = model.get("output_probability_fn", "softmax")
    if training.num_sampled or probability_fn != "softmax":
        errors.append(
            "training.consistency compares a softmax over the whole vocabulary: set "
            "training.num_sampled to 0 and model.output_probability_fn to 'softmax', "
            f"or leave it out. {received}, num_sampled = {training.num_sampled}, "
            f"{probability_fn!r}"
        )


def check_search(
    search: Any, model: Mapping[str, Any], has_frames: bool, errors: list[str]
) -> None:
    """Checks options of a search that need a certain kind of model.

    Args:
        search: The `kseq2seq.Search`.
        model: The section [model].
        has_frames: Whether sources are recordings or frames.
        errors: List to which a message is added for what cannot be used.
    """
    has_attention = model.get("attention") != "none"
    if search.coverage_penalty and not has_attention:
        errors.append(
            "search.coverage_penalty needs a model with attention. Received: "
            f"{search.coverage_penalty} with model.attention = 'none'"
        )
    if search.replace_unknown and (has_frames or not has_attention):
        errors.append(
            "search.replace_unknown needs a source of text and a model with attention. "
            f"Received: {search.replace_unknown!r:.80}"
        )
    if search.shortlist:
        errors.append(
            "search.shortlist must be false in a training, before there is a shortlist:"
            " ask for it when you translate or export. Received: true"
        )


def check_hard(sampling: Any, model: Mapping[str, Any], errors: list[str]) -> None:
    """Checks settings that hard attention excludes.

    Args:
        sampling: The section [scheduled_sampling].
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    if model.get("hard_attention", "none") != "none" and sampling.schedule != "none":
        errors.append(
            "scheduled_sampling.schedule must be none with model.hard_attention, whose "
            f"positions depend on the true tokens. Received: {sampling.schedule!r}"
        )


def check_guided(settings: Any, model: Mapping[str, Any], errors: list[str]) -> None:
    """Checks settings that guided alignment needs or excludes.

    Args:
        settings: The `Settings`.
        model: The section [model].
        errors: List to which a message is added for what cannot be used.
    """
    weight, links = settings.training.guided_alignment, settings.data.links
    if bool(weight) != bool(links):
        errors.append(
            "training.guided_alignment, a weight, and data.links, a file, go together: "
            f"set both or none. Received: {weight} and {links!r}"
        )
    if not links:
        return
    if settings.data.format != "parallel" or settings.data.stream:
        errors.append(
            "data.links are those of pairs in two files and in memory: set data.format "
            "to 'parallel' and data.stream to false. Received: "
            f"{settings.data.format!r}, {settings.data.stream}"
        )
    if model.get("attention") == "none" and model.get("architecture") != "transformer":
        errors.append(
            "training.guided_alignment needs a model with attention. Received: "
            f"{weight} with model.attention = 'none'"
        )
    batches = settings.batches
    sizes = both_sides(batches.sampling_nbest_size)
    if batches.source_swap or any(size not in (0, 1) for size in sizes):
        errors.append(
            "data.links are of tokens that stay as they are: set batches.source_swap "
            "and batches.sampling_nbest_size to 0. Received: "
            f"{batches.source_swap} and {batches.sampling_nbest_size}"
        )
