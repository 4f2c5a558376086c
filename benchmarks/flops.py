"""FLOPs of a model from its config: of a training step, and of decoding.

Counted are the matrix products, a multiplication and an addition as two, which is where
nearly all of the work is: not the gates' functions, the softmax, the embeddings' rows
or the optimizer. Only real tokens count, so padding is waste. In training each product
of the forward pass needs two of the same size backward, one for the gradient of either
factor. With the rate of a large product, `machine.gemm_rate`, that gives the limit:
what a model could reach on a machine.
"""

GATES = {"lstm": 4, "gru": 3}
# Words whose scores are a product of the decoder's output with keys that are projected
# once, or with the memory itself.
WITH_KEYS = ("luong_general", "luong_scaled_general")
WITHOUT_KEYS = ("luong_dot", "luong_scaled_dot")


def per_source_token(config):
    """FLOPs of the forward pass for each source token, EOS included.

    Args:
        config: A `Seq2SeqConfig`, or anything with its attributes.

    Returns:
        A dict with those of `encoder` and `keys`.
    """
    _check(config)
    both = config.bidirectional_layers or config.encoder_layers
    encoder, size = 0, config.embedding_size
    for level in range(config.encoder_layers):
        directions = 2 if config.bidirectional and level < both else 1
        units = config.memory_size // directions
        encoder += directions * _recurrent(config, size, units)
        size = config.memory_size
    keys = config.attention in WITH_KEYS
    return {
        "encoder": encoder,
        "keys": 2 * config.memory_size * config.units if keys else 0,
    }


def per_target_token(config, source_length):
    """FLOPs of the forward pass for each target token, EOS included.

    Args:
        config: A `Seq2SeqConfig`, or anything with its attributes.
        source_length: Tokens of the source that attention looks at.

    Returns:
        A dict with those of `decoder`, `attention` (scores and context),
        `attentional` and `projection`.
    """
    _check(config)
    has_attention = config.attention != "none"
    size = config.embedding_size
    if config.input_feeding:
        size += config.output_size
    elif config.attention_query == "previous":
        size += config.memory_size
    decoder = 0
    for _ in range(config.decoder_layers):
        decoder += _recurrent(config, size, config.units)
        size = config.units + config.context_to_layers * config.memory_size
    compared = config.units + config.memory_size
    return {
        "decoder": decoder,
        "attention": 2 * source_length * compared if has_attention else 0,
        "attentional": 2 * compared * config.output_size if has_attention else 0,
        "projection": 2 * config.output_size * config.target_vocabulary_size,
    }


def _recurrent(config, inputs, units):
    return 2 * (inputs + config.transition_depth * units) * GATES[config.cell] * units


def _check(config):
    if getattr(config, "architecture", "rnn") != "rnn":
        raise ValueError(
            "FLOPs are known of recurrent models; choose architecture='rnn'. Received: "
            f"architecture={config.architecture!r}"
        )
    known = ("none", *WITH_KEYS, *WITHOUT_KEYS)
    if config.attention not in known or config.bridge == "dense":
        raise ValueError(
            f"FLOPs are known of attention {', '.join(known)}, with a bridge that is "
            f"not dense. Received: {config.attention}, bridge={config.bridge!r}"
        )


def forward(config, source_lengths, target_lengths, beam_size=1):
    """FLOPs of the forward pass for some pairs of sentences.

    Args:
        config: A `Seq2SeqConfig`, or anything with its attributes.
        source_lengths: List of the sources' lengths in tokens, EOS included.
        target_lengths: List of the targets' lengths, likewise.
        beam_size: Hypotheses of each source, if this is decoding: each step is made
            for every one of them, the source is read once.

    Returns:
        The number of FLOPs, an integer.
    """
    encoded = sum(per_source_token(config).values())
    total = 0
    for source, target in zip(source_lengths, target_lengths, strict=True):
        step = sum(per_target_token(config, source).values())
        total += int(source) * encoded + int(target) * step * beam_size
    return int(total)


def training(config, source_lengths, target_lengths):
    """FLOPs of training on some pairs of sentences, once: as `forward`, three times."""
    return 3 * forward(config, source_lengths, target_lengths)


def tokens_per_second(rate, flops, num_tokens):
    """The limit: how many tokens a second a machine could do.

    Args:
        rate: GFLOP/s of a large matrix product.
        flops: FLOPs of some work.
        num_tokens: Tokens in that work.

    Example:

    >>> tokens_per_second(400, flops=8_000_000_000, num_tokens=100)
    5000.0
    """
    return rate * 1e9 * num_tokens / flops
