"""What all global attention shares: every query looks at every source position."""

import keras
from keras import ops

from kseq2seq.layers.scores import masked_softmax, zero_padding


def check_units(units):
    """Raises `ValueError` unless `units` is a positive integer."""
    if isinstance(units, bool) or not isinstance(units, int) or units <= 0:
        raise ValueError(
            f"`units` must be a positive integer. Received: units={units!r}"
        )


class GlobalAttention(keras.layers.Layer):
    """What all global attention layers share: masks, softmax, dropout, shapes.

    A subclass adds its weights in `build` and says in `project_keys` and
    `scores` how keys and queries are compared. A loop over target positions
    calls `project_keys` once and `attend` at each step; `call` does both.

    Args:
        dropout: Fraction of the alignment to drop in training, from 0 to 1.
        seed: Integer seed of the dropout.
        kernel_initializer: Initializer of the matrices and of the score vector.
        **kwargs: Passed to `keras.layers.Layer`.

    Raises:
        ValueError: If `dropout` is not in `[0, 1)`.
    """

    def __init__(
        self, dropout=0.0, seed=None, kernel_initializer="glorot_uniform", **kwargs
    ):
        super().__init__(**kwargs)
        if not 0.0 <= dropout < 1.0:
            raise ValueError(
                "`dropout` must be at least 0 and less than 1. "
                f"Received: dropout={dropout!r}"
            )
        self.dropout = dropout
        self.seed = seed
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.supports_masking = True
        # A layer rather than a function, so that its seed's state is saved and
        # each call of `fit` draws anew.
        self.dropout_layer = keras.layers.Dropout(
            dropout, seed=seed, dtype=self.dtype_policy
        )

    def _kernel(self, shape, name):
        # A clone each: one initializer used twice gives the same numbers twice.
        initializer = self.kernel_initializer.clone()
        return self.add_weight(shape=shape, initializer=initializer, name=name)

    def project_keys(self, key):
        """Keys as the score compares them: independent of the query.

        Args:
            key: Tensor of shape `(batch, source_length, key_dim)`.

        Returns:
            Tensor of shape `(batch, source_length, projected_dim)`.
        """
        return key

    def scores(self, query, keys):
        """Scores before softmax, of shape `(batch, target_length, source_length)`.

        Args:
            query: Tensor of shape `(batch, target_length, query_dim)`.
            keys: What `project_keys` returned.
        """
        raise TypeError(
            f"{type(self).__name__} must define `scores(query, keys)`: "
            "GlobalAttention is a base class without a score of its own."
        )

    def attend(self, query, keys, value, value_mask=None, dropout_mask=None):
        """Attention over keys that are already projected; a pure function.

        Args:
            query: Tensor of shape `(batch, target_length, query_dim)`.
            keys: What `project_keys` returned.
            value: Tensor of shape `(batch, source_length, value_dim)`, finite at
                padding: `zero_padding` sees to that once, ahead of a loop.
            value_mask: Boolean tensor of shape `(batch, source_length)`.
            dropout_mask: Factors for the alignment, of a shape that broadcasts
                to it, as `draw_dropout_mask` returns; or `None`.

        Returns:
            A tuple `(context, alignment)`, of shapes
            `(batch, target_length, value_dim)` and
            `(batch, target_length, source_length)`.
        """
        alignment = masked_softmax(self.scores(query, keys), value_mask)
        weights = alignment if dropout_mask is None else alignment * dropout_mask
        return ops.matmul(weights, value), alignment  # (B, T, Dv), (B, T, S)

    def draw_dropout_mask(self, shape, training):
        """Factors that drop parts of an alignment of this shape, or `None`."""
        if not self.dropout or not training:
            return None
        return self.dropout_layer(ops.ones(shape, self.compute_dtype), training=True)

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        return_attention_scores=False,
        training=None,
    ):
        value = zero_padding(value, value_mask)
        key = value if key is None else zero_padding(key, value_mask)
        keys = self.project_keys(key)
        shape = (*ops.shape(query)[:2], ops.shape(value)[1])
        dropout_mask = self.draw_dropout_mask(shape, training)
        context, alignment = self.attend(query, keys, value, value_mask, dropout_mask)
        return (context, alignment) if return_attention_scores else context

    def compute_mask(self, query, query_mask=None):
        # What Keras calls this with: the first argument, and the mask it carries.
        return query_mask

    def compute_output_spec(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        return_attention_scores=False,
        training=None,
    ):
        batch, target_length, _ = query.shape
        context = keras.KerasTensor(
            (batch, target_length, value.shape[-1]), self.compute_dtype
        )
        if not return_attention_scores:
            return context
        shape = (batch, target_length, value.shape[1])
        return context, keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "dropout": self.dropout,
            "seed": self.seed,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }
