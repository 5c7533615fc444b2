"""Finds the form in which a column's times are written."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

import numpy as np

from fusionrec.data.tabular.casting import DAY, EPOCH_DAY, JSON_DATE, PER_SECOND
from fusionrec.data.tabular.date_texts import ANY_MONTH, parse_exactly, plain_text, read_plain
from fusionrec.data.tabular.number_formats import plain_numbers

Resolution = Literal["year", "month", "day", "hour", "minute", "second"]

_SERIAL_DAYS = 20_000, 60_000  # of the years 1954 to 2064
_EARLY, _LATE = 1e8, 4.1e9  # seconds since 1970: times of 1973 to 2099 are meant
_EARLY_UNNAMED = 6e8  # of 1989: nothing but the numbers says that they are times
_MOST = 0.95  # share that must fit without a telling name
_SAMPLE = 200  # texts whose forms are tried
_MOST_FORMS = 30  # that are tried
_MOST_FOUND = 3  # that one column may have, with | between
_STRAY = 0.01  # share of contradicting dates that may be mistakes
_RARE = 0.005  # share of texts; a form of fewer is left out
_TIME = re.compile(r"(?<![\d.:])\d{1,2}:\d\d(:\d\d)?( [AP]M)?(?!\d)|(?<!\d)\d{1,2} [AP]M\b")
_ZONE = re.compile(r"(?<=:\d\d)[+-]\d\d(:?\d\d)?$|(?<=\s)[+-]\d\d:?\d\d(?=\s|$)")
# Lengths of a text's groups of digits, "b" if it names the month -> directives, likeliest first.
_DIGITS = {
    "b 2 4": ("dY",), "b 4 2": ("Yd",), "b 2 2": ("dy", "yd"), "b 4": ("Y",),
    "4 2 2": ("Ymd",), "2 2 4": ("dmY", "mdY"), "2 2 2": ("dmy", "mdy", "ymd"),
    "4 2 2 2 2": ("YmdHM",), "4 2 2 2 2 2": ("YmdHMS",),
    "4 2": ("Ym",), "2 4": ("mY",), "4": ("Y",), "6": ("Ym",), "8": ("Ymd", "dmY", "mdY"),
    "12": ("YmdHM",), "14": ("YmdHMS",),
}  # fmt: skip
_FINER: tuple[Resolution, ...] = ("second", "minute", "hour", "day", "month", "year")


@dataclass(frozen=True)
class TimeForm:
    """The form of a column's times.

    Attributes:
        unit, format: ``time_unit`` and ``time_format`` of the ``fusionrec.toml``.
        ambiguous: whether the values leave open what is the day, the month or the year.
        says: reasons and doubts, for people.
        resolution: the finest part of a time that differs from value to value.
        share: of the texts, how many have the form, 0 to 1.
    """

    unit: str
    format: str
    ambiguous: bool
    says: str
    resolution: Resolution
    share: float


def find_time_form(texts: Sequence[str], named: bool) -> TimeForm | None:
    """The form of a column's times, decided over all its texts; None if over half are no times.

    Args:
        texts: best distinct, and all of them: a day above the 12th may be rare.
        named: whether the column's name says that it holds times. If not, nearly all texts must
            fit, and years, months or a spreadsheet's days written as numbers are none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [text for text in texts if text and text.strip()]
    if not texts:
        return None
    column = pc.replace_substring_regex(pa.array(texts, pa.string()), JSON_DATE, r"\1")
    column = pc.replace_substring_regex(column, r"^(\d+),(\d+)$", r"\1.\2")
    numbers = plain_numbers(column)
    if np.isfinite(numbers).mean() < _MOST:
        return _written(texts, named, [""])
    stamps = _written(texts, named, [])
    return stamps if stamps and stamps.share >= _MOST else _counted(numbers, named)


