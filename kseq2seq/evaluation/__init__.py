"""Corpus scores with their signatures."""

from kseq2seq.evaluation.corpus import (
    METRICS,
    Score,
    bleu,
    character_error_rate,
    edit_distance,
    evaluate,
    exact_match,
    higher_is_better,
    phone_error_rate,
    word_error_rate,
)

__all__ = [
    "METRICS",
    "Score",
    "bleu",
    "character_error_rate",
    "edit_distance",
    "evaluate",
    "exact_match",
    "higher_is_better",
    "phone_error_rate",
    "word_error_rate",
]
