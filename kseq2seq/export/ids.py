"""What exports from ids to ids share: their graph, and the files beside it.

Text becomes ids, and ids text, by the SentencePiece models that lie beside the graph,
with SentencePiece itself in any of its languages. So what runs the graph needs
neither TensorFlow nor this package.
"""

import dataclasses
import json

import tensorflow as tf

from kseq2seq import __version__, decoding
from kseq2seq.models import encode_and_step, start_search
from kseq2seq.runs import SAVED_MODEL_FILE
from kseq2seq.utils import add_numbered_folder, numbered_folders, write_bytes

SOURCE_FILE, TARGET_FILE = "source.model", "target.model"
README_FILE, ABOUT_FILE = "README.md", "kseq2seq.json"


def greedy(search):
    """The same `kseq2seq.Search`, but greedy."""
    return dataclasses.replace(
        search, beam_size=1, num_hypotheses=1, coverage_penalty=0.0
    )


def search_function(model, search, shape):
    """The search as a function of ids, to be traced for another runtime.

    Args:
        model: What `kseq2seq.models.precision.portable_copy` returned.
        search: A `kseq2seq.Search`.
        shape: Shape of the source ids; `None` for what may vary.

    Returns:
        A `tf.function` from `source`, int32 of that shape, to a dict of `ids`, int32
        of shape `(batch, n, length)`, `scores`, float32 of shape `(batch, n)`, and
        `lengths`, int32 of shape `(batch, n)`.
    """
    encode, step = encode_and_step([model])

    def start(source):
        # Alignments are collected for the coverage penalty alone.
        alignments = search.coverage_penalty > 0
        search_step, states = start_search(encode, step, source, alignments)
        # Its log-probabilities of all tokens: the search looks into a `Step` to have
        # less to compute in TensorFlow, at the cost of more operations in the graph.
        return search_step.__call__, states

    def search_ids(source):
        found = decoding.search_ids(start, source, search)
        return {"ids": found.ids, "scores": found.scores, "lengths": found.lengths}

    specification = tf.TensorSpec(shape, tf.int32, "source")
    return tf.function(search_ids, input_signature=[specification], autograph=False)


def check_folder(folder):
    """Refuses a folder of SavedModels: a server would take anything there for one.

    Args:
        folder: Path of the folder, which need not be there.

    Raises:
        ValueError: If it is a SavedModel, or a version in it is.
    """
    if any(
        (x / SAVED_MODEL_FILE).is_file() for x in (folder, *numbered_folders(folder))
    ):
        raise ValueError(
            "`folder` must hold no SavedModels, since a server that watches it would "
            f"take this for the next of them: name another folder. Received: {folder}"
        )


def add_export(folder, tokenizers, files, about, check=None):
    """Writes the next version: graphs, tokenizers, and what they are.

    Args:
        folder: Path of the folder of versions; made if it is not there.
        tokenizers: The `kseq2seq.Tokenizer`s of source and target.
        files: Dict from the name of a file to its content, bytes or `str`.
        about: Dict of what a program that runs the graphs may want to know.
        check: Function that is given the path of what was written, before it has its
            place, and raises an error if it is not as it should be.

    Returns:
        The `Path` of the new version.
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


def search_in_words(search):
    """How a `Search` looks for translations, as a sentence of a README."""
    if search.beam_size == 1:
        kept = "greedy search"
    else:
        kept = (
            f"beam search of {search.beam_size}, length penalty "
            f"{search.length_penalty:g}, coverage penalty {search.coverage_penalty:g}"
        )
    longest = f"{search.max_length_factor:g} n + {search.max_length_offset}"
    lengths = f"at most min({search.max_length}, {longest}) tokens"
    if search.min_length or search.min_length_factor:
        shortest = f"max({search.min_length}, {search.min_length_factor:g} n)"
        lengths += f", and at least {shortest}"
    return f"{kept}; for a source of n tokens {lengths}"