def _counted(numbers: np.ndarray, named: bool) -> TimeForm | None:
    """The form of float64 [n] numbers that count seconds or days."""
    known = numbers[np.isfinite(numbers)]
    first, last = _SERIAL_DAYS
    days = (known >= first) & (known < last)
    if named and days.mean() >= _MOST:
        month = _month((known[days][0] - EPOCH_DAY) * DAY)
        says = f"days as a spreadsheet counts them: the first is in {month}"
        whole = bool((known == np.rint(known)).all())
        share = float(days.sum()) / len(numbers)
        return TimeForm("days", "", False, says, "day" if whole else "second", share)
    early = _EARLY if named else _EARLY_UNNAMED
    for unit, parts in PER_SECOND.items():
        time = known / parts
        fits = (time >= 0) & (time < _LATE)
        if early <= np.median(time) < _LATE and (named or (fits & (time >= early)).mean() >= _MOST):
            says = f"numbers in {unit} since 1970: the middle one is in {_month(np.median(time))}"
            share = float(fits.sum()) / len(numbers)
            return TimeForm(unit, "", False, says, _finest(time[fits], "second"), share)
    return None


def _month(seconds: float) -> str:
    return str(np.datetime64(int(seconds), "s"))[:7]


def _finest(seconds: np.ndarray, resolution: Resolution) -> Resolution:
    """``day`` for finer times that all are at midnight."""
    clock = resolution in ("hour", "minute", "second")
    return "day" if clock and not (seconds % DAY).any() else resolution


