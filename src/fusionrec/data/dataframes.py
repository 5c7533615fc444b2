"""A data set from data frames: pandas', or anything that gives its columns as Arrow does."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.data import arguments
from fusionrec.data.dataset import Dataset
from fusionrec.data.detection.name_hints import identifier
from fusionrec.data.schema import Side
from fusionrec.data.tabular.casting import as_text, is_uuid, numbers
from fusionrec.data.tabular.convert import convert_sources
from fusionrec.data.tabular.findings import log_findings
from fusionrec.data.tabular.readers.source import MemoryTable
from fusionrec.data.tabular.spec import (
    LARGEST,
    FieldSpec,
    InteractionsSpec,
    ItemsSpec,
    Spec,
    UsersSpec,
)
from fusionrec.errors import ConfigError, DataError

_TITLES = ("title", "name")
_MANY = 20  # distinct texts; a column with more, most of them different, is no category


def read_frames(
    interactions: Any,
    users: Any = None,
    items: Any = None,
    *,
    user: str = "user",
    item: str = "item",
    rating: str | None = None,
    count: str | None = None,
    event: str | None = None,
    weights: Mapping[str, float] | None = None,
    time: str | None = None,
    time_unit: str = "",
    time_format: str = "",
    decimal: str = ".",
    scale: tuple[float, float] | None = None,
    like: float | None = None,
    repeats: str = "last",
    title: str | None = None,
    fields: Mapping[str, str | None] | None = None,
    name: str = "frames",
) -> Dataset:
    """A data set from data frames: pandas', polars', or a pyarrow Table.

    Without a rating the interactions are events, things that people did; see ``Schema.events``.
    What may be wrong is logged as a warning, as ``check`` shows it; it is in ``repairs``, too.

    Args:
        interactions: a row for each; of its columns those that are named here are read.
        users, items: a row for each, with the id in a column called as here, or else ``id``; every
            other column becomes a field. None where nothing is known of them but their ids.
        user, item: the columns of the ids.
        rating: the column of a rating that people gave.
        count: the column of how often someone took the item; not with a rating.
        event: the column of what someone did; not with a rating.
        weights: what each kind of event weighs, above 0 up to 1; other kinds are left out.
        time: the column of when it was.
        time_unit: of numbers ``s``, ``ms``, ``us`` or ``ns`` since 1970, or ``text`` for dates in
            texts; by default ``s`` of numbers and ``text`` of texts.
        time_format: how dates in texts are written, as ``strptime`` has it, such as ``%d.%m.%Y``,
            or several forms with ``|`` between; by default ISO 8601.
        decimal: what stands before the fraction of a number in a text, ``.`` or ``,``.
        scale: lowest and highest rating that can be given; by default those that were.
        like: the lowest rating that counts as liking; by default three quarters up the scale.
        repeats: of a user's interactions with one item ``last`` or ``first`` stays; ``keep`` keeps
            all, and items may be recommended to who has taken them.
        title: the column that people know an item by; by default ``title`` or ``name``.
        fields: column -> its kind: ``category``, ``categories``, ``text``, ``number`` or, of items,
            ``image``, or None to leave it out. Of the others numbers are numbers, lists are
            categories, texts are a category where they are few and else a text; dates are left out.
        name: what the data set is called.

    Raises:
        DataError: a column is missing (the nearest one is the hint) or cannot be read, or no
            interaction can be used.
        ConfigError: a kind, scale, weight or unit is none.
    """
    arguments.texts(
        user=user, item=item, rating=rating, count=count, event=event, time=time, title=title
    )
    arguments.texts(
        time_unit=time_unit, time_format=time_format, decimal=decimal, repeats=repeats, name=name
    )
    like = math.nan if like is None else arguments.number("like", like)
    ends = tuple(arguments.number("scale", end) for end in arguments.listed("scale", scale))
    for column in fields if isinstance(fields, Mapping) else ():
        arguments.instance("fields", column, str, "kinds by columns' names")
    given = {"interactions": interactions, "users": users, "items": items}
    frames = {
        side: _frame(side, frame)
        for side, frame in given.items()
        if frame is not None or side == "interactions"
    }
    kinds = _FieldKinds(_mapping("fields", fields, '{"shelf": "category"}'), title)
    kinds.check(frames)
    rows = InteractionsSpec(
        files="interactions",
        user=user,
        item=item,
        rating=rating or "",
        scale=ends or tuple(frames["interactions"].span(rating, decimal) if rating else ()),
        like=like,
        count=count or "",
        event=event or "",
        events=_mapping("weights", weights, '{"view": 0.2, "buy": 1.0}'),
        time=time or "",
        time_unit=time_unit or frames["interactions"].unit(time),
        time_format=time_format,
        decimal=decimal,
        repeats=repeats,
    )
    of_users = kinds.spec("user", frames.get("users"), user)
    of_items = kinds.spec("item", frames.get("items"), item)
    spec = Spec(
        name,
        rows,
        UsersSpec(**of_users, decimal=decimal),
        ItemsSpec(**of_items, decimal=decimal, title=kinds.title),
    )
    return _converted(spec, frames, kinds.left_out)


def _converted(spec: Spec, frames: Mapping[str, Frame], left_out: Sequence[str]) -> Dataset:
    """The data set of frames that a spec describes; logs what people must see."""
    sources = {
        side: [(frames[side], lambda _: None)] if side in frames else []  # in memory: no progress
        for side in ("users", "items", "interactions")
    }
    made = convert_sources(spec, sources)
    log_findings(spec.name, (finding for finding in made.findings if finding.warning))
    columns = made.user, made.item, made.rating, made.time
    repairs = (*left_out, *map(str, made.findings))
    return Dataset(spec.schema, spec.name, made.users, made.items, *columns, repairs)


@dataclass(frozen=True)
class Frame(MemoryTable):
    """A data frame, as a pyarrow Table, as a source of tables."""

    def span(self, rating: str, decimal: str) -> tuple[float, float]:
        """The lowest and the highest rating of a column, those beyond ``LARGEST`` left out.

        Raises:
            DataError: there is no such column, or no two ratings differ.
        """
        self.require(rating, "rating")
        ratings = numbers(self.table[rating].combine_chunks(), rating, decimal)
        known = ratings[np.abs(ratings) <= LARGEST]
        low, high = (known.min(), known.max()) if len(known) else (math.nan, math.nan)
        if not low < high:
            raise DataError(
                f"column {rating!r} holds no two ratings that differ, so their scale is not known",
                "say it: scale=(1, 5); or leave rating out where people did not rate",
            )
        return float(low), float(high)

    def unit(self, time: str | None) -> str:
        """The unit of times where the caller names none."""
        return "text" if time and is_text(self.types.get(time, "")) else "s"


def is_text(kind: str) -> bool:
    """Whether a column of a type, as pyarrow names it, holds texts."""
    return "string" in kind and not kind.startswith(("list", "large_list", "fixed_size_list"))


def _frame(name: str, frame: Any) -> Frame:
    """A data frame of any library; a DataError if it is none or a column mixes kinds of values."""
    import pyarrow as pa

    try:
        if type(frame).__module__.partition(".")[0] == "pandas":
            table = pa.Table.from_pandas(frame, preserve_index=False)
        else:
            table = pa.table(frame)
    except (pa.ArrowException, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(
            f"{name} cannot be read as a data frame: {str(error)[:300]}",
            "give a pandas or polars DataFrame or a pyarrow Table; each column of one kind",
        ) from error
    types = {field.name: str(field.type) for field in table.schema}
    if len(types) < table.num_columns:
        raise DataError(f"{name}: two columns have one name", "rename one of them")
    return Frame(Path(name), "frame", "", types, table=table)


def _mapping(name: str, value: Any, example: str) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise ConfigError(f"{name} must be a dictionary such as {example}, got {value!r:.60}")
    return dict(value or {})


class _FieldKinds:
    """The fields that the columns of users and items become.

    Args:
        kinds, title: the arguments ``fields`` and ``title`` of ``read_frames``.
    """

    def __init__(self, kinds: Mapping[str, str | None], title: str | None) -> None:
        self._kinds, self._title = kinds, title
        self._taken = {"user_id", "item_id"}
        self.title = ""  # the field of the title
        self.left_out: list[str] = []

    def check(self, frames: Mapping[str, Frame]) -> None:
        """Raises a DataError if a named column is missing; the nearest name is the hint."""
        columns = [
            name for side in ("users", "items") if side in frames for name in frames[side].types
        ]
        for column in self._kinds:
            if column not in columns:
                near = difflib.get_close_matches(column, columns, n=1, cutoff=0.5)
                raise DataError(
                    f"fields: neither users nor items have a column {column!r}; "
                    f"they have {', '.join(columns)[:400] or 'none'}",
                    f"did you mean {near[0]!r}?" if near else None,
                )
        if self._title is not None and "items" in frames:
            frames["items"].require(self._title, "title")

    def spec(self, side: Side, frame: Frame | None, id_: str) -> dict[str, Any]:
        """The arguments of ``UsersSpec`` or ``ItemsSpec``; a DataError without a column of ids."""
        if frame is None:
            return {}
        column_of_ids = id_ if id_ in frame.types or "id" not in frame.types else "id"
        frame.require(column_of_ids, f"the ids of {side}s")
        title = self._title or next((n for n in frame.types if n.lower() in _TITLES), None)
        fields = {}
        for number, name in enumerate(frame.types, start=1):
            if name == column_of_ids or (name in self._kinds and self._kinds[name] is None):
                continue
            is_title = side == "item" and name == title
            kind = self._kinds.get(name) or ("text" if is_title else self._guessed(frame, name))
            if kind is None:
                says = f"column {name!r} of {frame.path} left out: {frame.types[name]} is no field"
                self.left_out.append(says)
                continue
            field = identifier(name, number, self._taken, side)
            self._taken.add(field)
            filtered = side == "item" and kind != "text"
            label = "" if field == name else name
            fields[field] = FieldSpec(kind=kind, column=name, filter=filtered, label=label)
            if is_title and kind == "text":
                self.title = field
        return {"files": str(frame.path), "id": column_of_ids, "fields": fields}

    def _guessed(self, frame: Frame, name: str) -> str | None:
        """The kind of a column; None where its type fits no field."""
        import pyarrow as pa
        import pyarrow.compute as pc

        values = frame.table[name]
        kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
        if pa.types.is_list(kind) or pa.types.is_large_list(kind):
            return "categories"
        if pa.types.is_boolean(kind):
            return "category"
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return "number"
        codes = is_uuid(kind)
        if not (codes or is_text(str(kind))):
            return None
        known = len(values) - values.null_count
        distinct = pc.count_distinct(as_text(values.combine_chunks(), name)).as_py()
        if distinct <= max(_MANY, known / 2):
            return "category"
        return None if codes else "text"
