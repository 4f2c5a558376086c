"""The configuration of a model."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NoReturn

from kseq2seq.utils import (
    LEAST_VOCABULARY,
    check_architecture,
    check_boolean,
    check_cell,
    check_choice,
    check_copying,
    check_features,
    check_feeding,
    check_fraction,
    check_frames,
    check_hard_attention,
    check_integer,
    check_sizes,
    check_wiring,
    is_integer,
)

ARCHITECTURES = ("rnn", "transformer")
CELLS = ("lstm", "gru", "layer_norm_lstm")
BRIDGES = ("copy", "dense", "zeros")
FEATURES = ("joined", "gated")


class FrozenOptions(dict):
    """A dict that cannot be changed, and so has a hash.

    Args:
        values: Mapping from names to values, which is copied.

    Example:

    >>> options = FrozenOptions({"temperature": 0.5})
    >>> options["temperature"], options == {"temperature": 0.5}
    (0.5, True)
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)

    # Of the names alone: values may have no hash, and what is equal has equal names.
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(
            "The options of a config cannot be changed; make another config by "
            "`dataclasses.replace(config, attention_options={...})`. "
            f"Received: a change of {dict(self)!r}"
        )

    _refused: Any = _refuse  # whatever type a dict's method has
    __setitem__ = __delitem__ = __ior__ = _refused
    clear = pop = popitem = setdefault = update = _refused


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig:
    """Everything that `build_model` needs to know, checked once.

    Args:
        source_vocabulary_size: Number of source ids, the four special ones included; 0
            where the source are frames.
        target_vocabulary_size: Number of target ids, likewise.
        source_frame_size: Size of a frame of the source, such as the bands of a
            spectrogram; 0 where the source are ids. (Features are something else: ids
            beside a text.)
        convolutions: Number of convolutions over the frames, below the encoder, each of
            which halves the time.
        pyramidal_layers: Number of encoder layers, the upper ones, that read two
            positions at a time, which halves the time; of frames alone.
        spec_augment: Arguments of `kseq2seq.layers.SpecAugment`, which hides bands and
            frames in training, by their names; nothing is hidden if it is empty.
        encoder_normalization: Whether the outputs of encoder layers are normalised.
        feature_vocabulary_size: Number of features' ids, as of
            `kseq2seq.FeatureVocabulary`, which stand behind the text in a source and go
            on from `source_vocabulary_size`; 0 for a model without features.
        features: `"joined"`: the encoder reads features as symbols behind the text; or
            `"gated"`: an encoder and an attention of their own read them, and a gate
            weighs both contexts.
        architecture: `"rnn"`, or `"transformer"`, whose encoder and decoder layers
            consist of attention. `num_heads` and `feed_forward_size` are for
            Transformers alone. A Transformer needs the defaults of the recurrent
            settings (from `encoder_units` to `zoneout`, but for numbers of layers,
            `tie_embeddings` and `dropout`), of `hard_attention`, `pyramidal_layers`
            and `features`.
        num_heads: Number of heads of a Transformer's attention, which divides `units`.
        feed_forward_size: Size within a Transformer's feed-forward layers; `None` for
            four times `units`.
        embedding_size: Size of source and target embeddings.
        units: Size of each decoder layer's output; in a Transformer of all layers'
            outputs.
        encoder_units: Size of each encoder layer's output, both directions
            together; `None` for `units`.
        encoder_layers: Number of stacked encoder layers.
        decoder_layers: Number of stacked decoder layers.
        cell: `"lstm"`, `"gru"`, or `"layer_norm_lstm"`, an LSTM with layer
            normalization, which is slower.
        transition_depth: Number of cells that the states of each layer pass through
            within a time step, of which the first reads the input (deep transition).
        bidirectional: Whether the encoder reads both ways.
        bidirectional_layers: Number of encoder layers, from the lowest on, that read
            both ways; the others read forwards. `None` for all.
        residual: Whether layers above the first add their input to their output;
            pyramidal ones, whose input is larger, do not.
        residual_from: The first layer of encoder and decoder that adds its input to
            its output, counted from 1; at least 2.
        bridge: First states of the decoder: `"copy"` of the encoder's last states,
            a `"dense"` layer with tanh of them, or `"zeros"`.
        attention: A key of `kseq2seq.layers.MECHANISMS`, or `"none"`: the last
            states are all that the decoder sees. Keys: `"bahdanau"`,
            `"bahdanau_normalized"`, `"luong_dot"`, `"luong_general"`,
            `"luong_concat"`, `"luong_scaled_dot"`, `"luong_scaled_general"`,
            `"local_monotonic"`, `"local_predictive"`, `"monotonic_bahdanau"`,
            `"monotonic_luong"`, `"chunkwise"`, `"location_sensitive"`,
            `"coverage"`, `"multi_head_additive"`, `"multi_head_dot"`.
        attention_units: Size of the projections of additive scores, of all heads
            together, and of the position that local attention predicts; `None` for
            `units`.
        attention_options: Further arguments of the attention layer, by their names,
            such as `{"temperature": 0.5}`. The config keeps a copy that cannot be
            changed.
        attention_query: `"current"`: the query of attention is the step's own output
            (Luong); `"previous"`: it is the output of the step before, and the context
            enters the step (Bahdanau).
        query_layer: The decoder layer whose output is the query, `"last"` or
            `"first"`.
        context_to_layers: Whether the context enters all decoder layers above the
            first, too. Needs `query_layer="first"` or `attention_query="previous"`.
        input_feeding: Whether the last attentional vector enters the next step
            (Luong, section 3.3). Without it, and with the current query, the whole
            target is decoded at once in training.
        attentional_units: Size of the attentional vector; `None` for `units`, or
            for `embedding_size` where the softmax is tied to the embedding.
        tie_embeddings: Whether the softmax uses the target embedding's matrix.
        dropout: Fraction dropped of embeddings, between layers, of the memory and
            of the vector before the softmax.
        variational_dropout: Whether `dropout` drops the same entries at all positions
            of a sequence.
        recurrent_dropout: Fraction dropped of an LSTM's last output, the same entries
            at all steps.
        zoneout: Fraction of the recurrent states that keep their last value, drawn anew
            at each step; outside of training states are the expected ones.
        output_probability_fn: Function from logits to probabilities in a search:
            `"softmax"`, or `"entmax15"` or `"sparsemax"`, which give most tokens the
            probability 0. Train with `kseq2seq.losses.EntmaxLoss` then.
        copying: Whether each token is generated or copied from where attention looks
            (a pointer-generator). `build_model` then needs `copied_ids`, unless both
            sides have the same vocabulary.
        hard_attention: Whether each token comes from one source position, and the
            probability of a target is the exact sum over all of them:
            `"zeroth_order"`, `"first_order"` for positions that depend on the one
            before, either of them with `"monotonic_"` before it for positions that
            never go back; or `"none"`. For small vocabularies: there are logits for
            each pair of positions.

    Raises:
        ValueError: If a value, or a combination, cannot be built.

    Example:

    >>> config = Seq2SeqConfig(
    ...     source_vocabulary_size=8000,
    ...     target_vocabulary_size=8000,
    ...     attention="bahdanau",
    ...     input_feeding=True,
    ... )
    >>> config.units
    512

    Reference:
        - [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473).
        - [Luong et al., 2015](https://arxiv.org/abs/1508.04025).
        - [Press & Wolf, 2017](https://arxiv.org/abs/1608.05859), for
          `tie_embeddings`.
        - [Peters & Martins, 2019](https://aclanthology.org/W19-4207), for gated
          features.
        - [See et al., 2017](https://arxiv.org/abs/1704.04368), for `copying`.
        - [Wu & Cotterell, 2019](https://aclanthology.org/P19-1148), for
          `hard_attention`.
        - [Chan et al., 2016](https://arxiv.org/abs/1508.01211), for pyramidal layers.
        - [Park et al., 2019](https://arxiv.org/abs/1904.08779), for `spec_augment`.
        - [Ba et al., 2016](https://arxiv.org/abs/1607.06450), for `layer_norm_lstm`.
        - [Gal & Ghahramani, 2016](https://arxiv.org/abs/1512.05287), for
          `variational_dropout` and `recurrent_dropout`.
        - [Krueger et al., 2017](https://arxiv.org/abs/1606.01305), for `zoneout`.
        - [Vaswani et al., 2017](https://arxiv.org/abs/1706.03762), for Transformers.
        - [Miceli Barone et al., 2017](https://arxiv.org/abs/1707.07631), for
          `transition_depth`.
        - [Wu et al., 2016](https://arxiv.org/abs/1609.08144), for
          `bidirectional_layers`, `residual_from`, `query_layer`, `context_to_layers`.
    """

    source_vocabulary_size: int = 0
    target_vocabulary_size: int
    source_frame_size: int = 0
    convolutions: int = 0
    pyramidal_layers: int = 0
    spec_augment: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    encoder_normalization: bool = False
    feature_vocabulary_size: int = 0
    features: str = "joined"
    architecture: str = "rnn"
    num_heads: int = 8
    feed_forward_size: int | None = None
    embedding_size: int = 256
    units: int = 512
    encoder_units: int | None = None
    encoder_layers: int = 1
    decoder_layers: int = 1
    cell: str = "lstm"
    transition_depth: int = 1
    bidirectional: bool = True
    bidirectional_layers: int | None = None
    residual: bool = False
    residual_from: int = 2
    bridge: str = "copy"
    attention: str = "luong_scaled_general"
    attention_units: int | None = None
    attention_options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    attention_query: str = "current"
    query_layer: str = "last"
    context_to_layers: bool = False
    input_feeding: bool = False
    attentional_units: int | None = None
    tie_embeddings: bool = False
    dropout: float = 0.2
    variational_dropout: bool = False
    recurrent_dropout: float = 0.0
    zoneout: float = 0.0
    output_probability_fn: str = "softmax"
    copying: bool = False
    hard_attention: str = "none"

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            # As a plain value of Python, which JSON can hold.
            object.__setattr__(self, name, check(name, getattr(self, name)))
        check_frames(self)
        check_architecture(self)
        if self.architecture == "rnn":
            mechanism = _layers().MECHANISMS.get(self.attention)
            check_sizes(self, mechanism is not None and mechanism.needs_equal_sizes)
            check_feeding(self)
            check_wiring(self)
            check_cell(self)
            check_features(self)
        check_copying(self)
        check_hard_attention(self)

    @property
    def time_reduction(self) -> int:
        """Number of frames that become one position of the encoder's outputs."""
        return 2 ** (self.convolutions + self.pyramidal_layers)

    @property
    def memory_size(self) -> int:
        """Size of the encoder's outputs."""
        return self.encoder_units or self.units

    @property
    def output_size(self) -> int:
        """Size of the vector before the softmax."""
        if self.attention == "none":
            return self.units
        tied = self.embedding_size if self.tie_embeddings else self.units
        return self.attentional_units or tied

    def to_json(self) -> str:
        """The config as indented JSON, which `from_dict` reads when it is parsed."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Seq2SeqConfig":
        """Makes a config of a dict, such as one read from JSON.

        Args:
            values: Mapping from names of arguments to their values.

        Raises:
            ValueError: If a name is unknown, one of the vocabulary sizes is missing, or
                a value, or a combination, cannot be built.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        received = f"Received: {', '.join(values) or 'none'}"
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise ValueError(
                f"Unknown model setting: {', '.join(unknown)}. "
                f"Known settings: {', '.join(names)}. {received}"
            )
        needed = ("source_vocabulary_size", "target_vocabulary_size")
        missing = [name for name in needed if name not in values]
        if "source_frame_size" in values:
            missing = [name for name in missing if name != "source_vocabulary_size"]
        if missing:
            raise ValueError(f"Missing model setting: {', '.join(missing)}. {received}")
        return cls(**values)


