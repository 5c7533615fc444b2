"""Tables that are joined to rows: found by a key, in memory, with the columns that are wanted."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.tabular.findings import SHOWN
from fusionrec.data.tabular.ids import check_exact
from fusionrec.data.tabular.readers.compression import translate_errors
from fusionrec.data.tabular.readers.files import SourceFile
from fusionrec.data.tabular.readers.source import OnFinding
from fusionrec.data.tabular.source_spec import JoinSpec
from fusionrec.errors import DataError

_PACKED = (".gz", ".zst", ".bz2", ".xz", ".zip")


def stem(name: str) -> str:
    """A file's name without its folder and endings: ``orders`` of ``data/orders.csv.gz``."""
    path = PurePath(name)
    if path.suffix.lower() in _PACKED:
        path = path.with_suffix("")
    return path.stem


def join_name(spec: JoinSpec) -> str:
    """What a joined table is called, in messages and before the dot of its columns."""
    return spec.table or stem(spec.files)


@dataclass(frozen=True)
class Lookup:
    """Rows by a key.

    Attributes:
        keys: pyarrow strings [n], distinct and sorted.
        rows: pyarrow Table of n rows; of several with one key the first.
        differing: how many keys have rows that differ in these columns.
        example: one of them.
    """

    keys: Any
    rows: Any
    differing: int = 0
    example: str = ""

    @classmethod
    def of(cls, table: Any, key: str) -> Lookup:
        """The rows of a pyarrow Table by one of its columns; rows without a key are left out."""
        import pyarrow.compute as pc

        keys = key_texts(table[key], key)
        order = pc.sort_indices(keys)  # stable
        keys = keys.take(order).drop_null()
        taken = order.to_numpy()[: len(keys)]
        new = np.ones(len(keys), dtype=bool)
        if len(keys) > 1:
            new[1:] = pc.not_equal(keys[1:], keys[:-1]).to_numpy(zero_copy_only=False)
        firsts = np.flatnonzero(new)
        again = np.flatnonzero(~new)
        first = firsts[np.searchsorted(firsts, again) - 1]
        differ = np.zeros(len(again), dtype=bool)
        for column in table.columns if len(again) else ():
            differ |= _differ(column.take(taken[again]), column.take(taken[first]))
        unlike = np.unique(first[differ])
        example = repr(keys[int(unlike[0])].as_py())[:SHOWN] if len(unlike) else ""
        rows = table.take(taken[firsts]).combine_chunks()
        return cls(keys.filter(new), rows, len(unlike), example)

    def find(self, keys: Any) -> Any:
        """The row of each key, pyarrow int64 [m]; null where there is none."""
        import pyarrow as pa
        import pyarrow.compute as pc

        encoded = keys.dictionary_encode()
        if not len(self.keys):
            return pa.nulls(len(keys), pa.int64())
        at = pc.min_element_wise(
            pc.search_sorted(self.keys, encoded.dictionary).cast(pa.int64()), len(self.keys) - 1
        )
        same = pc.equal(self.keys.take(at), encoded.dictionary)
        return pc.if_else(same, at, None).take(encoded.indices)


def join(rows: Any, on: str, lookup: Lookup, columns: Mapping[str, str]) -> tuple[Any, np.ndarray]:
    """Adds columns of a lookup to each row; the rows keep their order.

    Args:
        rows: a pyarrow Table of n rows.
        on: its column of keys.
        lookup: what is joined.
        columns: new name -> column of the lookup.

    Returns:
        The Table, with null where no key was found, and bool [n], where that is.
    """
    import pyarrow.compute as pc

    found = lookup.find(key_texts(rows[on], on))
    for name, column in columns.items():
        rows = rows.append_column(name, lookup.rows[column].take(found))
    return rows, pc.is_null(found).to_numpy(zero_copy_only=False)


class JoinedTable:
    """A table that is joined, read when its columns are first wanted.

    Args:
        spec: where it is and how it is joined.
        sources: its files.

    Attributes:
        name: see ``join_name``.
        on: the column of keys of the rows that it is joined to.
    """

    def __init__(self, spec: JoinSpec, sources: Sequence[SourceFile]) -> None:
        self.name, self.on, self._key = join_name(spec), spec.on, spec.key or spec.on
        self._sources = sources
        self._lookup: Lookup | None = None
        self._columns: set[str] = set()
        for source in sources:
            source.require(self._key, "join.key" if spec.key else "join.on")

    def added(self, known: Collection[str]) -> dict[str, tuple[str, str]]:
        """New column -> its name here and its type, beside the columns that rows already have."""
        found = {}
        for column, kind in self._sources[0].types.items():
            if column != self._key or self._key != self.on:
                found[f"{self.name}.{column}" if column in known else column] = (column, kind)
        return found

    def lookup(self, columns: Collection[str], on_finding: OnFinding) -> Lookup:
        """The rows by their key, with these columns at least.

        Args:
            columns: names in this table.
            on_finding: as in ``SourceFile.batches``.

        Raises:
            DataError: as ``SourceFile.batches``.
        """
        import pyarrow as pa

        if self._lookup is None or not self._columns.issuperset(columns):
            self._columns.update(columns, [self._key])
            wanted, tables = sorted(self._columns), []
            with translate_errors(self._sources[0].path):
                for source in self._sources:
                    batches = source.batches(wanted, on_finding=on_finding)
                    tables += [pa.Table.from_batches([batch]) for batch in batches]
                self._lookup = Lookup.of(_stacked(tables, wanted), self._key)
        return self._lookup


def key_texts(values: Any, where: str) -> Any:
    """A column of keys as text, as ids are; also ``17.0`` in a text is ``17``, since a table of
    one program may have whole numbers where that of another has floats.

    Raises:
        DataError: the keys are lists, or floats too large to be told apart, or as ``as_text``.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    values = _whole(values)
    if pa.types.is_floating(values.type):
        check_exact(values, where)
    texts = as_text(values, where)
    if pa.types.is_nested(texts.type):
        raise DataError(f"{where}: expected one key in each row, got {values.type}")
    texts = texts.cast(pa.string())
    if pc.any(pc.ends_with(texts, ".0")).as_py():
        texts = pc.replace_substring_regex(texts, r"^(-?[0-9]+)\.0$", r"\1")
    return texts


def _whole(values: Any) -> Any:
    import pyarrow as pa

    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values


def _stacked(tables: Sequence[Any], names: Sequence[str]) -> Any:
    """Tables below each other; columns whose types do not go together become text."""
    import pyarrow as pa

    if not tables:
        return pa.table({name: pa.nulls(0, pa.string()) for name in names})
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        texts = [
            pa.table({name: as_text(_whole(table[name]), name) for name in names})
            for table in tables
        ]
        return pa.concat_tables(texts, promote_options="permissive")


def _differ(one: Any, other: Any) -> np.ndarray:
    """Where two columns differ, bool [n]; lists and objects are not compared."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(one.type):
        return np.zeros(len(one), dtype=bool)
    unlike = pc.fill_null(pc.not_equal(one, other), False)
    half = pc.xor(pc.is_null(one), pc.is_null(other))
    where: np.ndarray = pc.or_(unlike, half).to_numpy(zero_copy_only=False)
    return where
