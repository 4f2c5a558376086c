"""Trainings from settings, recipes, and what both are made of.

The names are loaded when they are first used, so that recipes are listed without Keras
and TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kseq2seq.trainer.recipe_files import describe_recipes, find_recipe, recipe_names

if TYPE_CHECKING:
    from kseq2seq.trainer.help import describe_settings
    from kseq2seq.trainer.pairs import pairs_of_run
    from kseq2seq.trainer.pipeline import fit, prepare
    from kseq2seq.trainer.plateau import ReduceOnPlateau
    from kseq2seq.trainer.readers import READERS, Reader
    from kseq2seq.trainer.run_folder import RunFolder
    from kseq2seq.trainer.schedules import SCHEDULES, Schedule
    from kseq2seq.trainer.schema import SettingsError
    from kseq2seq.trainer.scoring import score
    from kseq2seq.trainer.settings import Settings, read_settings
    from kseq2seq.trainer.sweep import (
        SweepResult,
        SweepScore,
        describe_sweep,
        run_sweep,
    )
    from kseq2seq.trainer.sweep_settings import SweepRun, read_sweep
    from kseq2seq.trainer.training import Training

_HOMES = {
    "READERS": "readers",
    "Reader": "readers",
    "ReduceOnPlateau": "plateau",
    "RunFolder": "run_folder",
    "SCHEDULES": "schedules",
    "Schedule": "schedules",
    "Settings": "settings",
    "SettingsError": "schema",
    "SweepResult": "sweep",
    "SweepRun": "sweep_settings",
    "SweepScore": "sweep",
    "Training": "training",
    "describe_settings": "help",
    "describe_sweep": "sweep",
    "fit": "pipeline",
    "pairs_of_run": "pairs",
    "prepare": "pipeline",
    "read_settings": "settings",
    "read_sweep": "sweep_settings",
    "run_sweep": "sweep",
    "score": "scoring",
}

__all__ = [
    "READERS",
    "SCHEDULES",
    "Reader",
    "ReduceOnPlateau",
    "RunFolder",
    "Schedule",
    "Settings",
    "SettingsError",
    "SweepResult",
    "SweepRun",
    "SweepScore",
    "Training",
    "describe_recipes",
    "describe_settings",
    "describe_sweep",
    "find_recipe",
    "fit",
    "pairs_of_run",
    "prepare",
    "read_settings",
    "read_sweep",
    "recipe_names",
    "run_sweep",
    "score",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
