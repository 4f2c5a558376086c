"""Error rates: edits of words, characters or phones for each one in the reference."""

from collections.abc import Hashable, Iterator, Sequence

from kseq2seq.evaluation.score import (
    DEFAULT_SEED,
    References,
    Score,
    check_texts,
    ratio_score,
)


def word_error_rate(
    hypotheses: Sequence[str],
    references: References,
    bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
) -> Score:
    """Edits of words per reference word, against the nearest reference.

    Words are what stands between blanks; inserting, deleting and replacing one
    is an edit each. Of several references the one with the fewest edits counts,
    the longest if several have as few. Edits and lengths are summed over the
    corpus before they are divided.

    Args:
        hypotheses: List of strings.
        references: As long a list, of strings or of lists of accepted strings.
        bootstrap: Number of resamples for the confidence interval, 1000 say, or 0.
            The interval runs from the 2.5th to the 97.5th percentile of their scores.
        seed: Seed of the resampling.

    Returns:
        A `Score`, in percent, possibly over 100; lower is better.

    Raises:
        ValueError: If there is nothing to score, hypotheses and references differ in
            number, or a sentence has no reference.

    Example:

    >>> accepted = ["the dog runs fast", "a dog ran"]  # 2 edits of 4, 1 of 3
    >>> round(word_error_rate(["a dog runs"], [accepted]).value, 1)
    33.3
    """
    return _error_rate("word", hypotheses, references, bootstrap, seed)


def character_error_rate(
    hypotheses: Sequence[str],
    references: References,
    bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
) -> Score:
    """Edits of characters per reference character, against the nearest reference.

    As `word_error_rate`, in Unicode code points: blanks count, and a letter with
    a combining accent is two.

    Args:
        hypotheses: List of strings.
        references: As long a list, of strings or of lists of accepted strings.
        bootstrap: Number of resamples for the confidence interval, 1000 say, or 0.
            The interval runs from the 2.5th to the 97.5th percentile of their scores.
        seed: Seed of the resampling.

    Returns:
        A `Score`, in percent, possibly over 100; lower is better.

    Raises:
        ValueError: If there is nothing to score, hypotheses and references differ in
            number, or a sentence has no reference.

    Example:

    >>> round(character_error_rate(["kitten"], ["sitting"]).value, 1)  # 3 of 7
    42.9
    """
    return _error_rate("character", hypotheses, references, bootstrap, seed)


def phone_error_rate(
    hypotheses: Sequence[str],
    references: References,
    bootstrap: int = 0,
    seed: int = DEFAULT_SEED,
) -> Score:
    """Edits of phones per reference phone, against the nearest pronunciation.

    As `word_error_rate`, on pronunciations written as phones between blanks.
    Stress marks are part of a phone: take them off first if they do not matter.

    Args:
        hypotheses: List of strings.
        references: As long a list, of strings or of lists of accepted strings.
        bootstrap: Number of resamples for the confidence interval, 1000 say, or 0.
            The interval runs from the 2.5th to the 97.5th percentile of their scores.
        seed: Seed of the resampling.

    Returns:
        A `Score`, in percent, possibly over 100; lower is better.

    Raises:
        ValueError: If there is nothing to score, hypotheses and references differ in
            number, or a sentence has no reference.

    Example:

    >>> accepted = ["T AH M EY T OW", "T AH M AA T OW"]
    >>> round(phone_error_rate(["T AH M AA D OW"], [accepted]).value, 1)  # 1 of 6
    16.7
    """
    return _error_rate("phone", hypotheses, references, bootstrap, seed)


def edit_distance(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    """Fewest insertions, deletions and replacements that make one the other.

    The usual table is computed column by column. Each column is the bits of two
    integers: the cells that are one more, and those that are one less, than the cell
    above them.

    Args:
        first: Sequence of hashable symbols: a string, a list of words.
        second: Another one.

    Returns:
        The number of edits.

    Example:

    >>> edit_distance("kitten", "sitting")
    3
    >>> edit_distance(["a", "dog"], ["a", "big", "dog"])
    1

    Reference:
        [Myers, 1999](https://doi.org/10.1145/316542.316550), in the form that
        [Hyyrö, 2003](http://www.stringology.org/event/2002/p6.html) gives it for
        whole sequences.
    """
    distance = len(first)
    for column in edit_columns(first, second):
        distance = column[2]
    return distance


def edit_columns(
    first: Sequence[Hashable], second: Sequence[Hashable]
) -> Iterator[tuple[int, int, int]]:
    """Columns of the table of `edit_distance`, one for each symbol of `second`.

    Args:
        first: See `edit_distance`.
        second: See `edit_distance`.

    Yields:
        A tuple of the bits of the cells that are one more than the cell above them,
        the bits of those that are one less, and the value of the last cell.
    """
    places: dict[Hashable, int] = {}
    for position, symbol in enumerate(first):
        places[symbol] = places.get(symbol, 0) | 1 << position
    every, last = (1 << len(first)) - 1, 1 << len(first) >> 1
    # Vertical differences of +1 and -1; the first column counts up from 0.
    rise, fall, distance = every, 0, len(first)
    for symbol in second:
        equal = places.get(symbol, 0)
        diagonal = (((equal & rise) + rise) ^ rise) | equal | fall
        across_rise = fall | (every & ~(diagonal | rise))
        across_fall = rise & diagonal
        distance += bool(across_rise & last) - bool(across_fall & last)
        if not first:  # no cells but those of the first row, which counts up
            distance += 1
        across_rise, across_fall = across_rise << 1 | 1, across_fall << 1
        rise = every & (across_fall | ~(diagonal | across_rise))
        fall = every & across_rise & diagonal
        yield rise, fall, distance


def _error_rate(
    unit: str,
    hypotheses: Sequence[str],
    references: References,
    bootstrap: int,
    seed: int,
) -> Score:
    """Summed edits to the nearest references over their summed length."""
    lists = check_texts(hypotheses, references, bootstrap)
    split = list if unit == "character" else str.split
    counts = []
    for hypothesis, accepted in zip(hypotheses, lists, strict=True):
        symbols = split(hypothesis)
        # The longest of the nearest, so that their order does not matter.
        edits, minus_length = min(
            (edit_distance(symbols, reference), -len(reference))
            for reference in map(split, accepted)
        )
        counts.append((edits, -minus_length))
    settings = f"refs:nearest|case:mixed|unit:{unit}"
    name = f"{unit}_error_rate"
    return ratio_score(name, settings, counts, lists, bootstrap, seed)
