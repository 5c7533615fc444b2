"""Reads numbers as people write them: with commas, currencies, units, out of 5, as stars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# How a number may be written -> what a finding says of it, after "numbers".
UNUSUAL: Mapping[str, str] = {
    "comma": "with a decimal comma, read as if it were a point",
    "point": "with a decimal point, read as if it were a comma",
    "thousands": 'with signs between thousands: 1,234 is 1234 (decimal = "," reads it as 1.234)',
    "points": 'with points between thousands: 1.234 is 1234 (decimal = "." reads it as 1.234)',
    "currency": "with a currency, which is read over",
    "percent": "with a percent sign, which is read over",
    "unit": "with words behind them, which are read over",
    "top": "out of another one, such as 4/5, of which the first is read",
    "stars": "written as stars, which are counted",
}
# One or two digits behind a comma: three might be thousands.
# The patterns are RE2's: \p{Sc} is any currency sign.
_PLAIN = r"^([0-9]+\.?[0-9]*|\.[0-9]+)$"
_STRICT = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$"
_DECIMAL_COMMA = r"^([0-9]*,[0-9]{1,2}|0,[0-9]+)$"
_THOUSANDS = r"^[1-9][0-9]{0,2}(,[0-9]{2,3})*,[0-9]{3}(\.[0-9]*)?$"  # 12,34,567 is Indian
_SPACED = r"^[1-9][0-9]{0,2}([ '][0-9]{3})+([.,][0-9]+)?$"
_CODES = """USD EUR GBP CHF JPY CNY RMB INR BRL RUB AUD CAD NZD SEK NOK DKK PLN CZK HUF TRY ZAR KRW
    MXN SGD HKD TWD THB IDR MYR PHP VND ILS AED SAR UAH RON BGN ARS CLP COP PEN NGN EGP PKR"""
_CURRENCY = rf"[A-Z]{{0,2}}\p{{Sc}}|{'|'.join(_CODES.split())}"
_LETTER = r"A-Za-z\x{80}-\x{10FFFF}"
_WORD = rf"[{_LETTER}][{_LETTER}./-]*"
# Letters right behind a number are often part of an id, such as 12A.
_SHORT = "h|hrs?|min|sec|ms|kg|mg|ml|mm|cm|km|pcs|pts?|stars?|[*★⭐]"
_NO_UNIT = r"(?i)^(k|mio|mln|mill?ion.*|mrd|bn|billion.*|tsd|thousand|lakh|crore|am|pm)\b|^M$"
_NUMBER = (
    rf"^(?P<open>\()?(?P<sign>[+-]?) ?(?P<before>{_CURRENCY}|(?:[Kk]r|[Ff]r|Rs)(?:\.| ))? ?"
    r"(?P<inner>[+-]?)(?P<body>[0-9][0-9., ']*[0-9]|[0-9]+[.,]?|[.,][0-9]+)"
    r"(?P<power>[eE][+-]?[0-9]{1,3})?(?P<behind>-)?"
    rf"(?: ?(?P<percent>%)| ?(?P<after>{_CURRENCY}|(?:[Kk]r|zł|[Kk]č|[Ff]r|руб)\.?)"
    r"|(?: ?/| (?:out of|of|von|sur|de|di|su|van|из)) ?(?P<top>[1-9][0-9]{0,2})(?: .*)?"
    rf"| (?P<unit>{_WORD}(?: {_WORD})?|\*)|(?P<short>{_SHORT}))?(?P<close>\))?$"
)
_SAMPLE = 20_000  # texts at most by which a form is found
_STARS = r"^[★⭐*]+[☆✩]*½?$"


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a column are written.

    Attributes:
        decimal: what stands before a fraction, ``.`` or ``,``.
        ambiguous: whether no value settles that, as if all are like ``1,234``.
        thousands: whether there are signs between thousands.
        currency: the most frequent sign or code, such as ``€``; or empty.
        unit: the most frequent word behind a number, such as ``stars``; or empty.
        units: how many different words there are; many are rather names that begin with a number.
        tops: what the numbers are out of, such as 5 of ``4/5``, in order; several contradict each
            other.
        share: of the texts, how many are numbers, 0 to 1.
    """

    decimal: str
    ambiguous: bool
    thousands: bool
    currency: str
    unit: str
    units: int
    tops: tuple[float, ...]
    share: float


