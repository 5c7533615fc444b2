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
COMMA = r"\s*[+-]?[0-9]+,[0-9]{1,2}\s*"
# The patterns are RE2's: \p{Sc} is any currency sign, \pL a letter.
_PLAIN = r"^([0-9]+\.?[0-9]*|\.[0-9]+)$"
_STRICT = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?\s*$"
_DECIMAL_COMMA = r"^([0-9]+,[0-9]{1,2}|0,[0-9]+)$"
_THOUSANDS = r"^[1-9][0-9]{0,2}(,[0-9]{2,3})*,[0-9]{3}(\.[0-9]*)?$"  # 12,34,567 is Indian
_SPACED = r"^[1-9][0-9]{0,2}([ '][0-9]{3})+([.,][0-9]+)?$"
_CODES = """USD EUR GBP CHF JPY CNY RMB INR BRL RUB AUD CAD NZD SEK NOK DKK PLN CZK HUF TRY ZAR KRW
    MXN SGD HKD TWD THB IDR MYR PHP VND ILS AED SAR UAH RON BGN ARS CLP COP PEN NGN EGP PKR"""
_CURRENCY = rf"(?:[A-Z]{{0,2}}\p{{Sc}}|(?i:{'|'.join(_CODES.split())})"
_WORD = r"\pL[\pL²³./-]*"
# Letters right behind a number are often part of an id, such as 12A.
_SHORT = r"(?:h|hrs?|min|s|sec|ms|g|kg|mg|l|ml|mm|cm|km|x|pcs|pts?|stars?|[*★⭐])"
_NO_UNIT = r"(?i)^(k|mio|mln|mill?ion\pL*|mrd|bn|billion\pL*|tsd|thousand|lakh|crore|am|pm)\b|^M$"
_NUMBER = (
    r"^(?P<open>\()?(?P<sign>[+-]?) ?(?P<before>"
    + _CURRENCY
    + r"|(?:[Kk]r|[Ff]r|Rs)(?:\.| )))? ?(?P<inner>[+-]?)"
    r"(?P<body>[0-9][0-9., ']*[0-9]|[0-9]+[.,]?|[.,][0-9]+)(?P<power>[eE][+-]?[0-9]{1,3})?"
    r"(?P<behind>-)?(?: ?(?P<percent>%)| ?(?P<after>"
    + _CURRENCY
    + r"|(?:[Kk]r|zł|[Kk]č|[Ff]r|руб)\.?))"
    r"|(?: ?/| (?:out of|of|von|sur|de|di|su|van|из)) ?(?P<top>[1-9][0-9]{0,2})(?: .*)?"
    rf"| (?P<unit>{_WORD}(?: {_WORD})?|[*★⭐])|(?P<short>{_SHORT}))?(?P<close>\))?$"
)
_STARS = r"^[★⭐]+[☆✩]*½?$"


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


