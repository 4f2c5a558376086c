"""What a model is asked for, text to text, as functions in TensorFlow's graph.

Each function below is a signature of the SavedModel, and `kseq2seq.Translator` asks the
same ones. All inputs have one axis, the batch, and a row's answer depends on nothing
but that row. Bytes that are not UTF-8, and NUL, are unknown characters (or, to a
tokenizer that falls back on bytes, bytes); a text of nothing but white space has the
empty translation, with score 0; what is longer than the limits is cut.
"""

import dataclasses
from functools import partial
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from kseq2seq import decoding
from kseq2seq.decoding import Search, length_limits, search_ids
from kseq2seq.inference.quantization import with_weights
from kseq2seq.models import encode_and_step, final_states
from kseq2seq.tokenizers import reader, target_spans
from kseq2seq.utils import EOS_ID, PAD_ID

TEXT = tf.TensorSpec([None], tf.string, "text")
TARGET = tf.TensorSpec([None], tf.string, "target")
SAMPLING = (
    tf.TensorSpec([None], tf.float32, "temperature"),
    tf.TensorSpec([None], tf.int32, "top_k"),
    tf.TensorSpec([None], tf.float32, "top_p"),
    tf.TensorSpec([None], tf.int64, "seed"),
)
# At a lower one the most probable token is drawn anyway.
LEAST_TEMPERATURE = 1e-4


class Served(NamedTuple):
    """A model with all that its answers depend on; each function is a graph once.

    Attributes:
        encode: Function from source ids to a dict of `states` and `memory`, as
            `kseq2seq.models.halves.encode_and_step` has them, and `weights`, a list.
        start: Function from source ids, and whether alignments are wanted, to the step
            function and the first state, as `kseq2seq.decoding` takes them.
        search: Function from source ids and how many are wanted to `Hypotheses`
            without alignments.
        force: Function from source ids and target ids to `Hypotheses`.
        read_source: Function from texts to a `kseq2seq.tokenizers.Read`.
        read_target: The same for targets.
        write: Function from ids of shape `(batch, length)` to texts.
        source_pieces: Function from ids to their pieces as strings.
        target_pieces: The same for targets.
        final_states: Function from `states` to a tensor of shape `(batch, size)`.
        settings: The `Search`.
        has_attention: Whether there are alignments.
    """

    encode: Any
    start: Any
    search: Any
    force: Any
    read_source: Any
    read_target: Any
    write: Any
    source_pieces: Any
    target_pieces: Any
    final_states: Any
    settings: Search
    has_attention: bool


def serve(
    models,
    source_tokenizer,
    target_tokenizer,
    search,
    limits=None,
    weights=(),
    products="float32",
):
    """Puts together what the functions below need.

    Args:
        models: List of what `kseq2seq.build_model` returned; several are an ensemble.
        source_tokenizer: The `kseq2seq.Tokenizer` of the source.
        target_tokenizer: That of the target.
        search: The `Search` of translations, whose `num_hypotheses` the n best have.
        limits: The `kseq2seq.tokenizers.truncation.Limits` of texts; none if `None`.
        weights: Pairs `(variable, restore)`: a variable of the models and the function
            that gives the value to compute with; see `kseq2seq.inference.compressed`.
        products: "float32", or "int8" for the products with the models' matrices.

    Returns:
        A `Served`.
    """
    halves = encode_and_step(models)
    encode, step = with_weights(models, *halves, weights, products)
    ids = tf.TensorSpec([None, None], tf.int32)
    encode = _traced(encode, ids)
    encoded = encode.get_concrete_function().structured_outputs
    states = keras.tree.map_structure(
        lambda x: tf.TensorSpec([None, *x.shape], x.dtype), encoded["states"]
    )
    fixed = keras.tree.map_structure(
        lambda x: tf.TensorSpec(x.shape, x.dtype),
        (encoded["memory"], encoded["weights"]),
    )
    step = _traced(step, ids, states, *fixed)
    has_attention = "alignment" in step.get_concrete_function().structured_outputs[2]
    if search.coverage_penalty and not has_attention:
        raise ValueError(
            "`search` must have coverage_penalty=0 where a model has no attention. "
            f"Received: coverage_penalty={search.coverage_penalty}"
        )
    target_limits = limits and dataclasses.replace(
        limits, max_tokens=max(2, search.max_length)
    )
    start = partial(_start, encode, step)
    texts = tf.TensorSpec([None], tf.string)
    return Served(
        encode=encode,
        start=start,
        search=_traced(
            partial(_search, start, search), ids, tf.TensorSpec([], "int32")
        ),
        force=_traced(partial(_force, start), ids, ids),
        read_source=_traced(reader(source_tokenizer, limits), texts),
        read_target=_traced(reader(target_tokenizer, target_limits), texts),
        write=_traced(target_tokenizer.detokenize, ids),
        source_pieces=_traced(source_tokenizer.piece_strings, ids),
        target_pieces=_traced(target_tokenizer.piece_strings, ids),
        final_states=partial(final_states, models),
        settings=search,
        has_attention=has_attention,
    )


