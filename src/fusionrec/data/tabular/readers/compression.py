"""Opens packed and plain files as streams of bytes, and reads them line by line."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from fusionrec.data.tabular.readers.file_names import no_table_name
from fusionrec.errors import DataError

OnBytes = Callable[[int], None]  # called with the bytes of a file read so far

BLOCK = 8 << 20  # bytes of text parsed at a time; no line may be longer

# How a packed file begins -> its compression. A zip archive is told apart by what it holds.
PACKED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bz2",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "zip",
}
PACKED_ENDINGS = (".gz", ".zst", ".bz2", ".xz", ".zip")


@contextmanager
def open_bytes(path: Path, compression: str, encoding: str = "") -> Iterator[tuple[Any, Any]]:
    """A stream of a file's unpacked bytes, a pyarrow NativeFile, and the file below it, whose
    ``tell`` says how much was read. With an encoding the bytes are UTF-8, whatever the file's.
    """
    import pyarrow as pa

    with ExitStack() as stack:
        if compression == "xz":
            file = stack.enter_context(path.open("rb"))
            stream = pa.PythonFile(stack.enter_context(lzma.open(file)), mode="r")
        elif compression == "zip":
            file = stack.enter_context(path.open("rb"))
            archive = stack.enter_context(zipfile.ZipFile(file))
            member = stack.enter_context(archive.open(only_member(path, archive)))
            stream = pa.PythonFile(member, mode="r")
        else:
            file = stream = stack.enter_context(pa.OSFile(str(path)))
            if compression:
                stream = stack.enter_context(pa.CompressedInputStream(file, compression))
        yield pa.transcoding_input_stream(stream, encoding, "utf8") if encoding else stream, file


def only_member(path: Path, archive: zipfile.ZipFile) -> str:
    """The name of the one file in a zip archive that may be a table.

    Raises:
        DataError: there are several, or none.
    """
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/") and not name.startswith("__MACOSX/") and not no_table_name(name)
    ]
    if len(names) != 1:
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise DataError(
            f"{path}: expected a zip archive of one table, it holds {len(names)} files"
            + (f": {shown}" if names else ""),
            "unpack it and give the folder",
        )
    return names[0]


@contextmanager
def translate_errors(path: Path) -> Iterator[None]:
    """Turns errors of the libraries that read files, and of the system, into DataErrors that name
    the file.

    Raises:
        DataError: the file cannot be read.
    """
    import pyarrow as pa

    try:
        yield
    except UnicodeError as error:
        raise DataError(
            f"{path} cannot be read: {error}"[:400],
            'name its encoding in fusionrec.toml, such as encoding = "cp1252", or save it as UTF-8',
        ) from error
    except (
        OSError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        RuntimeError,  # of zipfile: a password is wanted; NotImplementedError is one of them
        pa.ArrowException,
    ) as error:
        why = (str(error) or type(error).__name__).splitlines()[0][:300]
        raise DataError(f"{path} cannot be read: {why}", "get a fresh copy of it") from error


def line_blocks(path: Path, stream: Any, first: int = 1) -> Iterator[tuple[int, bytes]]:
    """Whole lines, about ``BLOCK`` bytes at a time, and the number of the first of them.

    Args:
        path: for messages.
        stream: has a ``read``, which may return fewer bytes than it is asked for.
        first: the number of the stream's first line.

    Raises:
        DataError: a line is longer than ``BLOCK`` bytes.
    """
    line, block, rest = first, b"", b""
    while piece := stream.read(BLOCK):
        if block.strip():
            yield line, block
        line += block.count(b"\n")
        cut = piece.rfind(b"\n") + 1
        block, rest = (rest + piece[:cut], piece[cut:]) if cut else (b"", rest + piece)
        if len(rest) > BLOCK:
            number = line + block.count(b"\n")
            says = f"expected lines of {BLOCK:,} bytes at most, got a longer one"
            raise DataError(f"{path}, line {number}: {says}", "is there a line end after each row?")
    block += rest  # whose line has no end
    if block.strip():
        yield line, block


class JoinedBytes(io.RawIOBase):
    """Pieces of bytes as one stream; read it through ``io.BufferedReader``."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        length = min(len(buffer), len(self._rest))
        buffer[:length] = self._rest[:length]
        self._rest = self._rest[length:]
        return length
