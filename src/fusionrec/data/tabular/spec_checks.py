"""What a ``fusionrec.toml`` may get wrong beyond its keys' names: each with what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from fusionrec.errors import ConfigError

TABLES = ("interactions", "users", "items")
LEAST = """a fusionrec.toml needs no more than this; write it with your own names:
  [interactions]
  files = "ratings.csv"
  user = "user_id"
  item = "item_id\""""


def check_tables(tables: Mapping[str, Any]) -> None:
    """Makes sure that the file holds known tables alone, and that of interactions.

    Raises:
        ConfigError: it does not; the hint is the nearest name, or what the least is.
    """
    for name, value in tables.items():
        if name not in TABLES and isinstance(value, Mapping):
            known = ", ".join(f"[{one}]" for one in TABLES)
            raise ConfigError(
                f"unknown table [{name:.60}]; known are {known}",
                meant(name, TABLES, "did you mean [{}]?"),
            )
    if "interactions" not in tables:
        raise ConfigError("the table [interactions] is missing", LEAST)


def check_kind(kind: str, kinds: Iterable[str]) -> None:
    """Makes sure that a field has a known kind.

    Raises:
        ConfigError: it has another one; the nearest is the hint.
    """
    if kind not in (known := tuple(kinds)):
        raise ConfigError(
            f"kind must be one of {', '.join(known)}, got {kind!r}",
            meant(kind, known, 'did you mean "{}"?'),
        )


def check_scale(scale: tuple[float, ...]) -> None:
    """Makes sure that there is a scale beside a rating.

    Raises:
        ConfigError: there is none.
    """
    if not scale:
        raise ConfigError(
            "interactions.scale is missing: with rating it says what ratings can be given",
            "write the lowest and the highest beside rating, such as scale = [1, 5]",
        )


def check_title(title: str, texts: Iterable[str]) -> None:
    """Makes sure that the title is a text field.

    Raises:
        ConfigError: it is none; the fields that are stand in the message, the nearest first.
    """
    near = sorted(texts, key=lambda name: -difflib.SequenceMatcher(None, title, name).ratio())
    if title and title not in near:
        raise ConfigError(
            f"items.title must be one of its text fields ({', '.join(near) or 'there are none'}), "
            f"got {title!r}",
            meant(title, near, 'did you mean "{}"?'),
        )


def check_names(users: Iterable[str], items: Iterable[str]) -> None:
    """Makes sure that no field of users has the name of one of items.

    Raises:
        ConfigError: one has.
    """
    there = set(items)
    for name in users:
        if name in there:
            raise ConfigError(
                f"users.fields.{name} and items.fields.{name} have one name",
                f"call one of them otherwise, such as [users.fields.user_{name}] with "
                f'column = "{name}" where its table did not say another',
            )


def meant(name: str, known: Iterable[str], says: str) -> str | None:
    """The nearest of the known names, as a hint; None where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return says.format(near[0]) if near else None
