"""Recurrent dropout and zoneout of any cell."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.dropout import Dropout
from kseq2seq.layers.nested import NestedLayers
from kseq2seq.layers.recurrent.scans import scan
from kseq2seq.utils import Tensor, check_fraction


@keras.saving.register_keras_serializable(package="kseq2seq")
class RegularizedCell(NestedLayers, keras.layers.Layer):
    """A recurrent cell with recurrent dropout and zoneout.

    Recurrent dropout hides entries of the last output from the cell, the same ones at
    all steps of a row. Zoneout keeps entries of the states as they were, others at each
    step. `draw` draws both ahead of a loop. Without draws, as in inference, nothing is
    hidden, and each new state is the mean that zoneout gives:
    `zoneout * old + (1 - zoneout) * new`.

    Args:
        cell: A cell whose output is its first state, such as `keras.layers.LSTMCell`,
            without dropout of its own.
        recurrent_dropout: Fraction of the last output to hide, from 0 to 1.
        zoneout: Fraction of the states to keep, from 0 to 1.
        seed: Integer seed of both.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments:
        inputs: Tensor of shape `(batch, input_dim)`.
        states: List of tensors of shape `(batch, units)`.
        draws: Dict of tensors of shape `(batch, units)`, those of `draw` at one step;
            none outside of training.

    Returns:
        A tuple `(output, states)`: a tensor of shape `(batch, units)`, and the list of
        the new states.

    Raises:
        ValueError: If a fraction is not in `[0, 1)`, `cell` is no cell or has dropout
            of its own, or recurrent dropout is asked of a cell with one state, such as
            a GRU, which also hands it on.

    Example:

    >>> cell = RegularizedCell(keras.layers.LSTMCell(5), zoneout=0.1)
    >>> tuple(RegularizedRNN(cell)(keras.ops.ones((2, 3, 7)), training=True).shape)
    (2, 5)

    Reference:
        - [Gal & Ghahramani, 2016](https://arxiv.org/abs/1512.05287), section 4; one
          mask for all gates.
        - [Krueger et al., 2017](https://arxiv.org/abs/1606.01305), section 3.
    """

    def __init__(
        self,
        cell: keras.layers.Layer,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cell: Any = _checked(cell)
        self.recurrent_dropout = check_fraction("recurrent_dropout", recurrent_dropout)
        self.zoneout = check_fraction("zoneout", zoneout)
        self.seed = seed
        self.state_size = self.cell.state_size
        self.output_size = self.cell.output_size
        if self.recurrent_dropout and len(keras.tree.flatten(self.state_size)) < 2:
            raise ValueError(
                "`recurrent_dropout` needs a cell with a state apart from its output, "
                "such as an LSTM: what it hides, a GRU would forget. Use `zoneout`. "
                f"Received: recurrent_dropout={recurrent_dropout}, cell={cell}"
            )
        # In float32 whatever the cell computes in, for exact rates.
        self.dropout_layer = Dropout(recurrent_dropout, seed=seed, dtype="float32")
        self.zoneout_layer = Dropout(zoneout, seed=seed, dtype="float32")

    def build(
        self, inputs_shape: Any, states_shape: Any = None, draws_shape: Any = None
    ) -> None:
        if not self.cell.built:
            self.cell.build(inputs_shape)

    def draw(self, inputs: Tensor) -> dict[str, Tensor]:
        """Random numbers for all steps of a training.

        Args:
            inputs: Tensor of shape `(batch, length, input_dim)`.

        Returns:
            A dict of tensors of shape `(batch, length, units)`: factors of the last
            output, and 1 at the states' entries that change.
        """
        batch, length = ops.shape(inputs)[:2]
        draws = {}
        if self.recurrent_dropout:
            ones = ops.ones((batch, 1, self.output_size))
            mask = self.dropout_layer(ones, training=True)
            draws["mask"] = self._cast(ops.repeat(mask, length, axis=1))
        if self.zoneout:
            for number, size in enumerate(keras.tree.flatten(self.state_size)):
                ones = ops.ones((batch, length, size))
                changes = self.zoneout_layer(ones, training=True) > 0
                draws[f"changes_{number}"] = self._cast(changes)
        return draws

    def call(
        self,
        inputs: Tensor,
        states: list[Tensor],
        draws: dict[str, Tensor] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        draws, given = draws or {}, list(states)
        if "mask" in draws:
            given[0] = given[0] * draws["mask"]
        output, new_states = self.cell(inputs, given)
        new_states = keras.tree.flatten(new_states)
        if not self.zoneout:
            return output, new_states
        mixed = []
        for number, (old, new) in enumerate(zip(states, new_states, strict=True)):
            share = draws.get(f"changes_{number}", 1 - self.zoneout)
            mixed.append(old + share * (new - old))
        return mixed[0], mixed

    def _cast(self, x):
        return ops.cast(x, self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "recurrent_dropout": self.recurrent_dropout,
            "zoneout": self.zoneout,
            "seed": self.seed,
        }


def is_cell(cell: Any) -> bool:
    """Whether something is a single recurrent cell, as layers of Keras take it.

    Args:
        cell: Anything, such as a `keras.layers.LSTMCell`.

    Example:

    >>> is_cell(keras.layers.GRUCell(3)), is_cell(keras.layers.GRU(3))
    (True, False)
    """
    is_one = not isinstance(cell, (type, keras.layers.StackedRNNCells))
    return is_one and hasattr(cell, "state_size") and hasattr(cell, "output_size")


def _checked(cell):
    """The cell, if it is one without dropout of its own, which has draws elsewhere."""
    own = [getattr(cell, name, 0) for name in ("dropout", "recurrent_dropout")]
    if is_cell(cell) and not any(own):
        return cell
    raise ValueError(
        "`cell` must be a recurrent cell, such as keras.layers.LSTMCell(8), without "
        "dropout of its own: drop inputs ahead of it, and give `recurrent_dropout` "
        f"here. Received: cell={cell!r}"
        + (f" with dropout={own[0]}, recurrent_dropout={own[1]}" if any(own) else "")
    )


@keras.saving.register_keras_serializable(package="kseq2seq")
class RegularizedRNN(keras.layers.RNN):
    """`keras.layers.RNN` of a `RegularizedCell`, whose draws precede the loop.

    Args:
        cell: The `RegularizedCell`.
        **kwargs: Passed to `keras.layers.RNN`.

    Call arguments:
        sequences: Tensor of shape `(batch, length, input_dim)`.
        initial_state: List of tensors of shape `(batch, units)`; zeros if `None`.
        mask: Boolean tensor of shape `(batch, length)`, `True` at what is real.
        training: Whether the call is one of training.

    Returns:
        As `keras.layers.RNN` does.

    Raises:
        ValueError: If `cell` is no `RegularizedCell`, or an argument is given by which
            the loop of training would differ.

    Example:

    >>> cell = RegularizedCell(keras.layers.LSTMCell(5), recurrent_dropout=0.3)
    >>> layer = RegularizedRNN(cell, return_sequences=True)
    >>> tuple(layer(keras.ops.ones((2, 3, 7)), training=True).shape)
    (2, 3, 5)
    """

    def __init__(self, cell: RegularizedCell, **kwargs: Any) -> None:
        if not isinstance(cell, RegularizedCell):
            raise ValueError(
                "`cell` must be a RegularizedCell; keras.layers.RNN runs others. "
                f"Received: cell={cell}"
            )
        if kwargs.get("stateful"):
            raise ValueError(
                "RegularizedRNN keeps no state between calls; leave `stateful` out, "
                "and use `initial_state`. Received: stateful=True"
            )
        super().__init__(cell, **kwargs)

    def call(
        self,
        sequences: Tensor,
        initial_state: Any = None,
        mask: Tensor | None = None,
        training: bool = False,
    ) -> Any:
        mask = mask[0] if isinstance(mask, (list, tuple)) else mask
        if not training:
            return super().call(sequences, initial_state, mask, training)
        batch_size, length, _ = ops.shape(sequences)
        if initial_state is None:
            initial_state = self.get_initial_state(batch_size)
        states = [ops.cast(x, self.compute_dtype) for x in initial_state]
        real = ops.ones((batch_size, length), "bool") if mask is None else mask
        if mask is not None:
            # A gradient of 0 does not hide an input that is infinite or NaN.
            sequences = ops.where(real[..., None], sequences, 0.0)
        by_time = keras.tree.map_structure(
            self._by_time, (sequences, real[..., None], self.cell.draw(sequences))
        )

        def step(carry, at_step):
            states, last = carry
            inputs, real, draws = at_step
            output, new_states = self.cell(inputs, states, draws)
            pairs = zip(new_states, states, strict=True)
            states = [ops.where(real, new, old) for new, old in pairs]
            output = ops.where(real, output, last)
            return (states, last if self.zero_output_for_mask else output), output

        # As Keras has it, 0 at padding ahead of the first real step, too.
        last = ops.zeros_like(states[0])
        (states, _), outputs = scan(step, (states, last), by_time)
        output = ops.swapaxes(outputs, 0, 1) if self.return_sequences else outputs[-1]
        return (output, *states) if self.return_state else output

    def _by_time(self, x):
        x = ops.swapaxes(x, 0, 1)
        return ops.flip(x, axis=0) if self.go_backwards else x
