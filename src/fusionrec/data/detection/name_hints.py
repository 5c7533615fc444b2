"""Hints in the names of columns and files, and field names made of column names."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Collection
from importlib.resources import files

from fusionrec.data.schema import Side

_LISTS = tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))


def _all(name: str) -> frozenset[str]:
    return frozenset(_LISTS[name].split())


ID, USER, ITEM, TITLE = _all("id"), _all("user"), _all("item"), _all("title")
RATING, COUNT, EVENT, TIME = _all("rating"), _all("count"), _all("event"), _all("time")
PEOPLE_NAME, PERSONAL, AGE = _all("people_name"), _all("personal"), _all("age")
TAKEN, BASKET, SESSION, GROUP = _all("taken"), _all("basket"), _all("session"), _all("group")
AVERAGE, OWN, PRICE, SEVERAL = _all("average"), _all("own"), _all("price"), _all("several")
UNKNOWN, ANSWER = _all("unknown"), _all("answer")
OF_SIDE: dict[Side, frozenset[str]] = {"user": USER, "item": ITEM}
# Word -> what an event of that name weighs; 0 for what speaks against the item.
EVENT_WEIGHTS = {w: float(weight) for weight, ws in _LISTS["events"].items() for w in ws.split()}
_TYPED = re.compile(r":(token|float)(_seq)?$")  # RecBole's headers


def words(name: str) -> list[str]:
    """The words of a name, in lower case: ``userId`` -> user, id."""
    name = _TYPED.sub("", name)
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", split).lower())


def has(name: str, known: Collection[str]) -> bool:
    """Whether a word of a name, or all its words joined, is among some."""
    parts = words(name)
    return any(
        word in known or word.removesuffix("s") in known for word in (*parts, "".join(parts))
    )


def is_id(name: str) -> bool:
    """Whether a name ends like that of an id, such as ``sku_no``."""
    parts = words(name)
    return bool(parts) and parts[-1] in ID


def role(name: str, known: Collection[str]) -> int:
    """How clearly a column's name is that of a user's or item's id.

    Args:
        name: the column.
        known: ``USER`` or ``ITEM``.

    Returns:
        3 for ``user_id`` or ``userid``, 2 for ``user``, 1 for an id with such a word in its name,
        such as ``anonymous_user_id``; else 0.
    """
    parts = words(name)
    joined = "".join(parts)
    if not parts:
        return 0
    bare = parts[:-1] if parts[-1] in ID else parts
    if len(parts) > 1 and len(bare) < len(parts) and "".join(bare) in known:
        return 3
    if joined in known or joined.removesuffix("s") in known:
        return 2
    for end in ("id", "nr", "no", "key", "code"):
        if joined.endswith(end) and joined.removesuffix(end) in known:
            return 3
    return int(len(bare) < len(parts) and has(" ".join(bare), known))


def identifier(name: str, number: int, taken: Collection[str], prefix: str) -> str:
    """A field's name: the ASCII letters, digits and underscores of a column's name, in lower case.

    Args:
        name: the column's name, in any script.
        number: the column's number, from 1; names the field if the name has letters beyond ASCII.
        taken: names of other fields.
        prefix: ``user`` or ``item``; put before a name that is taken or begins with a digit.
    """
    plain = unicodedata.normalize("NFKD", " ".join(words(name)))
    lost = any(c.isalpha() and not c.isascii() for c in plain)
    kept = "".join(c for c in plain if c.isascii() and (c.isalnum() or c == " "))
    made = "_".join(kept.split())[:60]
    if not made or lost:
        made = f"column_{number}"
    if not made[0].isalpha():
        made = f"{prefix}_{made}"
    if made in taken:
        made = f"{prefix}_{made}"
    while made in taken:
        made += f"_{number}"
    return made
