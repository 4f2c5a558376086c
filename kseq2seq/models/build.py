"""The encoder-decoder as a functional model."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kseq2seq.config import Seq2SeqConfig
from kseq2seq.layers import (
    LSTM,
    MECHANISMS,
    AlignmentMarginal,
    Attention,
    CellOutput,
    CopiedIds,
    DecoderCell,
    DecoderRNN,
    Dropout,
    FeaturesMemory,
    FrameMask,
    FrameStack,
    LayerNormLSTM,
    LayerNormLSTMCell,
    Logits,
    PaddingMask,
    PairFeatures,
    PointerGenerator,
    RegularizedCell,
    RegularizedRNN,
    TransitionCell,
    VocabularyEmbedding,
    VocabularyProjection,
    gate_features,
)
from kseq2seq.models.copying import all_copied_ids
from kseq2seq.models.seq2seq_model import Seq2SeqModel
from kseq2seq.models.source import embedding_initializer, read_source, source_inputs
from kseq2seq.models.transformer import (
    decode_transformer,
    embed_positions,
    encode_transformer,
)

_CELLS = {
    "lstm": keras.layers.LSTMCell,
    "gru": keras.layers.GRUCell,
    "layer_norm_lstm": LayerNormLSTMCell,
}
_LAYERS = {
    "lstm": LSTM,
    "gru": keras.layers.GRU,
    "layer_norm_lstm": LayerNormLSTM,
}


def build_model(
    config: Seq2SeqConfig,
    attention: Attention | None = None,
    copied_ids: Sequence[int] | None = None,
) -> Seq2SeqModel:
    """The encoder-decoder with attention, as a functional `keras.Model`.

    Args:
        config: A `Seq2SeqConfig`.
        attention: An attention layer that keeps the contract of `kseq2seq.layers`,
            in place of the one that `config.attention` names.
        copied_ids: Of a model with `config.copying`: for each source id the target id
            that it is copied as, as `kseq2seq.tokenizers.copied_ids` gives them; by
            default the same id, where both sides have the same vocabulary.

    Raises:
        ValueError: If `config` is no `Seq2SeqConfig`, an option in
            `config.attention_options` does not fit the attention layer, `attention` is
            given where the config has `"none"` or is that of a Transformer, or
            `copied_ids` does not fit the vocabularies, or the config does not copy.

    Returns:
        A `Seq2SeqModel` from a dict of `source`, ids of shape `(batch,
        source_length)` with those of features, if any, behind EOS, and `target`, ids of
        shape `(batch, target_length)` that start with BOS, to logits of shape `(batch,
        target_length, target_vocabulary_size)` in float32. The ids 0 to 3 are PAD, UNK,
        BOS and EOS; PAD is masked. With `config.source_frame_size` there are, in place
        of `source`, `frames`, of shape `(batch, num_frames, source_frame_size)`, and
        `frame_mask`, booleans of shape `(batch, num_frames)`, `False` at padding.

    Example:

    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> tuple(model({"source": ids, "target": ids[:, :3]}).shape)
    (2, 3, 13)

    Reference:
        The wiring of
        [a ten-minute introduction to sequence-to-sequence learning in
        Keras](https://blog.keras.io/a-ten-minute-introduction-to-sequence-to-sequence-learning-in-keras.html),
        with attention.
    """
    _check_config(config, copied_ids)
    attention = _attention_of(config, attention)
    target = keras.Input((None,), dtype="int32", name="target")
    inputs = source_inputs(config)
    source = read_source(config, inputs)
    if config.architecture == "transformer":
        memory, mask = encode_transformer(config, source), source.memory_mask
        states = []
    else:
        memory, mask, encoder_states = _encode(config, source)
        states = _bridge(config, encoder_states)
    embedding = VocabularyEmbedding(
        config.target_vocabulary_size,
        config.embedding_size,
        embeddings_initializer=embedding_initializer(config),
        name="target_embedding",
    )
    embedded = embedding(target)
    if config.architecture == "transformer":
        embedded = embed_positions(config, embedded, "target")
        features, alignment = decode_transformer(config, embedded, memory, mask)
    else:
        embedded = _drop(config, embedded, "target_dropout")
        target_mask = PaddingMask(name="target_mask")(target)
        decode = _decode_at_once
        if config.input_feeding or config.attention_query == "previous":
            decode = _decode_stepwise
        features, alignment = decode(
            config, attention, embedded, memory, mask, states, target_mask
        )
    query = features
    if config.hard_attention != "none":
        features = PairFeatures(config.output_size, name="pair_features")(query, memory)
    features = _drop(config, features, "output_dropout")
    if config.tie_embeddings:
        logits = embedding(features, reverse=True)
    else:
        size = config.target_vocabulary_size
        logits = VocabularyProjection(size, name="projection")(features)
    logits = Logits(config.output_probability_fn, name="logits")(logits)
    if config.copying:
        layer = CopiedIds(all_copied_ids(config, copied_ids), name="copied_ids")
        copied = layer(inputs["source"])
        layer = PointerGenerator(name="copying")
        logits = layer(logits, features, embedded, alignment, copied)
    if config.hard_attention != "none":
        logits = _marginal_layer(config)(logits, alignment, query, mask, target)
    return Seq2SeqModel({**inputs, "target": target}, logits, name="seq2seq")


def _drop(config, inputs, name):
    noise_shape = None
    if config.variational_dropout:
        noise_shape = (None, *[1] * (len(inputs.shape) - 2), None)
    return Dropout(config.dropout, noise_shape=noise_shape, name=name)(inputs)


def _make_cell(config, units, name=None):
    """The recurrent cell of a layer, with the wrappers that the config asks for."""
    is_deep = config.transition_depth > 1
    is_regularized = config.recurrent_dropout or config.zoneout
    # Only the outermost has the name.
    inner_name = None if is_deep or is_regularized else name
    cell = _CELLS[config.cell](units, name=inner_name)
    if is_deep:
        inner_name = None if is_regularized else name
        cell = TransitionCell(cell, config.transition_depth, name=inner_name)
    if is_regularized:
        fractions = config.recurrent_dropout, config.zoneout
        cell = RegularizedCell(cell, *fractions, name=name)
    return cell


def _recurrent_layer(config, units, **kwargs):
    """A layer that runs the cell of `_make_cell` over a sequence."""
    # cuDNN gives zeros at padding, and Keras's own loop does not unless told to.
    kwargs |= {
        "return_sequences": True,
        "return_state": True,
        "zero_output_for_mask": True,
    }
    if config.recurrent_dropout or config.zoneout:
        return RegularizedRNN(_make_cell(config, units), **kwargs)
    if config.transition_depth > 1:
        return keras.layers.RNN(_make_cell(config, units), **kwargs)
    return _LAYERS[config.cell](units, **kwargs)


def _encode(config, source):
    """Memory, its mask and the last states (a list for each layer).

    With gated features the mask has the kind of each position, as of `SourceKinds`.
    """
    inputs = _drop(config, source.vectors, "source_dropout")
    embedded, mask, all_states = inputs, source.mask, []
    for level in range(config.encoder_layers):
        name = f"encoder_{level}"
        pyramidal = level >= config.encoder_layers - config.pyramidal_layers
        if pyramidal:
            inputs = FrameStack(name=f"{name}_stack")(inputs, mask)
            mask = FrameMask(2, name=f"{name}_mask")(mask)
        output, states = _encoder_layer(config, level, inputs, mask)
        all_states.append(states)
        if _is_residual(config, level) and not pyramidal:
            output = keras.layers.Add(name=f"{name}_residual")([output, inputs])
        if config.encoder_normalization:
            output = keras.layers.LayerNormalization(name=f"{name}_norm")(output)
        last = level == config.encoder_layers - 1
        if last and config.features == "gated":
            layer = FeaturesMemory(name="features_memory")
            output = layer(output, embedded, source.memory_mask)
        inputs = _drop(config, output, "memory" if last else f"{name}_dropout")
    return inputs, source.memory_mask, all_states


def _encoder_layer(config, level, inputs, mask):
    """Outputs and last states of a layer; of two directions they are concatenated."""
    name, num_bidirectional = f"encoder_{level}", 0
    if config.bidirectional:
        num_bidirectional = config.encoder_layers
        if config.bidirectional_layers is not None:
            num_bidirectional = config.bidirectional_layers
    if level >= num_bidirectional:
        layer = _recurrent_layer(config, config.memory_size, name=name)
        output, *states = layer(inputs, mask=mask)
        return output, states
    layer = _recurrent_layer(config, config.memory_size // 2)
    layer = keras.layers.Bidirectional(layer, name=name)
    output, *states = layer(inputs, mask=mask)
    half = len(states) // 2
    states = [
        keras.layers.Concatenate(name=f"{name}_state_{i}")(pair)
        for i, pair in enumerate(zip(states[:half], states[half:], strict=True))
    ]
    return output, states


def _is_residual(config, level):
    return config.residual and level + 1 >= config.residual_from


def _bridge(config, encoder_states):
    """First states of the decoder's layers, flat, each an output of a `bridge_*`."""
    # A deeper encoder gives the states of its upper layers; in a deeper decoder the
    # upper layers have the same states as the encoder's last one.
    states, top = [], len(encoder_states) - 1
    first = max(0, len(encoder_states) - config.decoder_layers)
    for level in range(config.decoder_layers):
        for state in encoder_states[min(first + level, top)]:
            name = f"bridge_{len(states)}"
            if config.bridge == "dense":
                layer = keras.layers.Dense(config.units, "tanh", name=name)
            elif config.bridge == "copy":
                layer = keras.layers.Identity(name=name)
            else:
                layer = keras.layers.Identity(name=name)
                # From a state of the encoder, which has the batch size.
                zeros = ops.zeros_like(state[:, :1])  # (B, 1)
                state = ops.repeat(zeros, config.units, axis=1)
            states.append(layer(state))
    return states


def _check_config(config: Any, copied_ids: Any) -> None:
    """Refuses what is no config, and ids to copy of a model that does not copy."""
    if not isinstance(config, Seq2SeqConfig):
        raise ValueError(
            "`config` must be a `kseq2seq.Seq2SeqConfig`; make one of a dict by "
            f"Seq2SeqConfig(**settings). Received: config={config!r:.80}"
        )
    if copied_ids is not None and not config.copying:
        raise ValueError(
            "`copied_ids` are those of a model with copying=True; set it in the config,"
            f" or leave them out. Received: copying={config.copying}"
        )
    policy = keras.config.dtype_policy()
    # Keras's orthogonal initializer needs a QR decomposition, which bfloat16 lacks.
    if policy.variable_dtype == "bfloat16" and config.architecture == "rnn":
        raise ValueError(
            "Weights of recurrent layers cannot be in bfloat16: take the policy "
            "'mixed_bfloat16', which computes in it and has weights in float32. "
            f"Received: keras.config.dtype_policy()={policy.name!r}"
        )


def _attention_of(config, given):
    """The attention of a recurrent decoder, that to features included, or `None`."""
    if given is not None and config.architecture == "transformer":
        raise ValueError(
            "architecture='transformer' has attention of its own; leave `attention` "
            f"out. Received: attention={given}"
        )
    if given is not None and config.attention == "none":
        raise ValueError(
            "config.attention is 'none' but an attention layer was given; set "
            "config.attention to the closest built-in name. "
            f"Received: attention={given}"
        )
    attention = _attention_layer(config) if given is None else given
    if config.features == "gated":
        attention = _with_features(config, attention)
    return attention


def _attention_layer(config):
    """The layer that the config names, or `None`."""
    if config.attention == "none" or config.architecture == "transformer":
        return None
    mechanism = MECHANISMS[config.attention]
    try:
        factory = mechanism.factory(config.attention_units or config.units)
        return factory(name="attention", **config.attention_options)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"attention={config.attention!r} cannot be made with "
            f"attention_options={config.attention_options!r}: {error}"
        ) from error


