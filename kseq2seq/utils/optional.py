"""Packages that only some formats need, and that need not be installed."""

import importlib.util

# Extras of `setup.cfg`, and the modules that each of them brings.
ONNX = ("onnx", ("onnx", "tf2onnx"))
LITERT = ("litert", ("ai_edge_litert",))


def check_installed(extra, modules):
    """Sees, without importing anything, that the packages of an extra are there.

    Args:
        extra: Name of the extra, as `pip install` takes it.
        modules: Names of the modules that it brings.

    Raises:
        ValueError: If one of them is not installed.

    Example:

    >>> check_installed("something", ["json"])
    >>> try:
    ...     check_installed("something", ["json", "no_such_module"])
    ... except ValueError as error:
    ...     print(error)
    Needs what is not installed: no_such_module. Run: pip install kseq2seq[something]
    """
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"Needs what is not installed: {', '.join(missing)}. "
            f"Run: pip install kseq2seq[{extra}]"
        )
