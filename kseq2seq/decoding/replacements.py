"""Words for unknown tokens, as a `Search` holds them."""

from collections.abc import Mapping
from typing import Any

from kseq2seq.utils import check_boolean


def check_replacements(value: Any) -> bool | tuple[tuple[str, str], ...]:
    """Checks `replace_unknown` of a `Search`, and makes it hashable.

    Args:
        value: A boolean; or a dict from words of the source to words of the target, or
            its items, as JSON has them.

    Returns:
        The boolean, or a tuple of the items. No items are `True`, so that all words
        are copied.

    Raises:
        ValueError: If it is anything else, or a word is empty.

    Example:

    >>> check_replacements({"dog": "Hund"})
    (('dog', 'Hund'),)
    """
    if isinstance(value, str):
        raise ValueError(
            "`replace_unknown` must be True, False, or a dict from words to words; "
            "read that of a file by dict(kseq2seq.data.read_tsv(path)). "
            f"Received: replace_unknown={value!r:.80}"
        )
    if not isinstance(value, (Mapping, list, tuple)):
        return check_boolean("replace_unknown", value)
    items = list(value.items() if isinstance(value, Mapping) else value)
    for item in items:
        is_pair = isinstance(item, (list, tuple)) and len(item) == 2
        if not is_pair or not all(map(_is_word, item)):
            raise ValueError(
                "`replace_unknown` must be True, False, or a dict from words to words, "
                "none of them empty or with half of a character (a surrogate). "
                f"Received: an item {item!r:.80}"
            )
    return tuple(dict(items).items()) or True


def _is_word(value):
    is_text = isinstance(value, str) and bool(value)
    return is_text and not any("\ud800" <= x <= "\udfff" for x in value)
