"""Extras too large to be part of `dev`: their tests are skipped without them."""

import pytest

from kseq2seq.utils import is_installed

LARGE_EXTRAS = ("beam",)


def skip_without_extra(text):
    """Skips a test of what imports a package that is not installed.

    Args:
        text: Name of a module, or code that imports it.
    """
    for extra in LARGE_EXTRAS:
        if f"kseq2seq.{extra}" in text and not is_installed(extra):
            pytest.skip(f'needs pip install "kseq2seq[{extra}]"')