def _written(texts: Sequence[str], named: bool, forms: list[str]) -> TimeForm | None:
    """The form of dates as text.

    Args:
        texts, named: as in ``find_time_form``.
        forms: further ones to try; empty is ISO 8601.
    """
    import pyarrow as pa

    some = [plain_text(text) for text in texts[:: 1 + len(texts) // _SAMPLE]]
    of_each = [list(_forms_of(text)) for text in some]
    dated = sum(
        bool(of) or re.match(r"\d{8}T", text) is not None
        for of, text in zip(of_each, some, strict=True)
    )
    if dated < len(some) / 3:
        return None
    seen = Counter(form for of in of_each for form in of)
    plain = [plain_text(text) for text in texts]
    forms = forms + [form for form, _ in seen.most_common(_MOST_FORMS) if named or _clear(form)]
    column = pa.array(plain, pa.string())
    times = {form: _plausible(form, read_plain(column, form)) for form in forms}
    reads = {form: ~np.isnat(time) for form, time in times.items()}
    chosen, doubt = _day_or_month(times)
    found: list[str] = []
    left: np.ndarray = np.ones(len(plain), dtype=bool)
    while chosen and len(found) < _MOST_FOUND:
        best = max(chosen, key=lambda form: int((reads[form] & left).sum()))
        if (reads[best] & left).mean() <= (_RARE if found else 0):
            break
        found.append(best)
        left &= ~reads[best]
    share = 1 - float(left.mean())
    if not found or share < (0.5 if named else _MOST):
        return None
    time = np.concatenate([times[form][reads[form]] for form in found]).astype(np.int64)
    resolution = _finest(time, min((_resolution(form, plain) for form in found), key=_FINER.index))
    first = {form: texts[int(reads[form].argmax())] for form in found}
    written = "|".join(_as_written(form, first[form]) for form in found)
    says = [f"dates such as {first[found[0]]!r:.60}", *doubt]
    return TimeForm("text", written, bool(doubt), "; ".join(says), resolution, share)


def _clear(form: str) -> bool:
    """Whether a form is of times even if the column's name does not say so."""
    if "%y" in form:
        return "%b" in form or "%M" in form
    return "%d" in form or "%b" in form


def _plausible(form: str, time: np.ndarray) -> np.ndarray:
    """The times that are meant, if years, months and days are written without separators."""
    if re.search(r"%[dmY]%[dmY]", form):
        meant = (time >= np.datetime64("1900")) & (time < np.datetime64("2100"))
        time = np.where(meant, time, np.datetime64("NaT"))
    return time


def _resolution(form: str, plain: Sequence[str]) -> Resolution:
    if not form:
        clocks = (len(re.findall(r":\d\d|T\d{4}|(?<=T\d{4})\d\d", text)) for text in plain)
        return ("day", "minute", "second")[min(2, max(clocks))]
    letters = {"S": 0, "M": 1, "H": 2, "I": 2, "d": 3, "m": 4, "b": 4, "Y": 5, "y": 5}
    return _FINER[
        min(letters[letter] for letter in re.findall(r"%(\w)", form) if letter in letters)
    ]


def _day_or_month(times: Mapping[str, np.ndarray]) -> tuple[list[str], list[str]]:
    """The forms that go together, by what reads more texts; and why to doubt it.

    Args:
        times: form -> datetime64[s] [n], the times that it reads.
    """
    day, month, year = (
        [form for form in times if re.search(order, form)]
        for order in ("%d.*%m.*%[yY]", "%m.*%d.*%[yY]", "%y.*%m.*%d")
    )
    others = [form for form in times if form not in day + month + year]
    if not day or not month:
        return list(times), []
    by_day, by_month, by_year = (
        np.any([~np.isnat(times[form]) for form in [*forms, *others]], axis=0)
        for forms in (day, month, year or month)
    )
    only_day, only_month = int((by_day & ~by_month).sum()), int((by_month & ~by_day).sum())
    # Americans write slashes and am or pm, and the month first.
    american = any(re.search("/|%p|%d,", form) for form in month)
    first = only_month > only_day or (only_month == only_day and american)
    taken = f"the {'month' if first else 'day'} is taken to stand first"
    doubt = []
    if min(only_day, only_month) > _STRAY * max(only_day, only_month):
        says = f"{only_day:,} fit only with the day first, {only_month:,} with the month"
        doubt = [f"{says}; {taken}"]
    elif only_day == only_month == 0 and any(not np.isnat(times[form]).all() for form in day):
        doubt = [f"the day or the month may stand first, as no value is above 12; {taken}"]
    best = month if first else day
    most = max(by_day.sum(), by_month.sum())
    if year and by_year.sum() >= most:
        ahead, behind = _years(times, year), _years(times, best)
        if by_year.sum() > most or ahead < behind:  # there are fewer years than days
            best, doubt = year, []
        elif ahead == behind:
            doubt.append("the year may stand first or last, and is taken to stand last")
    return [*best, *others], doubt


def _years(times: Mapping[str, np.ndarray], forms: Sequence[str]) -> int:
    """How many different years the forms read."""
    years = np.concatenate([times[form] for form in forms]).astype("datetime64[Y]")
    return len(np.unique(years[~np.isnat(years)]))


def _as_written(form: str, text: str) -> str:
    """A form of a plain text, with the parts that are left out of it where English has them."""
    import pyarrow as pa

    column = pa.array([text.strip()])
    led = re.match(r"[^\W\d]+([.,]*\s+)", text.strip())
    leads = ["", *(day + led[1] for day in ("%a", "%A"))] if led else [""]
    for lead in leads:
        for month in ("%b", "%B"):
            for second in ("%S", "%S.%f"):
                tried = lead + form.replace("%b", month).replace("%S", second)
                if form and not np.isnat(parse_exactly(column, tried))[0]:
                    return tried
    return form


def _forms_of(text: str) -> Iterator[str]:
    """The forms that a plain text may have, the likeliest first."""
    form = _ZONE.sub("%z", text)
    form = _TIME.sub(_clock, form)
    form, months = re.subn(ANY_MONTH, "%b", form)
    if "%" in text or re.search(r"[^\W\d_]", re.sub("%.|T", "", form)):
        return
    if form.count("%M") > 1 or form.count("%z") > 1:  # from one time to another
        return
    groups = re.findall(r"\d+", form)
    lengths = ("2" if len(digits) < 3 else str(len(digits)) for digits in groups)
    for letters in _DIGITS.get(" ".join(["b"] * months + [*lengths]), ()):
        directives = [f"%{letter}" for letter in letters]
        parts = directives if len(groups) > 1 else ["".join(directives)]
        rest = re.split(r"\d+", form)
        yield "".join(chain.from_iterable(zip_longest(rest, parts, fillvalue="")))


def _clock(time: re.Match[str]) -> str:
    half = " %p" if time[0][-1] == "M" else ""
    return ("%I" if half else "%H") + "".join(("", ":%M", ":%S")[: 1 + time[0].count(":")]) + half
