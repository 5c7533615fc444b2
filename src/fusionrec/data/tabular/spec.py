"""``fusionrec.toml``: the files of interactions, users and items, and the meaning of columns."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from fusionrec.config import Settings, check
from fusionrec.data.schema import EVENTS, Field, FieldKind, Schema, Side
from fusionrec.data.tabular.readers.urls import redact
from fusionrec.data.tabular.source_spec import SourceSpec
from fusionrec.data.tabular.toml_file import read_toml, unreviewed
from fusionrec.data.values import nearest_hint
from fusionrec.errors import ConfigError, DataError

SPEC_NAME = "fusionrec.toml"
TIME_UNITS = ("s", "ms", "us", "ns", "days", "text")
REPEATS = ("last", "first", "keep")
LARGEST = 1e38  # rating and count: they are kept as float32
MINIMAL_SPEC = """a fusionrec.toml needs no more than this; write it with your own names:
  [interactions]
  files = "ratings.csv"
  user = "user_id"
  item = "item_id\""""
_TABLES = ("interactions", "users", "items")
_KINDS = tuple(kind for kind in get_args(FieldKind) if kind != "id")


@dataclass(frozen=True)
class FieldSpec(Settings):
    """One attribute: the table ``[users.fields.NAME]`` or ``[items.fields.NAME]``.

    Attributes:
        kind: ``category``, ``categories``, ``text``, ``number`` or, of items, ``image``.
        column: its name in the file; empty: the field's own name.
        separator: between several categories.
        missing: values that mean "not known", as the empty one does.
        buckets: whether a number is encoded by the bucket that it falls in.
        filter: whether answers may be filtered by it; items only.
        label: the heading for people; empty: made from the name.
    """

    kind: str = "category"
    column: str = ""
    separator: str = "|"
    missing: tuple[str, ...] = ()
    buckets: bool = False
    filter: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        if self.kind not in _KINDS:
            raise ConfigError(
                f"kind must be one of {', '.join(_KINDS)}, got {self.kind!r}",
                nearest_hint(self.kind, _KINDS, 'did you mean "{}"?'),
            )
        check(bool(self.separator), "separator must not be empty")
        check(not self.buckets or self.kind == "number", "buckets are of numbers only")
        check(not self.filter or self.kind != "image", "no answer is filtered by an image")


@dataclass(frozen=True)
class InteractionsSpec(SourceSpec):
    """The table ``[interactions]``.

    Attributes:
        user, item: the columns of the ids.
        missing: ids that mean "not known"; rows with one are left out, as those without an id.
        rating, count, event: the column of a rating, a count such as plays, or the kind of event;
            one of them at most. Without any, every row is an event of weight 1.
        scale: lowest and highest possible rating; needed with ``rating``.
        like: the lowest rating that counts as liking; by default three quarters up the scale.
        events: the weight of each kind of event, above 0 up to 1; other kinds are left out.
        time: the column of times; empty without times.
        time_unit: ``s``, ``ms``, ``us`` or ``ns`` since 1970, of numbers; ``text`` for dates;
            ``days`` for a spreadsheet's serial days.
        time_format: of dates, their form as strptime writes it, such as ``%d.%m.%Y``, or several
            with ``|`` between; empty: ISO 8601.
        repeats: which of a user's interactions with one item is kept: ``last`` or ``first``;
            ``keep`` keeps all, and items may be recommended again.
    """

    user: str = ""
    item: str = ""
    missing: tuple[str, ...] = ()
    rating: str = ""
    scale: tuple[float, ...] = ()
    like: float = math.nan
    count: str = ""
    event: str = ""
    events: dict[str, float] = field(default_factory=dict)
    time: str = ""
    time_unit: str = "s"
    time_format: str = ""
    repeats: str = "last"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("files", "user", "item"):
            check(bool(getattr(self, name)), f"interactions.{name} is needed")
        check(
            self.user != self.item,
            f"interactions.user and interactions.item are the same column, {self.item!r}; "
            "expected one of who took something and one of what was taken",
        )
        named = [name for name in ("rating", "count", "event") if getattr(self, name)]
        check(len(named) < 2, f"interactions: only one of {' and '.join(named)} can be given")
        for name, known in (("time_unit", TIME_UNITS), ("repeats", REPEATS)):
            value = getattr(self, name)
            said = f"interactions.{name} must be one of {', '.join(known)}, got {value!r}"
            check(value in known, said)
        check(not self.events or bool(self.event), "interactions.events needs the column event")
        for name, weight in self.events.items():
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            check(
                is_number and 0 < weight <= 1,
                f"interactions.events.{name} must be a number above 0 up to 1, got {weight!r}",
            )
        if self.rating:
            self._check_scale()
        else:
            check(not self.scale and math.isnan(self.like), "scale and like go with a rating")

    def _check_scale(self) -> None:
        if not self.scale:
            raise ConfigError(
                "interactions.scale is missing: with rating it says what ratings can be given",
                "write the lowest and the highest beside rating, such as scale = [1, 5]",
            )
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


