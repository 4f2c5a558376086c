"""The table [sweep] of a settings file: which settings a sweep tries."""

import copy
import dataclasses
import itertools
import json
import math
import random
from collections.abc import Mapping
from typing import Any

from kseq2seq.trainer.model_checks import check_dependent
from kseq2seq.trainer.recipe_files import read_toml
from kseq2seq.trainer.schema import SettingsError, only_tables
from kseq2seq.trainer.settings import Settings, make_settings
from kseq2seq.utils import (
    PathLike,
    check_integer,
    check_integers,
    is_integer,
    is_number,
)

_OWN = ("draws", "draw_seed", "seeds", "variants")
# What a training's changes call the variant that it is of.
_VARIANT = "variant"
# What a greedy search has no use for.
_OF_BEAM = (
    "search.beam_size",
    "search.num_hypotheses",
    "search.num_groups",
    "search.coverage_penalty",
)
# Draws that may be equal to earlier ones, for each that is wanted.
_TRIES = 100


@dataclasses.dataclass(frozen=True)
class SweepRun:
    """One training of a sweep.

    Attributes:
        name: Name of its run folder.
        changes: Dict from `section.name` to the value that is tried; `variant` is the
            name of a variant.
        seed: Value of `training.seed`.
        settings: All its `Settings`.
    """

    name: str
    changes: dict[str, Any]
    seed: int
    settings: Settings


def read_sweep(path: PathLike) -> list[SweepRun]:
    """The trainings that a settings file with a table [sweep] asks for.

    Each setting that is tried stands in a table of its section, such as
    `[sweep.optimizer]`: a list of values, or a range `{min = 1e-4, max = 1e-2, log =
    true}`, of integers if both ends are, then also with `step = 32`. Without `draws`,
    every combination of the lists is tried; with `draws = 20`, so many different ones
    drawn at random, by `draw_seed`. `seeds = [1, 2, 3]` trains each with several values
    of `training.seed`.

    Settings that belong together are a variant, with a name, such as
    `[sweep.variants.deep]` and in it `model = {encoder_layers = 2, residual = true}`.
    Each variant is tried with each combination of the others; an empty one is the file
    as it is.

    Args:
        path: Path of the TOML file.

    Returns:
        A list of `SweepRun`s.

    Raises:
        SettingsError: If the file cannot be read, or a setting or a value that is to be
            tried cannot be used; it names all of those.
    """
    given = read_toml(path)
    table = given.pop("sweep", None)
    if not isinstance(table, dict):
        raise SettingsError(
            f"{path} must have a table [sweep], such as seeds = [1, 2] and below it "
            "[sweep.optimizer] with learning_rate = [0.001, 0.003]. Received: "
            f"{'none' if table is None else repr(table)}"
        )
    errors: list[str] = []
    given = only_tables(given, path, errors)
    make_settings(given, errors)
    tried = _tried(table, errors)
    variants = _variants(table.get("variants", {}), tried, errors)
    if variants:
        tried = {_VARIANT: list(variants), **tried}
    options = _options(table, errors)
    if errors:
        raise SettingsError(*errors)
    seeds = options["seeds"] or [given.get("training", {}).get("seed", 1)]
    runs, settings = [], enumerate(_combinations(tried, options), 1)
    sized = "batches.batch_size"
    for (number, changes), seed in itertools.product(settings, seeds):
        values = copy.deepcopy(given)
        own = {key: value for key, value in changes.items() if key != _VARIANT}
        own |= variants.get(changes.get(_VARIANT, ""), {})
        for key, value in {**own, "training.seed": seed}.items():
            section, _, name = key.partition(".")
            values.setdefault(section, {})[name] = copy.deepcopy(value)
        name = f"{number:03}-seed{seed}"
        made = make_settings(values, errors)
        check_dependent(values, errors)
        if sized in own and made.batches.batch_tokens:
            errors.append(
                f"{sized} cannot be tried with batches.batch_tokens, in whose place it "
                "has no effect: leave out one of them. Received: "
                f"batch_tokens = {made.batches.batch_tokens}"
            )
        of_beam = [x for x in _OF_BEAM if x in own]
        if of_beam and made.training.validation_search == "greedy":
            errors.append(
                f"{', '.join(of_beam)} cannot be tried where the validation set is "
                "translated greedily: set training.validation_search to 'search'. "
                "Received: 'greedy'"
            )
        runs.append(SweepRun(name, changes, seed, made))
    if errors:
        raise SettingsError(*dict.fromkeys(errors))
    return runs


def _tried(table: Mapping[str, Any], errors: list[str]) -> dict[str, Any]:
    """Dict from `section.name` to a list or a range, of what is right."""
    tried = {}
    for section, values in table.items():
        if section in _OWN:
            continue
        if not isinstance(values, dict):
            errors.append(
                f"[sweep] has {', '.join(_OWN)}, and tables such as [sweep.optimizer]. "
                f"Received: sweep.{section} = {values!r}"
            )
            continue
        for name, value in values.items():
            if (isinstance(value, list) and value) or _is_range(value):
                _refuse_repeated(f"sweep.{section}.{name}", value, errors)
                tried[f"{section}.{name}"] = value
            else:
                errors.append(
                    f"sweep.{section}.{name} must be a list of values, or a range such "
                    "as {min = 1e-4, max = 1e-2, log = true} or {min = 64, max = 512, "
                    "step = 32}, with min below max, and above 0 with log. "
                    f"Received: {value!r}"
                )
    _refuse_fixed("sweep", tried, errors)
    return tried


