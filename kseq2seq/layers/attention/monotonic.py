"""Attention that only goes forward over the source."""

from typing import Any

import keras
from keras import ops

from kseq2seq.layers.attention.base import Attention, Draws, Memory, Shape, State
from kseq2seq.layers.attention.building import build_attention
from kseq2seq.layers.attention.global_attention import GlobalAttention, check_score
from kseq2seq.layers.attention.inputs import check_attend
from kseq2seq.layers.attention.monotonic_alignment import (
    hard_alignment,
    parallel_alignment,
    successive_alignments,
)
from kseq2seq.layers.nested import NestedLayers
from kseq2seq.utils import Tensor, check_boolean, check_number


@keras.saving.register_keras_serializable(package="kseq2seq")
class MonotonicAttention(NestedLayers, Attention):
    """Online and linear-time attention: each output reads on from where the last did.

    From the position that the output before has read, source positions are looked at
    one after the other, and each is read or passed by. With the energies `e` of
    another attention layer, for output i and position j:

        e_{i,j} = score(s_{i-1}, h_j) + r
        p_{i,j} = sigmoid(e_{i,j} + noise)
        q_{i,j} = (1 - p_{i,j-1}) q_{i,j-1} + alpha_{i-1,j}
        alpha_{i,j} = p_{i,j} q_{i,j}
        context_i = sum over j of alpha_{i,j} h_j

    In training, alpha is the alignment expected over all choices. Outside of training
    the choice is hard: the first position from the last one on with `e > 0` gets 1.
    Noise in training makes a model choose clearly, so that both are near each other.

    A row sums to 1 or less: less where the source may end before a position is read.
    A hard row where nothing was chosen is all zero, as is its context, and so are the
    rows behind it.

    Masking: source positions where `value_mask` is False receive exactly 0 and are
    passed by as if they were not there. A query that is masked is not followed: the
    one behind it reads on from where the one ahead of it did.

    Args:
        score: The layer that gives the energies, such as `BahdanauAttention` or
            `LuongAttention`. Its dropout is that of the alignment.
        sigmoid_noise: Standard deviation of the normal noise that is added to the
            energies in training.
        score_bias_init: First value of the learned bias `r`. Below 0 an untrained
            layer passes positions by, and so sees more of the source.
        hard: Whether the alignment is hard outside of training; if not, it is the
            expected one, without noise.
        seed: Integer seed of the noise.
        **kwargs: Passed to `keras.layers.Layer`.

    Call arguments and results are those of `kseq2seq.layers.Attention`; `training`
    takes the expected alignment and adds the noise.

    Raises:
        ValueError: If `score` cannot give energies or has a `probability_fn` or a
            `temperature`, `sigmoid_noise` is no number of at least 0, or
            `score_bias_init` or `hard` is not as described.

    Example:

    >>> from kseq2seq.layers import BahdanauAttention
    >>> layer = MonotonicAttention(BahdanauAttention(8), sigmoid_noise=1.0)
    >>> query, value = keras.ops.ones((2, 3, 4)), keras.ops.ones((2, 5, 6))
    >>> context, alignment = layer(query, value, return_attention_scores=True)
    >>> tuple(context.shape), tuple(alignment.shape)
    ((2, 3, 6), (2, 3, 5))

    Reference:
        [Raffel et al., 2017](https://arxiv.org/abs/1704.00784), sections 2.2
        to 2.5.
    """

    def __init__(
        self,
        score: GlobalAttention,
        sigmoid_noise: float = 0.0,
        score_bias_init: float = 0.0,
        hard: bool = True,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_energies(score, "score")
        self.score = score
        self.sigmoid_noise = check_number("sigmoid_noise", sigmoid_noise, least=0)
        self.score_bias_init = check_number("score_bias_init", score_bias_init)
        self.hard = check_boolean("hard", hard)
        self.seed = seed
        self.noise_generator = keras.random.SeedGenerator(seed)

    def build(
        self, query_shape: Shape, value_shape: Shape, key_shape: Shape | None = None
    ) -> None:
        build_attention(self.score, query_shape, value_shape, key_shape)
        self.score_bias = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.score_bias_init),
            name="score_bias",
        )

    def project_keys(self, key: Tensor) -> Tensor:
        return self.score.project_keys(key)

    def initial_state(self, memory: Memory) -> State:
        # At the first position even where that is padding: it is passed by.
        batch, length = ops.shape(memory["mask"])
        first = ops.zeros((batch,), "int32")
        return (ops.one_hot(first, length, dtype=self.compute_dtype),)

    def draw(self, memory: Memory, num_queries: Any, training: Any) -> Draws:
        draws = self.score.draw(memory, num_queries, training)
        if not self.sigmoid_noise or not training:
            return draws
        batch, length = ops.shape(memory["mask"])
        noise = keras.random.normal(
            (batch, num_queries, length),
            stddev=self.sigmoid_noise,
            dtype=self.compute_dtype,
            seed=self.noise_generator,
        )
        return {**draws, "noise": noise}

    def attend(
        self,
        query: Tensor,
        memory: Memory,
        state: State = (),
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor, State]:
        check_attend(type(self).__name__, query, memory, state, 1)
        choice = self._choice(query, memory, draws, training)
        previous = ops.cast(state[0], "float32")
        if self._is_hard(training):
            chosen = hard_alignment(choice, previous)
        else:
            chosen = parallel_alignment(choice, previous)
        state = (ops.cast(chosen, self.compute_dtype),)
        return *self._read(chosen, query, memory, draws), state

    def attend_all(
        self,
        query: Tensor,
        memory: Memory,
        query_mask: Tensor | None = None,
        draws: Draws | None = None,
        training: bool = False,
    ) -> tuple[Tensor, Tensor]:
        choice = self._choice(query, memory, draws, training)
        (first,) = self.initial_state(memory)
        first = ops.cast(first, "float32")
        # With a choice of 0 or 1, what is expected is what is chosen.
        chosen = successive_alignments(choice, first, query_mask)
        return self._read(chosen, query, memory, draws)

    def _is_hard(self, training):
        return self.hard and not training

    def _choice(self, query, memory, draws, training):
        """The probability to read each position, or 0 and 1, in float32."""
        energy = self.score.scores(query, memory["keys"])
        energy = ops.cast(energy, "float32") + ops.cast(self.score_bias, "float32")
        if self._is_hard(training):
            choice = ops.cast(energy > 0, "float32")
        else:
            if draws and "noise" in draws:
                energy = energy + ops.cast(draws["noise"], "float32")
            choice = ops.sigmoid(energy)
        return ops.where(memory["mask"][:, None], choice, 0.0)

    def _read(self, chosen, query, memory, draws):
        alignment = self.chosen_alignment(chosen, query, memory)
        alignment = ops.cast(alignment, self.compute_dtype)
        return self.score.read(alignment, memory, draws), alignment

    def chosen_alignment(self, chosen: Tensor, query: Tensor, memory: Memory) -> Tensor:
        """The alignment that is read where a position is chosen: here, that position.

        Args:
            chosen: Tensor of shape `(batch, num_queries, source_length)`, in
                float32.
            query: Tensor of shape `(batch, num_queries, query_dim)`.
            memory: Dict that `prepare` returned.

        Returns:
            Tensor of the shape and dtype of `chosen`.
        """
        return chosen

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "score": keras.saving.serialize_keras_object(self.score),
            "sigmoid_noise": self.sigmoid_noise,
            "score_bias_init": self.score_bias_init,
            "hard": self.hard,
            "seed": self.seed,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "MonotonicAttention":
        # Version 0.1.0 had a `mode`, on which no number depended.
        config = {name: x for name, x in config.items() if name != "mode"}
        return super().from_config(config)


def check_energies(score: Any, name: str) -> None:
    """Checks that `score` is a layer whose softmax can be left out.

    Args:
        score: Value of the argument.
        name: Name of the argument.

    Raises:
        ValueError: If it is not.
    """
    check_score(score, name)
    if score.probability_fn != "softmax" or score.temperature != 1.0:
        raise ValueError(
            f"`{name}` must have the default probability_fn and temperature: its "
            "scores do not become an alignment by themselves; leave both out. "
            f"Received: probability_fn={score.probability_fn!r}, "
            f"temperature={score.temperature!r}"
        )