@dataclass(frozen=True)
class UsersSpec(SourceSpec):
    """The table ``[users]``; without it, users have only an id.

    Attributes:
        id: the column of the id.
        fields: name -> attribute.
    """

    id: str = ""
    fields: dict[str, FieldSpec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
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
class _File(Settings):
    """The keys that a ``fusionrec.toml`` may have."""

    name: str = "data"
    interactions: InteractionsSpec = field(default_factory=InteractionsSpec)
    users: UsersSpec = field(default_factory=UsersSpec)
    items: ItemsSpec = field(default_factory=ItemsSpec)


@dataclass(frozen=True)
class Spec(_File):
    """The content of a ``fusionrec.toml``.

    Attributes:
        name: the data set's.
        interactions, users, items: the tables.
        folder: file names are relative to it.
        unreviewed: grave doubts of ``init``, until someone edits the file.
    """

    folder: Path = Path()
    unreviewed: tuple[str, ...] = ()

    @property
    def schema(self) -> Schema:
        """The fields of the data set and the scale of its ratings.

        Raises:
            DataError: a field's name is invalid, or taken by another.
        """
        rated = self.interactions
        low, high = rated.scale if rated.rating else EVENTS
        like = low + 0.75 * (high - low) if math.isnan(rated.like) else rated.like
        return Schema(
            name=self.name,
            fields=(*_fields("user", self.users), *_fields("item", self.items)),
            rating_range=(low, high),
            title=self.items.title,
            like=like if rated.rating else 0.0,
            events=not rated.rating,
            repeats=rated.repeats == "keep",
        )


def _fields(side: Side, table: UsersSpec) -> Iterator[Field]:
    yield Field(f"{side}_id", side, "id")
    for name, column in table.fields.items():
        kind: Any = column.kind
        yield Field(name, side, kind, column.filter, label=column.label, buckets=column.buckets)


def has_spec(path: Path) -> bool:
    """Whether a path is a ``.toml`` file, or a folder that holds a ``fusionrec.toml``."""
    return (path / SPEC_NAME).is_file() or (path.suffix.lower() == ".toml" and path.is_file())


def read_spec(path: Path) -> Spec:
    """Reads and checks a ``fusionrec.toml``.

    Args:
        path: the file, or its folder.

    Raises:
        ConfigError: it cannot be read, is not TOML or larger than 1 MiB, has an unknown key or
            table (the nearest known one is the hint) or an invalid value.
    """
    file = path / SPEC_NAME if path.is_dir() else path
    tables, text = read_toml(file)
    try:
        doubts = unreviewed(tables.pop("review", {}), text)
        spec = Spec(**vars(_file_of(tables)), folder=file.parent, unreviewed=doubts)
        spec.schema  # noqa: B018 (its errors are the file's)
    except (ConfigError, DataError) as error:
        raise ConfigError(f"{file}: {redact(error.message)}", error.hint) from error
    except RecursionError as error:
        raise ConfigError(f"{file}: values within values, too deep") from error
    return spec


def _file_of(tables: dict[str, Any]) -> _File:
    """The plain values of a TOML, checked.

    Raises:
        ConfigError: as ``read_spec``.
    """
    for name, value in tables.items():
        if name not in _TABLES and isinstance(value, Mapping):
            raise ConfigError(
                f"unknown table [{name:.60}]; known are {', '.join(f'[{t}]' for t in _TABLES)}",
                nearest_hint(name, _TABLES, "did you mean [{}]?"),
            )
    if "interactions" not in tables:
        raise ConfigError("the table [interactions] is missing", MINIMAL_SPEC)
    for side in ("users", "items"):
        table = tables.get(side)
        if isinstance(table, Mapping) and "fields" in table:
            fields, where = table["fields"], f"{side}.fields"
            check(isinstance(fields, Mapping), f"{where} must be tables: [{where}.NAME]")
            read = {name: _field_spec(f"{where}.{name}", value) for name, value in fields.items()}
            tables = tables | {side: {**table, "fields": read}}
    file = _File.from_dict(tables)
    for name, column in file.users.fields.items():
        check(not column.filter, f"users.fields.{name}: only items are filtered")
        check(column.kind != "image", f"users.fields.{name}: only items have images")
        if name in file.items.fields:
            raise ConfigError(
                f"users.fields.{name} and items.fields.{name} have one name",
                f"call one of them otherwise, such as [users.fields.user_{name}] with "
                f'column = "{name}" where its table did not say another',
            )
    texts = [name for name, column in file.items.fields.items() if column.kind == "text"]
    if (title := file.items.title) and title not in texts:
        texts.sort(key=lambda name: -difflib.SequenceMatcher(None, title, name).ratio())
        raise ConfigError(
            f"items.title must be one of its text fields ({', '.join(texts) or 'there are none'}), "
            f"got {title!r}",
            nearest_hint(title, texts, 'did you mean "{}"?'),
        )
    return file


def _field_spec(where: str, value: Any) -> FieldSpec:
    check(isinstance(value, Mapping), f"{where} must be a table: [{where}]")
    try:
        return FieldSpec.from_dict(value, f"{where}.")
    except ConfigError as error:
        message = error.message if where in error.message else f"{where}: {error.message}"
        raise ConfigError(message, error.hint) from error