def _traced(function, *specs):
    """A graph of its own, which all that call it share: a SavedModel holds it once."""
    return tf.function(function, input_signature=specs, autograph=False)


def signatures(served):
    """The functions that a SavedModel offers.

    Args:
        served: A `Served`.

    Returns:
        Dict from each signature's name to a tuple `(function, specs)`: a function of
        tensors to a dict of tensors, and the list of `tf.TensorSpec`s of its
        arguments, by their names.
    """
    found = {
        "serving_default": (translate, [TEXT]),
        "nbest": (nbest, [TEXT]),
        "score": (score, [TEXT, TARGET]),
        "encode": (encode, [TEXT]),
        "sample": (sample, [TEXT, *SAMPLING]),
    }
    if served.has_attention:
        found["translate_align"] = (translate_align, [TEXT])
        found["align"] = (align, [TEXT, TARGET])
    return {name: (partial(x, served), specs) for name, (x, specs) in found.items()}


def translate(served, text):
    """Signature `serving_default`: the best translation, and the search's score."""
    found = served.search(served.read_source(text).ids, 1)
    return {"translation": served.write(found.ids[:, 0]), "score": found.scores[:, 0]}


def nbest(served, text):
    """Signature `nbest`: the best translations, `(batch, n)`, and their scores."""
    search = served.settings
    count = search.num_hypotheses if search.num_hypotheses > 1 else search.beam_size
    found = served.search(served.read_source(text).ids, count)
    shape = [-1, count]
    return {
        "translations": tf.reshape(_written(served, found), shape),
        "scores": tf.reshape(found.scores, shape),
    }


def translate_align(served, text):
    """Signature `translate_align`: the best translation, and what it comes from."""
    source = served.read_source(text)
    best = served.search(source.ids, 1)
    length = _longest(best.lengths)
    ids = best.ids[:, 0, :length]
    translation = served.write(ids)
    # Once more, for the winner alone: that is cheaper than to keep the alignments of
    # all hypotheses on the way.
    found = served.force(source.ids, ids)
    return {
        "translation": translation,
        "score": best.scores[:, 0],
        "truncated": source.truncated,
        **_alignment(served, source, found, ids),
        **_named("target", *target_spans(served.write, ids, translation)),
    }


def align(served, text, target):
    """Signature `align`: what each token of a given target comes from."""
    source, labels, found = _forced(served, text, target)
    return {
        "truncated": source.truncated | labels.truncated,
        **_alignment(served, source, found, labels.ids),
        **_named("target", labels.starts, labels.ends),
    }


def score(served, text, target):
    """Signature `score`: how probable a given target is, EOS included."""
    source, labels, found = _forced(served, text, target)
    log_prob, num_tokens = found.log_probs[:, 0], found.lengths[:, 0]
    return {
        "log_prob": log_prob,
        "num_tokens": num_tokens,
        "perplexity": tf.exp(-log_prob / tf.cast(tf.maximum(num_tokens, 1), "float32")),
        "truncated": source.truncated | labels.truncated,
    }


def encode(served, text):
    """Signature `encode`: what the encoder makes of a text."""
    source = served.read_source(text)
    encoded = served.encode(source.ids)
    state = served.final_states(encoded["states"])
    outputs = {"state": state, "truncated": source.truncated}
    if served.has_attention:
        values = [tf.cast(x["value"], tf.float32) for x in encoded["memory"]]
        mask = source.ids != PAD_ID
        memory = tf.where(mask[..., None], tf.concat(values, axis=-1), 0.0)
        outputs.update(memory=memory, memory_mask=mask)
    return outputs