_WHOLE = r"^[+-]?[0-9]+$"  # leaves no question of how it is written
_WHOLE_FORM = NumberForm(".", False, False, "", "", 0, (), 1.0)


def number_form(texts: Sequence[str]) -> NumberForm | None:
    """How a column's numbers are written; None if there is no number among them.

    Args:
        texts: best distinct, and all of them: few may tell a decimal comma from thousands.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.array(texts[:: 1 + len(texts) // _SAMPLE], pa.string())
    if len(column) and pc.all(pc.match_substring_regex(column, _WHOLE)).as_py():
        return _WHOLE_FORM
    column = _clean(column)
    parts = _split(column)
    (points, by_point), (commas, by_comma) = (_read_parts(column, parts, d) for d in ".,")
    pointed, with_comma = np.isfinite(points), np.isfinite(commas)
    if not pointed.any() and not with_comma.any():
        return None
    # A text speaks for a sign that alone can read it, or without an exception.
    for_point = int((by_comma.get("point", False) | (pointed & ~with_comma)).sum())
    for_comma = int((by_point.get("comma", False) | (with_comma & ~pointed)).sum())
    differ = (points != commas) & pointed & with_comma
    comma = for_comma > for_point
    good, forms = (with_comma, by_comma) if comma else (pointed, by_point)
    units = _counts(parts, good, "unit", "short")
    currencies = _counts(parts, good, "before", "after")
    tops = set(map(float, _counts(parts, good, "top")))
    if "stars" in forms:  # of which empty ones show how many there can be
        stars = column.filter(pa.array(forms["stars"]))
        shown = stars.filter(pc.match_substring_regex(stars, "[☆✩]"))
        tops |= set(map(float, pc.utf8_length(shown).to_pylist()))
    return NumberForm(
        decimal="," if comma else ".",
        ambiguous=bool(differ.any()) and for_comma == for_point,
        thousands="thousands" in forms or "points" in forms,
        currency=max(currencies, key=currencies.__getitem__, default=""),
        unit=max(units, key=units.__getitem__, default=""),
        units=len(units),
        tops=tuple(sorted(tops)),
        share=float(good.mean()),
    )


def _counts(parts: Any, good: np.ndarray, *names: str) -> dict[str, int]:
    """Non-empty parts of the good texts -> how many."""
    import pyarrow as pa
    import pyarrow.compute as pc

    counts: dict[str, int] = {}
    for name in names:
        for one in pc.value_counts(pc.struct_field(parts, name).filter(pa.array(good))).to_pylist():
            if one["values"]:
                counts[one["values"]] = counts.get(one["values"], 0) + one["counts"]
    return counts


def plain_numbers(texts: Any) -> np.ndarray:
    """Numbers such as ``-1.5e3`` of a pyarrow StringArray [n], float64 [n]; NaN if it is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    good = pc.match_substring_regex(texts, _STRICT)
    trimmed = pc.utf8_trim_whitespace(pc.if_else(good, texts, None))
    parsed = pc.replace_substring_regex(trimmed, r"^\+", "").cast(pa.float64())
    numbers = parsed.to_numpy(zero_copy_only=False)
    finite: np.ndarray = np.where(np.isfinite(numbers), numbers, np.nan)
    return finite


