"""The pairs that the section [data] of the settings names, in three parts."""

import random
from pathlib import Path
from typing import Any, NamedTuple

from kseq2seq import data, runs
from kseq2seq.trainer.batches import make_corpora
from kseq2seq.trainer.readers import READERS, Pairs
from kseq2seq.trainer.schema import SettingsError
from kseq2seq.trainer.settings import DataSettings, make_settings
from kseq2seq.utils import PathLike, is_integer

# Sources that a share holds out at most: more take long to translate in each epoch.
MAX_HELD_OUT = 2000


def read_parts(
    settings: DataSettings, folder: Path, sampled: bool = True
) -> tuple[Pairs, Pairs, Pairs]:
    """The pairs for training, validation and test.

    Args:
        settings: The section [data].
        folder: Path of the folder of the files that it names.
        sampled: Whether a stream is sampled, for tokenizers that are not there yet.

    Returns:
        A tuple of three lists of pairs, the first of them a sample of a stream, and
        with word links behind source and target where there are any, the last of them
        empty if validation is given and a test is not.

    Raises:
        ValueError: If the data cannot be read, or is too little to hold out a part.
    """
    reader = READERS[settings.format]
    options = {name: getattr(settings, name) for name in reader.options}
    if settings.stream:
        corpora = make_corpora(settings, folder)
        size = settings.tokenizer_sample
        train: Any = data.sample(corpora, size) if sampled else []
    else:
        links = {"links": settings.links} if settings.links else {}
        train = reader.read(settings.train, folder, **options, **links)
    validation, test = (
        reader.read(names, folder, **options) if names else []
        for names in (settings.validation, settings.test)
    )
    if not validation:
        # Two parts of equal size: one chooses the best epoch, one is scored.
        train, validation, *held_out = _hold_out(train, settings, 1 if test else 2)
        test = test or held_out[0]
    return (
        draw(train, settings.limit),
        draw(validation, settings.limit),
        draw(test, settings.limit),
    )


def pairs_of_run(run: PathLike, folder: PathLike = "") -> tuple[Pairs, Pairs]:
    """The pairs that the model in a run folder was trained and validated with.

    Args:
        run: Path of the run folder.
        folder: Path of the folder of the data files that its settings name.

    Returns:
        A tuple of two lists of `(source, target)`, or with features behind them; the
        first of them a sample where they were streamed.

    Raises:
        ValueError: If the run folder has no settings, or the data cannot be read.
    """
    given = runs.read_settings(run)
    if not given:
        raise ValueError(
            f"{run} must have the settings of a training, as 'kseq2seq train' writes "
            "them: name a file of pairs instead. Received: a run folder without"
        )
    errors: list[str] = []
    settings = make_settings(given, errors)
    if errors:
        raise SettingsError(*errors)
    train, validation, _ = read_parts(settings.data, Path(folder))
    return _without_links(train, settings.data), validation


def _without_links(rows: Pairs, settings: DataSettings) -> Pairs:
    return [row[:2] for row in rows] if settings.links else rows


def _hold_out(pairs: Pairs, settings: DataSettings, parts: int) -> tuple[Pairs, ...]:
    """The remaining pairs, and the parts held out of them."""
    sources = len({source for source, *_ in pairs})
    count = settings.held_out
    if not is_integer(count):
        count = min(MAX_HELD_OUT, max(1, round(count * sources)))
    share = count / sources
    if share * parts >= 0.5:
        can_be_less = 2 * parts < sources
        raise SettingsError(
            f"data.held_out must leave more than half of the {sources} sources for "
            f"training. Received: {settings.held_out}, which takes {count}, {parts} "
            f"times. {'Make it smaller, or give' if can_be_less else 'Give'} more "
            "data, or name files in data.validation and data.test"
        )
    is_pairs = settings.features_column == "" and not settings.links
    split = data.split if is_pairs else data.split_triples
    train, *others = split(pairs, (1 - parts * share, *[share] * parts))
    return train, *(_without_links(rows, settings) for rows in others)


def draw(pairs: Pairs, limit: int) -> Pairs:
    """All pairs of a number of sources drawn at random.

    Args:
        pairs: List of `(source, target)`, or with features behind them.
        limit: Number of sources; 0 for all of them.

    Example:

    >>> draw([("a", "1"), ("b", "2"), ("a", "3")], limit=1)
    [('b', '2')]
    """
    sources = list(dict.fromkeys(source for source, *_ in pairs))
    if not limit or len(sources) <= limit:
        return pairs
    drawn = set(random.Random(0).sample(sources, limit))
    return [pair for pair in pairs if pair[0] in drawn]


class ReferenceSet(NamedTuple):
    """Sources to translate and score at the end of a training, with right answers.

    Attributes:
        sources: The sources.
        features: The features of each; `None` for a model without features.
        references: For each source the list of its right answers.
    """

    sources: list[str]
    features: list[str] | None
    references: list[list[str]]


def reference_set(settings: DataSettings, pairs: Pairs) -> ReferenceSet:
    """Sources with their references.

    Args:
        settings: The section [data].
        pairs: List of `(source, target)`, or with features behind them.
    """
    if settings.features_column != "":
        return ReferenceSet(*data.group_triples(pairs))
    if READERS[settings.format].has_variants:
        sources, references = data.group_references(pairs)
        return ReferenceSet(sources, None, references)
    return ReferenceSet([x[0] for x in pairs], None, [[x[1]] for x in pairs])
