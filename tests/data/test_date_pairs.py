"""Dates against Babel's own formatting, and clear ones against all the others."""

import datetime
import re
import time

import babel
import pytest
from babel import dates as babel_dates

from kseq2seq.data import LOCALES, date_pairs, dates

PATTERNS = ("short", "medium", "long", "full", *date_pairs._SKELETONS)
LATIN = {ord(c): str(int(c)) for c in "٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹০১২৩৪৫৬৭৮৯०१२३४५६७८९"}


def renderings(date, locale):
    """All that Babel writes for a date, by the names of formats and skeletons."""
    locale = babel.Locale.parse(locale)
    for name in PATTERNS:
        if name in locale.date_formats:
            yield babel_dates.format_date(date, name, locale=locale)
        elif name in locale.datetime_skeletons:
            yield babel_dates.format_skeleton(name, date, locale=locale)


def test_each_is_written_as_babel_writes_it():
    locales = set()
    for text, target in dates(199, seed=3):
        date = datetime.date.fromisoformat(target)
        text = text.translate(LATIN)
        actual = {name for name in LOCALES if text in set(renderings(date, name))}
        assert actual, text
        locales |= actual
    assert locales == set(LOCALES)


def test_every_form_of_every_locale_is_babels():
    date = datetime.date(2005, 3, 24)
    forms, _ = date_pairs._forms_and_index(LOCALES)
    for name, of_locale in zip(LOCALES, forms, strict=True):
        ours = {form(date).translate(LATIN) for form in of_locale}
        assert ours <= set(renderings(date, name)), name
        assert len(ours) >= 4, name


def test_no_other_date_is_written_the_same():
    """By brute force: two years of all dates in all forms."""
    locales = ("en_US", "en_GB", "de", "es", "dua", "ky", "sv", "ar_EG", "ja", "vi")
    year = datetime.date(2011, 1, 1), datetime.date(2012, 12, 31)
    meanings = {}
    for offset in range((year[1] - year[0]).days + 1):
        date = year[0] + datetime.timedelta(days=offset)
        for name in locales:
            for text in renderings(date, name):
                meanings.setdefault(text, set()).add(date.isoformat())
    ambiguous = {text for text, dates_ in meanings.items() if len(dates_) > 1}
    assert {"4/3/2011", "2011-04-03"} < ambiguous
    pairs = dates(29989, seed=1, locales=locales)
    checked = 0
    for text, target in pairs:
        assert text not in ambiguous
        checked += meanings.get(text, {target}) == {target} and text in meanings
        assert meanings.get(text, {target}) == {target}
    assert checked > 200
    assert len(set(pairs)) == len({target for _, target in pairs}) == 29989


@pytest.mark.parametrize(
    ("locales", "text", "expected"),
    [
        (("en_US", "en_GB"), "03/04/2005", {"2005-04-03", "2005-03-04"}),
        (("en_US", "en_GB"), "25/04/2005", {"2005-04-25"}),
        (("en_US", "en_GB"), "05/05/2005", {"2005-05-05"}),
        (("en_US", "en_GB"), "4 Mar 2005", {"2005-03-04"}),
        # A reader does not know what else we write, nor the days of 2005.
        (("de",), "04.03.2005", {"2005-03-04", "2005-04-03"}),
        (("en_US",), "Fri, 3/4/2005", {"2005-03-04", "2005-04-03"}),
        (("vi",), "4 tháng 3, 2005", {"2005-03-04"}),
        (("sv",), "2005-03-04", {"2005-03-04"}),
        (("sv", "ky"), "2005-03-04", {"2005-03-04", "2005-04-03"}),
        (("zh",), "2005年3月4日", {"2005-03-04"}),
        # October in Duala, June in Sesotho.
        (("es", "dua"), "4 may 2005", {"2005-05-04", "2005-10-04"}),
        (("en_GB", "st", "id"), "4 Jan 2005", {"2005-01-04"}),
        (("st",), "2005 Jan 4", {"2005-06-04"}),
    ],
)
def test_readings(locales, text, expected):
    _, index = date_pairs._forms_and_index(locales)
    readings = date_pairs._readings(text, index)
    assert {date.isoformat() for date in readings} == expected


def test_the_same_name_of_two_months_is_left_out():
    spanish = [text for text, _ in dates(997, locales=("es",))]
    both = [text for text, _ in dates(2999, locales=("es", "dua"))]
    assert any(re.fullmatch(r"\d+ may \d+", text) for text in spanish)
    assert not any(re.fullmatch(r"\d+ may \d+", text) for text in both)
    assert any(re.fullmatch(r"vie, \d+ may \d+", text) for text in both)


def test_digits_of_other_scripts():
    texts = [text for text, _ in dates(997, locales=("ar_EG", "fa", "bn"))]
    for digits in ("٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "০১২৩৪৫৬৭৮৯", "0123456789"):
        assert any(set(text) & set(digits) for text in texts)
        assert not all(set(text) & set(digits) for text in texts)


def test_seeded():
    pairs = dates(97, seed=5)
    assert dates(97, seed=5) == pairs
    assert dates(31, seed=5) == pairs[:31]
    assert not set(dates(97, seed=6)) & set(pairs)
    targets = [target for _, target in dates(9973)]
    assert len(set(targets)) == 9973
    assert min(targets) < "1901" and max(targets) > "2099"


def test_takes_seconds():
    # Of this process: others may be busy.
    started = time.process_time()
    dates(20_000)
    assert time.process_time() - started < 10


@pytest.mark.parametrize("count", [0, -1, 73050, 2.0, "3"])
def test_count_must_be_a_number_of_days(count):
    with pytest.raises(ValueError, match=f"from 1 to 73049.*count={count!r}"):
        dates(count)


@pytest.mark.parametrize("name", ["xx", "not a locale", "", 3])
def test_locales_must_be_known_to_babel(name):
    with pytest.raises(ValueError, match=f"Babel's locales.*Received: {name!r}"):
        dates(2, locales=("en", name))


def test_there_must_be_a_locale():
    with pytest.raises(ValueError, match=r"at least one locale. Received: \(\)"):
        dates(2, locales=())


def test_a_locale_must_have_a_way_to_write_a_date(monkeypatch):
    monkeypatch.setattr(date_pairs, "_forms", lambda locale: iter(()))
    with pytest.raises(ValueError, match="'de': leave out others. Received: 'en_NZ'"):
        dates(2, locales=("en_NZ",))


def test_there_must_be_a_way_in_which_each_date_is_clear(monkeypatch):
    monkeypatch.setattr(date_pairs, "_readings", lambda text, index: {1, 2})
    with pytest.raises(ValueError, match=r"give more .*: none for date=\d{4}-\d\d-"):
        dates(2, locales=("de",))
