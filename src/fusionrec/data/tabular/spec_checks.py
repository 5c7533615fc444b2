"""Checks of a ``fusionrec.toml`` beyond its keys' names, with hints at what was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from fusionrec.errors import ConfigError

TABLES = ("interactions", "users", "items")
MINIMAL_SPEC = """a fusionrec.toml needs no more than this; write it with your own names:
  [interactions]
  files = "ratings.csv"
  user = "user_id"
  item = "item_id\""""


def check_tables(tables: Mapping[str, Any]) -> None:
    """Checks that all tables are known, and that there are interactions.

    Raises:
        ConfigError: with the nearest name, or a minimal file, as the hint.
    """
    for name, value in tables.items():
        if name not in TABLES and isinstance(value, Mapping):
            known = ", ".join(f"[{table}]" for table in TABLES)
            raise ConfigError(
                f"unknown table [{name:.60}]; known are {known}",
                nearest_hint(name, TABLES, "did you mean [{}]?"),
            )
    if "interactions" not in tables:
        raise ConfigError("the table [interactions] is missing", MINIMAL_SPEC)


def check_kind(kind: str, kinds: Iterable[str]) -> None:
    """Checks that a field's kind is known.

    Raises:
        ConfigError: with the nearest kind as the hint.
    """
    if kind not in (known := tuple(kinds)):
        raise ConfigError(
            f"kind must be one of {', '.join(known)}, got {kind!r}",
            nearest_hint(kind, known, 'did you mean "{}"?'),
        )


def check_scale(scale: tuple[float, ...]) -> None:
    """Checks that a rating has a scale.

    Raises:
        ConfigError: it has none.
    """
    if not scale:
        raise ConfigError(
            "interactions.scale is missing: with rating it says what ratings can be given",
            "write the lowest and the highest beside rating, such as scale = [1, 5]",
        )


def check_title(title: str, texts: Iterable[str]) -> None:
    """Checks that the title is a text field.

    Raises:
        ConfigError: it is not; the message lists the text fields, the nearest first.
    """
    near = sorted(texts, key=lambda name: -difflib.SequenceMatcher(None, title, name).ratio())
    if title and title not in near:
        raise ConfigError(
            f"items.title must be one of its text fields ({', '.join(near) or 'there are none'}), "
            f"got {title!r}",
            nearest_hint(title, near, 'did you mean "{}"?'),
        )


def check_names(users: Iterable[str], items: Iterable[str]) -> None:
    """Checks that users and items share no field name.

    Raises:
        ConfigError: they do.
    """
    taken = set(items)
    for name in users:
        if name in taken:
            raise ConfigError(
                f"users.fields.{name} and items.fields.{name} have one name",
                f"call one of them otherwise, such as [users.fields.user_{name}] with "
                f'column = "{name}" where its table did not say another',
            )


def nearest_hint(name: str, known: Iterable[str], says: str) -> str | None:
    """The nearest of the known names, as a hint; None where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return says.format(near[0]) if near else None
