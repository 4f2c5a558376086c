"""The encoder-decoder as a functional model, and its two halves for inference."""

import keras
from keras import ops

from kseq2seq.config import Seq2SeqConfig as Seq2SeqConfig
from kseq2seq.decoding import Step
from kseq2seq.layers import (
    LSTM,
    Attention,
    BahdanauAttention,
    ChunkwiseAttention,
    CoverageAttention,
    DecoderCell,
    DecoderRNN,
    DecoderStart,
    DecoderStep,
    Dropout,
    LocalMonotonicAttention,
    LocalPredictiveAttention,
    LocationSensitiveAttention,
    Logits,
    LuongAttention,
    MonotonicAttention,
    MultiHeadAttention,
    PaddingMask,
    VocabularyEmbedding,
    VocabularyProjection,
)
from kseq2seq.models.seq2seq_model import Seq2SeqModel


def build_model(config, attention=None):
    """The encoder-decoder with attention, as a functional `keras.Model`.

    Args:
        config: A `Seq2SeqConfig`.
        attention: An attention layer that keeps the contract of `kseq2seq.layers`,
            in place of the one that `config.attention` names.

    Raises:
        ValueError: If an option in `config.attention_options` does not fit the
            attention layer, or `attention` is given where the config has `"none"`.

    Returns:
        A `Seq2SeqModel` from a dict of `source`, ids of shape `(batch,
        source_length)`, and `target`, ids of shape `(batch, target_length)` that
        start with BOS, to logits of shape `(batch, target_length,
        target_vocabulary_size)` in float32.

    Example:

    >>> model = build_model(Seq2SeqConfig(11, 13, embedding_size=4, units=6))
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> tuple(model({"source": ids, "target": ids[:, :3]}).shape)
    (2, 3, 13)

    Reference:
        The wiring of
        [a ten-minute introduction to sequence-to-sequence learning in
        Keras](https://blog.keras.io/a-ten-minute-introduction-to-sequence-to-sequence-learning-in-keras.html),
        with attention.
    """
    if attention is None:
        attention = _attention_layer(config)
    elif config.attention == "none":
        raise ValueError(
            "`attention` takes the place of the one that the config names, whose "
            "word decides sizes too: name one there. "
            f"Received: attention={attention}, config.attention='none'"
        )
    source = keras.Input((None,), dtype="int32", name="source")
    target = keras.Input((None,), dtype="int32", name="target")
    memory, mask, encoder_states = _encode(config, source)
    states = _bridge(config, encoder_states)
    embedding = VocabularyEmbedding(
        config.target_vocabulary_size,
        config.embedding_size,
        embeddings_initializer=_embedding_initializer(config),
        name="target_embedding",
    )
    x = embedding(target)
    x = Dropout(config.dropout, name="target_dropout")(x)
    target_mask = PaddingMask(name="target_mask")(target)
    if config.input_feeding or config.attention_query == "previous":
        decode = _decode_stepwise
    else:
        decode = _decode_at_once
    x = decode(config, attention, x, memory, mask, states, target_mask)
    x = Dropout(config.dropout, name="output_dropout")(x)
    if config.tie_embeddings:
        logits = embedding(x, reverse=True)
    else:
        size = config.target_vocabulary_size
        logits = VocabularyProjection(size, name="projection")(x)
    logits = Logits(name="logits")(logits)
    inputs = {"source": source, "target": target}
    return Seq2SeqModel(inputs, logits, name="seq2seq")


def _embedding_initializer(config):
    # Values as small as Keras's leave an LSTM's gates hardly moved by what it reads: a
    # model takes epochs to begin to learn. But rows that are softmax weights too must
    # be small; the source's are as small beside them, since larger ones were no gain.
    size = config.embedding_size
    return keras.initializers.RandomNormal(
        stddev=size**-0.5 if config.tie_embeddings else 1.0
    )


def _recurrent_layer(config, units, **kwargs):
    # At padding cuDNN gives zeros; asking for them makes all devices agree.
    layer = {"lstm": LSTM, "gru": keras.layers.GRU}[config.cell]
    return layer(
        units,
        return_sequences=True,
        return_state=True,
        zero_output_for_mask=True,
        **kwargs,
    )


