"""The encoder and the step of a model, cut from its layers: the only way to decode.

`encoder_model` and `step_model` are the two halves as Keras models. `encode_and_step`
joins those of one model, or of several, in the form that `kseq2seq.decoding` takes.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import keras
from keras import ops

from kseq2seq.decoding import Step
from kseq2seq.layers import (
    Attention,
    DecoderCell,
    DecoderStart,
    DecoderStep,
)
from kseq2seq.models.heads import StepOutputs, head_memory, head_states, step_head
from kseq2seq.models.sizes import (
    decoder_layers,
    foreign_model,
    layers_by_name,
    vocabulary_sizes,
)
from kseq2seq.models.states import make_room, num_bridged_states
from kseq2seq.models.transformer import (
    is_transformer,
    start_transformer,
    step_transformer,
)
from kseq2seq.utils import Tensor, check_number

# `encode(source, weights=())` and `step(tokens, states, memory, weights=())`, as
# `encode_and_step` describes them.
Encode: TypeAlias = Callable[..., dict[str, Any]]
StepHalf: TypeAlias = Callable[..., tuple[Tensor, Any, dict]]


def encoder_model(model: keras.Model) -> keras.Model:
    """The half of a model that reads the source, cut from the same layers.

    Args:
        model: A model of `build_model`, or the same loaded from a file.

    Returns:
        A `keras.Model` from source ids of shape `(batch, source_length)`, or from a
        dict of `frames` and `frame_mask` as the model takes them, to a dict with
        `states`, the list of the decoder's first states, each of shape `(batch, size)`,
        and `memory`: a dict of `value` (the encoder's outputs), `keys` (as attention
        compares them) and `mask`, empty without attention; of a model that copies also
        `copied_ids`, as `kseq2seq.layers.CopiedIds` gives them, and of one of hard
        attention `encoder_outputs`, which its pairs of positions are made of. Of a
        Transformer states and memory are those of `kseq2seq.layers.TransformerStart`.

    Raises:
        ValueError: If `model` does not come from `build_model`.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> encoded = encoder_model(model)(keras.ops.ones((2, 5), "int32"))
    >>> tuple(encoded["memory"]["value"].shape)
    (2, 5, 6)
    """
    layers = layers_by_name(model)
    start = start_transformer if is_transformer(layers) else _start_cell
    states, memory = start(layers)
    states = [*states, *head_states(layers, memory)]
    outputs = {"states": states, "memory": {**memory, **head_memory(layers)}}
    return keras.Model(_source_of(layers), outputs, name="encoder")


def step_model(model: keras.Model) -> keras.Model:
    """The half of a model that makes one step of the target, cut from the same layers.

    Args:
        model: A model of `build_model`, or the same loaded from a file.

    Returns:
        A `keras.Model` from one dict to another one. The inputs are `tokens`, int32 of
        shape `(batch, beam)`, the last id of each hypothesis; `states`, a list of
        tensors of shape `(batch, beam, size)`, those of a Transformer with room by
        `make_room`; and `memory`, the dict that the encoder model returned. The outputs
        are `logits`, float32 of shape `(batch, beam, target_vocabulary_size)`, for
        sparsemax and entmax log-probabilities; `states`, as among the inputs; and, with
        attention, `alignment`, of shape `(batch, beam, source_length)`.

    Raises:
        ValueError: If `model` does not come from `build_model`.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> sorted(step_model(model).output)
    ['alignment', 'logits', 'states']
    """
    return step_with_head(model, step_head, "logits")


def step_with_head(
    model: keras.Model, head: Callable[..., tuple[Any, list, list]], name: str
) -> keras.Model:
    """A `step_model` with another head.

    Args:
        model: A model of `build_model`, or the same loaded from a file.
        head: Function with the arguments and the results of `step_head`.
        name: Name of the head's first result among the outputs.

    Raises:
        ValueError: If `model` does not come from `build_model`.
    """
    layers = layers_by_name(model)
    encoded: dict[str, Any] = encoder_model(model).output  # pyright: ignore
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    states = [
        keras.Input((None, *state.shape[1:]), dtype=state.dtype, name=f"state_{i}")
        for i, state in enumerate(encoded["states"])
    ]
    memory = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in encoded["memory"].items()
    }
    own = {name: memory[name] for name in memory if name not in head_memory(layers)}
    count = len(states) - len(head_states(layers, memory))
    step = step_transformer if is_transformer(layers) else _step_cell
    embedded, features, new_states, *alignment = step(
        layers, tokens, states[:count], own
    )
    made = StepOutputs(tokens, embedded, features, alignment)
    output, of_head, alignment = head(layers, made, states[count:], memory)
    outputs = {name: output, "states": [*new_states, *of_head]}
    if alignment:
        outputs["alignment"] = alignment[0]
    inputs = {"tokens": tokens, "states": states, "memory": memory}
    return keras.Model(inputs, outputs, name="decoder_step")


def encode_and_step(
    models: Sequence[keras.Model],
    variables: Sequence[keras.Variable] = (),
    shares: Sequence[float] | None = None,
) -> tuple[Encode, StepHalf]:
    """The two halves of a model, or of an ensemble.

    An ensemble averages the probabilities of its models at each step, and their
    alignments too if all have attention. All must have the same vocabularies.

    Args:
        models: List of what `kseq2seq.build_model` returned.
        variables: Variables of the models whose values are the last argument of both
            functions, such as weights that are stored in fewer bits.
        shares: The share of each model in the average, positive numbers in any ratio;
            all the same if `None`.

    Returns:
        A tuple `(encode, step)`. `encode(source, weights=())` takes ids of shape
        `(batch, source_length)`, or a dict of frames and their mask as `encoder_model`
        does, and returns a dict of `states` and `memory`, each a
        list with an entry for each model, as `encoder_model` gives them.
        `step(tokens, states, memory, weights=())` returns logits of shape `(batch,
        beam, target_vocabulary_size)`, the new states, and a dict that holds
        `alignment` where there is one. `weights` has a tensor for each of `variables`.

    Raises:
        ValueError: If the models' vocabularies differ in size, one of them does not
            come from `build_model`, or `shares` are not a positive number for each.

    Example:

    >>> import keras
    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> config = Seq2SeqConfig(**sizes, embedding_size=4, units=6)
    >>> encode, step = encode_and_step([build_model(config), build_model(config)])
    >>> encoded = encode(keras.ops.ones((2, 5), "int32"))
    >>> states = make_room(encoded["states"], 7)
    >>> states = keras.tree.map_structure(lambda x: x[:, None], states)
    >>> tokens = keras.ops.full((2, 1), 2)
    >>> logits, states, extras = step(tokens, states, encoded["memory"])
    >>> tuple(logits.shape), tuple(extras["alignment"].shape)
    ((2, 1, 13), (2, 1, 5))

    Reference:
        [Sutskever et al., 2014](https://arxiv.org/abs/1409.3215), section 3.6.
    """
    sizes = [vocabulary_sizes(model) for model in models]
    if len(set(sizes)) != 1:
        raise ValueError(
            "Models of an ensemble must have vocabularies of the same size. Received: "
            f"(source, target) vocabularies of {sizes}"
        )
    shares = _normalized(shares, len(models))
    encoders = [encoder_model(model) for model in models]
    steppers = [step_model(model) for model in models]

    def encode(source, weights=()):
        with values_of(variables, weights):
            encoded = [encoder(source) for encoder in encoders]
        return {name: [x[name] for x in encoded] for name in ("states", "memory")}

    def step(tokens, states, memory, weights=()):
        with values_of(variables, weights):
            outputs = [
                stepper({"tokens": tokens, "states": own_states, "memory": own_memory})
                for stepper, own_states, own_memory in zip(
                    steppers, states, memory, strict=True
                )
            ]
        extras = {}
        if all("alignment" in x for x in outputs):
            extras["alignment"] = _mean([x["alignment"] for x in outputs], shares)
        logits = _log_mean([x["logits"] for x in outputs], shares)
        return logits, [x["states"] for x in outputs], extras

    return encode, step


def start_search(
    encode: Encode,
    step: StepHalf,
    source: Any,
    alignments: bool = True,
    may_shrink: bool = False,
    gives_logits: bool = True,
) -> tuple[Step, Any]:
    """Encodes a batch of sources, for a search of `kseq2seq.decoding`.

    Args:
        encode: The first half, as `encode_and_step` gives it. The dict that it returns
            may have an entry `weights`, the last argument of `step`.
        step: The second half.
        source: Ids of shape `(batch, source_length)`, or what else `encode` takes.
        alignments: Whether the search is to collect alignments, where there are any.
        may_shrink: Whether rows that are done may leave the batch.
        gives_logits: Whether `step` gives logits; else it gives log-probabilities.

    Returns:
        A tuple `(step, initial_state)`: a `kseq2seq.decoding.Step`, and the states that
        it starts from. `step(tokens, state)` returns log-probabilities of shape
        `(batch, beam, target_vocabulary_size)`, the new state, and a dict that holds
        `alignment` where there is one.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model, decoding
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> source = keras.ops.ones((2, 5), "int32")
    >>> step, states = start_search(*encode_and_step([model]), source)
    >>> hypotheses = decoding.beam_search(step, states, beam_size=3, max_length=7)
    >>> tuple(hypotheses.ids.shape)
    (2, 1, 7)
    """
    encoded = encode(source)
    weights = encoded.get("weights", ())

    def next_step(tokens, states, memory):
        logits, states, extras = step(tokens, states, memory, weights)
        return logits, states, extras if alignments else {}

    search_step = Step(
        next_step,
        encoded["memory"],
        gives_logits=gives_logits,
        may_shrink=may_shrink,
        make_room=make_room,
    )
    return search_step, encoded["states"]


def start_decoding(model: keras.Model) -> Callable[[Any], tuple[Step, Any]]:
    """The start of a search by one model, for a loop of `kseq2seq.decoding`.

    Args:
        model: A model of `build_model`, or the same loaded from a file.

    Returns:
        A function from source ids, of shape `(batch, source_length)`, or a dict of
        frames and their mask, to what `start_search` returns.

    Raises:
        ValueError: If `model` does not come from `build_model`.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model, decoding
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> step, state = start_decoding(model)(keras.ops.ones((2, 5), "int32"))
    >>> hypotheses = decoding.greedy_search(step, state, max_length=7)
    >>> tuple(hypotheses.ids.shape)
    (2, 1, 7)
    """
    encode, step = encode_and_step([model])
    return lambda source: start_search(encode, step, source)


def _start_cell(layers):
    """First states and memory of a recurrent decoder."""
    cell = decoder_cell(layers)
    states = [layers[f"bridge_{i}"].output for i in range(num_bridged_states(layers))]
    # Of the cell's precision, whatever the global policy is by now.
    start = DecoderStart(cell, dtype=cell.dtype_policy, name="decoder_start")
    if cell.attention is None:
        return start(states)
    mask = layers["source_mask"].output
    return start(states, layers["memory"].output, memory_mask=mask)


def _step_cell(layers, tokens, states, memory):
    """Embeddings, features, new states and alignment, if any, of a step of the cell."""
    cell = decoder_cell(layers)
    step = DecoderStep(cell, dtype=cell.dtype_policy, name="decoder_step")
    embedded = layers["target_embedding"](tokens)
    return embedded, *step(embedded, states, memory)


def _source_of(layers):
    """The inputs that the encoder reads: ids, or frames and their mask."""
    if "frames" in layers:
        return {name: layers[name].output for name in ("frames", "frame_mask")}
    return layers["source"].output


def decoder_cell(layers: dict[str, Any]) -> DecoderCell:
    """The model's decoder cell; for a decoder at once, one made of its layers.

    Args:
        layers: Dict from the names of a model's layers to the layers.

    Raises:
        ValueError: If the model has no decoder of `build_model`.
    """
    if "decoder" in layers:
        return layers["decoder"].cell
    recurrent = decoder_layers(layers)
    if not recurrent:
        raise foreign_model(layers)
    added = [x for x in range(len(recurrent)) if f"decoder_{x}_residual" in layers]
    cell = DecoderCell(
        [layer.cell for layer in recurrent],
        # By its kind, since a user's own has a name of its own.
        attention=next((x for x in layers.values() if isinstance(x, Attention)), None),
        attentional=layers.get("attentional"),
        input_feeding=False,
        residual=bool(added),
        residual_from=added[0] + 1 if added else 2,
        query_cell="first" if "first_query" in layers else "last",
        context_to_cells="decoder_1_input" in layers,
        dtype=recurrent[0].dtype_policy,
        name="decoder_cell",
    )
    cell.built = True
    return cell


def values_of(
    variables: Sequence[keras.Variable], values: Sequence[Tensor]
) -> AbstractContextManager:
    """A scope in which variables have other values.

    Without variables, a `keras.StatelessScope` around it stays as it is.

    Args:
        variables: The variables.
        values: A tensor for each of them.
    """
    if not variables:
        return nullcontext()
    return keras.StatelessScope(list(zip(variables, values, strict=True)))


def _normalized(shares, count):
    """Shares that sum to 1."""
    if shares is None:
        return [1 / count] * count
    shares = [check_number("weights of an ensemble", x, above=0) for x in shares]
    if len(shares) != count:
        raise ValueError(
            "The weights of an ensemble must be a number for each of its "
            f"{count} models. Received: {shares}"
        )
    return [share / sum(shares) for share in shares]


def _mean(tensors, shares):
    if len(tensors) == 1:
        return tensors[0]
    return sum(x * share for x, share in zip(tensors, shares, strict=True))


def _log_mean(logits, shares):
    """Logits of the mean probabilities; of one model its own, which is cheaper."""
    if len(logits) == 1:
        return logits[0]
    # Of log-probabilities, not probabilities: none of them becomes log(0).
    log_probs = [
        ops.log_softmax(x) + math.log(share)
        for x, share in zip(logits, shares, strict=True)
    ]
    return ops.logsumexp(ops.stack(log_probs), axis=0)