def number_form(texts: Sequence[str]) -> NumberForm | None:
    """How a column's numbers are written, decided over all its texts, which are best distinct;
    None if there is no number among them.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pa.array(texts, pa.string())
    read = {decimal: read_numbers(column, decimal) for decimal in ".,"}
    good = {decimal: np.isfinite(values) for decimal, (values, _) in read.items()}
    if not good["."].any() and not good[","].any():
        return None
    # A text is for one sign if the other one cannot read it, or only by reading over the rule.
    none: np.ndarray = np.zeros(len(column), dtype=bool)
    points, commas = read[","][1].get("point", none), read["."][1].get("comma", none)
    votes = {
        ".": int((points | (good["."] & ~good[","])).sum()),
        ",": int((commas | (good[","] & ~good["."])).sum()),
    }
    decimal = "," if votes[","] > votes["."] else "."
    forms = read[decimal][1]
    differ = (read["."][0] != read[","][0]) & good["."] & good[","]
    parts = _split(_clean(column))
    units = _counts(parts, good[decimal], "unit", "short")
    currencies = _counts(parts, good[decimal], "before", "after")
    tops = _counts(parts, good[decimal], "top")
    if "stars" in forms:
        lengths = pc.utf8_length(_clean(column).filter(pa.array(forms["stars"])))
        tops |= {str(length): 1 for length in pc.unique(lengths).to_pylist()}
    return NumberForm(
        decimal=decimal,
        ambiguous=bool(differ.any()) and votes["."] == votes[","],
        thousands="thousands" in forms or "points" in forms,
        currency=max(currencies, key=currencies.__getitem__, default=""),
        unit=max(units, key=units.__getitem__, default=""),
        units=len(units),
        tops=tuple(sorted(map(float, tops))),
        share=float(good[decimal].mean()),
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
    numbers: np.ndarray = parsed.to_numpy(zero_copy_only=False)
    return numbers


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

    texts = _clean(texts)
    parts = _split(texts)
    part = {field.name: pc.struct_field(parts, field.name) for field in parts.type}
    body = part["body"]
    if decimal == ",":
        for old, new in ((",", ";"), (".", ","), (";", ".")):
            body = pc.replace_substring(body, old, new)
    spaced, body = _replaced(body, _SPACED, "[ ']", "")
    grouped, body = _replaced(body, _THOUSANDS, ",", "")
    comma, body = _replaced(body, _DECIMAL_COMMA, ",", ".")
    closed = pc.equal(part["open"], pc.replace_substring(part["close"], ")", "("))
    wrong = pc.match_substring_regex(part["unit"], _NO_UNIT)
    fits = pc.and_(pc.match_substring_regex(body, _PLAIN), pc.and_not(closed, wrong))
    read = pc.binary_join_element_wise(pc.if_else(fits, body, None), part["power"], "")
    values = read.cast(pa.float64()).to_numpy(zero_copy_only=False)
    minus = pc.binary_join_element_wise(*(part[n] for n in ("open", "sign", "inner", "behind")), "")
    values = np.where(_mask(pc.match_substring_regex(minus, "[(-]")), -values, values)
    counted = pc.add(pc.count_substring_regex(texts, "[★⭐]"), 0.0)
    counted = pc.add(counted, pc.multiply(pc.count_substring(texts, "½"), 0.5))
    starred = _mask(pc.match_substring_regex(texts, _STARS))
    values = np.where(starred, counted.fill_null(0).to_numpy(zero_copy_only=False), values)
    any_of = {name: _mask(pc.not_equal(values_, "")) for name, values_ in part.items()}
    forms = {
        "comma" if decimal == "." else "point": comma,
        "thousands" if decimal == "." else "points": spaced | grouped,
        "currency": any_of["before"] | any_of["after"],
        "percent": any_of["percent"],
        "unit": any_of["unit"] | any_of["short"],
        "top": any_of["top"],
        "stars": starred,
    }
    known = np.isfinite(values)
    return values, {name: rows & known for name, rows in forms.items() if (rows & known).any()}


def _clean(texts: Any) -> Any:
    """Texts with plain spaces, minus and apostrophes, and without the dash of ``12.–``."""
    import pyarrow.compute as pc

    for pattern, new in (
        (r"[\s\p{Zs}]+", " "),
        (r"^ | $|\x{FE0F}", ""),
        ("[’‘`´]", "'"),
        ("[−–—]", "-"),
        (r"([0-9])[.,]-+", r"\1"),
    ):
        texts = pc.replace_substring_regex(texts, pattern, new)
    return texts


def _split(texts: Any) -> Any:
    """The parts of cleaned texts, a StructArray with a string of each name in ``_NUMBER``."""
    import pyarrow.compute as pc

    return pc.extract_regex(texts, _NUMBER)


def _replaced(texts: Any, where: str, old: str, new: str) -> tuple[np.ndarray, Any]:
    """Which texts match ``where``, bool [n]; and all, with ``old`` replaced in these."""
    import pyarrow.compute as pc

    fits = pc.match_substring_regex(texts, where)
    return _mask(fits), pc.if_else(fits, pc.replace_substring_regex(texts, old, new), texts)


def _mask(values: Any) -> np.ndarray:
    import pyarrow.compute as pc

    mask: np.ndarray = pc.fill_null(values, False).to_numpy(zero_copy_only=False)
    return mask
