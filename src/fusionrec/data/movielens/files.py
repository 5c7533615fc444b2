"""Reads the files of a data set in a folder or zip; errors name file and line."""

from __future__ import annotations

import codecs
import contextlib
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np

from fusionrec.errors import DataError

# Ten times the largest file of MovieLens: larger ones are a mistake or a zip bomb.
LARGEST = 256 * 1024**2
# Raised by zipfile on damaged, encrypted or unusual archives.
_UNZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8 with a byte order mark"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_AGAIN = "get a fresh copy of the archive, or unpack it and give the folder"


@dataclass(frozen=True)
class Bundle:
    """The files of one folder.

    Attributes:
        location: the folder, or the zip and the folder in it; for messages.
        names: the files' names, without folders.
    """

    location: str
    names: frozenset[str]
    _load: Callable[[str], bytes]

    def read(self, file: str) -> bytes:
        """A file's content with Unix line ends, without blank lines at its end.

        Raises:
            DataError: the file is missing, unreadable, empty, too large, or has a byte
                order mark or NUL bytes.
        """
        if file not in self.names:
            raise DataError(f"{self.location}: {file} is missing", f"put {file} beside the others")
        content = self._load(file)
        where = f"{self.location}/{file}"
        for mark, encoding in _MARKS:
            if content.startswith(mark):
                raise DataError(
                    f"{where}: expected Latin-1 or plain UTF-8 text, got {encoding}",
                    "save the file as UTF-8 without a byte order mark",
                )
        if b"\0" in content:
            line = content.count(b"\n", 0, content.index(b"\0")) + 1
            raise DataError(
                f"{where}, line {line}: expected text, got a NUL byte: UTF-16 or a damaged file",
                "save the file as UTF-8, or get a fresh copy of it",
            )
        if b"\r" in content:
            content = content.replace(b"\r\n", b"\n")
        if content.endswith(b"\n\n"):  # only if needed: this copies the whole file
            content = content.rstrip(b"\n")
        if content in (b"", b"\n"):
            raise DataError(f"{where}: the file is empty", "get a fresh copy of it")
        return content

    def lines(self, file: str) -> list[str]:
        """A file's lines, decoded as UTF-8, or else Latin-1, as MovieLens is published.

        Raises:
            DataError: as ``read``.
        """
        content = self.read(file)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = content.decode("latin-1")
        # Not splitlines: it also cuts at characters such as \x85, which Latin-1 text may hold.
        return text.removesuffix("\n").split("\n")

    def fail(self, file: str, line: int, expected: str, got: object) -> NoReturn:
        """Raises the DataError of a bad line (``line`` counts from 1)."""
        shown = got if isinstance(got, str) else repr(got)
        raise DataError(
            f"{self.location}/{file}, line {line}: expected {expected}, got {shown[:120]}",
            "correct or remove that line, or get a fresh copy of the file",
        )

    def numbers(
        self, file: str, separator: bytes, count: int, header: str = ""
    ) -> list[np.ndarray]:
        """The columns of a file in which every line is ``count`` whole numbers.

        Args:
            file: its name.
            separator: one or two equal bytes between the numbers.
            count: how many numbers a line has.
            header: the expected first line, if any.

        Returns:
            ``count`` arrays, int64 [n]; row r stands on line r + 1, or r + 2 below a header.

        Raises:
            DataError: as ``read``; or a line is not ``count`` whole numbers; names the line.
        """
        import pandas as pd

        text = self.read(file)
        if header:
            first, _, text = text.partition(b"\n")
            if first != header.encode():
                self.fail(file, 1, f"the header {header!r}", first.decode("latin-1"))
        step = len(separator)
        if _all_digits_between(text, separator, count):
            # An empty field or a number of too many digits; _fail_at_first names its line.
            with contextlib.suppress(ValueError, OverflowError):
                frame = pd.read_csv(
                    io.BytesIO(text),
                    sep=separator[:1].decode(),
                    header=None,
                    usecols=list(range(0, count * step, step)),
                    dtype=np.int64,
                    na_filter=False,
                )
                return [frame[column].to_numpy() for column in frame.columns]
        return self._fail_at_first(text, file, separator, count, 2 if header else 1)

    def _fail_at_first(
        self, text: bytes, file: str, separator: bytes, count: int, start: int
    ) -> NoReturn:
        """Raises the DataError of the first line that is not ``count`` whole numbers; slow."""
        mark = separator.decode().replace("\t", "a tab")
        expected = f"{count} whole numbers with {mark} between"
        good = re.compile(re.escape(separator).join([rb"[0-9]{1,18}"] * count))
        for line, content in enumerate(text.removesuffix(b"\n").split(b"\n"), start):
            if not good.fullmatch(content):
                self.fail(file, line, expected, repr(content.decode("latin-1")))
        raise DataError(f"{self.location}/{file}: expected lines of {expected}", _AGAIN)


