"""Reads the interactions of the files in batches: user, item, rating and time of each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusionrec.data.arrays import scratch
from fusionrec.data.dataset import CLOCK_ERROR
from fusionrec.data.tabular.casting import as_text, cast_numbers, numbers, seconds
from fusionrec.data.tabular.findings import SHOWN, Findings
from fusionrec.data.tabular.ids import EMPTY, UNFIT, Ids, factorize
from fusionrec.data.tabular.number_formats import UNUSUAL
from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.tabular.readers.files import SourceFile
from fusionrec.data.tabular.spec import LARGEST, InteractionsSpec
from fusionrec.data.values import LONGEST_ID

KINDS = 1_000  # kinds of events that are counted apart
_SMALLEST = 1e-38  # count: as float32, smaller ones are 0
_ISO = "ISO 8601, such as 2024-05-01 12:30:00"
_TOO_LATE = 4_102_444_800  # the year 2100


@dataclass(frozen=True)
class FilePart:
    """The usable interactions of one file, which another process has read.

    Attributes:
        ids: the ids of users and of items, in the order of their first appearance there.
        columns: as of ``InteractionReader.columns``, by positions in those.
        kinds, rows, too_late, dates: as of ``InteractionReader``.
    """

    ids: tuple[list[str], ...]
    columns: tuple[np.ndarray, ...]
    kinds: Mapping[str, int]
    rows: int
    too_late: int
    dates: int


class InteractionReader:
    """Collects the columns of all usable interactions.

    Args:
        spec: the table ``[interactions]`` of the ``fusionrec.toml``.
        users, items: the known ids; new ones are added.
        findings: collects what is left out.
        now: seconds since 1970; later rows are left out, but for ``CLOCK_ERROR`` seconds.
    """

    def __init__(
        self, spec: InteractionsSpec, users: Ids, items: Ids, findings: Findings, now: int
    ) -> None:
        self._spec, self._findings, self._now = spec, findings, now
        self._ids = (("user", spec.user, users), ("item", spec.item, items))
        self._parts: list[list[np.ndarray]] = [[] for _ in range(3 + bool(spec.time))]
        self.kinds: Counter[str] = Counter()
        self.rows = 0
        self.too_late = 0  # rows with a time beyond the year 2100
        self.dates = 0  # rows whose time is a date where a number was expected

    def read(self, source: SourceFile, on_bytes: OnBytes) -> None:
        """Reads a file.

        Raises:
            DataError: a column is missing, or as ``SourceFile.batches``.
        """
        spec = self._spec
        names = ("user", "item", "rating", "count", "event", "time")
        columns = {name: getattr(spec, name) for name in names if getattr(spec, name)}
        for name, column in columns.items():
            source.require(column, f"interactions.{name}")
        first = 1
        wanted = list(dict.fromkeys(columns.values()))
        for batch in source.batches(wanted, on_bytes, self._findings.once):
            self._take(batch, source.path.name, first)
            first += len(batch)
        self.rows += first - 1

    def part(self) -> FilePart:
        """What was read, of a reader of one file that began without ids."""
        ids = tuple(ids.all for _, _, ids in self._ids)
        return FilePart(ids, self.columns(), self.kinds, self.rows, self.too_late, self.dates)

    def take_in(self, part: FilePart) -> None:
        """Takes in another file, as if ``read`` had read it here."""
        columns = [*part.columns]
        for side, texts in enumerate(part.ids):
            ids, rows = self._ids[side][2], np.arange(len(texts))
            positions = ids.assign(texts, ids.look_up(texts), rows)
            columns[side] = positions[columns[side].astype(np.int32)]  # of no rows, it has no type
        for gathered, column in zip(self._parts, columns, strict=True):
            gathered.append(column)
        for kind, count in part.kinds.items():
            self._count_kind(kind, count)
        self.rows += part.rows
        self.too_late += part.too_late
        self.dates += part.dates

    def _count_kind(self, kind: str, count: int) -> None:
        if kind and (kind in self.kinds or len(self.kinds) < KINDS):
            self.kinds[kind] += count

    def columns(self) -> tuple[np.ndarray, ...]:
        """User and item, int32 [n], rating or count, float32 [n], and time, int64 [n], if any.
        Counts below 0 are returns.
        """
        joined = []
        for parts in self._parts:
            column = scratch((sum(map(len, parts)),), parts[0].dtype if parts else np.float64)
            end = len(column)
            while parts:  # so that no column is in memory twice
                end -= len(part := parts.pop())
                column[end : end + len(part)] = part
            joined.append(column)
        return tuple(joined)

    def _take(self, batch: Any, file: str, first: int) -> None:
        kept = _KeptRows(len(batch), file, first, self._findings)
        named = []
        for side, column, ids in self._ids:
            texts, codes = factorize(batch.column(column), f"{file}: {column}")
            known = ids.look_up(texts)
            known[[n for n, text in enumerate(texts) if text in self._spec.missing]] = EMPTY
            row_ids = known[codes]
            kept.leave_out(f"{side}_empty", row_ids == EMPTY, f"no {side} id")
            says = f"a {side} id of over {LONGEST_ID} characters, or with a control character"
            kept.leave_out(f"{side}_unfit", row_ids == UNFIT, says, batch.column(column))
            named.append((ids, texts, known, codes))
        rating = self._rating(batch, kept)
        time = self._time(batch, kept)
        # Only now are positions assigned, so that rows left out add no ids.
        rows = np.flatnonzero(kept.rows)
        parts = [ids.assign(texts, known, codes[rows]) for ids, texts, known, codes in named]
        parts.append(rating[rows].astype(np.float32))
        if time is not None:
            parts.append(time[rows])
            early, year = int((time[rows] < 0).sum()), int((time[rows] < 366 * 86_400).sum())
            says = "times before 1970"
            means = "of another calendar, or written where the time is not known?"
            self._findings.add("time_early", early, says, means, warning=True)
            says, means = (
                "times in 1970",
                "of a wrong unit, or written where the time is not known?",
            )
            self._findings.add("time_1970", year - early, says, means, warning=True)
        for gathered, part in zip(self._parts, parts, strict=True):
            gathered.append(part)

    def _rating(self, batch: Any, kept: _KeptRows) -> np.ndarray:
        spec = self._spec
        if spec.event:
            return self._weights(batch.column(spec.event), kept)
        if not spec.rating and not spec.count:
            return np.ones(len(batch))
        column = batch.column(spec.rating or spec.count)
        where = f"{kept.file}: {spec.rating or spec.count}"
        rating, forms = cast_numbers(column, where, spec.decimal)
        for form, rows in forms.items():
            kept.notice(f"rating_{form}", rows, f"numbers {UNUSUAL[form]}", column)
        says = f"no {'rating' if spec.rating else 'count'}"
        kept.leave_out("rating_empty", _empty(column, rating), says)
        if spec.rating:
            low, high = spec.scale
            bad = ~((rating >= low) & (rating <= high))
            says = f"a rating that is no number of {low:g} to {high:g}"
        else:
            size = np.abs(rating)  # below 0 are returns
            bad = ~((size >= _SMALLEST) & (size <= LARGEST))
            says = f"a count that is 0, or no number up to {LARGEST:g}"
        kept.leave_out("rating_unfit", bad, says, column)
        return rating

    def _weights(self, column: Any, kept: _KeptRows) -> np.ndarray:
        weights = self._spec.events
        texts, codes = factorize(column, f"{kept.file}: {self._spec.event}")
        counts = np.bincount(codes, minlength=len(texts)).tolist()
        for text, count in zip(texts, counts, strict=True):
            self._count_kind((text or "")[:SHOWN], count)
        other = 0.0 if weights else 1.0
        weight: np.ndarray = np.array([weights.get(text or "", other) for text in texts])[codes]
        kept.leave_out("event_empty", codes == len(texts) - 1, "no kind of event")
        says = f"an event that is none of {', '.join(weights)}"[:300]
        kept.leave_out("event_other", weight == 0, says, column)
        return weight

    def _time(self, batch: Any, kept: _KeptRows) -> np.ndarray | None:
        spec = self._spec
        if not spec.time:
            return None
        column = batch.column(spec.time)
        where = f"{kept.file}: {spec.time}"
        time, known = seconds(column, spec.time_unit, where, spec.time_format)
        self._check_unit(column, time, known)
        unit, zone = f"{spec.time_unit} since 1970", ""
        if spec.time_unit == "days":
            unit = "days as a spreadsheet counts them"
        if spec.time_format or spec.time_unit == "text":
            unit = spec.time_format or f"{_ISO}; time_format names another form"
            zone = " (without a zone a time is UTC)"
        stays = "leave time out to keep such rows"
        empty = _empty(column, np.where(known, 0.0, np.nan))
        kept.leave_out("time_empty", empty, f"no time; {stays}")
        kept.leave_out("time_unfit", ~known, f"a time that is none in {unit}; {stays}", column)
        says = f"a time in the future{zone}; {stays}"
        kept.leave_out("time_future", time > self._now + CLOCK_ERROR, says, column)
        return time

    def _check_unit(self, column: Any, time: np.ndarray, known: np.ndarray) -> None:
        """Counts what may be of another unit: ``too_late`` and ``dates``."""
        import pyarrow as pa

        kind = column.type
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            return
        self.too_late += int((time > _TOO_LATE).sum())
        if known.all() or self._spec.time_format:
            return
        # Some are too large to be times at all.
        self.too_late += int((numbers(column, "")[~known] > _TOO_LATE).sum())
        if self._spec.time_unit != "text" and pa.types.is_string(kind):
            unread = column.filter(pa.array(~known))
            self.dates += int(seconds(unread, "text", "")[1].sum())


class _KeptRows:
    """Which rows of a batch stay; a row that is left out counts for the first reason only.

    Args:
        rows: size of the batch.
        file, first: the file's name, and the number of the batch's first row in it, from 1.
        findings: collects what is left out.
    """

    def __init__(self, rows: int, file: str, first: int, findings: Findings) -> None:
        self.rows = np.ones(rows, dtype=bool)
        self.file = file
        self._first, self._findings = first, findings

    def leave_out(self, name: str, bad: np.ndarray, says: str, values: Any = None) -> None:
        """Leaves out rows, bool [n]; ``values`` give the example."""
        where = self.notice(name, bad, f"rows left out for {says}", values, left_out=True)
        self.rows[where] = False

    def notice(
        self, name: str, odd: np.ndarray, says: str, values: Any = None, left_out: bool = False
    ) -> np.ndarray:
        """Counts the odd rows, bool [n], among those that stay, and returns their indices."""
        where = np.flatnonzero(odd & self.rows)
        if len(where):
            example = f"{self.file}, row {self._first + where[0]}"
            if values is not None:
                shown = as_text(values.slice(int(where[0]), 1), self.file)[0]
                example += f", {str(shown)!r:.{SHOWN}}"
            self._findings.add(name, len(where), says, example, left_out)
        return where


def _empty(column: Any, parsed: np.ndarray) -> np.ndarray:
    """Where a row is empty, bool [n]; looks only at rows without a parsed value."""
    unread: np.ndarray = np.isnan(parsed)
    where = np.flatnonzero(unread)
    texts: Sequence[Any] = as_text(column, "").take(where).to_pylist() if len(where) else ()
    unread[where] = [text is None or (isinstance(text, str) and not text.strip()) for text in texts]
    return unread