def sample(served, text, temperature, top_k, top_p, seed):
    """Signature `sample`: a translation drawn at random, and its log-probability.

    `top_k` of 0 and `top_p` of 1 leave all tokens; a number out of range counts as
    the nearest within it. The same seed draws the same for the same row.
    """
    _check_rows(text, temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    source = served.read_source(text)
    limits = length_limits(source.ids, served.settings)
    found = decoding.sample(
        *served.start(source.ids, alignments=False),
        seed=_uniform(seed, served.settings.max_length)[..., None],
        temperature=tf.maximum(_finite(temperature, 1.0), LEAST_TEMPERATURE),
        top_k=tf.where(top_k < 1, tf.int32.max, top_k),
        # At least one token is left.
        top_p=tf.clip_by_value(_finite(top_p, 1.0), 1e-6, 1.0),
        **limits,
    )
    found = _blank_for_blank(found, source.ids)
    return {
        "translation": served.write(found.ids[:, 0]),
        "log_prob": found.log_probs[:, 0],
    }


def search_texts(served, text, search):
    """The best translations of a batch of texts, with alignments, by any search.

    Args:
        served: A `Served`.
        text: String tensor of shape `(batch,)`.
        search: A `Search`.

    Returns:
        A tuple `(translations, found, source)`: strings of shape `(batch, n)`, the
        `kseq2seq.decoding.Hypotheses`, and the `kseq2seq.tokenizers.Read` source.
    """
    source = served.read_source(text)
    start = partial(served.start, alignments=True)
    found = search_ids(start, source.ids, search)
    found = _blank_for_blank(found, source.ids)
    return _written(served, found), found, source


def _written(served, found):
    shape = tf.shape(found.ids)
    flat = tf.reshape(found.ids, [-1, shape[2]])  # (B * N, L)
    return tf.reshape(served.write(flat), shape[:2])


def _start(encode, step, source, alignments):
    encoded = encode(source)
    weights = encoded["weights"]

    def step_on(tokens, states, memory):
        logits, states, extras = step(tokens, states, memory, weights)
        return logits, states, extras if alignments else {}

    return decoding.Step(step_on, encoded["memory"], True, True), encoded["states"]


def _search(start, search, source, num_hypotheses):
    start = partial(start, alignments=search.coverage_penalty > 0)
    found = search_ids(start, source, search, num_hypotheses)
    return _blank_for_blank(found._replace(alignments=None), source)


def _force(start, source, target):
    return decoding.force(*start(source, alignments=True), target)


def _forced(served, text, target):
    _check_rows(text, target=target)
    source, labels = served.read_source(text), served.read_target(target)
    return source, labels, served.force(source.ids, labels.ids)


def _check_rows(text, **others):
    """Refuses a request whose inputs have not as many rows; in the graph, too."""
    for name, values in others.items():
        tf.debugging.assert_equal(
            tf.shape(values)[0],
            tf.shape(text)[0],
            f"`{name}` must have as many rows as `text`.",
        )


def _blank_for_blank(found, source):
    """The hypotheses, in which a blank source has the blank one and no other."""
    blank = (source[:, 0] == EOS_ID)[:, None]  # (B, 1)
    first = tf.range(tf.shape(found.scores)[1]) == 0  # (N,)
    nothing = tf.where(first, 0.0, -float("inf"))
    lengths = tf.where(blank, tf.cast(first, "int32"), found.lengths)
    written = tf.range(tf.shape(found.ids)[2]) < lengths[..., None]  # (B, N, L)
    ids = tf.where(blank[..., None], EOS_ID, found.ids)
    alignments = found.alignments
    if alignments is not None:
        alignments = tf.where(written[..., None], alignments, 0.0)
    return decoding.Hypotheses(
        ids=tf.where(written, ids, PAD_ID),
        lengths=lengths,
        scores=tf.where(blank, nothing, found.scores),
        log_probs=tf.where(blank, nothing, found.log_probs),
        alignments=alignments,
    )


def _longest(lengths):
    return tf.reduce_max(tf.concat([tf.reshape(lengths, [-1]), [1]], axis=0))


def _alignment(served, source, found, ids):
    """Tokens of both sides, of target ids `(B, T)`, and what links them."""
    alignment = found.alignments[:, 0, : tf.shape(ids)[1]]  # (B, T, S)
    real = source.ids != PAD_ID
    # Padding gets no attention, but neither must it win where all get none.
    seen = tf.where(real[:, None], alignment, -1.0)
    links = tf.argmax(seen, axis=2, output_type=tf.int32)
    return {
        "source_tokens": served.source_pieces(source.ids),
        "target_tokens": served.target_pieces(ids),
        "alignment": alignment,
        "links": tf.where(ids == PAD_ID, -1, links),
        "num_source_tokens": tf.reduce_sum(tf.cast(real, "int32"), axis=1),
        "num_target_tokens": found.lengths[:, 0],
        **_named("source", source.starts, source.ends),
    }


def _named(side, starts, ends):
    return {f"{side}_starts": starts, f"{side}_ends": ends}


def _finite(x, otherwise):
    return tf.where(tf.math.is_finite(x), x, otherwise)


def _uniform(seeds, length):
    """Numbers from 0 to 1, `(length, B)`, of which each row has its seed's own."""

    def of_row(seed):
        return tf.random.stateless_uniform([length], tf.stack([seed, 0]))

    numbers = tf.map_fn(of_row, seeds, fn_output_signature=tf.float32)
    return tf.transpose(tf.reshape(numbers, [-1, length]))
