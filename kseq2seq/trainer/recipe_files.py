"""Recipes: TOML files of settings that come with the package."""

import sys
from pathlib import Path
from typing import Any

from kseq2seq.utils import PathLike

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

FOLDER = Path(__file__).parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the recipes.

    Example:

    >>> "dates" in recipe_names()
    True
    """
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def find_recipe(name: str) -> Path:
    """The file of settings with a name.

    Args:
        name: Name of a recipe, or the path of a TOML file.

    Returns:
        Its path.

    Raises:
        ValueError: If it is neither.

    Example:

    >>> find_recipe("dates").name
    'dates.toml'
    """
    if name in recipe_names():
        return FOLDER / f"{name}.toml"
    path = Path(name)
    if path.suffix == ".toml" or path.is_file():
        return path
    raise ValueError(
        f"Expected the path of a TOML file, or a recipe: {', '.join(recipe_names())}. "
        f"Received: {name!r}"
    )


def describe_recipes() -> str:
    """The recipes, a line each: name, task and data."""
    lines = []
    for name in recipe_names():
        settings = read_toml(find_recipe(name))
        card = settings["card"]
        needs = "needs --data" if settings["data"].get("train") else "needs no files"
        if settings["data"]["format"] == "tfds":
            needs = "downloads its data"
        task = f"{card['source']} -> {card['target']}"
        lines.append(f"{name:16}{task} ({card['data']}; {needs})")
    return "\n".join(lines)


def read_toml(path: PathLike) -> dict[str, Any]:
    """The content of a TOML file.

    Args:
        path: Path of the file.

    Raises:
        ValueError: If it cannot be read.
    """
    try:
        # Editors of Windows put a mark at the beginning.
        return tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a TOML file: {error}.") from error


def toml_value(text: str) -> Any:
    """The value that TOML has for a text; the text itself where it has none.

    Example:

    >>> toml_value("3"), toml_value("[3, 4]"), toml_value("bleu")
    (3, [3, 4], 'bleu')
    """
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
