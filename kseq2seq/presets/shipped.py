"""Presets that come along with the package."""

from pathlib import Path

from kseq2seq.presets.manifest import MANIFEST_FILE

SHIPPED_FOLDER = Path(__file__).parent / "shipped"


def shipped_presets() -> list[str]:
    """Names of the presets in this package, for `Translator.from_preset`.

    Example:

    >>> shipped_presets()
    ['dates']
    """
    return sorted(x.parent.name for x in SHIPPED_FOLDER.glob(f"*/{MANIFEST_FILE}"))
