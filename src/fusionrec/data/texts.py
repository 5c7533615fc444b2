"""Which texts are ids, and how texts for people are cleaned: one rule for every way in."""

from __future__ import annotations

import re

LONGEST_ID = 500  # characters
ID_RULE = (
    f"1 to {LONGEST_ID} characters that are not all spaces, and no control character such as a tab "
    "or a line break"
)

# What a terminal obeys instead of showing it (C0, DEL, C1), and what ends a line.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HALF = re.compile(r"[\ud800-\udfff]")  # of a surrogate pair; no UTF-8 holds it


def is_id(text: str) -> bool:
    """Whether a text can be an outside id; see ``ID_RULE``. An id is kept exactly as it is given:
    outer spaces, letter case and Unicode form tell ids apart.
    """
    if not text or len(text) > LONGEST_ID or text.isspace():
        return False
    return text.isprintable() or not (CONTROL.search(text) or _HALF.search(text))


def clean_text(text: str) -> str:
    """A title or another text as it is kept: without outer spaces, and with a space for each
    character that cannot be printed.
    """
    text = text.strip()
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " for c in text).strip()