def _with_features(config, attention):
    """Attention to text and features, given that to the text."""
    units = config.attention_units or config.units
    return gate_features(attention, units, name="gated_features")


def _marginal_layer(config):
    return AlignmentMarginal(
        monotonic=config.hard_attention.startswith("monotonic"),
        order=1 if config.hard_attention.endswith("first_order") else 0,
        name="marginal",
    )


def _attentional_layer(config):
    if config.hard_attention != "none":
        return CellOutput(config.units, name="attentional")
    size = config.output_size
    return keras.layers.Dense(size, "tanh", use_bias=False, name="attentional")


def _decode_stepwise(config, attention, inputs, memory, mask, states, target_mask):
    """The decoder as one loop: each step's input depends on the step before.

    Returns its outputs, and the alignment if the model copies, else `None`.
    """
    cell = DecoderCell(
        [
            _make_cell(config, config.units, name=f"decoder_{level}")
            for level in range(config.decoder_layers)
        ],
        attention=attention,
        attentional=_attentional_layer(config),
        input_feeding=config.input_feeding,
        query=config.attention_query,
        residual=config.residual,
        residual_from=config.residual_from,
        query_cell=config.query_layer,
        context_to_cells=config.context_to_layers,
        name="decoder_cell",
    )
    decoder = DecoderRNN(cell, dropout=config.dropout, name="decoder")
    outputs = decoder(
        inputs,
        memory,
        memory_mask=mask,
        initial_state=states,
        target_mask=target_mask,
        return_attention_scores=config.copying,
    )
    return outputs if config.copying else (outputs, None)