def _all_digits_between(text: bytes, separator: bytes, count: int) -> bool:
    """Whether each line has ``count`` fields of digits; fields may still be empty.

    Without its digits a good file repeats the same few bytes, which one comparison checks. For a
    doubled separator the pairs are counted too: ``1:2::`` has as many colons as ``12::`` has, but
    not in pairs.
    """
    line = separator * (count - 1) + b"\n"
    rest = text.translate(None, b"0123456789")
    rows = -(-len(rest) // len(line))  # the last may lack its line end
    if rest != (line * rows)[: len(rest)] or len(rest) < len(line) * rows - 1:
        return False
    if len(separator) == 1:
        return True
    # NumPy counts pairs several times faster than text.count.
    marks = np.frombuffer(text, dtype=np.uint8) == separator[0]
    return int(np.count_nonzero(marks[:-1] & marks[1:])) == rows * (count - 1)


def bundles(path: Path) -> list[Bundle]:
    """The bundles of a folder (itself and its subfolders) or of a zip (each folder in it).

    Raises:
        DataError: the path does not exist, or is neither a folder nor a readable zip.
    """
    try:
        if path.is_dir():
            folders = [path, *sorted(p for p in path.iterdir() if p.is_dir())]
            return [_folder(folder) for folder in folders]
        return _zip(path)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file or folder", "check the path") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _UNZIP_ERRORS as error:
        raise DataError(
            f"{path}: expected a zip archive or a folder, got a file that is neither or is cut off",
            _AGAIN,
        ) from error


def single(path: Path) -> Bundle:
    """The bundle of a file's folder.

    Raises:
        DataError: the file does not exist.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file", "check the path")
    return _folder(path.parent)


def _folder(folder: Path) -> Bundle:
    def load(file: str) -> bytes:
        try:
            return (folder / file).read_bytes()
        except OSError as error:
            raise DataError(
                f"{folder / file}: cannot be read: {error.strerror or error}"
            ) from error

    names = frozenset(p.name for p in folder.iterdir() if p.is_file())
    return Bundle(str(folder), names, load)


def _zip(path: Path) -> list[Bundle]:
    with zipfile.ZipFile(path) as archive:
        members = [i.filename for i in archive.infolist() if not i.is_dir()]
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for member in members:
        parts = PurePosixPath(member)
        folders.setdefault(parts.parent, {})[parts.name] = member

    def bundle(parent: PurePosixPath, files: dict[str, str]) -> Bundle:
        return Bundle(str(path / parent), frozenset(files), lambda file: _member(path, files[file]))

    return [bundle(parent, files) for parent, files in sorted(folders.items())]


def _member(path: Path, member: str) -> bytes:
    """One file of a zip, read into memory: nothing is unpacked to paths from the archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo(member).file_size
            if size > LARGEST:
                raise DataError(
                    f"{path}/{member}: unpacks to {size:,} bytes, expected at most {LARGEST:,}",
                    "this is no archive of MovieLens; check where it comes from",
                )
            return archive.read(member)
    except (OSError, *_UNZIP_ERRORS) as error:
        raise DataError(f"{path}/{member}: cannot be unpacked: {error}", _AGAIN) from error
