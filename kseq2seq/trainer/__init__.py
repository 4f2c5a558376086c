"""Trainings from settings, recipes, and what both are made of.

The names are loaded when they are first used, so that recipes are listed without Keras
and TensorFlow.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kseq2seq.trainer.recipe_files import describe_recipes, find_recipe, recipe_names

if TYPE_CHECKING:
    from kseq2seq.trainer.help import describe_settings
    from kseq2seq.trainer.pipeline import Training, fit, prepare, score
    from kseq2seq.trainer.readers import READERS, Reader
    from kseq2seq.trainer.run_folder import RunFolder
    from kseq2seq.trainer.schedules import SCHEDULES, Schedule
    from kseq2seq.trainer.schema import SettingsError
    from kseq2seq.trainer.settings import Settings, read_settings

_HOMES = {
    "READERS": "readers",
    "Reader": "readers",
    "RunFolder": "run_folder",
    "SCHEDULES": "schedules",
    "Schedule": "schedules",
    "Settings": "settings",
    "SettingsError": "schema",
    "Training": "pipeline",
    "describe_settings": "help",
    "fit": "pipeline",
    "prepare": "pipeline",
    "read_settings": "settings",
    "score": "pipeline",
}

__all__ = [
    "READERS",
    "SCHEDULES",
    "Reader",
    "RunFolder",
    "Schedule",
    "Settings",
    "SettingsError",
    "Training",
    "describe_recipes",
    "describe_settings",
    "find_recipe",
    "fit",
    "prepare",
    "read_settings",
    "recipe_names",
    "score",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
