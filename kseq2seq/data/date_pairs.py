"""Dates in many languages and their ISO 8601 form: generated data, no download.

Whether a rendering means one date alone is decided exactly. Every form (a locale's
pattern, in one script's digits) adds its skeletons to an index: the rendering with each
number replaced by a mark. A rendering is read in all the ways that any form with the
same skeleton reads it, and kept if all give one date.
"""

import datetime
import functools
import random
import re
from collections.abc import Sequence
from typing import Any

from kseq2seq.data.pairs import Pairs
from kseq2seq.utils import check_integer

# Languages of many families and scripts, and both orders of English.
LOCALES = (
    "ar_EG", "bg", "bn", "cs", "da", "de", "el", "en_GB", "en_US", "es", "fa", "fi",
    "fr", "he", "hi", "hr", "hu", "id", "it", "ja", "ko", "nb", "nl", "pl", "pt",
    "ro", "ru", "sv", "th", "tr", "uk", "vi", "zh",
)  # fmt: skip
_FIRST, _LAST = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
# Zero of the numbering systems whose digits stand for each other one by one.
_ZEROS = {
    "adlm": 0x1E950, "arab": 0x660, "arabext": 0x6F0, "beng": 0x9E6, "deva": 0x966,
    "khmr": 0x17E0, "laoo": 0xED0, "mymr": 0x1040, "tibt": 0xF20,
}  # fmt: skip
_FORMATS = ("short", "medium", "long", "full")
_SKELETONS = (
    "yMd", "yMEd", "yMMMd", "yMMMEd", "yMMMMd", "yMMMMEd", "yMMMEEEEd", "yMMMMEEEEd",
)  # fmt: skip
_NUMBER = re.compile(r"\d+")
_MARK = "\N{SYMBOL FOR NULL}"
# Enough to find a clear rendering wherever a locale has one.
_ATTEMPTS = 1000


def dates(count: int, seed: int = 0, locales: Sequence[str] = LOCALES) -> Pairs:
    """Generates distinct dates of 1900-2099, as people write them and in ISO 8601.

    Each date is written in a locale and a form drawn at random: Babel's short,
    medium, long and full formats and its skeletons, and where a locale's numbers
    are not written in Latin digits, in these and in its own. A rendering that may
    mean another date is left out: if any of `locales` writes another date so, if
    the year has two digits, or if day and month are numbers that may be swapped,
    as in 03/04/2005.

    The same arguments and version of Babel give the same pairs, and a smaller
    `count` the first of them.

    Args:
        count: Number of pairs, at most 73,049.
        seed: An integer.
        locales: Identifiers of Babel's locales, such as "de" or "pt_BR".

    Returns:
        A list of pairs of strings, `(rendering, "YYYY-MM-DD")`, in random order.

    Raises:
        ValueError: If `count` is not between 1 and 73,049, or if Babel does not
            know a locale or how to write dates in it.

    Example:

    >>> for text, date in dates(3, seed=2, locales=["de", "en", "fr"]):
    ...     print(date, text)
    2003-12-21 Sun, 12/21/2003
    1990-06-02 June 2, 1990
    1927-11-25 25. November 1927
    """
    days = (_LAST - _FIRST).days + 1
    count = check_integer(
        "count", count, 1, days, note="the number of days from 1900 to 2099"
    )
    forms, index = _forms_and_index(tuple(locales))
    generator = random.Random(seed)
    order = list(range(days))
    generator.shuffle(order)
    pairs = []
    for day in order[:count]:
        date = _FIRST + datetime.timedelta(days=day)
        pairs.append((_render(date, forms, index, generator), date.isoformat()))
    return pairs


def _render(date, forms, index, generator):
    """Writes a date in a form drawn at random, of those in which it is clear."""
    for _ in range(_ATTEMPTS):
        text = generator.choice(generator.choice(forms))(date)
        if len(_readings(text, index)) == 1:
            return text
    raise ValueError(
        "`locales` must include one that can write every date in a way that cannot "
        f"mean another one: give more locales. Received: none for date={date}"
    )


def _readings(text, index):
    """All dates of 1900-2099 that a rendering may mean."""
    numbers = [int(number) for number in _NUMBER.findall(text)]
    readings = set()
    for roles, month in index[_NUMBER.sub(_MARK, text)]:
        values = {"month": month, **dict(zip(roles, numbers, strict=True))}
        try:
            date = datetime.date(**values)
        except ValueError:  # such as a month 13
            continue
        if _FIRST <= date <= _LAST:
            readings.add(date)
    return readings