def _layers():
    # Keras takes seconds to import, and the class alone tells what there is to set.
    from kseq2seq import layers

    return layers


def _check_attention(name, value):
    return check_choice(name, value, ("none", *_layers().MECHANISMS))


def _check_query(name, value):
    return check_choice(name, value, _layers().QUERIES)


def _check_query_layer(name, value):
    return check_choice(name, value, _layers().QUERY_CELLS)


def _check_probability_fn(name, value):
    return check_choice(name, value, _layers().OUTPUT_PROBABILITY_FNS)


def _check_hard_attention(name, value):
    return check_choice(name, value, _layers().HARD_ATTENTIONS)


def _check_options(name, value):
    if not isinstance(value, Mapping):
        raise ValueError(
            f"`{name}` must be a table of names and values. Received: {name}={value!r}"
        )
    return FrozenOptions(value)


_check_size = partial(check_integer, least=1)
_check_optional_size = partial(check_integer, least=1, optional=True)
_check_count = partial(check_integer, least=0)


def _check_source_vocabulary_size(name, value):
    # Whether there may be none, the config tells.
    if is_integer(value) and value == 0:
        return 0
    return check_integer(name, value, LEAST_VOCABULARY)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "source_vocabulary_size": _check_source_vocabulary_size,
    "target_vocabulary_size": partial(check_integer, least=LEAST_VOCABULARY),
    "source_frame_size": _check_count,
    "convolutions": _check_count,
    "pyramidal_layers": _check_count,
    "spec_augment": _check_options,
    "encoder_normalization": check_boolean,
    "feature_vocabulary_size": _check_count,
    "features": partial(check_choice, choices=FEATURES),
    "architecture": partial(check_choice, choices=ARCHITECTURES),
    "num_heads": _check_size,
    "feed_forward_size": _check_optional_size,
    "embedding_size": _check_size,
    "units": _check_size,
    "encoder_units": _check_optional_size,
    "encoder_layers": _check_size,
    "decoder_layers": _check_size,
    "cell": partial(check_choice, choices=CELLS),
    "transition_depth": _check_size,
    "bidirectional": check_boolean,
    "bidirectional_layers": _check_optional_size,
    "residual": check_boolean,
    "residual_from": _check_size,
    "bridge": partial(check_choice, choices=BRIDGES),
    "attention": _check_attention,
    "attention_units": _check_optional_size,
    "attention_options": _check_options,
    "attention_query": _check_query,
    "query_layer": _check_query_layer,
    "context_to_layers": check_boolean,
    "input_feeding": check_boolean,
    "attentional_units": _check_optional_size,
    "tie_embeddings": check_boolean,
    "dropout": check_fraction,
    "variational_dropout": check_boolean,
    "recurrent_dropout": check_fraction,
    "zoneout": check_fraction,
    "output_probability_fn": _check_probability_fn,
    "copying": check_boolean,
    "hard_attention": _check_hard_attention,
}
