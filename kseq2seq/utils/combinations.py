"""Checks of settings of a model that must fit together."""

import dataclasses
from typing import Any

from kseq2seq.utils.checks import check_integer

# Four special ids, and a token.
LEAST_VOCABULARY = 5
_OF_IDS = ("source_vocabulary_size", "feature_vocabulary_size", "copying")
_OF_FRAMES = ("convolutions", "pyramidal_layers", "spec_augment")
# What one architecture has and the other has not.
_OF_TRANSFORMERS = ("num_heads", "feed_forward_size")
_OF_RNNS = (
    "pyramidal_layers", "encoder_normalization", "features", "encoder_units", "cell",
    "transition_depth",
    "bidirectional", "bidirectional_layers", "residual", "residual_from", "bridge",
    "attention", "attention_units", "attention_options", "attention_query",
    "query_layer", "context_to_layers", "input_feeding", "attentional_units",
    "variational_dropout", "recurrent_dropout", "zoneout", "hard_attention",
)  # fmt: skip


def check_architecture(config: Any) -> None:
    """Checks that the settings are those of the architecture.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If one of another architecture is not as it is by default, or sizes
            of a Transformer do not fit together.
    """
    is_rnn = config.architecture == "rnn"
    others = _OF_TRANSFORMERS if is_rnn else _OF_RNNS
    given = [
        f"{field.name}={getattr(config, field.name)!r}"
        for field in dataclasses.fields(config)
        if field.name in others and getattr(config, field.name) != default_of(field)
    ]
    if given:
        raise ValueError(
            f"architecture={config.architecture!r} has no such settings: leave out "
            f"{', '.join(others)}, or choose the other architecture. Received: "
            f"{', '.join(given)}"
        )
    if is_rnn:
        return
    if config.units % config.num_heads:
        raise ValueError(
            "`num_heads` must divide `units`, which the heads share equally. Received: "
            f"units={config.units}, num_heads={config.num_heads}"
        )
    if config.tie_embeddings and config.units != config.embedding_size:
        raise ValueError(
            "tie_embeddings=True of a Transformer needs units of `embedding_size`. "
            f"Received: units={config.units}, embedding_size={config.embedding_size}"
        )


def default_of(field: dataclasses.Field) -> Any:
    """The value of a field of a dataclass that is not given.

    Args:
        field: The field, as of `dataclasses.fields`.

    Example:

    >>> names = dataclasses.field(default_factory=list)
    >>> shape = dataclasses.make_dataclass(
    ...     "Shape", [("sides", int, 4), ("names", list, names)]
    ... )
    >>> [default_of(field) for field in dataclasses.fields(shape)]
    [4, []]
    """
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def check_frames(config: Any) -> None:
    """Checks that a source is ids or frames, with the settings of the one alone.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If they do not.
    """
    if not config.source_frame_size:
        size, note = config.source_vocabulary_size, "without source_frame_size"
        check_integer("source_vocabulary_size", size, LEAST_VOCABULARY, note=note)
    others = _OF_IDS if config.source_frame_size else _OF_FRAMES
    given = [f"{name}={getattr(config, name)}" for name in others]
    if any(getattr(config, name) for name in others):
        raise ValueError(
            f"A source is ids, to which {', '.join(_OF_IDS)} belong, or frames of "
            f"a source_frame_size, to which {', '.join(_OF_FRAMES)} do: leave the "
            f"others out. Received: source_frame_size={config.source_frame_size}, "
            f"{', '.join(given)}"
        )
    if config.pyramidal_layers > config.encoder_layers:
        raise ValueError(
            "`pyramidal_layers` must be at most `encoder_layers`, of which they "
            f"are the upper ones. Received: pyramidal_layers="
            f"{config.pyramidal_layers}, encoder_layers={config.encoder_layers}"
        )


def check_sizes(config: Any, needs_equal_sizes: bool) -> None:
    """Checks that sizes of encoder, decoder and embeddings fit together.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.
        needs_equal_sizes: Whether its attention compares vectors of one size alone.

    Raises:
        ValueError: If they do not.
    """
    sizes = f"units={config.units}, encoder_units={config.encoder_units}"
    if config.bidirectional and config.memory_size % 2:
        raise ValueError(
            "A bidirectional encoder halves its size, which must be even. "
            f"Received: {sizes}"
        )
    if config.bridge == "copy" and config.memory_size != config.units:
        raise ValueError(
            "bridge='copy' needs an encoder and a decoder of equal size; "
            f"bridge='dense' joins different ones. Received: {sizes}"
        )
    if needs_equal_sizes and config.memory_size != config.units:
        raise ValueError(
            f"attention={config.attention!r} needs an encoder and a decoder of equal "
            "size; 'luong_scaled_general' compares different ones. "
            f"Received: {sizes}"
        )
    if config.tie_embeddings and config.output_size != config.embedding_size:
        raise ValueError(
            "tie_embeddings=True needs a vector of `embedding_size` before the "
            "softmax: set attentional_units, or units with attention='none'. "
            f"Received: embedding_size={config.embedding_size}, "
            f"attentional_units={config.attentional_units}, units={config.units}"
        )


