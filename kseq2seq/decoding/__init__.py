"""Greedy search, beam search, sampling and forced decoding over a step function."""

from kseq2seq.decoding.columns import Columns
from kseq2seq.decoding.config import (
    Search,
    constraints_of_search,
    length_limits,
    search_ids,
)
from kseq2seq.decoding.constraints import (
    AfterPrefix,
    AllowedOutputs,
    Constraint,
    ForbiddenPhrases,
    ForbiddenTokens,
    ForcedPhrases,
    ForcedPrefix,
    GuidingConstraint,
    MinLength,
    NoRepeatedNgram,
    OpenEnd,
    Prefix,
    RepetitionPenalty,
    TransitionTable,
)
from kseq2seq.decoding.distinct import sample_distinct
from kseq2seq.decoding.patterns import (
    pattern_automaton,
    token_table,
    words_automaton,
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
    "AfterPrefix",
    "AllowedOutputs",
    "Columns",
    "Constraint",
    "ForbiddenPhrases",
    "ForbiddenTokens",
    "ForcedPhrases",
    "ForcedPrefix",
    "GuidingConstraint",
    "Hypotheses",
    "MinLength",
    "NoRepeatedNgram",
    "OpenEnd",
    "Prefix",
    "RepetitionPenalty",
    "Search",
    "Step",
    "TransitionTable",
    "beam_search",
    "constraints_of_search",
    "force",
    "greedy_search",
    "length_limits",
    "pattern_automaton",
    "relative_lengths",
    "sample",
    "sample_distinct",
    "search_ids",
    "token_table",
    "words_automaton",
]
