"""Hints in the names of columns and files, and field names made of column names."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Collection
from functools import lru_cache
from importlib.resources import files

from fusionrec.data.schema import Side

_LISTS = tomllib.loads(files(__package__).joinpath("words.toml").read_text(encoding="utf-8"))


def _plain(text: str) -> str:
    """A text in lower case, without accents."""
    letters = unicodedata.normalize("NFKD", text.lower())
    return unicodedata.normalize("NFC", "".join(c for c in letters if not unicodedata.combining(c)))


def _all(name: str) -> frozenset[str]:
    return frozenset(_plain(_LISTS[name]).split())


ID, USER, ITEM, TITLE = _all("id"), _all("user"), _all("item"), _all("title")
RATING, COUNT, EVENT, TIME = _all("rating"), _all("count"), _all("event"), _all("time")
PEOPLE_NAME, PERSONAL, AGE = _all("people_name"), _all("personal"), _all("age")
TAKEN, BASKET, SESSION, GROUP = _all("taken"), _all("basket"), _all("session"), _all("group")
HANDLE, WRITER, STAFF, LATE = _all("handle"), _all("writer"), _all("staff"), _all("late")
AVERAGE, OWN, PRICE, SEVERAL = _all("average"), _all("own"), _all("price"), _all("several")
JOINED, CALENDAR, VAGUE = _all("joined"), _all("calendar"), _all("vague")
UNKNOWN, ANSWER = frozenset(_LISTS["unknown"].split()), _all("answer")
_KNOWN = USER | ITEM | BASKET | SESSION
OF_SIDE: dict[Side, frozenset[str]] = {"user": USER, "item": ITEM}
# Word -> what an event of that name weighs; 0 for what speaks against the item.
EVENT_WEIGHTS = {w: float(weight) for weight, ws in _LISTS["events"].items() for w in ws.split()}
# What a word of two may end in: ``kundennummer``, ``userid``, ``trackname``.
_ENDS = ("bezeichnung", "nummer", "number", "name", "code", "key", "num", "id", "nr", "no")
_TYPED = re.compile(r":(token|float)(_seq)?$")  # RecBole's headers


def words(name: str) -> list[str]:
    """The words of a name, in lower case: ``userId`` -> user, id."""
    name = _TYPED.sub("", name)
    split = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFC", split).lower())


@lru_cache(10_000)
def _parts(name: str) -> list[str]:
    """The words of a name without accents, with words of two taken apart."""
    parts = []
    for word in map(_plain, words(name)):
        ends = (e for e in _ENDS if word.endswith(e) and _in(word.removesuffix(e), _KNOWN))
        end = "" if _in(word, _KNOWN) else next(ends, "")
        parts += [word.removesuffix(end), end] if end else [word]
    return parts


def _in(word: str, known: Collection[str]) -> bool:
    """Whether a word or what it is the plural of is among some."""
    return word in known or (len(word) > 2 and word.removesuffix("s") in known)


def has(name: str, known: Collection[str]) -> bool:
    """Whether a word of a name, or all its words joined, is among some."""
    parts = _parts(name)
    return any(_in(word, known) for word in (*parts, "".join(parts)))


def is_id(name: str) -> bool:
    """Whether a name ends like that of an id, such as ``sku_no``."""
    parts = _parts(name)
    return bool(parts) and parts[-1] in ID


def subject(name: str) -> set[str]:
    """The words of a name in the singular, without those of an id: what the id is of."""
    return {word.removesuffix("s") for word in _parts(name) if word not in ID}


@lru_cache(10_000)
def role(name: str, known: frozenset[str]) -> int:
    """How clearly a column's name is that of a user's or item's id.

    Args:
        name: the column.
        known: ``USER`` or ``ITEM``.

    Returns:
        3 for ``user_id``, ``id_user`` or ``userid``, 2 for ``user``, 1 for an id with such a word
        in its name, such as ``anonymous_user_id``, and for ``user_name``; else 0.
    """
    parts = _parts(name)
    bare = [word for word in parts if word not in ID]
    whole = _in("".join(bare), known) or all(_in(word, known) for word in bare)
    if bare and len(bare) < len(parts) and whole:
        return 3 if parts[0] in ID or parts[-1] in ID else 1
    number = bool(parts) and parts[-1] in ID and _in(parts[-1], known)  # such as an ISBN
    if number or _in("".join(parts), known):
        return 2
    named = bool(parts) and (len(bare) < len(parts) or parts[-1] in TITLE)
    return int(named and any(_in(word, known) for word in parts))


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
