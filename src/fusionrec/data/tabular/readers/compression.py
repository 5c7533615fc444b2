"""The bytes of a file, unpacked, and what is said if they cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fusionrec.errors import DataError

OnBytes = Callable[[int], None]  # of how many bytes of a file were read by then

BLOCK = 8 << 20  # bytes of text that are parsed at a time, and so the longest line


@contextmanager
def open_bytes(path: Path, compression: str) -> Iterator[tuple[Any, Any]]:
    """A stream of a file's bytes, unpacked, and the file below it; pyarrow's NativeFiles."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        if not compression:
            yield file, file
            return
        with pa.CompressedInputStream(file, compression) as stream:
            yield stream, file


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Says which file it was if it cannot be read.

    Raises:
        DataError: what pyarrow or the system raised.
    """
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        said = str(error).splitlines()[0][:300]
        raise DataError(f"{path} cannot be read: {said}", "get a fresh copy of it") from error
