"""The graphs of a model, each traced when it is first needed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from kseq2seq.decoding import Search
from kseq2seq.inference.controlled import ControlledSearches
from kseq2seq.inference.distinct_samples import sampling_graph
from kseq2seq.inference.signatures import (
    EXTRA_SIGNATURES,
    FEATURES,
    PREFIX,
    TEXT,
    check_inputs,
    find_signature,
    signature_functions,
)
from kseq2seq.inference.text_to_text import TextToText
from kseq2seq.utils import Tensor

FORCED = tf.TensorSpec([None, None, None], tf.int32, "forced")
SPECS = {"text": TEXT, "features": FEATURES, "prefix": PREFIX, "forced": FORCED}


class Graphs:
    """The searches and signatures of a `TextToText`, each traced when it is new.

    They share the model's own variables.

    Args:
        text_to_text: The `TextToText`.

    Attributes:
        text_to_text: The `TextToText`.
    """

    def __init__(self, text_to_text: TextToText) -> None:
        self.text_to_text = text_to_text
        self._controlled = ControlledSearches(text_to_text)
        self._signatures: dict[str, Callable[..., Any]] = {}
        self._searches: dict[tuple[Any, ...], Callable[..., Any]] = {}
        self._samples: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def run(
        self, signature: str, inputs: Mapping[str, Tensor]
    ) -> dict[str, np.ndarray]:
        """The outputs of a signature.

        Args:
            signature: Its name; see `kseq2seq.inference.signature_functions`.
            inputs: Dict from the names of its inputs to arrays or tensors.

        Returns:
            Dict of NumPy arrays.

        Raises:
            ValueError: If there is no such signature, or it takes other inputs.
        """
        functions = signature_functions(self.text_to_text, EXTRA_SIGNATURES)
        function = find_signature(functions, signature)
        names = [spec.name for spec in function.specs]
        check_inputs(signature, inputs, names)
        if signature not in self._signatures:
            self._signatures[signature] = function.trace()
        outputs = self._signatures[signature](*[inputs[name] for name in names])
        return {name: x.numpy() for name, x in outputs.items()}

    def search(
        self,
        search: Search,
        alignments: bool,
        names: Sequence[str],
        allowed: tuple[str, ...] = (),
        in_order: bool = False,
    ) -> Callable[..., dict[str, np.ndarray]]:
        """A search of texts as a function.

        Args:
            search: The `kseq2seq.Search`.
            alignments: Whether to collect alignments, where there are any.
            names: The inputs: "text", and of "features", "prefix" and "forced" those
                wanted.
            allowed: The only texts that there are; any if empty.
            in_order: Whether the phrases of "forced" stand in their order.

        Returns:
            Function from the inputs, in the order of `names`, as
            `ControlledSearches.search_texts` takes them, to its outputs as NumPy
            arrays.
        """
        key = search, alignments, tuple(names), allowed, in_order
        if key not in self._searches:

            def search_texts(*inputs):
                named = dict(zip(names, inputs, strict=True))
                rules = {"allowed": allowed, "in_order": in_order}
                return self._controlled.search_texts(
                    named.pop("text"), search, alignments, **rules, **named
                )

            specs = [SPECS[name] for name in names]
            graph = tf.function(search_texts, input_signature=specs, autograph=False)
            # By itself, a `tf.function` takes several beam sizes for a mistake and
            # warns of retracing.
            self._searches[key] = graph.get_concrete_function()
        graph = self._searches[key]

        def run(*inputs):
            return {name: x.numpy() for name, x in graph(*inputs).items()}

        return run

    def samples(
        self, num_samples: int, names: Sequence[str]
    ) -> Callable[..., dict[str, Tensor]]:
        """The graph that draws samples without repetition.

        Args:
            num_samples: As for `sampling_graph`.
            names: As for `sampling_graph`.
        """
        key = num_samples, tuple(names)
        if key not in self._samples:
            graph = sampling_graph(self.text_to_text, num_samples, names)
            self._samples[key] = graph
        return self._samples[key]
