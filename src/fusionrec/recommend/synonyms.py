"""What people call things: stop words, and the names of categories and words that mean the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from fusionrec.config import parse_toml, read_limited
from fusionrec.errors import ConfigError
from fusionrec.recommend.stems import languages

FILE = "synonyms.toml"
_LISTS, _TABLES = "stop_words", ("categories", "words")
_KNOWN = ("language", _LISTS, *_TABLES)


@dataclass(frozen=True)
class Synonyms:
    """What ``synonyms.toml`` says.

    Attributes:
        language: of the stems, as Snowball calls it; empty for none.
        stop_words: words that find nothing, unless there are no others.
        categories: names of one kind of thing, in each group.
        words: words that are written for one another, in each group.
    """

    language: str
    stop_words: frozenset[str]
    categories: Mapping[str, tuple[str, ...]]
    words: Mapping[str, tuple[str, ...]]


def synonyms(folder: Path | None = None) -> Synonyms:
    """The package's synonyms, with those of a folder's ``synonyms.toml`` if there is one: its lists
    add to those of the same name, its language replaces the other.

    Raises:
        ConfigError: the file is wrong; the message says in which line.
    """
    own = folder and folder / FILE
    if own is None or not own.exists():
        return _packaged()
    try:
        text = read_limited(own).decode("utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{own} cannot be read: {error}") from error
    return _joined(_packaged(), _read(text, str(own)))


@cache
def _packaged() -> Synonyms:
    text = files("fusionrec.recommend").joinpath(FILE).read_text(encoding="utf-8")
    return _joined(Synonyms("", frozenset(), {}, {}), _read(text, FILE))


def _joined(below: Synonyms, above: Mapping[str, Any]) -> Synonyms:
    tables = {}
    for name in _TABLES:
        old: Mapping[str, tuple[str, ...]] = getattr(below, name)
        new = {group: (*old.get(group, ()), *more) for group, more in above.get(name, {}).items()}
        tables[name] = {**old, **new}
    stop_words = below.stop_words | {word.casefold() for word in above.get(_LISTS, ())}
    return Synonyms(above.get("language", below.language), stop_words, **tables)


def _read(text: str, file: str) -> dict[str, Any]:
    """The tables of a file, checked."""
    try:
        tables = parse_toml(text)
    except ValueError as error:  # which names line and column
        last = f"the end, line {len(text.splitlines())}"
        why = str(error).replace("end of document", last)
        raise ConfigError(f"{file} is not TOML: {why}") from None

    def refuse(key: str, why: str) -> ConfigError:
        pattern = rf"\s*\[?\s*[\"']?{re.escape(key)}[\"']?\s*[\]=]"
        lines = enumerate(text.splitlines(), start=1)
        line = next((n for n, one in lines if re.match(pattern, one)), None)
        return ConfigError(f"{file}{f', line {line}' if line else ''}: {why}")

    for key, value in tables.items():
        if key not in _KNOWN:
            raise refuse(key, f"expected one of {', '.join(_KNOWN)}, got {key!r}")
        if key == "language" and (not isinstance(value, str) or value not in ("", *languages())):
            known = ", ".join(languages())
            raise refuse(key, f"language must be one of {known} or empty, got {value!r}")
        if key == _LISTS and not _texts(value):
            raise refuse(key, f'{key} must be a list of texts such as ["film"], got {value!r:.80}')
        if key in _TABLES and not isinstance(value, dict):
            raise refuse(key, f"{key} must be a table: [{key}]")
        for group, names in value.items() if key in _TABLES else ():
            if not _texts(names):
                wanted = f'{group} must be a list of texts such as ["comedy", "funny"]'
                raise refuse(group, f"{wanted}, got {names!r:.80}")
    return tables


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)
