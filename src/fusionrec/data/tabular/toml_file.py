"""The text of a ``fusionrec.toml``: read within limits, with doubts that someone must look at."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusionrec.config import Settings, check, parse_toml, read_limited
from fusionrec.errors import ConfigError, reason


@dataclass(frozen=True)
class _Review(Settings):
    """The table ``[review]``: what ``init`` was in doubt of, and the hash of the rest."""

    doubts: tuple[str, ...] = ()
    sum: str = ""


def read_toml(file: Path) -> tuple[dict[str, Any], str]:
    """The tables of a TOML file, and its text.

    Raises:
        ConfigError: it cannot be read, is no TOML, or too large or too deep.
    """
    try:
        data = read_limited(file)
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        return parse_toml(text), text
    except (OSError, ValueError) as error:
        why = reason(error)
        raise ConfigError(
            f"{file} cannot be read as TOML: {why}",
            "mend that line, or write a new file: fusionrec init DIR --force",
        ) from error


def unreviewed(table: Any, text: str) -> tuple[str, ...]:
    """The doubts of a table ``[review]``; none once any part of the file's text was edited.

    Raises:
        ConfigError: it is no such table.
    """
    check(isinstance(table, Mapping), "review must be a table: [review]")
    review = _Review.from_dict(table, "review.")
    untouched = _hash(text.replace(_sum(review.sum), _sum(""), 1)) == review.sum
    return review.doubts if untouched else ()


def review_table(doubts: Sequence[str]) -> str:
    """The table ``[review]`` for these TOML strings, to be completed by ``sealed``."""
    lines = "".join(f"  {doubt},\n" for doubt in doubts)
    return f"[review]\ndoubts = [\n{lines}]\n{_sum('')}"


def sealed(text: str) -> str:
    """The text of a whole file with its hash in the table ``[review]``, if it has one."""
    return text.replace(_sum(""), _sum(_hash(text)), 1)


def _sum(value: str) -> str:
    return f'sum = "{value}"'


def _hash(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def quoted(text: str) -> str:
    """A text as a TOML string on one line; unprintable characters are escaped, and a lone
    surrogate, which TOML cannot contain, becomes U+FFFD.
    """
    escaped = (
        c if c.isprintable() and c not in '"\\'
        else "\ufffd" if "\ud800" <= c <= "\udfff"
        else json.dumps(c)[1:-1] if c <= "\uffff"
        else f"\\U{ord(c):08x}"
        for c in text
    )  # fmt: skip
    return f'"{"".join(escaped)}"'


def value_text(value: Any) -> str:
    """A text, number, boolean, list or dictionary as TOML on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        pairs = ", ".join(f"{_key(name)} = {value_text(v)}" for name, v in value.items())
        return f"{{ {pairs} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(value_text, value))}]"
    return repr(value)


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else quoted(text)


def assignments(settings: Mapping[str, Any]) -> str:
    """Keys and their values as the lines of a TOML file, for a sentence: ``user = "u"``."""
    return " and ".join(f"{_key(key)} = {value_text(value)}" for key, value in settings.items())