def _encode(config, source):
    """Memory, its mask and the last states (a list for each layer)."""
    mask = PaddingMask(name="source_mask")(source)
    x = keras.layers.Embedding(
        config.source_vocabulary_size,
        config.embedding_size,
        embeddings_initializer=_embedding_initializer(config),
        name="source_embedding",
    )(source)
    x = Dropout(config.dropout, name="source_dropout")(x)
    all_states = []
    for level in range(config.encoder_layers):
        name = f"encoder_{level}"
        if config.bidirectional:
            layer = _recurrent_layer(config, config.memory_size // 2)
            outputs = keras.layers.Bidirectional(layer, name=name)(x, mask=mask)
            states = outputs[1:]
            half = len(states) // 2
            states = [
                keras.layers.Concatenate(name=f"{name}_state_{i}")(both)
                for i, both in enumerate(zip(states[:half], states[half:], strict=True))
            ]
        else:
            layer = _recurrent_layer(config, config.memory_size, name=name)
            outputs = layer(x, mask=mask)
            states = list(outputs[1:])
        all_states.append(states)
        output = outputs[0]
        if level and config.residual:
            output = keras.layers.Add(name=f"{name}_residual")([output, x])
        last = level == config.encoder_layers - 1
        name = "memory" if last else f"{name}_dropout"
        x = Dropout(config.dropout, name=name)(output)
    return x, mask, all_states


def _bridge(config, encoder_states):
    """First states of the decoder's layers, flat, each an output of a `bridge_*`."""
    # Of a deeper encoder the upper layers count; a deeper decoder starts its upper
    # layers alike.
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
                # Of the encoder's state, for its batch size.
                zeros = ops.zeros_like(state[:, :1])  # (B, 1)
                state = ops.repeat(zeros, config.units, axis=1)
            states.append(layer(state))
    return states


def _attention_layer(config):
    """The one place where a config's word becomes a layer."""
    word, units = config.attention, config.attention_units or config.units
    additive, general = {"units": units}, {"score": "general"}
    heads = {"num_heads": 4, "units": units}
    # A layer, its arguments, and the arguments of the scores that it is made of.
    makers = {
        "bahdanau": (BahdanauAttention, additive, {}),
        "bahdanau_normalized": (BahdanauAttention, {**additive, "normalize": True}, {}),
        "luong_dot": (LuongAttention, {"score": "dot"}, {}),
        "luong_general": (LuongAttention, general, {}),
        "luong_concat": (LuongAttention, {"score": "concat", "units": units}, {}),
        "luong_scaled_dot": (LuongAttention, {"score": "scaled_dot"}, {}),
        "luong_scaled_general": (LuongAttention, {"score": "scaled_general"}, {}),
        "local_monotonic": (LocalMonotonicAttention, {}, {"score": general}),
        "local_predictive": (LocalPredictiveAttention, additive, {"score": general}),
        "monotonic_bahdanau": (MonotonicAttention, {}, {"score": additive}),
        "monotonic_luong": (MonotonicAttention, {}, {"score": general}),
        "chunkwise": (
            ChunkwiseAttention,
            {"chunk_size": 3},
            {"score": additive, "chunk_score": additive},
        ),
        "location_sensitive": (LocationSensitiveAttention, additive, {}),
        "coverage": (CoverageAttention, additive, {}),
        "multi_head_additive": (MultiHeadAttention, heads, {}),
        "multi_head_dot": (MultiHeadAttention, {**heads, "score": "dot"}, {}),
    }
    if word == "none":
        return None
    make, arguments, scores = makers[word]
    for name, of_score in scores.items():
        score = BahdanauAttention if of_score is additive else LuongAttention
        arguments = {**arguments, name: score(name=name, **of_score)}
    try:
        return make(name="attention", **{**arguments, **config.attention_options})
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"attention={word!r} cannot be made with "
            f"attention_options={config.attention_options!r}: {error}"
        ) from error


def _attentional_layer(config):
    size = config.output_size
    return keras.layers.Dense(size, "tanh", use_bias=False, name="attentional")


