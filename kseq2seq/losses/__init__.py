"""Losses and metrics of token sequences, and of forecasts."""

from kseq2seq.losses.alignment import (
    AlignmentCrossentropy,
    aligned_token_weights,
)
from kseq2seq.losses.crossentropy import (
    MaskedCrossentropy,
    token_crossentropy,
    token_weights,
)
from kseq2seq.losses.entmax import (
    EntmaxLoss,
)
from kseq2seq.losses.metrics import (
    Perplexity,
    TokenAccuracy,
)
from kseq2seq.losses.quantile import (
    QuantileLoss,
)
from kseq2seq.losses.sampled import (
    SampledCrossentropy,
)
from kseq2seq.losses.vocabulary_logits import (
    VocabularyLogits,
)

__all__ = [
    "AlignmentCrossentropy",
    "EntmaxLoss",
    "MaskedCrossentropy",
    "Perplexity",
    "QuantileLoss",
    "SampledCrossentropy",
    "TokenAccuracy",
    "VocabularyLogits",
    "aligned_token_weights",
    "token_crossentropy",
    "token_weights",
]
