"""Labels of presets, from their names."""

from urllib.parse import urlsplit


def preset_label(name: str) -> str:
    """A short name for a preset, to name files after.

    Args:
        name: Name of the preset.

    Example:

    >>> preset_label("hf://user/pronunciation@v1"), preset_label("dates")
    ('pronunciation', 'dates')
    """
    path = urlsplit(name).path if "://" in name else name
    return path.rstrip("/").rpartition("/")[2].partition("@")[0]
