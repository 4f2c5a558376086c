"""The pairs that the section [data] of the settings names, in three parts."""

import random

from kseq2seq.trainer.settings import SettingsError


def read_parts(settings, folder):
    """The pairs for training, validation and test, as lists."""
    from kseq2seq import data

    if not settings["train"] and settings["format"] != "dates":
        raise SettingsError("data.train must name what to train on. Received: nothing")
    read = reader(settings, folder)
    train = read(settings["train"])
    validation = read(settings["validation"]) if settings["validation"] else []
    test = read(settings["test"]) if settings["test"] else []
    if not validation:
        # Two parts of equal size: one chooses the best epoch, one is scored.
        sources = len({source for source, _ in train})
        parts = 1 if test else 2
        share = settings["held_out"] / sources
        if share * parts >= 0.5:
            raise SettingsError(
                f"data.held_out takes {settings['held_out']} of {sources} sources "
                f"{parts} times, which leaves too few; make it smaller."
            )
        rest = 1 - parts * share
        train, validation, *held_out = data.split(train, (rest, *[share] * parts))
        test = test or held_out[0]
    return [draw(part, settings["limit"]) for part in (train, validation, test)]


def reader(settings, folder):
    """Function from what `data.train` and the like name to pairs."""
    from kseq2seq import data

    def read_parallel(files):
        if len(files) != 2:
            raise SettingsError(
                "data: format 'parallel' wants two files, source and target. "
                f"Received: {files!r}"
            )
        return data.read_parallel(*(folder / name for name in files))

    def read_tsv(files):
        parts = [data.read_tsv(folder / x, settings["columns"]) for x in files]
        return [pair for part in parts for pair in part]

    def read_tfds(splits):
        sides = settings["source"] or None, settings["target"] or None
        parts = [data.read_tfds(settings["name"], x, *sides) for x in splits]
        return [pair for part in parts for pair in part]

    def make_dates(names):
        if names:
            raise SettingsError(
                "data: format 'dates' reads no files: all parts are of data.count "
                f"dates. Received: {names!r}"
            )
        return data.dates(settings["count"])

    readers = {
        "parallel": read_parallel,
        "tsv": read_tsv,
        "tfds": read_tfds,
        "dates": make_dates,
    }
    if settings["format"] not in readers:
        raise SettingsError(
            f"data.format must be one of {', '.join(readers)}. "
            f"Received: {settings['format']!r}"
        )
    return readers[settings["format"]]


def draw(pairs, limit):
    """All pairs of `limit` sources drawn by chance, or of all if it is 0."""
    sources = list(dict.fromkeys(source for source, _ in pairs))
    if not limit or len(sources) <= limit:
        return pairs
    drawn = set(random.Random(0).sample(sources, limit))
    return [pair for pair in pairs if pair[0] in drawn]
