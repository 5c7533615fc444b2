"""Shapes rows: lists in cells, wide tables and joined ones become a row for each interaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.data.tabular.findings import OF_FILE
from fusionrec.data.tabular.lookup import JoinedTable, Lookup, join, join_name, stem
from fusionrec.data.tabular.readers.compression import OnBytes, translate_errors
from fusionrec.data.tabular.readers.files import SourceFile
from fusionrec.data.tabular.readers.source import OnFinding
from fusionrec.data.tabular.reshape import COLUMN, VALUE, explode, fill, inner_type, unpivot
from fusionrec.data.tabular.source_spec import FILENAME, ReadSpec, SourceSpec

if TYPE_CHECKING:
    import pyarrow as pa

_CELLS = 1 << 22  # of a wide table, at a time
_MANY = 0.1  # share of rows; more that find nothing mean another key


def shape(
    sources: Sequence[SourceFile],
    spec: SourceSpec,
    open_files: Callable[[ReadSpec], list[SourceFile]],
) -> list[SourceFile]:
    """The sources with their rows shaped, and with a column ``filename`` if it is asked for.

    Args:
        sources: the files of a table.
        spec: says how their rows are shaped.
        open_files: opens the files of a joined table.

    Raises:
        DataError: a column that the spec names is missing, or as ``open_files``.
    """
    joined = [JoinedTable(one, open_files(one)) for one in spec.join]
    return [_shaped(source, spec, joined) for source in sources]


def shape_table(table: pa.Table, spec: SourceSpec, joined: Sequence[pa.Table]) -> pa.Table:
    """A table with its rows shaped, for samples.

    Args:
        table: the rows.
        spec: says how they are shaped.
        joined: the table of each join.
    """
    if spec.fill:
        table = fill(table, spec.fill, None)
    if spec.explode:
        table = explode(table, spec.explode, spec.separator)[0]
    if spec.unpivot:
        table = unpivot(table, spec.unpivot)
    for one, other in zip(spec.join, joined, strict=True):
        key = one.key or one.on
        names = {
            f"{join_name(one)}.{name}" if name in table.column_names else name: name
            for name in other.column_names
            if name != key or key != one.on
        }
        table = join(table, one.on, Lookup.of(other, key), names)[0]
    return table


@dataclass(frozen=True)
class ShapedFile(SourceFile):
    """A file whose rows are shaped.

    Attributes:
        source: the file as it is.
        spec: how its rows are shaped.
        steps: the joined tables, each with the columns there are before it is joined.
    """

    source: Any = None
    spec: SourceSpec = field(default_factory=SourceSpec)
    steps: tuple[tuple[JoinedTable, frozenset[str]], ...] = ()

    def require(self, column: str, setting: str = "") -> None:
        """See ``SourceFile.require``; there always is a column ``filename``."""
        if column != FILENAME:
            super().require(column, setting)

    def _read(
        self, wanted: list[str], on_bytes: OnBytes, on_finding: OnFinding
    ) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        read, steps = self._plan(wanted)
        from_file = [name for name in read if name in self.source.types]
        filled = self.spec.fill if set(self.spec.fill) <= set(from_file) else ()
        if from_file == wanted and not (filled or self.spec.explode or self.spec.unpivot):
            yield from self.source.batches(wanted, on_bytes, on_finding)
            return
        odd = _Oddities(self, on_finding)
        named = FILENAME in read and FILENAME not in self.source.types
        # Without any column a batch would not know how many rows it has.
        of_file = from_file or list(self.source.types)[:1]
        above: pa.Table | None = None
        for batch in self.source.batches(of_file, on_bytes, on_finding):
            whole = pa.Table.from_batches([batch])
            if filled and len(whole):
                whole = fill(whole, filled, above)
                above = whole.slice(len(whole) - 1)
            for table in self._in_parts(whole):
                with translate_errors(self.path):
                    shaped = _selected(self._rows(table, named, steps, odd), wanted)
                yield from shaped.to_batches()
        odd.tell()

    def _plan(
        self, wanted: Sequence[str]
    ) -> tuple[list[str], list[tuple[JoinedTable, dict[str, str]]]]:
        """Which columns of the file to read, and what each join adds: new column -> its name."""
        needed, steps = set(wanted), list[tuple[JoinedTable, dict[str, str]]]()
        for table, known in reversed(self.steps):
            added = {n: c for n, (c, _) in table.added(known).items() if n in needed}
            if added:
                steps.insert(0, (table, added))
                needed = needed - added.keys() | {table.on}
        types, spec = self.source.types, self.spec
        if spec.unpivot:
            kept = {*spec.unpivot, FILENAME}
            needed = {name for name in needed if name in kept}
            needed |= {name for name in types if name not in kept}
        needed |= set(spec.explode)
        if needed & set(spec.fill):
            needed |= set(spec.fill)
        read = [
            name for name in dict.fromkeys([*wanted, *types]) if name in needed and name in types
        ]
        if FILENAME in needed and FILENAME not in types:
            read.append(FILENAME)
        return read, steps

    def _in_parts(self, table: pa.Table) -> Iterator[pa.Table]:
        """Slices of a wide table, so that memory is bounded."""
        rows = max(1, _CELLS // max(1, table.num_columns)) if self.spec.unpivot else len(table)
        for start in range(0, len(table), rows or 1):
            yield table.slice(start, rows)

    def _rows(
        self,
        table: pa.Table,
        named: bool,
        steps: Sequence[tuple[JoinedTable, Mapping[str, str]]],
        odd: _Oddities,
    ) -> pa.Table:
        import pyarrow as pa

        if named:
            name = pa.repeat(stem(self.path.name), len(table))
            table = table.append_column(FILENAME, name)
        spec = self.spec
        if spec.explode:
            table, uneven = explode(table, spec.explode, spec.separator)
            odd.uneven(uneven)
        if spec.unpivot:
            table = unpivot(table, {*spec.unpivot, FILENAME})
        for joined, added in steps:
            lookup = joined.lookup(added.values(), odd.on_finding)
            table, missed = join(table, joined.on, lookup, added)
            odd.missed(joined, lookup, missed)
        return table


def _shaped(source: SourceFile, spec: SourceSpec, joined: Sequence[JoinedTable]) -> ShapedFile:
    """A file with the types of its shaped rows."""
    about = {one.name: getattr(source, one.name) for one in fields(SourceFile)}
    for setting in ("fill", "explode", "unpivot"):
        for name in getattr(spec, setting):
            if name != FILENAME:
                source.require(name, setting)
    types = {
        name: inner_type(kind) if name in spec.explode else kind
        for name, kind in source.types.items()
    }
    if spec.unpivot:
        others = {kind for name, kind in types.items() if name not in spec.unpivot}
        kind = others.pop() if len(others) == 1 else "string"
        types = {name: types[name] for name in types if name in spec.unpivot}
        types |= {COLUMN: "string", VALUE: kind}
    steps = list[tuple[JoinedTable, frozenset[str]]]()
    for table in joined:
        ShapedFile(**about | {"types": types}).require(table.on, "join.on")
        steps.append((table, frozenset(types)))
        types = types | {name: kind for name, (_, kind) in table.added(types).items()}
    return ShapedFile(**about | {"types": types}, source=source, spec=spec, steps=tuple(steps))


class _Oddities:
    """Counts what is odd in the rows of a file.

    Args:
        file: the file.
        on_finding: is told at the end.
    """

    def __init__(self, file: ShapedFile, on_finding: OnFinding) -> None:
        self._file, self.on_finding = file, on_finding
        self._uneven, self._rows, self._first = 0, 0, 0
        self._missed: dict[str, list[Any]] = {}

    def uneven(self, rows: np.ndarray) -> None:
        """Rows whose cells hold unequal numbers of values, bool [n]."""
        if rows.any() and not self._uneven:
            self._first = self._rows + int(rows.argmax()) + 1
        self._uneven += int(rows.sum())
        self._rows += len(rows)

    def missed(self, table: JoinedTable, lookup: Lookup, rows: np.ndarray) -> None:
        """Rows, bool [n], that found nothing in a joined table."""
        seen = self._missed.setdefault(table.name, [table.on, lookup, 0, 0])
        seen[2:] = seen[2] + int(rows.sum()), seen[3] + len(rows)

    def tell(self) -> None:
        """Tells the findings."""
        path, names = self._file.path, ", ".join(self._file.spec.explode)
        if self._uneven:
            says = f"rows left out whose cells of {names} hold unequal numbers of values"
            example = f"{path.name}, row {self._first}"
            self.on_finding(f"explode_uneven{OF_FILE}{path}", self._uneven, says, example, True)
        for name, (on, lookup, missed, rows) in self._missed.items():
            says = f"keys of {name} that stand in several rows which differ: the first one counts"
            example = lookup.example
            self.on_finding(f"join_{name}_repeated", lookup.differing, says, example, True)
            says = f"rows whose {on} is not in {name}, so that nothing is known from there"
            warn = missed > _MANY * rows
            self.on_finding(f"join_{name}_missing{OF_FILE}{path}", missed, says, "", warn)


def _selected(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """Columns of a table, null where a batch has no such column, in one chunk."""
    import pyarrow as pa

    has = set(table.column_names)
    columns = [table[name] if name in has else pa.nulls(len(table)) for name in names]
    return pa.table(columns, list(names)).combine_chunks()