def _refuse_repeated(name: str, values: Any, errors: list[str]) -> None:
    """Refuses a value that comes twice: its trainings would be the same."""
    if isinstance(values, list) and any(x in values[:n] for n, x in enumerate(values)):
        errors.append(f"{name} must have each value once. Received: {values!r}")


def _refuse_fixed(table: str, tried: Mapping[str, Any], errors: list[str]) -> None:
    """Refuses settings by which trainings could not be compared."""
    others = {
        "training.seed": "give sweep.seeds = [1, 2]",
        "training.metrics": "scores must be compared by one metric: leave it out",
    }
    one_set = "scores must be of one validation set: leave it out"
    others |= {f"data.{x}": one_set for x in ("validation", "held_out", "limit")}
    for name in tried:
        remedy = others.get(name)
        if name.startswith("card."):
            remedy = "it changes no training: leave it out"
        if remedy:
            errors.append(
                f"{table}.{name} cannot be tried: {remedy}. Received: {tried[name]!r}"
            )


def _variants(
    table: Any, tried: Mapping[str, Any], errors: list[str]
) -> dict[str, dict[str, Any]]:
    """A dict for each variant, by its name: from `section.name` to the value."""
    if not isinstance(table, dict) or not all(
        isinstance(section, dict)
        for variant in table.values()
        for section in (variant.values() if isinstance(variant, dict) else [None])
    ):
        errors.append(
            "sweep.variants must have a table for each variant, with settings by their "
            "sections, such as [sweep.variants.deep] and in it model = "
            f"{{encoder_layers = 2}}. Received: {table!r}"
        )
        return {}
    variants = {}
    for name, sections in table.items():
        variant = {
            f"{section}.{setting}": value
            for section, settings in sections.items()
            for setting, value in settings.items()
        }
        _refuse_fixed(f"sweep.variants.{name}", variant, errors)
        for setting in variant.keys() & tried.keys():
            errors.append(
                f"{setting} must be tried in sweep.variants or in its own table. "
                f"Received: both, in sweep.variants.{name} and in sweep.{setting}"
            )
        variants[name] = variant
    return variants


def _is_range(value: Any) -> bool:
    names = {"min", "max", "log", "step"}
    if not isinstance(value, dict) or not {"min", "max"} <= value.keys() <= names:
        return False
    low, high, log = value["min"], value["max"], value.get("log", False)
    if not (is_number(low) and is_number(high) and isinstance(log, bool)):
        return False
    if "step" in value:
        whole = is_integer(low) and is_integer(high) and is_integer(value["step"])
        if not whole or value["step"] < 1:
            return False
    return low < high and math.isfinite(high - low) and (low > 0 or not log)


def _check_seeds(name: str, values: Any) -> tuple[int, ...]:
    """Seeds, none of them twice: their trainings would be the same, in one folder."""
    seeds = check_integers(name, values, 0)
    if len({*seeds}) < len(seeds):
        raise ValueError(
            f"`{name}` must have each seed once. Received: {name}={values!r}"
        )
    return seeds


def _options(table: Mapping[str, Any], errors: list[str]) -> dict[str, Any]:
    """Those of `_OWN`, with defaults."""
    checks = {
        "draws": lambda name, value: check_integer(name, value, 1),
        "draw_seed": check_integer,
        "seeds": _check_seeds,
    }
    options = {"draws": None, "draw_seed": 1, "seeds": []}
    for name, check in checks.items():
        if name in table:
            try:
                options[name] = check(f"sweep.{name}", table[name])
            except ValueError as error:
                errors.append(str(error))
    ranges = [x for x in table.values() if isinstance(x, dict)]
    if options["draws"] is None and any(
        _is_range(value) for values in ranges for value in values.values()
    ):
        errors.append(
            "sweep.draws must be given where a setting has a range, such as draws = 20."
            " Received: none"
        )
    return options


def _combinations(
    tried: Mapping[str, Any], options: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The values of settings that are tried together."""
    if options["draws"] is None:
        products = itertools.product(*tried.values())
        return [dict(zip(tried, values, strict=True)) for values in products]
    rng, drawn = random.Random(options["draw_seed"]), {}
    for _ in range(_TRIES * options["draws"]):
        values = {name: _draw(value, rng) for name, value in tried.items()}
        # Of dates, which TOML has and no setting, the settings tell.
        drawn.setdefault(json.dumps(values, default=str), values)
        if len(drawn) == options["draws"]:
            return list(drawn.values())
    raise SettingsError(
        f"sweep.draws must be at most the number of different settings. Received: "
        f"{options['draws']}, of which {len(drawn)} differ; leave sweep.draws out to "
        "try all combinations of lists"
    )


def _draw(values: Any, rng: random.Random) -> Any:
    if isinstance(values, list):
        return rng.choice(values)
    low, high, step = values["min"], values["max"], values.get("step", 1)
    whole = is_integer(low) and is_integer(high)
    # So that the ends of integers get the same share as others.
    ends = (low - step / 2, high + step / 2) if whole else (low, high)
    if values.get("log", False):
        ends = max(ends[0], low / 2), ends[1]
        value = math.exp(rng.uniform(*map(math.log, ends)))
    else:
        value = rng.uniform(*ends)
    if whole:
        most = (high - low) // step
        return low + step * min(most, max(0, round((value - low) / step)))
    # As one would write it: a number of three digits.
    return min(high, max(low, float(f"{value:.3g}")))
