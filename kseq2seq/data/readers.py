"""Readers: from files and data sets to pairs of source and target text.

Pairs are plain lists of `(source, target)` strings. `batches` (from
`kseq2seq.data.batching`) makes of them what `model.fit` takes.
"""

import difflib
import logging
import random

from kseq2seq.data.lines import DataError, read_lines
from kseq2seq.utils import check_installed

_logger = logging.getLogger("kseq2seq")


def read_parallel(source_path, target_path):
    r"""Reads two files in which equal lines translate each other (as Moses does).

    Lines end with `\n` or `\r\n` and with nothing else; a byte order mark is
    skipped. Pairs with an empty side are left out and reported by a warning of
    the logger "kseq2seq".

    Args:
        source_path: A text file in UTF-8, plain, gzipped or the only `.txt` or
            `.tsv` file in a zip.
        target_path: Another, with as many lines.

    Returns:
        A list of `(source, target)` strings.

    Raises:
        DataError: If a file is missing, empty, damaged or not UTF-8, or if the
            two have different numbers of lines.

    Example:

    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "train.en").write_text("A dog.\nA cat.\n")
    >>> _ = (folder / "train.de").write_text("Ein Hund.\nEine Katze.\n")
    >>> read_parallel(folder / "train.en", folder / "train.de")
    [('A dog.', 'Ein Hund.'), ('A cat.', 'Eine Katze.')]
    """
    sources, targets = _read_lines(source_path), _read_lines(target_path)
    if len(sources) != len(targets):
        raise DataError(
            "Parallel files must have the same number of lines. Received: "
            f"{source_path} with {len(sources)} and {target_path} with "
            f"{len(targets)} lines; from line {min(len(sources), len(targets)) + 1} "
            "on, one of them has no counterpart"
        )
    pairs = list(zip(sources, targets, strict=True))
    return _without_empty(pairs, f"{source_path}, {target_path}")


def read_tsv(path, columns=(0, 1)):
    r"""Reads pairs from the columns of a tab-separated file (as `fra.txt`).

    Lines end with `\n` or `\r\n` and with nothing else; quotes mean nothing; a
    byte order mark is skipped. Pairs with an empty side are left out and reported
    by a warning of the logger "kseq2seq".

    Args:
        path: A text file in UTF-8, plain, gzipped or in a zip, which may hold one
            `.txt` or `.tsv` file besides those whose names begin with "_".
        columns: Index, from 0, of the source's and of the target's column.

    Returns:
        A list of `(source, target)` strings.

    Raises:
        DataError: If the file is missing, empty, damaged or not UTF-8, or if a
            line lacks one of the columns.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "fra.txt"
    >>> _ = path.write_text("Go.\tVa !\tCC-BY 2.0\n")
    >>> read_tsv(path)
    [('Go.', 'Va !')]
    """
    columns = tuple(columns)
    if len(columns) != 2 or not all(isinstance(c, int) and c >= 0 for c in columns):
        raise ValueError(
            "`columns` must be two integers from 0 on, the source's and the "
            f"target's. Received: columns={columns!r}"
        )
    pairs = []
    for number, line in enumerate(_read_lines(path), 1):
        cells = line.split("\t")
        if not line.strip():
            pairs.append(("", ""))
        elif len(cells) <= max(columns):
            raise DataError(
                f"{path}:{number}: column {max(columns)} (counted from 0) is missing: "
                f"expected at least {max(columns) + 1} columns with tabs between "
                f"them. Received: {len(cells)} in {line[:80]!r}"
            )
        else:
            pairs.append((cells[columns[0]], cells[columns[1]]))
    return _without_empty(pairs, path)


def read_tfds(name, split="train", source=None, target=None):
    """Reads pairs from a translation set of TensorFlow Datasets.

    A set that is not on this computer yet is downloaded first; the logger
    "kseq2seq" says so before it begins. Pairs with an empty side are left out and
    reported, as in `read_parallel`.

    Args:
        name: A data set's name with its configuration, such as
            "ted_hrlr_translate/pt_to_en".
        split: Name of a split, or a part of one, such as "train[:1000]".
        source: The source's feature, most often its language, such as "pt". May be
            left out, as `target` may, where the set has exactly two texts: they
            are then translated in the direction that the set states.
        target: The target's.

    Returns:
        A list of `(source, target)` strings.

    Raises:
        DataError: If there is no such set, split or feature, or if the set cannot
            be downloaded.
        ValueError: If TensorFlow Datasets is not installed.
    """
    check_installed("tfds")
    import tensorflow_datasets as tfds

    try:
        builder = tfds.builder(name)
    except (ValueError, ImportError, OSError) as error:
        raise DataError(_no_such_set(name, error)) from error
    pair_of = _pair_of(builder, source, target)
    _prepare(builder)
    try:
        dataset = builder.as_dataset(split=split)
    except (ValueError, KeyError) as error:
        raise DataError(
            f"{name}: no such split. Expected one of {list(builder.info.splits)}, or "
            f"a part of one as 'train[:1000]'. Received: split={split!r}"
        ) from error
    pairs = []
    for sources, targets in tfds.as_numpy(dataset.map(pair_of).batch(1024)):
        rows = zip(sources, targets, strict=True)
        pairs += [(source.decode(), target.decode()) for source, target in rows]
    return _without_empty(pairs, f"{name}, split {split}")