def _decode_stepwise(config, attention, x, memory, mask, states, target_mask):
    """The decoder as one loop: each step's input depends on the step before."""
    cell_type = {"lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
    cell = DecoderCell(
        [
            cell_type[config.cell](config.units, name=f"decoder_{level}")
            for level in range(config.decoder_layers)
        ],
        attention=attention,
        attentional=_attentional_layer(config),
        input_feeding=config.input_feeding,
        query=config.attention_query,
        residual=config.residual,
        name="decoder_cell",
    )
    decoder = DecoderRNN(cell, dropout=config.dropout, name="decoder")
    return decoder(
        x,
        memory,
        memory_mask=mask,
        initial_state=states,
        target_mask=target_mask,
    )


def _decode_at_once(config, attention, x, memory, mask, states, target_mask):
    """The decoder layer by layer: attention is one product for the whole target."""
    count = len(states) // config.decoder_layers
    for level in range(config.decoder_layers):
        name = f"decoder_{level}"
        if level:
            x = Dropout(config.dropout, name=f"{name}_dropout")(x)
        own = states[level * count : (level + 1) * count]
        layer = _recurrent_layer(config, config.units, name=name)
        output = layer(x, initial_state=own)[0]
        if level and config.residual:
            output = keras.layers.Add(name=f"{name}_residual")([output, x])
        x = output
    if attention is None:
        return x
    context = attention(x, memory, query_mask=target_mask, value_mask=mask)
    x = keras.layers.Concatenate(name="attention_input")([context, x])
    return _attentional_layer(config)(x)


def encoder_model(model):
    """The half of a model that reads the source, cut from the same layers.

    Args:
        model: What `build_model` returned, or the same loaded from a file.

    Returns:
        A `keras.Model` from source ids of shape `(batch, source_length)` to a dict
        with `states`, the list of the decoder's first states, each of shape
        `(batch, size)`, and `memory`: a dict of `value` (the encoder's outputs),
        `keys` (as attention compares them) and `mask`, empty without attention.

    Example:

    >>> model = build_model(Seq2SeqConfig(11, 13, embedding_size=4, units=6))
    >>> encoded = encoder_model(model)(keras.ops.ones((2, 5), "int32"))
    >>> tuple(encoded["memory"]["value"].shape)
    (2, 5, 6)
    """
    layers, cell = _layers_by_name(model), _decoder_cell(model)
    source = model.input["source"]
    count = num_bridged_states(model)
    states = [layers[f"bridge_{i}"].output for i in range(count)]
    # Of the cell's precision, whatever the global policy is by now.
    start = DecoderStart(cell, dtype=cell.dtype_policy, name="decoder_start")
    if cell.attention is None:
        states, memory = start(states)
    else:
        mask = layers["source_mask"].output
        states, memory = start(states, layers["memory"].output, memory_mask=mask)
    outputs = {"states": states, "memory": memory}
    return keras.Model(source, outputs, name="encoder")


def step_model(model):
    """The half of a model that makes one step of the target, cut likewise.

    Args:
        model: What `build_model` returned, or the same loaded from a file.

    Returns:
        A `keras.Model` from a dict of `tokens`, the last ids of each hypothesis, of
        shape `(batch, beam)`, `states`, a list of tensors of shape `(batch, beam,
        size)`, and `memory`, the dict that the encoder model gave; to a dict of
        `logits` of shape `(batch, beam, target_vocabulary_size)` in float32,
        `states` as they came, and, with attention, `alignment` of shape `(batch,
        beam, source_length)`.

    Example:

    >>> model = build_model(Seq2SeqConfig(11, 13, embedding_size=4, units=6))
    >>> sorted(step_model(model).output)
    ['alignment', 'logits', 'states']
    """
    layers, cell = _layers_by_name(model), _decoder_cell(model)
    encoded = encoder_model(model).output
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    states = [
        keras.Input((None, state.shape[-1]), dtype=state.dtype, name=f"state_{i}")
        for i, state in enumerate(encoded["states"])
    ]
    memory = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in encoded["memory"].items()
    }
    embedding = layers["target_embedding"]
    step = DecoderStep(cell, dtype=cell.dtype_policy, name="decoder_step")
    x, new_states, *alignment = step(embedding(tokens), states, memory)
    if "projection" in layers:
        x = layers["projection"](x)
    else:
        x = embedding(x, reverse=True)
    outputs = {"logits": layers["logits"](x), "states": new_states}
    if alignment:
        outputs["alignment"] = alignment[0]
    inputs = {"tokens": tokens, "states": states, "memory": memory}
    return keras.Model(inputs, outputs, name="decoder_step")


def num_bridged_states(model):
    """How many states, the first ones, the decoder gets from the encoder."""
    return sum(layer.name.startswith("bridge_") for layer in model.layers)


def _layers_by_name(model):
    return {layer.name: layer for layer in model.layers}


def _decoder_cell(model):
    """The model's decoder cell; for a decoder at once, one made of its layers."""
    layers = _layers_by_name(model)
    if "decoder" in layers:
        return layers["decoder"].cell
    recurrent = []
    while f"decoder_{len(recurrent)}" in layers:
        recurrent.append(layers[f"decoder_{len(recurrent)}"])
    if not recurrent:
        raise ValueError(
            "`model` must come from `build_model`: its layers are found by their "
            f"names. Received: a model of layers {', '.join(layers)}"
        )
    cell = DecoderCell(
        [layer.cell for layer in recurrent],
        # By its kind, since a user's own has a name of its own.
        attention=next((x for x in model.layers if isinstance(x, Attention)), None),
        attentional=layers.get("attentional"),
        input_feeding=False,
        residual="decoder_1_residual" in layers,
        dtype=recurrent[0].dtype_policy,
        name="decoder_cell",
    )
    cell.built = True
    return cell


def start_decoding(model):
    """The two halves of a model in the form that `kseq2seq.decoding` takes.

    Args:
        model: What `build_model` returned, or the same loaded from a file.

    Returns:
        A function from source ids, of shape `(batch, source_length)`, to a tuple
        `(step, initial_state)`: a `kseq2seq.decoding.Step`, and the states that it
        starts from. `step(tokens, state)` returns log-probabilities of shape `(batch,
        beam, target_vocabulary_size)`, the new state, and a dict that holds
        `alignment` where the model has attention.

    Example:

    >>> model = build_model(Seq2SeqConfig(11, 13, embedding_size=4, units=6))
    >>> step, state = start_decoding(model)(keras.ops.ones((2, 5), "int32"))
    >>> from kseq2seq import decoding
    >>> found = decoding.beam_search(step, state, beam_size=3, max_length=7)
    >>> tuple(found.ids.shape)
    (2, 1, 7)
    """
    encoder, stepper = encoder_model(model), step_model(model)

    def step(tokens, state, memory):
        outputs = stepper({"tokens": tokens, "states": state, "memory": memory})
        extras = {key: outputs[key] for key in ("alignment",) if key in outputs}
        return outputs["logits"], outputs["states"], extras

    def start(source):
        encoded = encoder(source)
        return Step(step, encoded["memory"], gives_logits=True), encoded["states"]

    return start
