"""Exports from ids to ids: their graph, and the files beside it.

Text becomes ids, and ids text, by the SentencePiece models that lie beside the graph,
with SentencePiece itself in any of its languages. So what runs the graph needs
neither TensorFlow nor this package.
"""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from kseq2seq import __version__, decoding
from kseq2seq.decoding import Constraint, Search, Step
from kseq2seq.models import copied_ids_of, encode_and_step, start_search
from kseq2seq.runs import SAVED_MODEL_FILE, SOURCE_FILE, TARGET_FILE
from kseq2seq.tokenizers import FeatureVocabulary, Tokenizer
from kseq2seq.utils import (
    PAD_ID,
    UNK_ID,
    PathLike,
    Tensor,
    add_numbered_folder,
    numbered_folders,
    write_bytes,
)

ABOUT_FILE = "kseq2seq.json"
# Where a token is no copy of an unknown symbol.
NOT_COPIED = -1


def greedy(search: Search) -> Search:
    """The same search, but greedy.

    Args:
        search: A `kseq2seq.Search`.

    Example:

    >>> greedy(Search(beam_size=5, num_hypotheses=3, max_length=40)).beam_size
    1
    """
    return dataclasses.replace(
        search, beam_size=1, num_hypotheses=1, coverage_penalty=0.0, num_groups=1
    )


def search_function(
    model: keras.Model,
    search: Search,
    shape: Sequence[int | None],
    features_shape: Sequence[int | None] | None = None,
    constraints: Sequence[Constraint] = (),
) -> Callable[..., dict[str, Tensor]]:
    """The search as a function of ids, to be traced for another runtime.

    Args:
        model: A model of `kseq2seq.models.portable_copy`.
        search: A `kseq2seq.Search`.
        shape: Shape of the source ids; `None` for what may vary.
        features_shape: Likewise of the ids of features; `None` for a model without.
        constraints: `kseq2seq.decoding.Constraint`s beside those of the search.

    Returns:
        A `tf.function` from `source`, and `features` if there are any, int32 of these
        shapes, 0 behind the last id of each row, to a dict of `ids`, int32
        of shape `(batch, n, length)`, `scores`, float32 of shape `(batch, n)`, and
        `lengths`, int32 of shape `(batch, n)`; of a model that copies also `copied`,
        int32 of the shape of `ids`: for UNK the place in the source of what it is a
        copy of, `NOT_COPIED` for all others.

    Raises:
        ValueError: If the search is one by a shortlist, or replaces unknown tokens.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> function = search_function(model, Search(max_length=7), [None, None])
    >>> function(tf.constant([[5, 6, 3]]))["scores"].shape.as_list()
    [1, 1]
    """
    if search.shortlist:
        raise ValueError(
            "`search` must have shortlist=False for ONNX and LiteRT: only a SavedModel "
            "has a shortlist in it. Received: shortlist=True"
        )
    if search.replace_unknown:
        raise ValueError(
            "`search` must have replace_unknown=False for ONNX and LiteRT, which write "
            "ids: only a SavedModel writes words. Received: replace_unknown=True"
        )
    encode, step = encode_and_step([model])
    copied_ids = copied_ids_of(model)

    def start(source):
        # Alignments are collected for the coverage penalty and for copies alone.
        alignments = search.coverage_penalty > 0 or copied_ids is not None
        search_step, states = start_search(encode, step, source, alignments)
        # A search calls the function of a `Step` to compute less in TensorFlow, which
        # makes a larger graph. This one hides it, and gives all log-probabilities.
        plain = Step(
            lambda tokens, state, memory: search_step(tokens, state),
            make_room=search_step.make_room,
        )
        return plain, states

    def search_ids(source):
        hypotheses = decoding.search_ids(
            start, source, search, None, constraints, copies=copied_ids is not None
        )
        names = ("ids", "scores", "lengths")
        outputs = {name: getattr(hypotheses, name) for name in names}
        if copied_ids is not None:
            outputs["copied"] = _copied_places(hypotheses, source, copied_ids)
        return outputs

    def search_both(source, features):
        return search_ids(join_ids(source, features))

    source = tf.TensorSpec(shape, tf.int32, "source")
    if features_shape is None:
        return tf.function(search_ids, input_signature=[source], autograph=False)
    specs = [source, tf.TensorSpec(features_shape, tf.int32, "features")]
    return tf.function(search_both, input_signature=specs, autograph=False)


