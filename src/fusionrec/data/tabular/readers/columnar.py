"""Parquet, and Feather or Arrow IPC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec.data.tabular.readers.compression import OnBytes, translate_errors
from fusionrec.data.tabular.readers.nested import flat_types, flatten_table
from fusionrec.data.tabular.readers.source import OnFinding, SourceFile, bounded
from fusionrec.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 16  # of a batch
_FEW_ROWS, _ROWS_A_BYTE = 1_000_000, 20
_PEEK, _LONGEST_ROW = 20, 500_000  # rows that are looked at, and bytes of one
_HEAD = 1000  # rows that show whether bytes are texts
ARROW_FILE, ARROW_STREAM = b"ARROW1", b"\xff\xff\xff\xff"  # how such files begin


class ParquetFile(SourceFile):
    """A Parquet file; objects in columns are columns of their own."""

    def _read(
        self,
        columns: list[str],
        on_bytes: OnBytes,
        on_finding: OnFinding,  # noqa: ARG002 (columns have no lines)
    ) -> Iterator[pa.RecordBatch]:
        import pyarrow.parquet as pq

        with (
            translate_errors(self.path),
            pq.ParquetFile(self.path, buffer_size=1 << 20, pre_buffer=False) as file,
        ):
            size, done = self.path.stat().st_size, 0
            rows = max(file.metadata.num_rows, 1)
            for batch in file.iter_batches(_ROWS, columns=_roots(file.schema_arrow, columns)):
                done += len(batch)
                on_bytes(size * done // rows)
                yield _selected(batch, columns, self.types)


class ArrowFile(SourceFile):
    """A Feather file, or Arrow batches in a file or a stream."""

    def _read(
        self,
        columns: list[str],
        on_bytes: OnBytes,
        on_finding: OnFinding,  # noqa: ARG002 (columns have no lines)
    ) -> Iterator[pa.RecordBatch]:
        size = self.path.stat().st_size
        with translate_errors(self.path), _arrow(self.path) as (_, batches, file):
            for batch in batches:
                on_bytes(min(file.tell(), size))
                for begin in range(0, len(batch), _ROWS):
                    yield _selected(batch.slice(begin, _ROWS), columns, self.types)
            on_bytes(size)


def open_parquet(path: Path) -> SourceFile:
    """Opens a Parquet file.

    Raises:
        DataError: it is damaged, unpacks to rows without end, or two of its columns have one name.
    """
    import pyarrow.parquet as pq

    with translate_errors(path), pq.ParquetFile(path, pre_buffer=False) as file:
        _check_rows(path, file.metadata.num_rows)
        types = _types(path, file.schema_arrow)
        _check_length(path, next(file.iter_batches(_PEEK), None))
        found = _roots(file.schema_arrow, _bytes_in(types))
        head = next(file.iter_batches(_HEAD, columns=found), None) if found else None
        return ParquetFile(path, "parquet", "", types | _texts(head, types))


def _check_rows(path: Path, rows: int) -> None:
    """Raises DataError for a small file that unpacks to rows without end; of real rows, each with
    its user or item, even the most alike take more.
    """
    size = path.stat().st_size
    if rows > max(_FEW_ROWS, _ROWS_A_BYTE * size):
        raise DataError(
            f"{path}: holds {rows:,} rows in {size:,} bytes, as no table of users and items does",
            "look at what wrote it: the rows are nearly all equal",
        )


def _check_length(path: Path, head: pa.RecordBatch | None) -> None:
    """Raises DataError where rows are so long that a block of them fills the memory."""
    if head is not None and head.nbytes > _LONGEST_ROW * max(len(head), 1):
        size = head.nbytes // len(head)
        raise DataError(
            f"{path}: expected rows of {_LONGEST_ROW:,} bytes at most, the first have {size:,}",
            "leave out the column of long values",
        )


def open_arrow(path: Path) -> SourceFile:
    """Opens a Feather file, or Arrow batches; as ``open_parquet``."""
    with translate_errors(path), _arrow(path) as (schema, batches, _):
        types = _types(path, schema)
        head = next(batches, None) if _bytes_in(types) else None
        return ArrowFile(path, "feather", "", types | _texts(head, types))


@contextmanager
def _arrow(path: Path) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch], Any]]:
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        begin = file.read(len(ARROW_FILE))
        file.seek(0)
        if begin == ARROW_FILE:
            reader = pa.ipc.open_file(file)
            numbers = range(reader.num_record_batches)
            yield reader.schema, (reader.get_batch(number) for number in numbers), file
        else:
            stream = pa.ipc.open_stream(file)
            yield stream.schema, iter(stream), file


def _types(path: Path, schema: pa.Schema) -> dict[str, str]:
    bounded(path, len(schema))
    if len(set(schema.names)) < len(schema):
        raise DataError(f"{path}: two columns have one name", "rename one of them")
    types = flat_types(schema)
    bounded(path, len(types))
    return types


def _bytes_in(types: Mapping[str, str]) -> list[str]:
    """The columns of bytes, as which some programs write texts."""
    return [name for name, kind in types.items() if kind in ("binary", "large_binary")]


def _texts(head: pa.RecordBatch | None, types: Mapping[str, str]) -> dict[str, str]:
    """The columns of bytes that are texts in the first rows, with the type of texts."""
    import pyarrow as pa

    texts = {}
    columns = flatten_table(head.slice(0, _HEAD)) if head is not None else {}
    for name in _bytes_in(types):
        with suppress(pa.ArrowInvalid, KeyError):
            columns[name].cast(pa.string())
            texts[name] = "string"
    return texts


def _roots(schema: pa.Schema, columns: list[str]) -> list[str]:
    """The columns of a file of which the named ones are made."""
    return [
        field.name
        for field in schema
        if any(name == field.name or name.startswith(f"{field.name}.") for name in columns)
    ]


def _selected(
    batch: pa.RecordBatch, columns: list[str], types: Mapping[str, str]
) -> pa.RecordBatch:
    import pyarrow as pa

    batch.validate(full=True)  # lengths in a damaged file may lead out of it, texts be no UTF-8
    found = flatten_table(batch)
    for name in columns:
        if types[name] == "string" and not pa.types.is_string(found[name].type):
            found[name] = found[name].cast(pa.string())  # bytes
    return pa.RecordBatch.from_arrays([found[name] for name in columns], names=columns)
