"""Guided alignment: attention that learns given word links in training."""

from typing import Any, NamedTuple

import keras

from kseq2seq.layers import Attention, DecoderRNN, TransformerDecoderLayer
from kseq2seq.losses import AlignmentCrossentropy, aligned_token_weights
from kseq2seq.models.sizes import decoder_layers, layers_by_name
from kseq2seq.utils import Tensor, check_number


class GuidedAlignment:
    """Training in which attention learns given word links, beside the translation.

    To the loss is added `weight` times `kseq2seq.losses.AlignmentCrossentropy`, between
    the links of a batch and the attention of its targets, which
    `kseq2seq.data.batches(..., linked=True)` has as `links` among the inputs. Of a
    Transformer it is the attention of the last layer, the mean over its heads.

    `Seq2SeqModel.guided_alignment` is where it is put, ahead of `fit`. A file of the
    model does not hold it. `evaluate`, and the `val_loss` of `fit`, are without it. It
    needs TensorFlow; with other backends compile `alignment_model` with both losses.

    Args:
        weight: Factor of the loss of the attention beside that of the translation,
            above 0.

    Raises:
        ValueError: If `weight` is out of range.

    Example:

    >>> from kseq2seq import Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> model.guided_alignment = GuidedAlignment(weight=0.1)

    Reference:
        - [Chen et al., 2016](https://arxiv.org/abs/1607.01628), guided alignment.
        - [Mi et al., 2016](https://aclanthology.org/D16-1249), supervised attention.
    """

    def __init__(self, weight: float = 0.1) -> None:
        self.weight = float(check_number("weight", weight, above=0))
        self._last: tuple[keras.Model, AlignedGraph] | None = None

    def graph(self, model: keras.Model) -> "AlignedGraph":
        """The graph that is trained, made once for a model.

        Args:
            model: A model of `build_model`.

        Raises:
            ValueError: If the model has no attention.
        """
        if self._last is None or self._last[0] is not model:
            self._last = model, aligned_graph(model)
        return self._last[1]

    def loss(
        self, links: Tensor, attention: Tensor, sample_weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The part of the loss of a batch that is of its links.

        Args:
            links: The attention to learn, of shape `(batch, target_length,
                source_length)`.
            attention: The model's, of the same shape.
            sample_weight: As of `kseq2seq.losses.AlignmentCrossentropy`.

        Returns:
            A tuple of two scalars: the weighted loss, and the number of tokens that it
            is a mean of.
        """
        loss = AlignmentCrossentropy()(links, attention, sample_weight)
        tokens = keras.ops.sum(aligned_token_weights(links, sample_weight))
        return self.weight * loss, tokens


class AlignedGraph(NamedTuple):
    """The graph of a model that gives its attention, too.

    Attributes:
        inputs: Dict of the inputs.
        outputs: Dict from each layer's name to its output.
        logits: The model's output.
        attention: Attention of shape `(batch, target_length, source_length)`.
    """

    inputs: Any
    outputs: dict[str, Any]
    logits: Any
    attention: Any


def alignment_model(model: keras.Model) -> keras.Model:
    """A model of the same layers that gives its attention, too.

    Trained, it trains the layers of both.

    Args:
        model: A model of `build_model`, or the same loaded from a file.

    Returns:
        A `keras.Model` from the same inputs to a dict of `logits`, as the model gives
        them, and `alignment`, of shape `(batch, target_length, source_length)`; of a
        Transformer that of the last layer, the mean over its heads.

    Raises:
        ValueError: If the model has no attention.

    Example:

    >>> from kseq2seq import MaskedCrossentropy, Seq2SeqConfig, build_model
    >>> sizes = {"source_vocabulary_size": 11, "target_vocabulary_size": 13}
    >>> model = build_model(Seq2SeqConfig(**sizes, embedding_size=4, units=6))
    >>> both = alignment_model(model)
    >>> both.compile("adam", {"logits": MaskedCrossentropy(),
    ...                       "alignment": AlignmentCrossentropy()},
    ...              loss_weights={"logits": 1.0, "alignment": 0.1})
    >>> ids = keras.ops.ones((2, 5), "int32")
    >>> tuple(both({"source": ids, "target": ids[:, :3]})["alignment"].shape)
    (2, 3, 5)
    """
    graph = aligned_graph(model)
    outputs = {"logits": graph.logits, "alignment": graph.attention}
    return keras.Model(graph.inputs, outputs, name="alignment_model")


def aligned_graph(model: keras.Model) -> AlignedGraph:
    """The graph of a model's layers, whose attention is an output.

    Args:
        model: As for `alignment_model`.

    Raises:
        ValueError: If the model has no attention.
    """
    attends, outputs = _attending_layer(model), {}

    def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
        if layer is not attends:
            outputs[layer.name] = layer(*args, **kwargs)
            return outputs[layer.name]
        aligns = kwargs.pop("return_attention_scores", False)
        # Keras 3.12 takes no `None` among a layer's inputs, such as a key left out.
        given = {x: value for x, value in kwargs.items() if value is not None}
        while args and args[-1] is None:
            args = args[:-1]
        both = _WithAttention(layer, name=layer.name)({"args": args, "kwargs": given})
        outputs[layer.name] = both
        return both if aligns else both[0]

    # Of the graph alone: the copy of a compiled model would be compiled, too.
    plain = keras.Model(model.input, model.output)
    # Keras gives what the function returns to `call`: the layer itself.
    copy = keras.models.clone_model(
        plain, clone_function=_same_layer, call_function=call
    )
    return AlignedGraph(copy.input, outputs, copy.output, outputs[attends.name][1])


def _same_layer(layer: keras.layers.Layer) -> Any:
    return layer


class _WithAttention(keras.layers.Layer):
    """A layer called for its attention, too.

    Keras knows outputs of a layer's first call alone, which may have asked for none.
    """

    def __init__(self, layer: keras.layers.Layer, **kwargs: Any) -> None:
        super().__init__(dtype=layer.dtype_policy, **kwargs)
        self.supports_masking = True  # masks are among the arguments
        self.layer = layer

    def build(self, inputs_shape: Any) -> None:
        pass

    def call(self, inputs: dict[str, Any]) -> Any:
        kwargs = {**inputs["kwargs"], "return_attention_scores": True}
        return self.layer(*inputs["args"], **kwargs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def compute_output_spec(self, inputs: dict[str, Any]) -> Any:
        kwargs = {**inputs["kwargs"], "return_attention_scores": True}
        return self.layer.compute_output_spec(*inputs["args"], **kwargs)


def _attending_layer(model):
    """The layer whose attention is the alignment."""
    layers = layers_by_name(model)
    decoder, levels = layers.get("decoder"), decoder_layers(layers)
    if isinstance(decoder, DecoderRNN) and decoder.cell.attention is not None:
        return decoder
    if levels and isinstance(levels[-1], TransformerDecoderLayer):
        return levels[-1]
    for layer in model.layers:  # by its kind, since a user's own has a name of its own
        if isinstance(layer, Attention):
            return layer
    raise ValueError(
        "Guided alignment needs a model with attention: build it with another "
        "`attention` than 'none', or leave guided alignment out. Received: a model of "
        f"layers {', '.join(layers)}"
    )
