"""Packages that only some features need, each brought by an extra of the package."""

import importlib.util

from kseq2seq.utils.checks import check_choice

# Extras, as `pip install` takes them, and the modules that each of them brings.
EXTRAS = {
    "beam": ("apache_beam",),
    "hub": ("huggingface_hub",),
    "litert": ("ai_edge_litert",),
    "onnx": ("onnx", "tf2onnx"),
    "serve": ("flask",),
    "tensorboard": ("tensorboard",),
    "tfds": ("tensorflow_datasets", "importlib_resources"),
    "vectors": ("gensim",),
    "warmup": ("tensorflow_serving",),
}


def check_installed(extra: str) -> None:
    """Checks, without importing anything, that the packages of an extra are installed.

    Args:
        extra: Name of the extra, as `pip install` takes it.

    Raises:
        ValueError: If `extra` is no extra, or one of its packages is not installed.

    Example:

    >>> try:
    ...     check_installed("everything")
    ... except ValueError as error:
    ...     print(str(error).partition(" of ")[0])
    `extra` must be one
    """
    missing = _missing(extra)
    if missing:
        raise ValueError(
            f"Needs what is not installed: {', '.join(missing)}. "
            f'Run: pip install "kseq2seq[{extra}]"'
        )


def is_installed(extra: str) -> bool:
    """Whether the packages of an extra are installed; imports nothing.

    Args:
        extra: Name of the extra, as `pip install` takes it.

    Raises:
        ValueError: If `extra` is no extra.

    Example:

    >>> is_installed("warmup") in (True, False)
    True
    """
    return not _missing(extra)


def _missing(extra: str) -> list[str]:
    """The modules of an extra that are not installed."""
    modules = EXTRAS[check_choice("extra", extra, EXTRAS)]
    return [name for name in modules if importlib.util.find_spec(name) is None]
