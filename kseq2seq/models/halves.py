"""Models in the form that decoding takes: encode once, then step; one or several."""

from keras import ops

from kseq2seq.models.build import encoder_model, num_bridged_states, step_model


def encode_and_step(models):
    """The two halves of a model, or of several as one.

    Several have their probabilities averaged at each step, and their alignments too
    if all have attention. All must have the same vocabularies.

    Args:
        models: List of what `kseq2seq.build_model` returned.

    Returns:
        A tuple `(encode, step)`. `encode(source)` takes ids of shape `(batch,
        source_length)` and returns a dict of `states` and `memory`, each a list with an
        entry for each model, as `kseq2seq.models.encoder_model` gives them.
        `step(tokens, states, memory)` returns logits of shape `(batch, beam,
        target_vocabulary_size)`, the new states, and a dict that holds
        `alignment` where there is one.

    Raises:
        ValueError: If the models' vocabularies differ in size.

    Example:

    >>> import keras
    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> config = Seq2SeqConfig(11, 13, embedding_size=4, units=6)
    >>> encode, step = encode_and_step([build_model(config), build_model(config)])
    >>> encoded = encode(keras.ops.ones((2, 5), "int32"))
    >>> states = keras.tree.map_structure(lambda x: x[:, None], encoded["states"])
    >>> tokens = keras.ops.full((2, 1), 2)
    >>> logits, states, extras = step(tokens, states, encoded["memory"])
    >>> tuple(logits.shape), tuple(extras["alignment"].shape)
    ((2, 1, 13), (2, 1, 5))

    Reference:
        [Sutskever et al., 2014](https://arxiv.org/abs/1409.3215), section 3.6.
    """
    encoders = [encoder_model(model) for model in models]
    steppers = [step_model(model) for model in models]
    sizes = [
        tuple(model.get_layer(f"{x}_embedding").input_dim for x in ("source", "target"))
        for model in models
    ]
    if len(set(sizes)) != 1:
        raise ValueError(
            "Models of an ensemble must have vocabularies of the same size. Received: "
            f"(source, target) vocabularies of {sizes}"
        )

    def encode(source):
        encoded = [encoder(source) for encoder in encoders]
        return {name: [x[name] for x in encoded] for name in ("states", "memory")}

    def step(tokens, states, memory):
        outputs = [
            stepper({"tokens": tokens, "states": own_states, "memory": own_memory})
            for stepper, own_states, own_memory in zip(
                steppers, states, memory, strict=True
            )
        ]
        extras = {}
        if all("alignment" in x for x in outputs):
            extras["alignment"] = _mean([x["alignment"] for x in outputs])
        logits = _log_mean([x["logits"] for x in outputs])
        return logits, [x["states"] for x in outputs], extras

    return encode, step


def final_states(models, states):
    """What the decoders start from, without what attention and input feeding add.

    Args:
        models: As for `encode_and_step`.
        states: The `states` that `encode` gave for them.

    Returns:
        Tensor of shape `(batch, size)`, all states of all models side by side.
    """
    own = [
        state
        for model, states_of_model in zip(models, states, strict=True)
        for state in states_of_model[: num_bridged_states(model)]
    ]
    return ops.concatenate([ops.cast(x, "float32") for x in own], axis=-1)


def _mean(tensors):
    return sum(tensors) / len(tensors) if len(tensors) > 1 else tensors[0]


def _log_mean(logits):
    """Logits of the mean probabilities; of one model its own, which is cheaper."""
    if len(logits) == 1:
        return logits[0]
    log_probs = [ops.log_softmax(x) for x in logits]
    # Of log-probabilities, not probabilities: none of them becomes log(0).
    return ops.logsumexp(ops.stack(log_probs), axis=0) - ops.log(float(len(log_probs)))