def _no_such_set(name, error):
    """Says that a set is unknown and which names are near."""
    import tensorflow_datasets as tfds

    base = str(name).split("/")[0].split(":")[0]
    known = set(tfds.list_builders(with_community_datasets=False))
    if base in known:
        configs = tfds.builder_cls(base).builder_configs
        near = [f"{base}/{config}" for config in configs]
    else:
        near = difflib.get_close_matches(base, known)
    near = difflib.get_close_matches(str(name), near, n=5, cutoff=0.0)
    reason = next(iter(str(error).splitlines()), "")
    return (
        f"TensorFlow Datasets has no such data set. Received: {name!r} ({reason})."
        + (f" Similar names: {', '.join(near)}" if near else "")
    )


def _pair_of(builder, source, target):
    """A function from a set's example to its `(source, target)` tensors."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    for key, feature in features.items():
        if isinstance(feature, tfds.features.TranslationVariableLanguages):
            _languages(builder, feature.languages, source, target)
            return lambda example: (
                _in_language(example[key], source),
                _in_language(example[key], target),
            )
    texts = [k for k, v in features.items() if isinstance(v, tfds.features.Text)]
    source, target = _languages(builder, texts, source, target)
    return lambda example: (example[source], example[target])


def _in_language(translations, language):
    """The text in one of a varying set of languages, empty if there is none."""
    import tensorflow as tf

    found = translations["language"] == language
    return tf.strings.reduce_join(tf.boolean_mask(translations["translation"], found))


def _languages(builder, texts, source, target):
    """Source and target among the names of texts; the only two if not given."""
    if len(texts) == 2 and source is None and target is None:
        stated = builder.info.supervised_keys
        return stated if stated and set(stated) == set(texts) else texts
    if len(texts) == 2 and (source is None or target is None):
        given = target if source is None else source
        other = texts[texts.index(given) - 1] if given in texts else None
        source, target = (other, given) if source is None else (given, other)
    if source not in texts or target not in texts:
        raise DataError(
            f"{builder.name}: `source` and `target` must be two of the texts in this "
            f"set: {', '.join(sorted(texts)) or 'there are none'}. "
            f"Received: source={source!r}, target={target!r}"
        )
    return source, target


def _prepare(builder):
    """Downloads a set unless it is here."""
    if builder.is_prepared():
        return
    _logger.warning(
        "%s is not in %s yet: downloading it now (%s). Without a connection, this "
        "fails after some minutes.",
        builder.info.full_name,
        builder.data_path,
        builder.info.download_size or "size unknown",
    )
    try:
        builder.download_and_prepare()
    except Exception as error:  # each data set's own code fails in its own way
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise DataError(
            f"{builder.info.full_name} could not be downloaded ({reason}). Connect "
            f"this computer, or copy the prepared set to {builder.data_path}"
        ) from error


def _without_empty(pairs, name):
    """Leaves out pairs with an empty side and says so."""
    kept = [(s, t) for s, t in pairs if s.strip() and t.strip()]
    if len(kept) == len(pairs):
        return kept
    first = next(
        number
        for number, (source, target) in enumerate(pairs, 1)
        if not (source.strip() and target.strip())
    )
    if not kept:
        raise DataError(f"{name}: every pair has an empty side.")
    _logger.warning(
        "%s: left out %d of %d pairs, whose source or target is empty; "
        "the first is number %d.",
        name,
        len(pairs) - len(kept),
        len(pairs),
        first,
    )
    return kept


def _read_lines(path):
    """Reads a file's lines, of which there is at least one."""
    lines = read_lines(path)
    if not lines:
        raise DataError(f"{path}: expected lines of text; the file is empty.")
    return lines


def split(pairs, fractions=(0.9, 0.05, 0.05), seed=0):
    """Splits pairs by source text, so that no source is in two parts.

    Args:
        pairs: A list of `(source, target)` strings.
        fractions: The share of distinct sources for each part; they sum to 1.
        seed: An integer; the same seed gives the same parts.

    Returns:
        A tuple of lists of pairs, one for each fraction, each in the order of
        `pairs`.

    Raises:
        ValueError: If the fractions are not positive or do not sum to 1, or if
            there are too few sources for a part to have any.

    Example:

    >>> pairs = [(str(n // 2), str(n)) for n in range(40)]
    >>> train, dev = split(pairs, fractions=(0.9, 0.1))
    >>> len(train), len(dev)
    (36, 4)
    """
    if not fractions or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise ValueError(
            "`fractions` must be positive and sum to 1. "
            f"Received: fractions={fractions!r}"
        )
    sources = list(dict.fromkeys(source for source, _ in pairs))
    random.Random(seed).shuffle(sources)
    ends = [
        round(sum(fractions[: i + 1]) * len(sources)) for i in range(len(fractions))
    ]
    starts = [0, *ends[:-1]]
    if any(start == end for start, end in zip(starts, ends, strict=True)):
        raise ValueError(
            f"Too few sources for these fractions: a part would be empty. Received: "
            f"fractions={fractions!r}, {len(sources)} distinct sources"
        )
    part_of = {}
    for part, (start, end) in enumerate(zip(starts, ends, strict=True)):
        part_of.update(dict.fromkeys(sources[start:end], part))
    parts = tuple([] for _ in fractions)
    for pair in pairs:
        parts[part_of[pair[0]]].append(pair)
    return parts


def group_references(pairs):
    """Gathers the accepted targets of each source.

    Args:
        pairs: A list of `(source, target)` strings.

    Returns:
        A tuple `(sources, references)`: the distinct sources, and for each a list
        of its distinct targets; both in the order of first occurrence.

    Example:

    >>> group_references([("Hi.", "Salut !"), ("Go.", "Va !"), ("Hi.", "Salut.")])
    (['Hi.', 'Go.'], [['Salut !', 'Salut.'], ['Va !']])
    """
    references = {}
    for source, target in pairs:
        targets = references.setdefault(source, [])
        if target not in targets:
            targets.append(target)
    return list(references), list(references.values())
