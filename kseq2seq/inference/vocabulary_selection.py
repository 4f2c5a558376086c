"""Vocabulary selection: a search among the target pieces that a source may give."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from kseq2seq.decoding import Columns, Search, Step
from kseq2seq.inference.quantization import step_in_int8, stored_variables
from kseq2seq.inference.step_graph import step_specs, trace_step
from kseq2seq.inference.tokenizer_graphs import IDS
from kseq2seq.models import (
    column_product,
    column_step,
    start_column_search,
    vocabulary_sizes,
)
from kseq2seq.runs import Shortlist, check_shortlist
from kseq2seq.utils import EOS_ID, PAD_ID, Tensor


class VocabularySelection:
    """The start of searches among the pieces of a shortlist.

    A batch has the logits of the pieces that one of its rows may give; each row has
    probabilities of its own pieces alone, so that rows are independent.

    Args:
        models: List of one model.
        shortlist: The `kseq2seq.runs.Shortlist`.
        encode: The graph that encodes source ids, as `TextToText` has it.
        weights: As of `TextToText`.
        products: As of `TextToText`.

    Raises:
        ValueError: If there are several models, both weights and products are in int8,
            the model's logits are more than a product, or the shortlist is of other
            vocabularies.
    """

    def __init__(
        self,
        models: Sequence[keras.Model],
        shortlist: Shortlist,
        encode: Any,
        weights: str = "float32",
        products: str = "float32",
    ) -> None:
        if len(models) > 1 or (weights != "float32" and products != "float32"):
            raise ValueError(
                "A shortlist needs a single model, and beside products in int8 weights "
                "in float32: leave out one of them, or search without a shortlist. "
                f"Received: {len(models)} models, weights={weights!r}, "
                f"products={products!r}"
            )
        (model,) = models
        sizes = vocabulary_sizes(model)
        check_shortlist(shortlist, *sizes)
        self._model, self._size = model, sizes[1]
        self._variables = stored_variables(models, weights)
        always = [*range(EOS_ID + 1), *shortlist.frequent]
        table = shortlist.table.copy()
        # Padding, which depends on the other rows of a batch, gives no pieces.
        table[PAD_ID] = PAD_ID
        # Variables, which a SavedModel keeps in a file beside its graph.
        self._always = tf.Variable(always, trainable=False, dtype=tf.int32)
        self._table = tf.Variable(table, trainable=False, dtype=tf.int32)
        first = tf.constant([EOS_ID])
        product = keras.tree.map_structure(
            lambda x: tf.TensorSpec([*x.shape[:-1], None], x.dtype),
            column_product(model, first),
        )
        if products == "int8":
            # The last product is with columns, which are others each time.
            states, memory, _ = step_specs(encode)
            step = column_step(model, model.weights)
            specs = [IDS, states, memory, product]
            step = step_in_int8(step, model.weights, specs)
        else:
            step = column_step(model, self._variables)
        self._step, _ = trace_step(encode, step, Search(), product)

    def start(
        self,
        encoded: dict[str, Any],
        source: Tensor,
        alignments: bool,
        wanted: Sequence[Tensor] = (),
    ) -> tuple[Step, Any]:
        """The step function and the first states of a search.

        Args:
            encoded: The result of the graph that encodes, for the source.
            source: Ids of shape `(batch, source_length)`.
            alignments: Whether the search is to collect alignments.
            wanted: Target ids that rows may give too, each of shape `(batch, count)`.

        Returns:
            A tuple `(step, initial_state)`, as `kseq2seq.decoding` takes them.
        """
        is_given = self._pieces_of_rows(source, wanted)
        ids = tf.where(tf.reduce_any(is_given, axis=0))[:, 0]
        ids = tf.cast(ids, tf.int32)
        weights = encoded["weights"]
        return start_column_search(
            self._step,
            encoded,
            Columns(ids, self._size),
            tf.gather(is_given, ids, axis=1),
            column_product(self._model, ids, self._variables, weights),
            alignments,
            may_shrink=True,
        )

    def _pieces_of_rows(self, source, wanted):
        """Booleans, (B, V): the pieces that each row may give."""
        batch = tf.shape(source)[0]
        given = tf.reshape(tf.gather(self._table, source), [batch, -1])
        always = tf.broadcast_to(self._always, [batch, tf.size(self._always)])
        pieces = tf.concat([always, given, *wanted], axis=1)  # (B, N)
        places = pieces + tf.range(batch)[:, None] * self._size
        flat = tf.zeros([batch * self._size], tf.bool)
        places = tf.reshape(places, [-1, 1])
        is_piece = tf.ones(tf.shape(places)[:1], tf.bool)
        flat = tf.tensor_scatter_nd_update(flat, places, is_piece)
        return tf.reshape(flat, [batch, self._size])


def select_vocabulary(
    models: Sequence[keras.Model],
    shortlist: Shortlist | None,
    encode: Any,
    weights: str = "float32",
    products: str = "float32",
) -> VocabularySelection:
    """The `VocabularySelection` of models, wherever it is first needed.

    Args:
        models: As of `VocabularySelection`.
        shortlist: The `kseq2seq.runs.Shortlist`; `None` if there is none.
        encode: As of `VocabularySelection`.
        weights: As of `VocabularySelection`.
        products: As of `VocabularySelection`.

    Raises:
        ValueError: If there is no shortlist, or none for models like these.
    """
    if shortlist is None:
        raise ValueError(
            "`search.shortlist` needs the shortlist of a run, which 'kseq2seq "
            "shortlist RUN' makes; an ensemble has none, nor has a translator with a "
            "language model. Search without. Received: shortlist=True, while there is "
            "no shortlist"
        )
    # It may be while another graph is traced.
    with tf.init_scope():
        return VocabularySelection(models, shortlist, encode, weights, products)
