"""Figures of alignments, forecasts, words and trainings, made without pyplot."""

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
from kseq2seq.plots.forecast import (
    forecast_plot,
)
from kseq2seq.plots.frames import (
    frames_heatmap,
)
from kseq2seq.plots.neighbors import (
    nearest_words,
    neighbors_plot,
)
from kseq2seq.plots.picture import (
    picture_heatmap,
)
from kseq2seq.plots.sweeps import (
    sweep_curves,
)

__all__ = [
    "FORMATS",
    "QUANTITIES",
    "Quantity",
    "alignment_heatmap",
    "forecast_plot",
    "frames_heatmap",
    "nearest_words",
    "neighbors_plot",
    "picture_heatmap",
    "save",
    "sweep_curves",
    "training_curves",
]
