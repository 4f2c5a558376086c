"""What a model is made of: one frozen dataclass, checked once."""

import dataclasses
import json
import typing

CELLS = ("lstm", "gru")
BRIDGES = ("copy", "dense", "zeros")
ATTENTIONS = (
    "none",
    "bahdanau",
    "bahdanau_normalized",
    "luong_dot",
    "luong_general",
    "luong_concat",
    "luong_scaled_dot",
    "luong_scaled_general",
    "local_monotonic",
    "local_predictive",
    "monotonic_bahdanau",
    "monotonic_luong",
    "chunkwise",
    "location_sensitive",
    "coverage",
    "multi_head_additive",
    "multi_head_dot",
)
QUERIES = ("current", "previous")
KINDS = {
    bool: "true or false",
    str: "a string",
    float: "a number",
    dict: "a table of names and values",
}


@dataclasses.dataclass(frozen=True)
class Seq2SeqConfig:
    """Everything that `build_model` needs to know, checked once.

    Args:
        source_vocabulary_size: Number of source ids, the four special ones included.
        target_vocabulary_size: Number of target ids, likewise.
        embedding_size: Size of source and target embeddings.
        units: Size of each decoder layer's output.
        encoder_units: Size of each encoder layer's output, both directions
            together; `None` for `units`.
        encoder_layers: Number of stacked encoder layers.
        decoder_layers: Number of stacked decoder layers.
        cell: `"lstm"` or `"gru"`.
        bidirectional: Whether the encoder reads both ways.
        residual: Whether layers above the first add their input to their output.
        bridge: How decoder states start: `"copy"` of the encoder's last states,
            a `"dense"` layer with tanh of them, or `"zeros"`.
        attention: `"none"` (the last states are all that the decoder sees),
            `"bahdanau"`, `"bahdanau_normalized"`, `"luong_dot"`,
            `"luong_general"`, `"luong_concat"`, `"luong_scaled_dot"`,
            `"luong_scaled_general"`, `"local_monotonic"`,
            `"local_predictive"`, `"monotonic_bahdanau"`, `"monotonic_luong"`,
            `"chunkwise"`, `"location_sensitive"`, `"coverage"`,
            `"multi_head_additive"` or `"multi_head_dot"`.
        attention_units: Size in which additive scores and heads compare, and local
            attention predicts; `None` for `units`.
        attention_options: What else the attention layer is to be made with, by the
            names of its arguments, such as `{"temperature": 0.5}`.
        attention_query: `"current"`: attention is asked with the step's own
            output (Luong); `"previous"`: with the output of the step before, and
            its context enters the step (Bahdanau).
        input_feeding: Whether the last attentional vector enters the next step
            (Luong, section 3.3). Without it, and with the current query, the whole
            target is decoded at once in training.
        attentional_units: Size of the attentional vector; `None` for `units`, or
            for `embedding_size` where the softmax is tied to the embedding.
        tie_embeddings: Whether the softmax uses the target embedding's matrix.
        dropout: Fraction dropped of embeddings, between layers, of the memory and
            of the vector before the softmax.

    Raises:
        ValueError: If a value, or a combination, cannot be built.

    Example:

    >>> config = Seq2SeqConfig(8000, 8000, attention="bahdanau", input_feeding=True)
    >>> config.units
    512

    Reference:
        - [Bahdanau et al., 2015](https://arxiv.org/abs/1409.0473).
        - [Luong et al., 2015](https://arxiv.org/abs/1508.04025).
        - [Press & Wolf, 2017](https://arxiv.org/abs/1608.05859), for
          `tie_embeddings`.
    """

    source_vocabulary_size: int
    target_vocabulary_size: int
    embedding_size: int = 256
    units: int = 512
    encoder_units: int | None = None
    encoder_layers: int = 1
    decoder_layers: int = 1
    cell: str = "lstm"
    bidirectional: bool = True
    residual: bool = False
    bridge: str = "copy"
    attention: str = "luong_scaled_general"
    attention_units: int | None = None
    attention_options: dict = dataclasses.field(default_factory=dict)
    attention_query: str = "current"
    input_feeding: bool = False
    attentional_units: int | None = None
    tie_embeddings: bool = False
    dropout: float = 0.2

    def __post_init__(self):
        self._check_types()
        self._check_choice("cell", CELLS)
        self._check_choice("bridge", BRIDGES)
        self._check_choice("attention", ATTENTIONS)
        self._check_choice("attention_query", QUERIES)
        if not 0.0 <= self.dropout < 1.0:
            self._fail("`dropout` must be at least 0 and less than 1", "dropout")
        self._check_sizes()
        self._check_feeding()

    def _check_sizes(self):
        if self.bidirectional and self.memory_size % 2:
            self._fail(
                "A bidirectional encoder halves its size, which must be even",
                *("units", "encoder_units"),
            )
        if self.bridge == "copy" and self.memory_size != self.units:
            self._fail(
                "bridge='copy' needs an encoder and a decoder of equal size; "
                "bridge='dense' joins different ones",
                *("units", "encoder_units"),
            )
        if self.attention in ("luong_dot", "luong_scaled_dot") and (
            self.memory_size != self.units
        ):
            self._fail(
                f"attention={self.attention!r} needs an encoder and a decoder of "
                "equal size; 'luong_scaled_general' compares different ones",
                *("units", "encoder_units"),
            )
        if self.tie_embeddings and self.output_size != self.embedding_size:
            self._fail(
                "tie_embeddings=True needs a vector of `embedding_size` before the "
                "softmax: set attentional_units, or units with attention='none'",
                *("embedding_size", "attentional_units", "units"),
            )

    def _check_feeding(self):
        if self.attention == "none" and self.bridge == "zeros":
            self._fail(
                "attention='none' with bridge='zeros' leaves the decoder without "
                "any view of the source",
                *("attention", "bridge"),
            )
        feeding = self.input_feeding or self.attention_query == "previous"
        if self.attention == "none" and feeding:
            self._fail(
                "attention='none' has no context to feed or to ask for",
                *("input_feeding", "attention_query"),
            )
        if self.attention == "none" and self.attention_options:
            self._fail(
                "attention='none' has no layer to pass options to",
                "attention_options",
            )
        if self.input_feeding and self.attention_query == "previous":
            self._fail(
                "attention_query='previous' feeds the context into each step "
                "already; leave input_feeding out",
                *("input_feeding", "attention_query"),
            )

    def _check_types(self):
        for name, annotation in typing.get_type_hints(type(self)).items():
            value, kinds = getattr(self, name), typing.get_args(annotation)
            if value is None and type(None) in kinds:
                continue
            if annotation in KINDS:
                kinds = (int, float) if annotation is float else annotation
                boolean = isinstance(value, bool)
                if not isinstance(value, kinds) or boolean != (annotation is bool):
                    self._fail(f"`{name}` must be {KINDS[annotation]}", name)
                continue
            # The special ids take the first four places of a vocabulary.
            least = 5 if name.endswith("vocabulary_size") else 1
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole or value < least:
                self._fail(f"`{name}` must be an integer of at least {least}", name)

    def _check_choice(self, name, choices):
        if getattr(self, name) not in choices:
            self._fail(f"`{name}` must be one of {', '.join(choices)}", name)

    def _fail(self, expected, *names):
        received = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        raise ValueError(f"{expected}. Received: {received}")

    @property
    def memory_size(self):
        """Size of the encoder's outputs."""
        return self.encoder_units or self.units

    @property
    def output_size(self):
        """Size of the vector before the softmax."""
        if self.attention == "none":
            return self.units
        tied = self.embedding_size if self.tie_embeddings else self.units
        return self.attentional_units or tied

    def to_json(self):
        """The config as readable JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_dict(cls, values):
        """The config with these values; an unknown name is an error."""
        names = [field.name for field in dataclasses.fields(cls)]
        unknown = sorted(set(values) - set(names))
        if unknown:
            raise ValueError(
                f"Unknown model setting: {', '.join(unknown)}. "
                f"Known settings: {', '.join(names)}."
            )
        missing = [name for name in names[:2] if name not in values]
        if missing:
            raise ValueError(f"Missing model setting: {', '.join(missing)}.")
        return cls(**values)
