"""Greedy search, beam search, sampling and forced decoding over a step function."""

from kseq2seq.decoding.config import (
    Search,
    length_limits,
    search_ids,
)
from kseq2seq.decoding.constraints import (
    Constraint,
    ForbiddenPhrases,
    ForbiddenTokens,
    MinLength,
    NoRepeatedNgram,
    Prefix,
    RepetitionPenalty,
)
from kseq2seq.decoding.sampling import (
    sample,
)
from kseq2seq.decoding.searches import (
    beam_search,
    force,
    greedy_search,
    relative_lengths,
)
from kseq2seq.decoding.slots import (
    Hypotheses,
)
from kseq2seq.decoding.step import (
    Step,
)

__all__ = [
    "Constraint",
    "ForbiddenPhrases",
    "ForbiddenTokens",
    "Hypotheses",
    "MinLength",
    "NoRepeatedNgram",
    "Prefix",
    "RepetitionPenalty",
    "Search",
    "Step",
    "beam_search",
    "force",
    "greedy_search",
    "length_limits",
    "relative_lengths",
    "sample",
    "search_ids",
]
