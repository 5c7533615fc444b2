"""The standard streams: messages that cannot be written are lost, data that cannot is an error.

A log on a full disk or a pipe whose reader has gone makes every write to stderr fail. No work ends
for that.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO

from fusionrec.errors import FusionrecError

Talk = Callable[[str], None]


def unfailing(talk: Talk) -> Talk:
    """A talk that raises nothing but Ctrl-C, whatever becomes of the message."""

    def told(text: str) -> None:
        try:
            talk(text)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return

    return told


def keep_stderr() -> None:
    """Makes this process's stderr one to which writing never fails: what cannot be written is lost.
    Where it is closed, it leads nowhere, so that no other file gets its number.
    """
    if sys.stderr is None:
        _occupy(2, os.O_WRONLY)
    sys.stderr = _stream(_Lossy(2, "w", closefd=False), sys.stderr)


def check_stdout() -> None:
    """Makes this process's stdout one that says so where data cannot be written to it: it raises a
    FusionrecError, also where it is closed; a pipe whose reader has gone stays a BrokenPipeError.
    """
    if sys.stdout is None:
        _occupy(1, os.O_RDONLY)  # every write fails
    sys.stdout = _stream(_Checked(1, "w", closefd=False), sys.stdout)


class _Lossy(io.FileIO):
    def write(self, data: Any) -> int:
        with suppress(OSError):
            super().write(data)
        return len(data)


class _Checked(io.FileIO):
    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FusionrecError(
                f"the output cannot be written: {error.strerror}",
                hint="what was printed is not complete; print to a place that has room",
            ) from error


def _occupy(number: int, mode: int) -> None:
    """Opens the null device under a number of a file, unless something is open under it."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, mode)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _stream(file: io.FileIO, before: TextIO | None) -> TextIO:
    """Text over a file, as the stream before it wrote it."""
    if not isinstance(before, io.TextIOWrapper):
        return io.TextIOWrapper(
            io.BufferedWriter(file), "utf-8", "backslashreplace", line_buffering=True
        )
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        before.encoding,
        before.errors,
        line_buffering=before.line_buffering,
        write_through=before.write_through,
    )
