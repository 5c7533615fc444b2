"""Reads dates as text by their form, in any of eight languages."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from fusionrec.errors import DataError

_ISO = r"^\d{4}([-/.]\d\d?[-/.]\d\d?([T ].*)?|\d{4}(T.*)?)$"
_LONGEST = 100  # characters of a date
_MONTHS = """
jan january januar jänner januari janvier janv enero ene gennaio gen janeiro января январь янв
feb february februar februari février fevrier févr fév febrero febbraio fevereiro fev февраля
 февраль фев февр
mar march märz maerz mär mrz mars marzo março marco maart mrt марта март мар
apr april avril avr abril abr aprile апреля апрель апр
may mai mayo maggio mag maio mei мая май
jun june juni juin junio giugno giu junho июня июнь июн
jul july juli juillet juil julio luglio lug julho июля июль июл
aug august août aout agosto ago augustus августа август авг
sep sept september septembre septiembre settembre set setembro сентября сентябрь сен сент
oct october oktober okt octobre octubre ottobre ott outubro out октября октябрь окт
nov november novembre noviembre novembro ноября ноябрь ноя нояб
dec december dezember dez décembre déc decembre diciembre dic dicembre dezembro декабря декабрь дек
""".strip().replace("\n ", " ")
_ENGLISH = [line.split()[0].title() for line in _MONTHS.splitlines()]
_WORDS = {
    word: english
    for line, english in zip(_MONTHS.splitlines(), _ENGLISH, strict=True)
    for word in line.split()
}
# Between and behind the parts of a date; times without a zone are UTC.
_BETWEEN = "de del di of at um à às om alle в uhr г года utc gmt z"
_ZONES = """est -0500 edt -0400 cst -0600 cdt -0500 mst -0700 mdt -0600 pst -0800 pdt -0700
    cet +0100 cest +0200 eet +0200 eest +0300 bst +0100 msk +0300 jst +0900"""
_WORDS |= dict.fromkeys(_BETWEEN.split(), "") | dict(re.findall(r"(\w+) (\S+)", _ZONES))
ANY_MONTH = rf"(?<![^\W\d_])(?:{'|'.join(_ENGLISH)})(?![^\W\d_])"
_WEEKDAY = re.compile(rf"^(?:[^\W\d]+[.,]*\s+){{1,2}}(?=\d+([./-])\d+\1\d|.*{ANY_MONTH})")
_OUTER = [(re.compile(pattern), new) for pattern, new in (
    (r"\s*\([^()]*\)\s*$", ""),  # the zone's name
    (r"^\[(.*)\]$", r"\1"),
    (r"(?<=/\d{4}):(?=\d\d:)", " "),  # as in the logs of web servers
    (r"^(\d+)\.0$", r"\1"),
    (r"(?<=\d)(?:st|nd|rd|th|er|º|ª)\b", ""),
    (r"(?<=\d\s)(\d\d?)\.(\d\d)\.(\d\d)(?=[.,\s]|$)", r"\1:\2:\3"),
    (r"(?<=\d{4}\s)(\d\d?)\.(\d\d)$", r"\1:\2"),
    (r"(?<=:\d\d)[.,]\d+", ""),
    (r"(?<=\d)h(?=\d\d)", ":"),
    (r"[年月년월]\s*", "-"),
    (r"[日일]", ""),
)]  # fmt: skip


def read_times(texts: Any, form: str, where: str) -> np.ndarray:
    """The times of texts, datetime64[s] [n]; NaT where a text does not have the form.

    Args:
        texts: a pyarrow StringArray of n texts, best distinct.
        form: as ``pandas.to_datetime`` takes it, or several with ``|`` between; empty: ISO 8601.
            Names of months may be in any of eight languages; weekdays, fractions of seconds and
            ``UTC`` may stand in a text though not in the form. Without a zone a time is UTC.
        where: file and column, for messages.

    Raises:
        DataError: the form is none, such as one with a directive that does not exist.
    """
    import pyarrow as pa

    found = np.full(len(texts), "NaT", "datetime64[s]")
    forms = form.split("|")
    try:
        if "mixed" in forms:  # by which pandas reads a lone 5 as a day of this month
            raise ValueError("it has no directives")
        for one in forms:
            _fill(found, texts, one)
        left = np.flatnonzero(np.isnat(found))
        odd = texts.take(pa.array(left)).to_pylist() if len(left) else []
        plain, still = (
            pa.array([text and plain_text(text) for text in odd], pa.string()),
            found[left],
        )
        for one in forms if odd else ():
            unread = np.isnat(still)
            still[unread] = read_plain(plain.filter(pa.array(unread)), _plain_form(one))
        found[left] = still
    except (ValueError, re.error) as error:
        raise DataError(
            f"{where}: dates cannot be read by time_format = {form!r:.200}: {error}",
            "write it as strptime does, such as %d.%m.%Y %H:%M, with | between several forms",
        ) from error
    return found


def _fill(found: np.ndarray, texts: Any, form: str) -> np.ndarray:
    """Fills in the times, datetime64[s] [n], that are NaT, of texts that have the form."""
    import pyarrow as pa

    unread = np.isnat(found)
    if unread.any():
        found[unread] = parse_exactly(texts.filter(pa.array(unread)), form)
    return found


def read_plain(plain: Any, form: str) -> np.ndarray:
    """The times of plain texts; those without a zone are UTC."""
    times = parse_exactly(plain, form)
    return _fill(times, plain, re.sub(" ?%z", "", form)) if "%z" in form else times


def parse_exactly(texts: Any, form: str) -> np.ndarray:
    """The times of texts that have one form to the letter, datetime64[s] [n], else NaT."""
    import pandas as pd
    import pyarrow.compute as pc

    # Else pandas reads "now" as the time that it is.
    dated = pc.match_substring_regex(texts, r"\d" if form else _ISO)
    column = pc.if_else(dated, texts, None).to_pandas()
    times = pd.to_datetime(column, format=form or "ISO8601", errors="coerce", utc=True)
    read: np.ndarray = times.dt.tz_localize(None).to_numpy().astype("datetime64[s]")
    return read


def plain_text(text: str) -> str:
    """A date's text with English short months, zones as numbers and AM or PM; without weekdays,
    ordinals, fractions of seconds and words between. A form's directives stay as they are.
    """
    if len(text := text.strip()) > _LONGEST:
        return ""
    for pattern, new in _OUTER:
        text = pattern.sub(new, text)
    text = re.sub(r"(?<=\d)\s*([ap])\.?\s?m\b\.?", _half, text, flags=re.IGNORECASE)
    text = re.sub(r"(?<!%)[^\W\d_]+\.?", _word, text)
    text = _WEEKDAY.sub("", text)
    text = re.sub(rf"(?<=[\dd])\.\s*(?={ANY_MONTH}|%b)", " ", text)
    return " ".join(text.split()).strip(" ,.-")


def _half(match: re.Match[str]) -> str:
    return f" {match[1].upper()}M"


def _word(match: re.Match[str]) -> str:
    word = match[0].rstrip(".").casefold()
    if word not in _WORDS:
        return match[0]
    return _WORDS[word] + " " * match[0].endswith(".")


def _plain_form(form: str) -> str:
    """The form that the plain text has of a text of this form."""
    form = re.sub(r"%[aA][.,]*\s*|[.,]%f", "", form).replace("%B", "%b").replace("%Z", "%z")
    return plain_text(re.sub(r"\s*%p", " %p", form).replace("%b.", "%b"))
