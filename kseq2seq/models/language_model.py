"""Language models of the target, and their part in the search of a translation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
from keras import ops

from kseq2seq.layers import (
    LSTM,
    DecoderStep,
    Dropout,
    Logits,
    VocabularyEmbedding,
    VocabularyProjection,
)
from kseq2seq.models.halves import (
    Encode,
    StepHalf,
    decoder_cell,
    encode_and_step,
    values_of,
)
from kseq2seq.models.nan import check_no_nan
from kseq2seq.models.seq2seq_model import Seq2SeqModel
from kseq2seq.models.sizes import (
    decoder_layers,
    layers_by_name,
    vocabulary_sizes,
)
from kseq2seq.utils import check_fraction, check_integer, check_number


class Fusion(NamedTuple):
    """A language model of the target, and what it counts in a search.

    Attributes:
        model: The result of `build_language_model`, trained.
        weight: Factor of its log-probabilities, which are added to the translation
            model's.
    """

    model: keras.Model
    weight: float


class Mixture(NamedTuple):
    """The way in which several models search together.

    Attributes:
        shares: The share of each translation model in the mean of their probabilities,
            positive numbers in any ratio; all the same if `None`.
        fusion: The `Fusion` with a language model, or `None`.
    """

    shares: Sequence[float] | None = None
    fusion: Fusion | None = None


# The usual mixture: models that count the same, and no language model.
MEAN = Mixture()


def build_language_model(
    vocabulary_size: int,
    embedding_size: int = 256,
    units: int = 512,
    num_layers: int = 1,
    dropout: float = 0.3,
) -> Seq2SeqModel:
    """A language model of the target: LSTMs that predict the next token of a text.

    Args:
        vocabulary_size: Number of the target's ids, as the translation model has it.
        embedding_size: Size of the embeddings.
        units: Size of the LSTMs.
        num_layers: Number of the LSTMs.
        dropout: Share of the values that training drops, of what enters each LSTM and
            the projection.

    Returns:
        A `Seq2SeqModel` from a dict of `target`, ids of shape `(batch, target_length)`
        that start with BOS, to logits of shape `(batch, target_length,
        vocabulary_size)` in float32.

    Raises:
        ValueError: If a number is out of range.

    Example:

    >>> model = build_language_model(13, embedding_size=4, units=6)
    >>> tuple(model({"target": keras.ops.ones((2, 3), "int32")}).shape)
    (2, 3, 13)

    Reference:
        [Mikolov et al., 2010](https://doi.org/10.21437/Interspeech.2010-343), with the
        LSTM of [Sundermeyer et al.,
        2012](https://doi.org/10.21437/Interspeech.2012-65).
    """
    # The ids 0 to 3 are special.
    vocabulary_size = check_integer("vocabulary_size", vocabulary_size, 5)
    num_layers = check_integer("num_layers", num_layers, 1)
    dropout = check_fraction("dropout", dropout)
    # As large as in `build_model`.
    initializer: Any = keras.initializers.RandomNormal(stddev=1.0)
    target = keras.Input((None,), dtype="int32", name="target")
    vectors = VocabularyEmbedding(
        vocabulary_size,
        check_integer("embedding_size", embedding_size, 1),
        embeddings_initializer=initializer,
        name="target_embedding",
    )(target)
    for level in range(num_layers):
        vectors = Dropout(dropout, name=f"decoder_{level}_dropout")(vectors)
        layer = LSTM(
            check_integer("units", units, 1),
            return_sequences=True,
            name=f"decoder_{level}",
        )
        vectors = layer(vectors)
    features = Dropout(dropout, name="output_dropout")(vectors)
    logits = VocabularyProjection(vocabulary_size, name="projection")(features)
    logits = Logits(name="logits")(logits)
    return Seq2SeqModel({"target": target}, logits, name="language_model")


def mixed_halves(
    models: Sequence[keras.Model],
    variables: Sequence[keras.Variable] = (),
    mixture: Mixture = MEAN,
) -> tuple[Encode, StepHalf]:
    """The two halves of models that search together.

    Args:
        models: List of translation models, as for `encode_and_step`.
        variables: As for `encode_and_step`, those of the language model among them.
        mixture: The `Mixture`.

    Returns:
        A tuple `(encode, step)`, as of `encode_and_step`, or with a language model as
        of `fuse_language_model`, whose `step` gives no logits.

    Raises:
        ValueError: As of `encode_and_step`; if the language model does not come from
            `build_language_model`, its vocabulary has another size, its weights are
            NaN, or `weight` is no number of at least 0.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> language_model = build_language_model(13, embedding_size=4, units=6)
    >>> mixture = Mixture(fusion=Fusion(language_model, 0.3))
    >>> encode, step = mixed_halves([model], mixture=mixture)
    >>> len(encode(keras.ops.ones((2, 5), "int32"))["states"])
    2
    """
    encode, step = encode_and_step(models, variables, mixture.shares)
    if mixture.fusion is None:
        return encode, step
    _check_fusion(mixture.fusion, vocabulary_sizes(models[0])[1])
    return fuse_language_model(encode, step, mixture.fusion, variables)


def _check_fusion(fusion, vocabulary_size):
    """Checks that a language model can help a translation model."""
    check_number("weight", fusion.weight, least=0)
    is_model = isinstance(fusion.model, keras.Model)
    layers = layers_by_name(fusion.model) if is_model else {}
    words = f"a model of layers {', '.join(layers)}"
    received = words if is_model else f"{fusion.model!r:.80}"
    is_language_model = "source_mask" not in layers and layers.keys() >= {
        "target_embedding",
        "decoder_0",
        "projection",
    }
    if not is_language_model:
        raise ValueError(
            "A language model must come from `build_language_model`, or from a file by "
            "`load_model`: its layers are found by their names. "
            f"Received: {received}"
        )
    size = layers["target_embedding"].input_dim
    if size != vocabulary_size:
        raise ValueError(
            "A language model must have the target vocabulary of the translation "
            "model: train it with that model's target tokenizer. Received: "
            f"vocabulary sizes {size} and {vocabulary_size}"
        )
    check_no_nan(fusion.model)


def language_model_step(model: keras.Model) -> keras.Model:
    """One step of a language model, cut from its layers.

    Args:
        model: A model of `build_language_model`, or the same loaded from a file.

    Returns:
        A `keras.Model` from a dict of `tokens`, the last ids of each hypothesis, of
        shape `(batch, beam)`, and `states`, a list of tensors of shape `(batch, beam,
        units)`, to a dict of `logits`, of shape `(batch, beam, vocabulary_size)` in
        float32, and `states`.

    Example:

    >>> step = language_model_step(build_language_model(13, embedding_size=4, units=6))
    >>> states = [keras.ops.zeros((2, 3, 6))] * 2
    >>> tokens = keras.ops.full((2, 3), 2)
    >>> tuple(step({"tokens": tokens, "states": states})["logits"].shape)
    (2, 3, 13)
    """
    layers = layers_by_name(model)
    cell = decoder_cell(layers)
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    states = [
        keras.Input((None, size), dtype=cell.compute_dtype, name=f"state_{i}")
        for i, size in enumerate(_state_sizes(model))
    ]
    step = DecoderStep(cell, dtype=cell.dtype_policy, name="decoder_step")
    features, new_states = step(layers["target_embedding"](tokens), states, {})
    logits = layers["logits"](layers["projection"](features))
    return keras.Model(
        {"tokens": tokens, "states": states},
        {"logits": logits, "states": new_states},
        name="language_model_step",
    )


def fuse_language_model(
    encode: Encode,
    step: StepHalf,
    fusion: Fusion,
    variables: Sequence[keras.Variable] = (),
) -> tuple[Encode, StepHalf]:
    """The two halves of a translation model, with a language model in the step.

    The step gives the sum of the translation model's log-probabilities and the weighted
    ones of the language model: shallow fusion.

    Args:
        encode: The first half, as `encode_and_step` gives it.
        step: The second half.
        fusion: The `Fusion`.
        variables: As for `encode_and_step`.

    Returns:
        A tuple `(encode, step)` as that of `encode_and_step`, but `step` returns
        weighted sums of log-probabilities, not logits: pass `gives_logits=False` to
        `start_search`, or a softmax would change them. The language model is the last
        entry of states and memory.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model, decoding
    >>> from kseq2seq.models import start_search
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> fusion = Fusion(build_language_model(13, embedding_size=4, units=6), 0.3)
    >>> encode, step = fuse_language_model(*encode_and_step([model]), fusion)
    >>> source = keras.ops.ones((2, 5), "int32")
    >>> len(encode(source)["states"])
    2
    >>> start = start_search(encode, step, source, gives_logits=False)
    >>> tuple(decoding.beam_search(*start, beam_size=3, max_length=7).ids.shape)
    (2, 1, 7)

    Reference:
        [Gulcehre et al., 2015](https://arxiv.org/abs/1503.03535), section 4.1.
    """
    sizes, language_step = _state_sizes(fusion.model), language_model_step(fusion.model)
    dtype = decoder_layers(layers_by_name(fusion.model))[0].compute_dtype

    def encode_both(source, weights=()):
        encoded = encode(source, weights)
        batch = ops.shape(keras.tree.flatten(encoded["states"])[0])[0]
        states = [ops.zeros((batch, size), dtype) for size in sizes]
        return {
            **encoded,
            "states": [*encoded["states"], states],
            "memory": [*encoded["memory"], {}],
        }

    def step_both(tokens, states, memory, weights=()):
        *own_states, language_states = states
        logits, own_states, extras = step(tokens, own_states, memory[:-1], weights)
        with values_of(variables, weights):
            outputs = language_step({"tokens": tokens, "states": language_states})
        log_probs = ops.log_softmax(logits)
        log_probs += fusion.weight * ops.log_softmax(outputs["logits"])
        return log_probs, [*own_states, outputs["states"]], extras

    return encode_both, step_both


def _state_sizes(model):
    """Those of all layers, flat."""
    layers = decoder_layers(layers_by_name(model))
    sizes = [layer.cell.state_size for layer in layers]
    return [int(size) for pair in sizes for size in pair]
