"""Figures of alignments and of trainings, made without pyplot."""

from kseq2seq.plots.alignment import (
    alignment_heatmap,
)
from kseq2seq.plots.curves import (
    QUANTITIES,
    Quantity,
    training_curves,
)
from kseq2seq.plots.figures import (
    FORMATS,
    save,
)
from kseq2seq.plots.frames import (
    frames_heatmap,
)
from kseq2seq.plots.sweeps import (
    sweep_curves,
)

__all__ = [
    "FORMATS",
    "QUANTITIES",
    "Quantity",
    "alignment_heatmap",
    "frames_heatmap",
    "save",
    "sweep_curves",
    "training_curves",
]
