"""Alignments and training curves as Matplotlib figures."""

from kseq2seq.plots.figures import (
    FORMATS,
    alignment_heatmap,
    save,
    training_curves,
)

__all__ = [
    "FORMATS",
    "alignment_heatmap",
    "save",
    "training_curves",
]
