"""Base of all settings, and the settings file. An unknown setting is an error."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from fusionrec.errors import ConfigError


@dataclass(frozen=True)
class Settings:
    """Base of all settings: checked values that read from and write to plain dictionaries."""

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values; ``from_dict`` reads them back equal."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Settings from a dictionary; what is left out keeps its default.

        Args:
            values: setting -> value; nested settings are dictionaries themselves.
            where: the outer setting's name and a dot, for messages.

        Raises:
            ConfigError: a name is unknown, or a value's type is wrong.
        """
        kinds = get_type_hints(cls)
        given: dict[str, Any] = {}
        for name, value in values.items():
            path = f"{where}{name}"
            if name not in kinds:
                groups = {n: k.__dataclass_fields__ for n, k in kinds.items() if is_dataclass(k)}
                inner = [f"{group}.{name}" for group, known in groups.items() if name in known]
                raise ConfigError(
                    f"unknown setting {path!r:.200}; known here: {', '.join(kinds)}",
                    f"did you mean {where}{inner[0]}?" if inner else _near(name, kinds, where),
                )
            kind = kinds[name]
            if issubclass(get_origin(kind) or kind, Settings) and isinstance(value, Mapping):
                given[name] = kind.from_dict(value, f"{path}.")
            else:
                given[name] = _of_kind(path, value, kind)
        return cls(**given)

    def change(self, assignments: Mapping[str, str]) -> Self:
        """A copy with some settings changed, as the command line's ``--set a.b=value`` gives them.

        Raises:
            ConfigError: as in ``from_dict``, or a value is not TOML.
        """
        nested: dict[str, Any] = self.to_dict()
        for path, text in assignments.items():
            *outer, last = path.split(".")
            place = nested
            for name in outer:
                place.setdefault(name, {})  # from_dict knows what to say of an unknown name
                if not isinstance(place[name], dict):
                    raise ConfigError(f"unknown setting {path!r}: {name!r} holds no settings")
                place = place[name]
            place[last] = _toml_value(path, text)
        return self.from_dict(nested)


def _near(name: str, known: Iterable[str], before: str = "", after: str = "") -> str | None:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    return f"did you mean {before}{near[0]}{after}?" if near else None


def _toml_value(path: str, text: str) -> Any:
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        if text.replace("_", "").replace("-", "").isalnum():
            return text  # a bare word needs no quotes on the command line
        raise ConfigError(f"{path}: {text!r:.200} is not a number, word or list") from None


_WORDS = {str: "text", bool: "true or false", int: "a whole number", float: "a number"}


def _of_kind(path: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is UnionType:  # of one type and None, which is not given
        if value is None:
            return None
        [kind] = set(get_args(kind)) - {NoneType}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise ConfigError(
                f"{path} must be a number below 1e308, got one of more digits"
            ) from None
    plain = get_origin(kind) or kind
    if plain is tuple:
        inner = kind.__args__[0]
        if isinstance(inner, type) and issubclass(inner, Settings):
            tables = [value] if isinstance(value, Mapping) else value  # one table needs no brackets
            if isinstance(tables, list | tuple) and all(isinstance(t, Mapping) for t in tables):
                return tuple(inner.from_dict(table, f"{path}.") for table in tables)
            raise ConfigError(f"{path} must be a table or a list of tables, got {value!r:.60}")
        if isinstance(value, list | tuple):
            return tuple(_of_kind(path, one, inner) for one in value)
        example = '["a", "b"]' if inner is str else "[3, 5]"
        raise ConfigError(f"{path} must be a list such as {example}, got {value!r:.200}")
    if not isinstance(plain, type):
        return value
    if issubclass(plain, Mapping | Settings):
        check(isinstance(value, Mapping), f"{path} must be a table of its own, got {value!r:.200}")
    elif type(value) is not plain:
        raise ConfigError(f"{path} must be {_WORDS.get(plain, plain.__name__)}, got {value!r:.200}")
    return value


def check(ok: bool, message: str) -> None:
    """Raises ConfigError with the message unless ``ok``."""
    if not ok:
        raise ConfigError(message)


_MOST_BYTES = 1 << 20
_MOST_DOTS = 500  # in a line, outside of strings: the time of parsing a key grows with its square
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*\'?')


def read_limited(file: Path) -> bytes:
    """A file that people write, such as TOML.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than any of these.
    """
    with file.open("rb") as opened:
        data = opened.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
    return data


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        ValueError: it is none, or so deep that Python's reader would take minutes or give up.
    """
    if any(line.count(".") > _MOST_DOTS for line in _STRING.sub("", text).split("\n")):
        raise ValueError(f"a line has more than {_MOST_DOTS} dots, so that its key is too long")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("values within values, too deep") from None


_TABLES = ("milvus", "ledger", "service", "versions")  # of a workspace's settings


def settings_table(file: Path | None, name: str) -> Mapping[str, Any]:
    """One table of a settings file; empty where file or table is missing.

    Raises:
        ConfigError: it is no TOML, or holds something else than known tables; shows no value of it.
    """
    if file is None or not file.exists():
        return {}
    try:
        tables = parse_toml(read_limited(file).decode("utf-8"))
    except (OSError, ValueError) as error:
        why = type(error).__name__  # the parser's message may quote a line with a secret
        raise ConfigError(f"{file} cannot be read as TOML ({why})") from None
    for given, table in tables.items():
        if given not in _TABLES:
            known = ", ".join(f"[{name}]" for name in _TABLES)
            message = f"{file} holds the tables {known}; it has {given}"
            raise ConfigError(message, _near(given, _TABLES, "[", "]"))
        if not isinstance(table, dict):
            raise ConfigError(f"{given} in {file} must be a table: [{given}]")
    found: Mapping[str, Any] = tables.get(name, {})
    return found
