"""Words of a config for attention, each with the layer that it stands for.

A mechanism of the package takes its layer, an import here and an entry in `MECHANISMS`.
A program may add an entry for a layer of its own.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from kseq2seq.layers.attention.bahdanau import BahdanauAttention
from kseq2seq.layers.attention.base import Attention
from kseq2seq.layers.attention.chunkwise import ChunkwiseAttention
from kseq2seq.layers.attention.coverage import CoverageAttention
from kseq2seq.layers.attention.gated_features import GatedFeaturesAttention
from kseq2seq.layers.attention.local import (
    LocalMonotonicAttention,
    LocalPredictiveAttention,
)
from kseq2seq.layers.attention.location_sensitive import LocationSensitiveAttention
from kseq2seq.layers.attention.luong import LuongAttention
from kseq2seq.layers.attention.monotonic import MonotonicAttention
from kseq2seq.layers.attention.multi_head import MultiHeadAttention


class Mechanism(NamedTuple):
    """A mechanism of attention that a config can name.

    Attributes:
        description: The mechanism and its source, in a line.
        factory: Function from a number of units to a factory of the layer. What a
            config has in `attention_options` is passed to that by name, over its own
            arguments.
        needs_equal_sizes: Whether queries and keys must be of one size.

    Example:

    >>> factory = MECHANISMS["local_predictive"].factory(8)
    >>> layer = factory(half_width=3)
    >>> type(layer).__name__, layer.units, layer.half_width
    ('LocalPredictiveAttention', 8, 3)
    """

    description: str
    factory: Callable[[int], Callable[..., Attention]]
    needs_equal_sizes: bool = False


def _additive(units: int, name: str = "score") -> BahdanauAttention:
    return BahdanauAttention(units, name=name)


def _general(name: str = "score") -> LuongAttention:
    return LuongAttention("general", name=name)


def gate_features(
    attention: Attention, units: int, name: str | None = None
) -> Attention:
    """Attention to a text and its features, of attention to the text alone.

    Args:
        attention: Attention to the text.
        units: Size in which a query and features are compared.
        name: Name of the layer.

    Raises:
        ValueError: If `attention` adds a loss of its alignment.

    Example:

    >>> layer = gate_features(MECHANISMS["luong_general"].factory(7)(), units=7)
    >>> type(layer.attention).__name__
    'LuongAttention'
    """
    return GatedFeaturesAttention(attention, _additive(units, "features"), name=name)


MECHANISMS: dict[str, Mechanism] = {
    "bahdanau": Mechanism(
        "Additive score (Bahdanau et al., 2015)",
        lambda units: partial(BahdanauAttention, units=units),
    ),
    "bahdanau_normalized": Mechanism(
        "Additive score, weight-normalised (Salimans & Kingma, 2016)",
        lambda units: partial(BahdanauAttention, units=units, normalize=True),
    ),
    "luong_dot": Mechanism(
        "Dot product (Luong et al., 2015)",
        lambda units: partial(LuongAttention, score="dot"),
        needs_equal_sizes=True,
    ),
    "luong_general": Mechanism(
        "Bilinear score (Luong et al., 2015)",
        lambda units: partial(LuongAttention, score="general"),
    ),
    "luong_concat": Mechanism(
        "Additive score of query and key, concatenated (Luong et al., 2015)",
        lambda units: partial(LuongAttention, score="concat", units=units),
    ),
    "luong_scaled_dot": Mechanism(
        "Dot product over the root of its size (Vaswani et al., 2017)",
        lambda units: partial(LuongAttention, score="scaled_dot"),
        needs_equal_sizes=True,
    ),
    "luong_scaled_general": Mechanism(
        "Bilinear score over the root of its size; the default",
        lambda units: partial(LuongAttention, score="scaled_general"),
    ),
    "local_monotonic": Mechanism(
        "A window that moves on with the target, local-m (Luong et al., 2015)",
        lambda units: partial(LocalMonotonicAttention, score=_general()),
    ),
    "local_predictive": Mechanism(
        "A window whose place is predicted, local-p (Luong et al., 2015)",
        lambda units: partial(LocalPredictiveAttention, score=_general(), units=units),
    ),
    "monotonic_bahdanau": Mechanism(
        "Hard monotonic, with an additive score (Raffel et al., 2017)",
        lambda units: partial(MonotonicAttention, score=_additive(units)),
    ),
    "monotonic_luong": Mechanism(
        "Hard monotonic, with a bilinear score (Raffel et al., 2017)",
        lambda units: partial(MonotonicAttention, score=_general()),
    ),
    "chunkwise": Mechanism(
        "Soft over the chunk that monotonic attention ends, MoChA (Chiu & Raffel, "
        "2018)",
        lambda units: partial(
            ChunkwiseAttention,
            score=_additive(units),
            chunk_score=_additive(units, "chunk_score"),
            chunk_size=3,
        ),
    ),
    "location_sensitive": Mechanism(
        "Additive, with filters over the last alignment (Chorowski et al., 2015)",
        lambda units: partial(LocationSensitiveAttention, units=units),
    ),
    "coverage": Mechanism(
        "Additive, with the sum of past alignments (Tu et al., 2016; See et al., 2017)",
        lambda units: partial(CoverageAttention, units=units),
    ),
    "multi_head_additive": Mechanism(
        "Four heads with additive scores (Chen et al., 2018)",
        lambda units: partial(MultiHeadAttention, num_heads=4, units=units),
    ),
    "multi_head_dot": Mechanism(
        "Four heads with scaled dot products (Vaswani et al., 2017)",
        lambda units: partial(
            MultiHeadAttention, num_heads=4, units=units, score="dot"
        ),
    ),
}
