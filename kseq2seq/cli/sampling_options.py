"""Options of sampling and of minimum-risk decoding, which several verbs have."""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from kseq2seq.cli.arguments import count, flag, index, positive, share
from kseq2seq.cli.search_options import given_search_options
from kseq2seq.evaluation import UTILITIES

# Names of the options, which are those of `Translator.sample`.
NAMES = ("seed", "temperature", "top_k", "top_p")
DEFAULT_SAMPLES = 32
# Options beside those of `search_options` that a search alone has.
OF_SEARCHES = ("alignments", "prefix", "force_words", "allowed", "language_model")


def add_sampling_options(group: Any) -> None:
    """Adds `--seed`, `--temperature`, `--top-k` and `--top-p`.

    Args:
        group: A parser, or a group of its arguments.
    """
    group.add_argument(
        "--seed", type=index, metavar="N", help="seed of the draws (default: 0)"
    )
    group.add_argument(
        "--temperature",
        type=positive,
        metavar="X",
        help="divides log-probabilities (default: 1)",
    )
    group.add_argument(
        "--top-k", type=count, metavar="N", help="draw of the N most probable tokens"
    )
    group.add_argument(
        "--top-p",
        type=share,
        metavar="SHARE",
        help="draw of the most probable tokens that have this probability together",
    )


def add_minimum_risk_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--mbr`, `--samples` and the options of sampling.

    Args:
        parser: The parser of a verb.
    """
    group = parser.add_argument_group("minimum-risk decoding")
    group.add_argument(
        "--mbr",
        choices=[*UTILITIES],
        help="draw translations of each line, and take the one that is most like all "
        "of them, by this measure, instead of searching",
    )
    group.add_argument(
        "--samples",
        type=count,
        metavar="N",
        help=f"translations that are drawn (default: {DEFAULT_SAMPLES})",
    )
    add_sampling_options(group)


def add_distinct_samples(parser: argparse.ArgumentParser) -> None:
    """Adds `--distinct-samples`, whose other options are those of `--mbr`.

    Args:
        parser: The parser of a verb.
    """
    parser.add_argument(
        "--distinct-samples",
        type=count,
        metavar="N",
        help="draw N translations of each line, none of them twice, by --seed and "
        "--temperature, and print each on a line of its own: number of the input line, "
        "log-probability, translation, with tabs between them",
    )


def given_sampling_options(options: argparse.Namespace) -> dict[str, Any]:
    """The options of sampling that were given, by the names of `Translator.sample`.

    Args:
        options: Those of a verb.
    """
    values = {name: getattr(options, name, None) for name in NAMES}
    return {name: value for name, value in values.items() if value is not None}


def check_drawn(options: argparse.Namespace, drawing: str, is_drawn: bool) -> None:
    """Refuses options that have no effect.

    Args:
        options: Those of a verb.
        drawing: The option by which translations are drawn.
        is_drawn: Whether it was given.

    Raises:
        ValueError: If options of sampling were given without it, or those of a search
            beside it.
    """
    sampling = given_sampling_options(options)
    if getattr(options, "samples", None) is not None:
        sampling["samples"] = options.samples
    if sampling and not is_drawn:
        raise ValueError(
            f"Options of sampling need {drawing}: add it, or leave them out. Received: "
            f"{_flags(sampling)}"
        )
    others = {*given_search_options(options)} - {"num_hypotheses"}
    others |= {name for name in OF_SEARCHES if getattr(options, name, None)}
    if others and is_drawn:
        raise ValueError(
            f"{drawing} draws instead of searching: leave out what only a search can "
            f"do. Received: {_flags(sorted(others))}"
        )


def _flags(names):
    return ", ".join(map(flag, names))


def check_distinct(options: argparse.Namespace) -> None:
    """Refuses options that `--distinct-samples` takes no notice of.

    Args:
        options: Those of a verb with `--distinct-samples` and `--mbr`.

    Raises:
        ValueError: If one of them was given.
    """
    names = ("mbr", "samples", "top_k", "top_p", "num_hypotheses")
    given = [name for name in names if getattr(options, name) is not None]
    if given:
        raise ValueError(
            "--distinct-samples N draws N translations by --seed and --temperature "
            f"alone: leave out other options of drawing. Received: {_flags(given)}"
        )


def seed_of_window(options: argparse.Namespace, first: int) -> dict[str, int]:
    """The seed of a window of lines, by name, or nothing if lines are searched for.

    No two windows of a file draw by the same seeds.

    Args:
        options: Those of a verb with `--mbr`, and maybe `--distinct-samples`.
        first: Number of the first line, from 1.
    """
    is_distinct = getattr(options, "distinct_samples", None) is not None
    if options.mbr is None and not is_distinct:
        return {}
    # A seed for each text of `sample`, and `--distinct-samples` has one for each line.
    draws = 1 if options.mbr is None else options.samples or DEFAULT_SAMPLES
    return {"seed": (options.seed or 0) + (first - 1) * draws}


def minimum_risk_function(
    options: argparse.Namespace, translator: Any
) -> Callable[..., list[list[Any]]]:
    """Minimum-risk decoding as the options say.

    Args:
        options: Those of a verb, with `--mbr`.
        translator: The translator.

    Returns:
        A function from texts, and by name their `features` and another `seed`, to the
        `Translation`s of each, the best first.
    """
    from kseq2seq.inference import minimum_risk

    rank = partial(
        minimum_risk,
        translator,
        utility=options.mbr,
        samples=options.samples or DEFAULT_SAMPLES,
        **given_sampling_options(options),
    )

    def translate(texts, **others):
        best = getattr(options, "num_hypotheses", None) or 1
        return [ranked[:best] for ranked in rank(texts, **others)]

    return translate


def distinct_samples_function(
    options: argparse.Namespace, translator: Any
) -> Callable[..., list[list[Any]]]:
    """Samples without repetition as the options say.

    Args:
        options: Those of a verb, with `--distinct-samples`.
        translator: The translator, of a run folder.

    Returns:
        A function from texts, and by name their `features` and another `seed`, to the
        `Translation`s of each, in the order in which they were drawn; their `score` is
        `log_prob`.
    """
    draw = partial(
        translator.sample_distinct,
        num_samples=options.distinct_samples,
        **given_sampling_options(options),
    )

    def translate(texts, **others):
        rows = draw(texts, **others)
        return [[each._replace(score=each.log_prob) for each in row] for row in rows]

    return translate
