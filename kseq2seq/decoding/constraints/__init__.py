"""Constraints: which tokens may come next, a file each.

Shapes in the comments: B rows of the batch, K hypotheses of each (the beam), L the
longest target, V the vocabulary, C candidates.
"""

from kseq2seq.decoding.constraints.allowed_outputs import (
    AllowedOutputs,
)
from kseq2seq.decoding.constraints.base import (
    Constraint,
    GuidingConstraint,
    Prefix,
)
from kseq2seq.decoding.constraints.forbidden_phrases import (
    ForbiddenPhrases,
)
from kseq2seq.decoding.constraints.forbidden_tokens import (
    ForbiddenTokens,
)
from kseq2seq.decoding.constraints.forced_phrases import (
    ForcedPhrases,
)
from kseq2seq.decoding.constraints.forced_prefix import (
    AfterPrefix,
    ForcedPrefix,
    OpenEnd,
)
from kseq2seq.decoding.constraints.min_length import (
    MinLength,
)
from kseq2seq.decoding.constraints.no_repeated_ngram import (
    NoRepeatedNgram,
)
from kseq2seq.decoding.constraints.repetition_penalty import (
    RepetitionPenalty,
)
from kseq2seq.decoding.constraints.states import (
    adjusted_log_probs,
    allowed_tokens,
    check_constraints,
    initial_states,
    is_guided,
    max_forbidden,
    next_states,
)
from kseq2seq.decoding.constraints.transition_table import (
    TransitionTable,
)

__all__ = [
    "AfterPrefix",
    "AllowedOutputs",
    "Constraint",
    "ForbiddenPhrases",
    "ForbiddenTokens",
    "ForcedPhrases",
    "ForcedPrefix",
    "GuidingConstraint",
    "MinLength",
    "NoRepeatedNgram",
    "OpenEnd",
    "Prefix",
    "RepetitionPenalty",
    "TransitionTable",
    "adjusted_log_probs",
    "allowed_tokens",
    "check_constraints",
    "initial_states",
    "is_guided",
    "max_forbidden",
    "next_states",
]
