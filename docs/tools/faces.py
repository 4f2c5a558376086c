"""Public names of the package, read from its source without importing it."""

import ast
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "kseq2seq"
# The first ones, from what most users need to what few do. Others follow.
ORDER = (
    PACKAGE,
    f"{PACKAGE}.config",
    f"{PACKAGE}.layers",
    f"{PACKAGE}.losses",
    f"{PACKAGE}.optimizers",
    f"{PACKAGE}.models",
    f"{PACKAGE}.decoding",
    f"{PACKAGE}.data",
    f"{PACKAGE}.tokenizers",
    f"{PACKAGE}.translator",
    f"{PACKAGE}.callbacks",
    f"{PACKAGE}.evaluation",
    f"{PACKAGE}.plots",
    f"{PACKAGE}.inference",
    f"{PACKAGE}.export",
    f"{PACKAGE}.trainer",
    f"{PACKAGE}.runs",
    f"{PACKAGE}.serve",
    f"{PACKAGE}.beam",
)


class PublicName(NamedTuple):
    """A public name.

    Attributes:
        name: The name in its face.
        kind: `"class"`, `"function"`, `"value"` or `"module"`.
        home: Full name of where it is defined.
        summary: First line of its docstring, or the comment above a value.
    """

    name: str
    kind: str
    home: str
    summary: str


class Face(NamedTuple):
    """A package or module that others may import from.

    Attributes:
        module: Its full name.
        summary: First line of its docstring.
        names: Its `PublicName`s.
    """

    module: str
    summary: str
    names: list[PublicName]


def find_faces() -> list[Face]:
    """All faces, in the order in which the reference lists them.

    A package lists its names in `__all__`, but for those that a star import leaves out,
    which it imports `as` themselves. A module that stands in no package has the
    names that it defines and that begin with no underscore.
    """
    modules = [PACKAGE]
    for path in sorted((ROOT / PACKAGE).iterdir()):
        if (path / "__init__.py").is_file() or (
            path.suffix == ".py" and not path.stem.startswith("__")
        ):
            modules.append(f"{PACKAGE}.{path.stem}")
    places = {module: place for place, module in enumerate(ORDER)}
    modules.sort(key=lambda module: (places.get(module, len(places)), module))
    return [
        Face(
            module, _summary(_parse(module)), [_find(module, x) for x in _names(module)]
        )
        for module in modules
    ]


def comment_above(lines: list[str], number: int) -> str:
    """The comment that ends in the line above line `number`, which counts from 1."""
    comment = []
    for line in reversed(lines[: number - 1]):
        if not line.startswith("# ") or line.startswith("# ruff:"):
            break
        comment.insert(0, line.removeprefix("# "))
    return " ".join(comment)


def _names(module: str) -> list[str]:
    """The public names of a face."""
    tree = _parse(module)
    for node in tree.body:
        if isinstance(node, ast.Assign) and _target(node) == "__all__":
            return sorted({*ast.literal_eval(node.value), *_imported_as_they_are(tree)})
    names = [name for node in tree.body for name in _defined(node)]
    return [name for name in names if not name.startswith("_")]


def _imported_as_they_are(tree: ast.Module) -> list[str]:
    """Names of the form `from module import name as name`."""
    return [
        alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == alias.asname
    ]


def _find(module: str, name: str) -> PublicName:
    """Follows a name through imports to its definition."""
    home, defined = module, name
    node = _definition(home, defined)
    while isinstance(node, ast.ImportFrom):
        (alias,) = [x for x in node.names if (x.asname or x.name) == defined]
        if node.module == home:
            full = f"{home}.{alias.name}"
            return PublicName(name, "module", full, _summary(_parse(full)))
        home, defined = str(node.module), alias.name
        node = _definition(home, defined)
    full = f"{home}.{defined}"
    if isinstance(node, ast.ClassDef):
        return PublicName(name, "class", full, _summary(node))
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return PublicName(name, "function", full, _summary(node))
    lines = _path(home).read_text(encoding="utf-8").splitlines()
    return PublicName(name, "value", full, comment_above(lines, node.lineno))


def _definition(module: str, name: str) -> ast.stmt:
    """The statement of a module that defines or imports a name.

    The last one, as overloads stand ahead of the function itself.
    """
    for node in reversed(_statements(_parse(module))):
        if name in _defined(node) or (
            isinstance(node, ast.ImportFrom)
            and name in [alias.asname or alias.name for alias in node.names]
        ):
            return node
    raise ValueError(f"`{module}` must define or import `{name}`. Received: neither")


def _statements(tree: ast.Module) -> list[ast.stmt]:
    """Statements under `if TYPE_CHECKING`, and those at the top."""
    inner = [x for node in tree.body if isinstance(node, ast.If) for x in node.body]
    return [*inner, *tree.body]


def _defined(node: ast.stmt) -> list[str]:
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
        return [node.name]
    if isinstance(node, ast.AnnAssign):
        return [ast.unparse(node.target)]
    if isinstance(node, ast.Assign):
        target = node.targets[0]
        parts = target.elts if isinstance(target, ast.Tuple) else [target]
        return [ast.unparse(part) for part in parts]
    return []


def _target(node: ast.Assign) -> str:
    return ast.unparse(node.targets[0])


def _summary(node: ast.AST) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]  # type: ignore


def _path(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    package = path / "__init__.py"
    return package if package.is_file() else path.with_suffix(".py")


@cache
def _parse(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text(encoding="utf-8"))