def _copied_places(hypotheses, source, copied_ids):
    """For each UNK the place of the source token that it is a copy of, (B, N, L).

    Of the tokens that are copied as UNK, it is the one with the most attention.
    """
    unknown = tf.gather(tf.constant(copied_ids), source) == UNK_ID  # (B, S)
    seen = tf.where(unknown[:, None, None], hypotheses.alignments, -1.0)
    places = tf.argmax(seen, axis=3, output_type=tf.int32)
    is_copy = tf.reduce_any(unknown, axis=1)[:, None, None] & (hypotheses.ids == UNK_ID)
    return tf.where(is_copy, places, NOT_COPIED)


def join_ids(source: Tensor, features: Tensor) -> Tensor:
    """The ids of texts with those of their features right behind.

    Args:
        source: int32 of shape `(batch, source_length)`, PAD behind EOS.
        features: int32 of shape `(batch, features_length)`, PAD behind the last one.

    Returns:
        int32 of shape `(batch, source_length + features_length)`, PAD behind all.

    Example:

    >>> join_ids(tf.constant([[5, 3, 0], [4, 5, 3]]), tf.constant([[8, 0], [9, 7]]))
    <tf.Tensor: shape=(2, 5), dtype=int32, numpy=
    array([[5, 3, 8, 0, 0],
           [4, 5, 3, 9, 7]], dtype=int32)>
    """
    both = tf.concat([source, features], axis=1)
    lengths = tf.reduce_sum(tf.cast(source != PAD_ID, tf.int32), axis=1)[:, None]
    width, total = tf.shape(source)[1], tf.shape(both)[1]
    positions = tf.range(total)[None]  # (1, S + F)
    places = tf.where(positions < lengths, positions, positions - lengths + width)
    ids = tf.gather(both, tf.minimum(places, total - 1), batch_dims=1)
    return tf.where(places < total, ids, PAD_ID)


def about_features(
    tokenizer: Tokenizer, features: FeatureVocabulary | None
) -> dict[str, Any]:
    """An entry `features` for programs that make ids of features; none without.

    Args:
        tokenizer: The tokenizer of the source, behind whose ids those of features are.
        features: The `kseq2seq.FeatureVocabulary`, or `None`.

    Returns:
        A dict of what JSON has: the `separator`, and the ids of what is `missing`, of
        what is `unknown`, and of each symbol.
    """
    if features is None:
        return {}
    missing, unknown, *ids = (
        tokenizer.vocabulary_size + id_ for id_ in range(features.vocabulary_size)
    )
    about = {
        "separator": features.separator,
        "missing": missing,
        "unknown": unknown,
        "ids": dict(zip(features.symbols, ids, strict=True)),
    }
    return {"features": about}


def check_folder(folder: PathLike) -> Path:
    """Refuses a folder of SavedModels: a server would take anything there for one.

    Args:
        folder: Path of the folder, which need not be there.

    Returns:
        The folder as a `Path`.

    Raises:
        ValueError: If it is a SavedModel, or a version in it is.

    Example:

    >>> check_folder("onnx_models/dates").name
    'dates'
    """
    folder = Path(folder)
    folders = (folder, *numbered_folders(folder))
    if any((path / SAVED_MODEL_FILE).is_file() for path in folders):
        raise ValueError(
            "`folder` must hold no SavedModels, since a server that watches it would "
            f"take this for the next of them: name another folder. Received: {folder}"
        )
    return folder


def add_export(
    folder: PathLike,
    tokenizers: tuple[Tokenizer, Tokenizer],
    files: Mapping[str, bytes | str],
    about: Mapping[str, Any],
    check: Callable[[Path], None] | None = None,
) -> Path:
    """Writes the next version: graphs, tokenizers, and what they are.

    Args:
        folder: Path of the folder of versions; made if it is not there.
        tokenizers: The `kseq2seq.Tokenizer`s of source and target.
        files: Dict from the name of a file to its content.
        about: Dict of what a program that runs the graphs may want to know.
        check: Function that is given the path of what was written, before it has its
            place, and raises an error if it is not as it should be.

    Returns:
        The `Path` of the new version.

    Raises:
        OSError: If it cannot be written.
    """
    about = {"kseq2seq": __version__, **about}
    files = {**files, ABOUT_FILE: json.dumps(about, indent=2) + "\n"}

    def write(path):
        path.mkdir()
        for name, content in files.items():
            content = content.encode() if isinstance(content, str) else content
            write_bytes(path / name, content)
        for name, tokenizer in zip((SOURCE_FILE, TARGET_FILE), tokenizers, strict=True):
            tokenizer.save(path / name)
        if check:
            check(path)

    return add_numbered_folder(folder, write)
