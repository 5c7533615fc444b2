"""Reads the files of a folder or zip; errors name file and line."""

from __future__ import annotations

import codecs
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NoReturn

import numpy as np

from fusionrec.errors import DataError, reason

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

    def read(self, file: str, header: str = "") -> bytes:
        """A file's content below its header, with Unix line ends, without blank lines at its end.

        Raises:
            DataError: the file is missing, unreadable, empty or too large, has a byte order mark or
                NUL bytes, or another first line than ``header``, if there is one.
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
        if header:
            first, _, content = content.partition(b"\n")
            if first != header.encode():
                self.fail(file, 1, f"the header {header!r}", first.decode("latin-1"))
        return content

    def lines(self, file: str, header: str = "") -> list[str]:
        """What ``read`` returns as lines, decoded as UTF-8, or else Latin-1, as MovieLens is."""
        content = self.read(file, header)
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
        """The columns, int64 [n], of a file whose every line is ``count`` whole numbers.

        ``separator`` is one or two equal bytes.

        Raises:
            DataError: as ``read``; or a line is malformed; names the line.
        """
        import pandas as pd

        text = self.read(file, header)
        # At most 18 digits, which an int64 holds. Possessive (+), so that it never backtracks.
        row = re.escape(separator).join([b"[0-9]{1,18}+"] * count)
        good = re.compile(b"(?:" + row + rb"(?:\n|\Z))*+").match(text)
        end = good.end() if good else 0
        if end < len(text) or not text:
            line = text.count(b"\n", 0, end) + (2 if header else 1)
            mark = separator.decode().replace("\t", "a tab")
            got = text[end:].split(b"\n", 1)[0].decode("latin-1")
            self.fail(file, line, f"{count} whole numbers with {mark} between", repr(got))
        step = len(separator)
        frame = pd.read_csv(
            io.BytesIO(text),
            sep=separator[:1].decode(),
            header=None,
            usecols=list(range(0, count * step, step)),
            dtype=np.int64,
            na_filter=False,
        )
        return [frame[column].to_numpy() for column in frame.columns]


def bundles(path: Path) -> list[Bundle]:
    """The bundles of a folder (itself and its subfolders) or of a zip (each folder in it).

    Raises:
        DataError: the path does not exist, or is neither a folder nor a readable zip.
    """
    try:
        if path.is_dir():
            inner = sorted(p for p in path.iterdir() if p.is_dir())
            return [_folder(folder) for folder in (path, *inner)]
        with zipfile.ZipFile(path) as archive:
            members = [i.filename for i in archive.infolist() if not i.is_dir()]
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file or folder", "check the path") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    except _UNZIP_ERRORS as error:
        raise DataError(
            f"{path}: expected a zip archive or a folder, got a file that is neither or is cut off",
            _AGAIN,
        ) from error
    folders: dict[PurePosixPath, dict[str, str]] = {}
    for member in members:
        parts = PurePosixPath(member)
        folders.setdefault(parts.parent, {})[parts.name] = member
    return [
        Bundle(str(path / parent), frozenset(files), partial(_member, path, files))
        for parent, files in sorted(folders.items())
    ]


def single(path: Path) -> Bundle:
    """The bundle of a file's folder; a DataError if the file does not exist."""
    if not path.is_file():
        raise DataError(f"{path}: no such file", "check the path")
    return _folder(path.parent)


def _folder(folder: Path) -> Bundle:
    def load(file: str) -> bytes:
        try:
            return (folder / file).read_bytes()
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{folder / file}: cannot be read: {reason}") from error

    return Bundle(str(folder), frozenset(p.name for p in folder.iterdir() if p.is_file()), load)


def _member(path: Path, files: Mapping[str, str], name: str) -> bytes:
    """One file of a zip, read into memory: nothing is unpacked to paths from the archive."""
    member = files[name]
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
        raise DataError(f"{path}/{member}: cannot be unpacked: {reason(error)}", _AGAIN) from error
