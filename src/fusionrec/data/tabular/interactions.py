"""The interactions: who took what, what it says of them, and when; row by row from the files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from fusionrec.data.dataset import CLOCK_ERROR
from fusionrec.data.tabular.casting import PER_SECOND, as_text, commas, numbers, seconds
from fusionrec.data.tabular.findings import SHOWN, Findings
from fusionrec.data.tabular.ids import EMPTY, UNFIT, Ids, coded
from fusionrec.data.tabular.readers.compression import OnBytes
from fusionrec.data.tabular.readers.files import SourceFile
from fusionrec.data.tabular.spec import LARGEST, InteractionsSpec
from fusionrec.data.values import LONGEST_ID

KINDS = 1_000  # kinds of events that are counted apart
_TOO_LATE = 4_102_444_800  # the year 2100


class RowReader:
    """Gathers the columns of all interactions that can be used.

    Args:
        described: what the ``fusionrec.toml`` says of them.
        users, items: the ids; those that they lack are added.
        findings: are told of what is left out.
        now: seconds since 1970; rows of a later time are left out. Clocks may differ by some
            minutes.
    """

    def __init__(
        self, described: InteractionsSpec, users: Ids, items: Ids, findings: Findings, now: int
    ) -> None:
        self._described, self._findings, self._now = described, findings, now
        self._ids = (("user", described.user, users), ("item", described.item, items))
        self._parts: list[list[np.ndarray]] = [[] for _ in range(3 + bool(described.time))]
        self.kinds: Counter[str] = Counter()
        self.rows = 0
        self.too_late = 0  # of those with a time
        self.dates = 0  # of those whose time should be a number and is none

    def read(self, source: SourceFile, told: OnBytes) -> None:
        """Takes in a file.

        Raises:
            DataError: a column is missing, or as ``SourceFile.batches``.
        """
        said = self._described
        names = ("user", "item", "rating", "count", "event", "time")
        columns = {name: getattr(said, name) for name in names if getattr(said, name)}
        for name, column in columns.items():
            source.require(column, f"interactions.{name}")
        first = 1
        wanted = list(dict.fromkeys(columns.values()))
        for batch in source.batches(wanted, told, self._findings.once):
            self._take(batch, source.path.name, first)
            first += len(batch)
        self.rows += first - 1

    def columns(self) -> tuple[np.ndarray, ...]:
        """User and item, int32 [n], rating, float32 [n] (or count), and time, int64 [n], if any."""
        joined = []
        for parts in self._parts:
            joined.append(np.concatenate(parts or [np.zeros(0)]))
            parts.clear()  # one column after the other, so that memory holds one of them twice
        return tuple(joined)

    def _take(self, batch: Any, file: str, first: int) -> None:
        kept = _KeptRows(len(batch), file, first, self._findings)
        rating = self._rating(batch, kept)
        time = self._time(batch, kept)
        named = []
        for side, column, ids in self._ids:
            texts, codes = coded(batch.column(column), f"{file}: {column}")
            found = ids.look_up(texts)
            judged = found[codes]
            kept.leave_out(f"{side}_empty", judged == EMPTY, f"no {side} id")
            says = f"a {side} id of over {LONGEST_ID} characters, or with a control character"
            kept.leave_out(f"{side}_unfit", judged == UNFIT, says, batch.column(column))
            named.append((ids, texts, found, codes))
        # Only now are ids given positions: nobody is known by rows that are left out.
        rows = np.flatnonzero(kept.rows)
        parts = [ids.place(texts, found, codes[rows]) for ids, texts, found, codes in named]
        parts.append(rating[rows].astype(np.float32))
        if time is not None:
            parts.append(time[rows])
            self._look_at_times(time[rows])
        for gathered, part in zip(self._parts, parts, strict=True):
            gathered.append(part)

    def _rating(self, batch: Any, kept: _KeptRows) -> np.ndarray:
        said = self._described
        if said.event:
            return self._weights(batch.column(said.event), kept)
        if not said.rating and not said.count:
            return np.ones(len(batch))
        column = batch.column(said.rating or said.count)
        found = numbers(column, f"{kept.file}: {said.rating or said.count}")
        says = "numbers with a decimal comma, read as if it were a point"
        kept.notice("rating_comma", commas(column), says, column)
        kept.leave_out("rating_empty", _empty(column, found), f"no {_what(said)}")
        if said.rating:
            low, high = said.scale
            bad = ~((found >= low) & (found <= high))
            says = f"a rating that is no number of {low:g} to {high:g}"
        else:
            bad = ~((found > 0) & (found <= LARGEST))
            says = f"a count that is no number above 0 up to {LARGEST:g}"
        kept.leave_out("rating_unfit", bad, says, column)
        return found

    def _weights(self, column: Any, kept: _KeptRows) -> np.ndarray:
        weights = self._described.events
        texts, codes = coded(column, f"{kept.file}: {self._described.event}")
        counts = np.bincount(codes, minlength=len(texts)).tolist()
        for text, count in zip(texts, counts, strict=True):
            kind = (text or "")[:SHOWN]
            if kind and (kind in self.kinds or len(self.kinds) < KINDS):
                self.kinds[kind] += count
        weight: np.ndarray = np.array(
            [weights.get(t or "", 0.0 if weights else 1.0) for t in texts]
        )[codes]
        kept.leave_out("event_empty", codes == len(texts) - 1, "no kind of event")
        says = f"an event that is none of {', '.join(weights)}"[:300]
        kept.leave_out("event_other", weight == 0, says, column)
        return weight

    def _time(self, batch: Any, kept: _KeptRows) -> np.ndarray | None:
        said = self._described
        if not said.time:
            return None
        column = batch.column(said.time)
        found, known = seconds(column, said.time_unit, f"{kept.file}: {said.time}")
        self.too_late += _too_late(column, found, known)
        if said.time_unit != "text" and not known.all():
            self.dates += _dates(column, known)
        stays = "leave time out to keep such rows"
        empty = _empty(column, np.where(known, 0.0, np.nan))
        kept.leave_out("time_empty", empty, f"no time; {stays}")
        says = f"a time that is none in {_unit(said)}; {stays}"
        kept.leave_out("time_unfit", ~known, says, column)
        zone = "" if said.time_unit in PER_SECOND else " (without a zone a time is UTC)"
        says = f"a time in the future{zone}; {stays}"
        kept.leave_out("time_future", found > self._now + CLOCK_ERROR, says, column)
        return found

    def _look_at_times(self, time: np.ndarray) -> None:
        for name, odd, says in (
            ("time_early", time < 0, "times before 1970"),
            ("time_1970", (time >= 0) & (time < 366 * 86_400), "times in 1970, of a wrong unit?"),
        ):
            self._findings.add(name, int(odd.sum()), says)


class _KeptRows:
    """Which rows of a batch stay; each that does not is counted for the first reason alone.

    Args:
        rows: how many there are.
        file, first: the file's name, and the number of the batch's first row in it, from 1.
        findings: are told of what is left out.
    """

    def __init__(self, rows: int, file: str, first: int, findings: Findings) -> None:
        self.rows = np.ones(rows, dtype=bool)
        self.file = file
        self._first, self._findings = first, findings

    def leave_out(self, name: str, bad: np.ndarray, says: str, values: Any = None) -> None:
        """Leaves rows out, bool [n]; with ``values`` the first one's is shown."""
        where = self.notice(name, bad, f"rows left out for {says}", values, left_out=True)
        self.rows[where] = False

    def notice(
        self, name: str, odd: np.ndarray, says: str, values: Any = None, left_out: bool = False
    ) -> np.ndarray:
        """Counts the rows that are odd, bool [n], of those that stay; gives their places."""
        where = np.flatnonzero(odd & self.rows)
        if len(where):
            example = f"{self.file}, row {self._first + where[0]}"
            if values is not None:
                example += f", {str(values[int(where[0])].as_py())!r:.{SHOWN}}"
            self._findings.add(name, len(where), says, example, left_out)
        return where


