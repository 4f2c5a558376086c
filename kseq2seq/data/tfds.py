"""Reader of translation sets of TensorFlow Datasets."""

import difflib
import logging
from collections.abc import Iterator
from typing import Any

from kseq2seq.data.containers import Pairs
from kseq2seq.data.lines import DataError
from kseq2seq.data.pairs import without_empty_sides
from kseq2seq.utils import check_installed

_logger = logging.getLogger("kseq2seq")


def read_tfds(
    name: str,
    split: str = "train",
    source: str | None = None,
    target: str | None = None,
) -> Pairs:
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
    pairs = list(iter_tfds(name, split, source, target))
    return without_empty_sides(pairs, f"{name}, split {split}")


def iter_tfds(
    name: str,
    split: str = "train",
    source: str | None = None,
    target: str | None = None,
) -> Iterator[tuple[str, str]]:
    """The rows of a translation set, one by one, as `read_tfds` reads them.

    Args:
        name: As there, and so are the others.
        split: Name of a split.
        source: The source's feature.
        target: The target's.

    Yields:
        Tuples `(source, target)`, with empty sides among them.

    Raises:
        DataError: As in `read_tfds`.
        ValueError: If TensorFlow Datasets is not installed.
    """
    check_installed("tfds")
    import tensorflow_datasets as tfds

    try:
        builder: Any = tfds.builder(name)
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
    for sources, targets in tfds.as_numpy(dataset.map(pair_of).batch(1024)):
        for one, other in zip(sources, targets, strict=True):
            yield one.decode(), other.decode()


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

    chosen = translations["language"] == language
    return tf.strings.reduce_join(tf.boolean_mask(translations["translation"], chosen))


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
