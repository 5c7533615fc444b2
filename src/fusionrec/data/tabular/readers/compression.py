"""Opens packed and plain files as streams of bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fusionrec.errors import DataError

OnBytes = Callable[[int], None]  # called with the bytes of a file read so far

BLOCK = 8 << 20  # bytes of text parsed at a time; no line may be longer


@contextmanager
def open_bytes(path: Path, compression: str) -> Iterator[tuple[Any, Any]]:
    """A stream of a file's unpacked bytes, and the file below it; both pyarrow NativeFiles."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        if not compression:
            yield file, file
            return
        with pa.CompressedInputStream(file, compression) as stream:
            yield stream, file


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turns errors of pyarrow and the system into DataErrors that name the file.

    Raises:
        DataError: the file cannot be read.
    """
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        why = str(error).splitlines()[0][:300]
        raise DataError(f"{path} cannot be read: {why}", "get a fresh copy of it") from error