def _too_late(column: Any, found: np.ndarray, known: np.ndarray) -> int:
    """How many numbers lie beyond the year 2100 as times; dates have no unit to be mistaken."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return 0
    late = int((found > _TOO_LATE).sum())
    if not known.all():  # so far beyond that they are no times
        late += int((numbers(column, "")[~known] > _TOO_LATE).sum())
    return late


def _dates(column: Any, known: np.ndarray) -> int:
    """How many of the texts that are no numbers are dates."""
    import pyarrow as pa

    if not pa.types.is_string(column.type):
        return 0
    return int(seconds(column.filter(pa.array(~known)), "text", "")[1].sum())


def _empty(column: Any, found: np.ndarray) -> np.ndarray:
    """Where nothing stands, bool [n]; looked for only where no value was found."""
    unread: np.ndarray = np.isnan(found)
    where = np.flatnonzero(unread)
    texts: Sequence[Any] = as_text(column, "").take(where).to_pylist() if len(where) else ()
    unread[where] = [text is None or (isinstance(text, str) and not text.strip()) for text in texts]
    return unread


def _what(said: InteractionsSpec) -> str:
    return "rating" if said.rating else "count"


def _unit(said: InteractionsSpec) -> str:
    if said.time_unit == "text":
        return "ISO 8601, such as 2024-05-01 12:30:00"
    return f"{said.time_unit} since 1970"
