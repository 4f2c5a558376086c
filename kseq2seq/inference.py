"""How a translation is looked for, and what is found: the graph's side and Python's."""

import dataclasses
import math
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from kseq2seq import decoding
from kseq2seq.special_ids import PAD_ID


@dataclasses.dataclass(frozen=True)
class Search:
    """How the best translation is looked for.

    Lengths count tokens, EOS included. The longest translation of a source of
    `n` tokens has `max_length_factor * n + max_length_offset` of them, and never
    more than `max_length`; the shortest has `min_length_factor * n` of them, and at
    least `min_length`.

    Args:
        beam_size: Number of hypotheses kept at each step; 1 for greedy search.
        num_hypotheses: Number of hypotheses returned for each source.
        length_penalty: Exponent of `((5 + length) / 6)`; 0 prefers short ones.
        coverage_penalty: Weight of the coverage penalty; needs attention.
        max_length: The most tokens of any translation.
        max_length_factor: Tokens allowed for each token of the source.
        max_length_offset: Tokens allowed beside those.
        min_length: The fewest tokens of any translation.
        min_length_factor: Tokens demanded for each token of the source.

    Raises:
        ValueError: If a number is out of range.

    Example:

    >>> Search(beam_size=1).num_hypotheses
    1

    Reference:
        [Wu et al., 2016](https://arxiv.org/abs/1609.08144), section 7.
    """

    beam_size: int = 5
    num_hypotheses: int = 1
    length_penalty: float = 1.0
    coverage_penalty: float = 0.0
    max_length: int = 200
    max_length_factor: float = 2.0
    max_length_offset: int = 20
    min_length: int = 0
    min_length_factor: float = 0.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value, whole = getattr(self, field.name), field.type is int
            counted = field.name in ("beam_size", "num_hypotheses", "max_length")
            least = 1 if counted else 0
            kinds = int if whole else (int, float)
            fits = isinstance(value, kinds) and not isinstance(value, bool)
            if not fits or not least <= value < math.inf:
                kind = "an integer" if whole else "a number"
                raise ValueError(
                    f"`{field.name}` must be {kind} of at least {least}. "
                    f"Received: {field.name}={value!r}"
                )
        if self.num_hypotheses > self.beam_size:
            raise ValueError(
                "`num_hypotheses` must be at most `beam_size`. Received: "
                f"num_hypotheses={self.num_hypotheses}, beam_size={self.beam_size}"
            )


class Translation(NamedTuple):
    """One translation of one text.

    What an exported SavedModel does not give is `None`: all but `text` and `score`.

    Attributes:
        text: The translation.
        score: By which the search ranked it.
        log_prob: Natural logarithm of its probability, EOS included.
        source_tokens: The source as the model read it, EOS included.
        target_tokens: The translation as the model wrote it, EOS included unless
            the length's limit cut it off.
        alignment: NumPy array of shape `(target_tokens, source_tokens)`; `None`
            for a model without attention.
    """

    text: str
    score: float
    log_prob: float | None = None
    source_tokens: list | None = None
    target_tokens: list | None = None
    alignment: Any = None


def is_float32(model):
    """Whether all layers of a model compute in float32."""
    config = model.get_config()
    return _in_float32(config) == config


def float32_copy(model):
    """A model with the same weights that computes in float32 throughout.

    Args:
        model: What `kseq2seq.build_model` returned, of any dtype policy.

    Returns:
        A `keras.Model` of its own layers and variables.
    """
    copy = keras.Model.from_config(_in_float32(model.get_config()))
    copy.set_weights(model.get_weights())
    return copy


def portable_copy(model):
    """A float32 copy of a model whose graph runs on any device.

    Args:
        model: What `kseq2seq.build_model` returned, of any dtype policy.

    Returns:
        A `keras.Model` of its own layers and variables.
    """
    model = float32_copy(model)
    # Where a GPU is visible, layers would choose operations that no CPU has. The
    # copy is for graphs alone, so that nothing has to be set back.
    for layer in _with_sublayers(model.layers):
        if hasattr(layer, "use_cudnn"):
            layer.use_cudnn = False
    return model