def _decode_at_once(config, attention, inputs, memory, mask, states, target_mask):
    """The decoder layer by layer: attention is one product for the whole target.

    Returns its outputs, and the alignment as of `_attend`.
    """
    states_per_layer = len(states) // config.decoder_layers
    query_level = 0 if config.query_layer == "first" else config.decoder_layers - 1
    outputs, context, alignment = inputs, None, None
    for level in range(config.decoder_layers):
        name, below = f"decoder_{level}", outputs
        if level:
            below = _drop(config, below, f"{name}_dropout")
        entering = below
        if level and config.context_to_layers:
            layer = keras.layers.Concatenate(name=f"{name}_input")
            entering = layer([below, context])
        first = level * states_per_layer
        layer = _recurrent_layer(config, config.units, name=name)
        outputs, *_ = layer(
            entering, initial_state=states[first : first + states_per_layer]
        )
        if _is_residual(config, level):
            outputs = keras.layers.Add(name=f"{name}_residual")([outputs, below])
        if level == query_level and attention is not None:
            context, alignment = _attend(
                config, attention, outputs, memory, mask, target_mask
            )
    if attention is None:
        return outputs, None
    joined = keras.layers.Concatenate(name="attention_input")([context, outputs])
    return _attentional_layer(config)(joined), alignment


def _attend(config, attention, query, memory, mask, target_mask):
    """Context of a whole target, and its alignment if a head reads it, else `None`."""
    if config.query_layer == "first":
        # `halves` finds out by this name that the query is of the first layer.
        query = keras.layers.Identity(name="first_query")(query)
    aligns = config.copying or config.hard_attention != "none"
    context = attention(
        query,
        memory,
        query_mask=target_mask,
        value_mask=mask,
        return_attention_scores=aligns,
    )
    return context if aligns else (context, None)