@functools.lru_cache(maxsize=4)
def _forms_and_index(locales):
    """Each locale's forms, and for each skeleton how forms read its numbers.

    Returns:
        A list of lists of functions from a date to its rendering, and a dict from
        skeletons to sets of `(roles of the numbers, month or None)`.
    """
    if not locales:
        raise ValueError("`locales` must name at least one locale. Received: ()")
    forms: list[list[Any]] = []
    index: dict[str, set[Any]] = {}
    for name in locales:
        of_locale = []
        for form in _forms(_locale(name)):
            readings = _skeletons(form)
            if readings is None:
                continue
            of_locale.append(form)
            for skeleton, reading in readings:
                index.setdefault(skeleton, set()).update(reading)
        if not of_locale:
            raise ValueError(
                "`locales` must be those whose names of months Babel has, such as "
                f"'en_GB' or 'de': leave out others. Received: {name!r}, with no names "
                "of months"
            )
        forms.append(of_locale)
    return forms, index


def _locale(name):
    import babel

    try:
        return babel.Locale.parse(name)
    except (babel.UnknownLocaleError, ValueError, TypeError) as error:
        raise ValueError(
            "`locales` must be identifiers of Babel's locales, such as 'de' or "
            f"'pt_BR'. Received: {name!r}"
        ) from error


def _forms(locale):
    """All ways in which a locale writes dates, as functions of a date."""
    patterns = [locale.date_formats[name].pattern for name in _FORMATS]
    skeletons = locale.datetime_skeletons
    patterns += [skeletons[name].pattern for name in _SKELETONS if name in skeletons]
    zero = _ZEROS.get(locale.default_numbering_system)
    for pattern in dict.fromkeys(patterns):  # each once, in order
        form = _form(pattern, locale)
        if form is None:
            continue
        yield form
        if zero is not None:
            digits = str.maketrans({str(n): chr(zero + n) for n in range(10)})
            yield functools.partial(_in_digits, form, digits)


def _in_digits(form, digits, date):
    return form(date).translate(digits)


def _form(pattern, locale):
    """A function that writes dates by a CLDR pattern; None if it cannot.

    Babel's own `format_date` takes ten times as long.
    """
    from babel import dates as babel_dates

    parts = []
    for kind, value in babel_dates.tokenize_pattern(pattern):
        field: Any = value
        part = field if kind == "chars" else _field(field[0], field[1], locale)
        if part is None:
            return None
        parts.append(part)

    def form(date):
        return "".join(part if isinstance(part, str) else part(date) for part in parts)

    return form


def _field(letter, width, locale):
    """A pattern's field as text or as a function of a date; None if unfit."""
    from babel import dates as babel_dates

    widths: dict[int, Any] = {3: "abbreviated", 4: "wide", 5: "narrow", 6: "short"}
    context = "stand-alone" if letter in "Lc" else "format"
    if letter == "y" and width != 2:  # two digits leave the century open
        return lambda date: f"{date.year:0{width}}"
    if letter == "d":
        return lambda date: f"{date.day:0{width}}"
    if letter in "ML" and width <= 2:
        return lambda date: f"{date.month:0{width}}"
    if letter in "ML" and width <= 4:
        names = babel_dates.get_month_names(widths[width], context, locale)
        # "M01" is what the CLDR gives where it has no name.
        return None if names[1] == "M01" else lambda date: names[date.month]
    if letter == "E" or (letter == "c" and width >= 3):
        days = babel_dates.get_day_names(widths[max(3, width)], context, locale)
        return lambda date: days[date.weekday()]
    if letter == "G":
        return babel_dates.get_era_names(widths[max(3, width)], locale)[1]
    return None


def _skeletons(form):
    """The skeletons of a form with the readings of each.

    Returns:
        A list of `(skeleton, readings)`; None if the numbers in its renderings
        are not year, day and possibly month.
    """
    skeletons = []
    for month in range(1, 13):
        for day in range(13, 20):  # each day of the week; no number twice
            date = datetime.date(1987, month, day)
            text = form(date)
            numbers = [int(number) for number in _NUMBER.findall(text)]
            names = {date.year: "year", date.day: "day", date.month: "month"}
            if sorted(numbers) not in ([day, 1987], [month, day, 1987]):
                return None
            roles = tuple(names[number] for number in numbers)
            readings = {(roles, None if "month" in roles else month)}
            if _may_be_swapped(text, roles):
                swapped = {"day": "month", "month": "day", "year": "year"}
                readings.add((tuple(swapped[role] for role in roles), None))
            skeletons.append((_NUMBER.sub(_MARK, text), readings))
    return skeletons


def _may_be_swapped(text, roles):
    """Whether a reader may take the day for the month, as in 03/04/2005.

    Where the year comes first the month follows, unless a form of the locales
    says otherwise; and a word between the two tells which is which.
    """
    if set(roles[:2]) != {"day", "month"}:
        return False
    between = _NUMBER.split(text)[1]
    return not any(character.isalpha() for character in between)