def read_numbers(texts: Any, decimal: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Numbers in any of the forms.

    Args:
        texts: a pyarrow StringArray of n texts, best distinct.
        decimal: what stands before a fraction, ``.`` or ``,``.

    Returns:
        float64 [n], NaN where there is no number; and the name of each form in ``UNUSUAL`` that
        occurs -> bool [n], where.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = texts
    if decimal == ",":
        pointed = pc.match_substring(texts, ".")
        plain = pc.if_else(pointed, None, pc.replace_substring(texts, ",", "."))
    values = plain_numbers(plain)
    odd = np.isnan(values)
    texts = _clean(texts.filter(pa.array(odd)))
    values[odd], found = _read_parts(texts, _split(texts), decimal)
    forms = {}
    for name, rows in found.items():
        forms[name] = np.zeros(len(values), dtype=bool)
        forms[name][odd] = rows
    return values, forms


def _read_parts(texts: Any, parts: Any, decimal: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """``read_numbers`` of cleaned texts and their parts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    part = {field.name: pc.struct_field(parts, field.name) for field in parts.type}
    body = part["body"]
    if decimal == ",":
        for old, new in ((",", ";"), (".", ","), (";", ".")):
            body = pc.replace_substring(body, old, new)
    spaced, body = _replaced(body, _SPACED, "[ ']", "")
    grouped, body = _replaced(body, _THOUSANDS, ",", "")
    comma, body = _replaced(body, _DECIMAL_COMMA, ",", ".")
    unclosed = pc.not_equal(part["open"], pc.replace_substring(part["close"], ")", "("))
    wrong = pc.or_(unclosed, pc.match_substring_regex(part["unit"], _NO_UNIT))
    fits = pc.and_not(pc.match_substring_regex(body, _PLAIN), wrong)
    read = pc.binary_join_element_wise(pc.if_else(fits, body, None), part["power"], "")
    values = read.cast(pa.float64()).to_numpy(zero_copy_only=False)
    minus = pc.binary_join_element_wise(*(part[n] for n in ("open", "sign", "inner", "behind")), "")
    values = np.where(_mask(pc.match_substring_regex(minus, "[(-]")), -values, values)
    starred = _mask(pc.match_substring_regex(texts, _STARS))
    halves = pc.multiply(pc.count_substring(texts, "½"), 0.5)
    stars = pc.add(pc.count_substring_regex(texts, "[★⭐*]"), halves)
    values = np.where(starred, stars.to_numpy(zero_copy_only=False), values)
    given = {name: _mask(pc.not_equal(texts, "")) for name, texts in part.items()}
    forms = {
        "comma" if decimal == "." else "point": comma,
        "thousands" if decimal == "." else "points": spaced | grouped,
        "currency": given["before"] | given["after"],
        "percent": given["percent"],
        "unit": given["unit"] | given["short"],
        "top": given["top"],
        "stars": starred,
    }
    values = np.where(np.isfinite(values), values, np.nan)
    known = ~np.isnan(values)
    return values, {name: rows & known for name, rows in forms.items() if (rows & known).any()}


def _clean(texts: Any) -> Any:
    """Texts with plain spaces, minus and apostrophes; of ``12.–`` and ``3x`` the numbers."""
    import pyarrow.compute as pc

    for pattern, new in (
        (r"[\s\p{Zs}]+", " "),
        (r"^ | $|\x{FE0F}", ""),
        ("[’‘`´]", "'"),
        ("[−–—]", "-"),
        (r"([0-9])[.,]-+", r"\1"),
        (r"^([0-9]{1,4}) ?[x×]$", r"\1"),  # 3x; more digits are an ISBN's
    ):
        texts = pc.replace_substring_regex(texts, pattern, new)
    return texts


def _split(texts: Any) -> Any:
    """The parts of cleaned texts, a StructArray with a string of each name in ``_NUMBER``."""
    import pyarrow.compute as pc

    fits = pc.match_substring_regex(texts, _NUMBER)  # 80 times as fast as to extract the parts
    return pc.extract_regex(pc.if_else(fits, texts, None), _NUMBER)


def _replaced(texts: Any, where: str, old: str, new: str) -> tuple[np.ndarray, Any]:
    """Which texts match ``where``, bool [n]; and all, with ``old`` replaced in these."""
    import pyarrow.compute as pc

    fits = pc.match_substring_regex(texts, where)
    return _mask(fits), pc.if_else(fits, pc.replace_substring_regex(texts, old, new), texts)


def _mask(values: Any) -> np.ndarray:
    import pyarrow.compute as pc

    mask: np.ndarray = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return mask