def check_feeding(config: Any) -> None:
    """Checks that attention, and what it is fed with, go together.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If they do not.
    """
    received = (
        f"input_feeding={config.input_feeding}, "
        f"attention_query={config.attention_query!r}"
    )
    feeds = config.input_feeding or config.attention_query == "previous"
    if config.attention == "none" and config.bridge == "zeros":
        raise ValueError(
            "attention='none' with bridge='zeros' leaves the decoder without any "
            "view of the source; set one of them otherwise. "
            f"Received: attention={config.attention!r}, bridge={config.bridge!r}"
        )
    if config.attention == "none" and feeds:
        raise ValueError(
            "attention='none' has no context to feed or to ask for; name a "
            f"mechanism, or leave these out. Received: {received}"
        )
    if config.attention == "none" and config.attention_options:
        raise ValueError(
            "attention='none' has no layer to pass options to; leave them out. "
            f"Received: attention_options={config.attention_options!r}"
        )
    if config.input_feeding and config.attention_query == "previous":
        raise ValueError(
            "attention_query='previous' feeds the context into each step already; "
            f"leave input_feeding out. Received: {received}"
        )


def check_wiring(config: Any) -> None:
    """Checks that layers that are wired in another way than others are there.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If they are not.
    """

    def received(*names):
        values = [f"{name}={getattr(config, name)!r}" for name in names]
        return f"Received: {', '.join(values)}"

    both, layers = config.bidirectional_layers, config.encoder_layers
    if both is not None and (not config.bidirectional or both > layers):
        raise ValueError(
            "`bidirectional_layers` are the lower ones of `encoder_layers`, at most "
            "all, in an encoder with bidirectional=True; leave it out for all. "
            + received("bidirectional_layers", "bidirectional", "encoder_layers")
        )
    first, layers = config.residual_from, max(layers, config.decoder_layers)
    if first != 2 and not (config.residual and 2 < first <= layers):
        raise ValueError(
            "`residual_from` must be 2, or, with residual=True, the number of a higher "
            "layer, at most that of the last one of the deeper side: the first layer's "
            "input is of another size. "
            + received("residual_from", "residual", "encoder_layers", "decoder_layers")
        )
    is_first, to_layers = config.query_layer == "first", config.context_to_layers
    has_layers = config.attention != "none" and config.decoder_layers > 1
    if (is_first or to_layers) and not has_layers:
        raise ValueError(
            "`query_layer` and `context_to_layers` need attention, and decoder_layers "
            "of at least 2; leave them out. "
            + received(
                "query_layer", "context_to_layers", "attention", "decoder_layers"
            )
        )
    if to_layers and not is_first and config.attention_query == "current":
        raise ValueError(
            "context_to_layers=True needs a context ahead of the layers that it "
            "enters: query_layer='first' or attention_query='previous'. "
            + received("query_layer", "attention_query")
        )


def check_cell(config: Any) -> None:
    """Checks that the cell has what is asked of it.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If it has not.
    """
    if config.recurrent_dropout and config.cell == "gru":
        raise ValueError(
            "recurrent_dropout needs an LSTM, cell='lstm' or 'layer_norm_lstm': a "
            "GRU would forget what is hidden from it. Use zoneout. Received: "
            f"recurrent_dropout={config.recurrent_dropout}, cell={config.cell!r}"
        )


def check_features(config: Any) -> None:
    """Checks that the other settings allow gated features, where they are asked for.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If they do not.
    """
    if config.features != "gated":
        return
    if not config.feature_vocabulary_size:
        raise ValueError(
            "features='gated' needs features: set feature_vocabulary_size, or "
            "data.features_column in the settings of a training. Received: "
            f"feature_vocabulary_size={config.feature_vocabulary_size}"
        )
    if config.attention == "none":
        raise ValueError(
            "features='gated' needs attention, with whose context theirs is mixed; "
            "features='joined' does not. "
            f"Received: attention={config.attention!r}"
        )


def check_copying(config: Any) -> None:
    """Checks that the other settings allow copying, where it is asked for.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If they do not.
    """
    if not config.copying:
        return
    if config.attention == "none":
        raise ValueError(
            "copying=True needs attention, which points at what is copied; name a "
            f"mechanism. Received: attention={config.attention!r}"
        )
    if config.output_probability_fn != "softmax":
        raise ValueError(
            "copying=True mixes with the probabilities of softmax; leave "
            "output_probability_fn as it is. "
            f"Received: output_probability_fn={config.output_probability_fn!r}"
        )


def check_hard_attention(config: Any) -> None:
    """Checks that the other settings allow hard attention, where it is asked for.

    Args:
        config: The `kseq2seq.Seq2SeqConfig`.

    Raises:
        ValueError: If they do not.
    """
    if config.hard_attention == "none":
        return
    needed = {
        "attention_query": "current",
        "context_to_layers": False,
        "input_feeding": False,
        "output_probability_fn": "softmax",
        "copying": False,
    }
    if config.feature_vocabulary_size:
        needed["features"] = "joined"
    wrong = {name: getattr(config, name) for name in needed}
    wrong = {name: wrong[name] for name in needed if wrong[name] != needed[name]}
    if config.attention == "none":
        wrong["attention"] = "none"
    if wrong:
        raise ValueError(
            f"hard_attention={config.hard_attention!r} needs attention on which no "
            "step of the decoder depends, and neither gated features nor another head: "
            f"leave {', '.join(wrong)} as it is by default. Received: "
            f"{', '.join(f'{name}={value!r}' for name, value in wrong.items())}"
        )
