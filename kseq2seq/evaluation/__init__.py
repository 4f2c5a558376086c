"""Corpus scores with their signatures, and how far intervals of forecasts hold."""

from kseq2seq.evaluation.alignment import (
    AlignmentStatistics,
    alignment_statistics,
)
from kseq2seq.evaluation.alignment_error import (
    AlignmentErrorRate,
    alignment_error_rate,
)
from kseq2seq.evaluation.calibration import (
    Calibration,
    expected_calibration_error,
    fit_calibration,
)
from kseq2seq.evaluation.comparison import (
    Comparison,
    compare,
    comparison_table,
    confusions,
    format_edit,
)
from kseq2seq.evaluation.corpus import (
    bleu,
    chrf,
    exact_match,
    ter,
)
from kseq2seq.evaluation.edit_rates import (
    character_error_rate,
    edit_distance,
    phone_error_rate,
    word_error_rate,
)
from kseq2seq.evaluation.metrics import (
    DEFAULT_METRICS,
    METRICS,
    Metric,
    check_metrics,
    evaluate,
)
from kseq2seq.evaluation.pairwise import UTILITIES, pairwise_scores
from kseq2seq.evaluation.quantiles import (
    interval_coverage,
    track_quantiles,
)
from kseq2seq.evaluation.score import (
    Score,
    check_texts,
    ratio_score,
)

__all__ = [
    "DEFAULT_METRICS",
    "METRICS",
    "UTILITIES",
    "AlignmentErrorRate",
    "AlignmentStatistics",
    "Calibration",
    "Comparison",
    "Metric",
    "Score",
    "alignment_error_rate",
    "alignment_statistics",
    "bleu",
    "character_error_rate",
    "check_metrics",
    "check_texts",
    "chrf",
    "compare",
    "comparison_table",
    "confusions",
    "edit_distance",
    "evaluate",
    "exact_match",
    "expected_calibration_error",
    "fit_calibration",
    "format_edit",
    "interval_coverage",
    "pairwise_scores",
    "phone_error_rate",
    "ratio_score",
    "ter",
    "track_quantiles",
    "word_error_rate",
]