def _with_sublayers(layers):
    """The layers, and with a bidirectional one both of its own."""
    for layer in layers:
        yield layer
        if isinstance(layer, keras.layers.Bidirectional):
            yield from (layer.forward_layer, layer.backward_layer)


def _in_float32(config):
    """A layer's config, however deep, with float32 for every dtype policy."""
    if isinstance(config, dict):
        if config.get("class_name") == "DTypePolicy":
            return {**config, "config": {"name": "float32"}}
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return type(config)(_in_float32(value) for value in config)
    return config


def search_ids(start, source, search, num_hypotheses=None):
    """The best hypotheses for a batch of source ids.

    Args:
        start: What `kseq2seq.models.start_decoding` returns.
        source: Ids of shape `(batch, source_length)`.
        search: A `Search`.
        num_hypotheses: What counts instead of `search.num_hypotheses`, if given: a
            scalar int32 tensor, in which case the graph serves any number.

    Returns:
        `kseq2seq.decoding.Hypotheses` with n = `num_hypotheses`.
    """
    step, state = start(source)
    lengths = length_limits(source, search)
    if search.beam_size == 1:
        return decoding.greedy_search(step, state, **lengths)
    return decoding.beam_search(
        step,
        state,
        beam_size=search.beam_size,
        num_hypotheses=search.num_hypotheses
        if num_hypotheses is None
        else num_hypotheses,
        length_penalty=search.length_penalty,
        coverage_penalty=search.coverage_penalty,
        source_mask=tf.not_equal(source, PAD_ID),
        **lengths,
    )


def length_limits(source, search):
    """The `max_length` and `min_length` of a `Search` for a batch of source ids."""
    mask = tf.not_equal(source, PAD_ID)
    longest = decoding.relative_lengths(
        mask, search.max_length_factor, search.max_length_offset
    )
    shortest = decoding.relative_lengths(mask, search.min_length_factor)
    has_least = search.min_length or search.min_length_factor
    return {
        "max_length": tf.minimum(longest, search.max_length),
        "min_length": tf.maximum(shortest, search.min_length) if has_least else 0,
    }


def check_texts(texts):
    """The texts as a list, or a `ValueError` if they are anything but strings."""
    texts = texts if isinstance(texts, (str, bytes)) else list(texts)
    if isinstance(texts, (str, bytes)) or not all(isinstance(x, str) for x in texts):
        raise ValueError(
            "`texts` must be a list of strings; put a single one into a list. "
            f"Received: {texts!r:.80}"
        )
    return texts


def find_signature(signatures, name):
    """The entry of a dict of signatures, or a `ValueError` that names those there."""
    if name not in signatures:
        raise ValueError(
            f"`signature` must be one of {', '.join(sorted(signatures))}; alignments "
            f"are there for models with attention alone. Received: {name!r}"
        )
    return signatures[name]


def check_inputs(signature, inputs, names):
    """Refuses inputs that are not those of a signature."""
    if set(inputs) != set(names):
        raise ValueError(
            f"`inputs` of {signature!r} must be {', '.join(sorted(names))}. "
            f"Received: {', '.join(sorted(inputs)) or 'none'}"
        )


def encode(texts):
    """A list of `str` as a string tensor of shape `(batch,)`."""
    # A lone surrogate, as in the name of a file, becomes bytes that are not UTF-8,
    # which the tokenizer takes for unknown characters.
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return tf.constant(encoded, tf.string, shape=[len(texts)])


def by_length(texts, batch_size, progress):
    """Batches of row numbers, of like lengths, so that little is padded.

    Args:
        texts: List of `str`.
        batch_size: The most rows of a batch.
        progress: Whether to draw a progress bar on standard error.

    Yields:
        Lists of row numbers, those of the longest texts first.
    """
    whole = isinstance(batch_size, int) and not isinstance(batch_size, bool)
    if not whole or batch_size < 1:
        raise ValueError(
            "`batch_size` must be a positive integer. "
            f"Received: batch_size={batch_size!r}"
        )
    order = np.argsort([-len(text) for text in texts], kind="stable")
    with tqdm(total=len(texts), unit=" texts", disable=not progress) as bar:
        for first in range(0, len(texts), batch_size):
            rows = order[first : first + batch_size].tolist()
            yield rows
            bar.update(len(rows))
