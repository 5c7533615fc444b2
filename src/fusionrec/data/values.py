"""Rules for single values from outside: the same for files, data frames and requests."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable

LONGEST_ID = 500  # characters
ID_RULE = (
    f"1 to {LONGEST_ID} characters that are not all spaces, and no control character such as a tab "
    "or a line break"
)

# C0, DEL and C1, which a terminal obeys, and Unicode's line ends.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# What a terminal obeys, and what changes the order of the letters after it: never shown as it is.
UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # has no UTF-8


def is_id(text: str) -> bool:
    """Whether a text can be an outside id. Ids are never normalized: outer spaces, letter case and
    Unicode form distinguish them.
    """
    if not text or len(text) > LONGEST_ID or text.isspace():
        return False
    return text.isprintable() or not (CONTROL.search(text) or _SURROGATE.search(text))


def clean_text(text: str) -> str:
    """A title or another text without outer spaces; a space replaces each unprintable character."""
    text = text.strip()
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text).strip()


def is_finite(number: float) -> bool:
    """Whether a number is finite; an int that is too large for a float counts as infinite."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def nearest_hint(
    name: str, known: Iterable[str], says: str = "did you mean {!r}?", cutoff: float = 0.5
) -> str | None:
    """A hint with the known name that is nearest to a wrong one; None if none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return says.format(near[0]) if near else None
