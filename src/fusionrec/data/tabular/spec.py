"""``fusionrec.toml``: the files of interactions, users and items, and the meaning of columns."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

from fusionrec.config import Settings, check
from fusionrec.data.schema import EVENTS, Field, FieldKind, Schema, Side
from fusionrec.data.tabular.spec_checks import (
    check_kind,
    check_names,
    check_scale,
    check_tables,
    check_title,
)
from fusionrec.errors import ConfigError, DataError

SPEC_NAME = "fusionrec.toml"
TIME_UNITS = ("s", "ms", "us", "ns", "text")
REPEATS = ("last", "first", "keep")
LARGEST = 1e38  # rating and count: they are kept as float32
_KINDS = tuple(kind for kind in get_args(FieldKind) if kind != "id")


@dataclass(frozen=True)
class FieldSpec(Settings):
    """One attribute: the table ``[users.fields.SPEC_NAME]`` or ``[items.fields.SPEC_NAME]``.

    Attributes:
        kind: ``category``, ``categories``, ``text`` or ``number``.
        column: the file's name for it; empty: the field's own name.
        separator: between several categories.
        missing: values that mean "not known", beside the empty one.
        buckets: whether a number is read by the bucket that it falls in.
        filter: whether answers may be filtered by it; items only.
        label: what people read; empty: made of the name.
    """

    kind: str = "category"
    column: str = ""
    separator: str = "|"
    missing: tuple[str, ...] = ()
    buckets: bool = False
    filter: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        check_kind(self.kind, _KINDS)
        check(bool(self.separator), "separator must not be empty")
        check(not self.buckets or self.kind == "number", "buckets are of numbers only")


@dataclass(frozen=True)
class InteractionsSpec(Settings):
    """The table ``[interactions]``.

    Attributes:
        files: a file, or a pattern such as ``events-*.csv.gz``, beside the ``fusionrec.toml``.
        user, item: the columns of the ids.
        rating: the column of ratings; empty where there is none.
        scale: lowest and highest possible rating; needed with ``rating``.
        like: the lowest rating that counts as liking; by default three quarters up the scale.
        count: the column of counts, such as plays; not with ``rating``.
        event: the column of the kind of event; not with ``rating``. Without rating, count and event
            every row is an event of weight 1.
        events: the weight of each kind of event, above 0 up to 1; other kinds are left out.
        time: the column of times; empty where there is none.
        time_unit: of numbers ``s``, ``ms``, ``us`` or ``ns`` since 1970; ``text`` for dates.
        repeats: which of a user's interactions with one item stays: ``last`` or ``first``; ``keep``
            keeps all, and items may be recommended again.
    """

    files: str = ""
    user: str = ""
    item: str = ""
    rating: str = ""
    scale: tuple[float, ...] = ()
    like: float = math.nan
    count: str = ""
    event: str = ""
    events: dict[str, float] = field(default_factory=dict)
    time: str = ""
    time_unit: str = "s"
    repeats: str = "last"

    def __post_init__(self) -> None:
        for name in ("files", "user", "item"):
            check(bool(getattr(self, name)), f"interactions.{name} is needed")
        check(
            self.user != self.item,
            f"interactions.user and interactions.item are the same column, {self.item!r}; "
            "expected one of who took something and one of what was taken",
        )
        named = [name for name in ("rating", "count", "event") if getattr(self, name)]
        check(len(named) < 2, f"interactions: only one of {' and '.join(named)} can be given")
        check(
            self.time_unit in TIME_UNITS,
            f"interactions.time_unit must be one of {', '.join(TIME_UNITS)}, "
            f"got {self.time_unit!r}",
        )
        check(
            self.repeats in REPEATS,
            f"interactions.repeats must be one of {', '.join(REPEATS)}, got {self.repeats!r}",
        )
        self._check_rating()
        self._check_events()

    def _check_rating(self) -> None:
        if not self.rating:
            check(not self.scale and math.isnan(self.like), "scale and like go with a rating")
            return
        check_scale(self.scale)
        low, high = self.scale if len(self.scale) == 2 else (math.nan, math.nan)
        check(
            -LARGEST <= low < high <= LARGEST,
            f"interactions.scale must be [lowest, highest], each of {-LARGEST:g} to {LARGEST:g}, "
            f"got {list(self.scale)}",
        )
        check(
            math.isnan(self.like) or low < self.like <= high,
            f"interactions.like must lie above {low:g} up to {high:g}, got {self.like}",
        )

    def _check_events(self) -> None:
        check(not self.events or bool(self.event), "interactions.events needs the column event")
        for name, weight in self.events.items():
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            check(
                is_number and 0 < weight <= 1,
                f"interactions.events.{name} must be a number above 0 up to 1, got {weight!r}",
            )


@dataclass(frozen=True)
class UsersSpec(Settings):
    """The table ``[users]``; without it, users have only an id.

    Attributes:
        files: as in ``InteractionsSpec``.
        id: the column of the id.
        fields: name -> attribute.
    """

    files: str = ""
    id: str = ""
    fields: dict[str, FieldSpec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check(bool(self.files) == bool(self.id), "files and id go together")
        check(bool(self.files) or not self.fields, "fields need files that hold them")


@dataclass(frozen=True)
class ItemsSpec(UsersSpec):
    """The table ``[items]``; without it, items have only an id.

    Attributes:
        title: the text field that people know an item by; empty where there is none.
    """

    title: str = ""


@dataclass(frozen=True)
class Spec:
    """The content of a ``fusionrec.toml``.

    Attributes:
        name: the data set's.
        interactions, users, items: the tables.
        folder: file names are relative to it.
    """

    name: str
    interactions: InteractionsSpec
    users: UsersSpec = field(default_factory=UsersSpec)
    items: ItemsSpec = field(default_factory=ItemsSpec)
    folder: Path = Path()

    @property
    def schema(self) -> Schema:
        """The fields of the data set and the scale of its ratings.

        Raises:
            DataError: a field's name is invalid, or taken by another.
        """
        rated = self.interactions
        low, high = rated.scale if rated.rating else EVENTS
        like = low + 0.75 * (high - low) if math.isnan(rated.like) else rated.like
        users, items = _side("user", self.users), _side("item", self.items)
        return Schema(
            name=self.name,
            fields=(*users, *items),
            rating_range=(low, high),
            title=self.items.title,
            like=like if rated.rating else 0.0,
            events=not rated.rating,
            repeats=rated.repeats == "keep",
        )


def _side(side: Side, table: UsersSpec) -> tuple[Field, ...]:
    named = (_field(side, name, column) for name, column in table.fields.items())
    return (Field(f"{side}_id", side, "id"), *named)


def _field(side: Side, name: str, column: FieldSpec) -> Field:
    kind: Any = column.kind
    return Field(name, side, kind, column.filter, label=column.label, buckets=column.buckets)


def read_spec(path: Path) -> Spec:
    """Reads and checks a ``fusionrec.toml``.

    Args:
        path: the file, or the folder that it lies in.

    Raises:
        ConfigError: it cannot be read or is no TOML, a key or table is unknown (the nearest known
            one is the hint), or a value is invalid.
    """
    file = path / SPEC_NAME if path.is_dir() else path
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be read as TOML: {error}",
            "mend that line, or write a new file: fusionrec init DIR --force",
        ) from error
    try:
        spec = spec_of(tables)
        spec.schema  # noqa: B018 (its errors are the file's)
    except (ConfigError, DataError) as error:
        raise ConfigError(f"{file}: {error.message}", error.hint) from error
    return replace(spec, folder=file.parent)


@dataclass(frozen=True)
class _File(Settings):
    """The whole file, for its known keys."""

    name: str = "data"
    interactions: InteractionsSpec = field(default_factory=InteractionsSpec)
    users: UsersSpec = field(default_factory=UsersSpec)
    items: ItemsSpec = field(default_factory=ItemsSpec)


def spec_of(tables: Mapping[str, Any]) -> Spec:
    """A Spec from the plain values of its TOML.

    Raises:
        ConfigError: as ``read_spec``.
    """
    check_tables(tables)
    plain = {name: dict(t) if isinstance(t, Mapping) else t for name, t in tables.items()}
    for side in ("users", "items"):
        table = plain.get(side)
        if isinstance(table, dict) and "fields" in table:
            fields = table["fields"]
            check(
                isinstance(fields, Mapping), f"{side}.fields must be tables: [{side}.fields.NAME]"
            )
            table["fields"] = {
                name: _column(f"{side}.fields.{name}", value) for name, value in fields.items()
            }
    file = _File.from_dict(plain)
    title = file.items.title
    check_title(title, [n for n, column in file.items.fields.items() if column.kind == "text"])
    check_names(file.users.fields, file.items.fields)
    filters = [name for name, column in file.users.fields.items() if column.filter]
    check(not filters, f"users.fields.{(filters or [''])[0]}: only items are filtered")
    return Spec(file.name, file.interactions, file.users, file.items)


def _column(where: str, value: Any) -> FieldSpec:
    check(isinstance(value, Mapping), f"{where} must be a table: [{where}]")
    try:
        return FieldSpec.from_dict(value, f"{where}.")
    except ConfigError as error:
        message = error.message if where in error.message else f"{where}: {error.message}"
        raise ConfigError(message, error.hint) from error
