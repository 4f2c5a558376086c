"""Heatmaps to look at, and a check that Matplotlib has nothing to complain of."""

import logging
import warnings
from contextlib import contextmanager

import numpy as np

from kseq2seq.plots import alignment_heatmap

SOURCE = ["▁Zwei", "▁Hunde", "▁laufen", "▁über", "Schnee", ".", "</s>"]
TARGET = ["Two", "dogs", "run", "</s>", "é"]
# Scripts that matplotlib's own font draws, however it is installed.
SCRIPTS = ["Ένας", "σκύλος", "Собака", "ёлка", "ÅçŒß", "كلب", "שלום", "Việt", "ħɛləʊ"]


@contextmanager
def no_warnings(caplog):
    """Neither a warning nor a complaint in matplotlib's log."""
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", DeprecationWarning)  # matplotlib's own
        yield
    assert not caplog.records


def weights(target, source, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(len(source)), len(target))


def heatmap(target, source, **options):
    return alignment_heatmap(weights(target, source), source, target, **options)


def labels(figure):
    axes = figure.axes[0]
    return (
        [label.get_text() for label in axes.get_xticklabels()],
        [label.get_text() for label in axes.get_yticklabels()],
    )
