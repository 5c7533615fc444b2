"""One tree of errors; and standard streams on a full disk or in a closed pipe.

A message that cannot be written to stderr is lost, and the work goes on. Data that cannot be
written to stdout is an error.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TextIO


class FusionrecError(Exception):
    """Base of every error that fusionrec raises on purpose.

    Args:
        message: what was expected and what came, in one sentence.
        hint: what to do next, if the same words suit the command line, HTTP and Python; else each
            of them words it from ``code`` and ``details``.
        code: what went wrong, for programs; the class's by default.
        details: values that such a hint names; ``public`` is the message for callers over HTTP,
            where they must not read the other.
    """

    exit_code = 1
    code = "failed"

    def __init__(
        self, message: str, hint: str | None = None, *, code: str = "", **details: Any
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.details = details


class UsageError(FusionrecError):
    """A value given by the caller is not one that can be used (exit code 2)."""

    exit_code = 2
    code = "invalid_argument"


class ConfigError(UsageError):
    """A setting is unknown, of the wrong type or out of its range."""

    code = "invalid_setting"


class DataError(FusionrecError):
    """A data set is missing, damaged or not what its schema says."""

    code = "invalid_data"


class DownloadError(DataError):
    """A data set could not be fetched from any place it is known to be at."""

    code = "download_failed"


class ArtifactError(FusionrecError):
    """A saved model is missing, incomplete, foreign or of another format."""

    code = "invalid_artifact"


class TrainingError(FusionrecError):
    """Training could not go on: the loss is not finite, or a checkpoint does not fit."""

    code = "training_failed"


class StoreError(FusionrecError):
    """The vector store failed; the message names the place."""

    code = "store_failed"


class StoreUnavailableError(StoreError):
    """The store cannot be reached or is locked by another process; it may be there later."""

    code = "store_unavailable"


class StoreInUseError(StoreUnavailableError):
    """An embedded store is open in another process, which alone may use it."""

    code = "store_in_use"


class StoreDamagedError(StoreError):
    """The store is there, but not what was written to it; rebuild it from the artifact."""

    code = "store_damaged"


class StoreMissingError(StoreError):
    """The store has nothing of this name; it has yet to be built from the artifact."""

    code = "store_missing"


class LedgerError(FusionrecError):
    """The ledger cannot be opened or written."""

    code = "ledger_failed"


class EngineError(FusionrecError):
    """An engine cannot be reached or started, or its workers failed."""

    code = "engine_failed"


# What helps when the system refuses a file, by the error's number.
_SYSTEM_HINTS = {
    errno.EROFS: "this is a file system that cannot be written: name a place on another one",
    errno.ENOSPC: "make room there, or name a place that has some",
    errno.EDQUOT: "make room there, or ask for a larger quota",
    errno.EACCES: "name a place that this user may read and write, or change its permissions",
    errno.EPERM: "name a place that this user may read and write, or change its permissions",
    errno.EIO: "the disk may be failing: see the system's log, and copy what is there",
    errno.ENAMETOOLONG: "name a shorter path",
    errno.ELOOP: "a link there leads to itself: remove it, or name its target",
    errno.EMFILE: "let the process open more files: ulimit -n",
    errno.ENOENT: "name a place that is there",
}


def reason(error: Exception) -> str:
    """Why something failed: what the system says, without number and file, else the error's own
    words.
    """
    return (isinstance(error, OSError) and error.strerror) or str(error)


def system_hint(error: OSError) -> str:
    """What to do about a file that the system refuses."""
    return _SYSTEM_HINTS.get(error.errno or 0, "name a place that can be read and written")


def system_words(error: OSError) -> tuple[str, str]:
    """What the system refuses, in a message and a hint: which file, why, and what to do."""
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{reason(error)}", system_hint(error)


Log = Callable[[str], None]  # takes a line for the user
# Takes what is being done, such as ``writing``, how much is done, and of how much (None: unknown).
Progress = Callable[[str, int, int | None], None]


def unfailing(log: Log) -> Log:
    """A log that raises nothing but KeyboardInterrupt; messages that it cannot write are lost."""

    def logged(text: str) -> None:
        try:
            log(text)
        except KeyboardInterrupt:
            raise
        except BaseException:
            return

    return logged


def keep_stderr() -> None:
    """Makes writing to stderr never fail: what cannot be written is lost. A closed stderr becomes
    the null device, so that no other file gets its number.
    """
    if sys.stderr is None:
        _occupy(2, os.O_WRONLY)
    sys.stderr = _stream(_Lossy(2, "w", closefd=False), sys.stderr)


def check_stdout() -> None:
    """Makes writing to stdout raise a FusionrecError where it fails, also if stdout is closed; a
    pipe without a reader still raises BrokenPipeError.
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
    """Opens the null device under this file descriptor, unless it is open."""
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, mode)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _stream(file: io.FileIO, before: TextIO | None) -> TextIO:
    """A text stream over a file, with the encoding and buffering of the stream before it."""
    buffer = io.BufferedWriter(file)
    if not isinstance(before, io.TextIOWrapper):
        return io.TextIOWrapper(buffer, "utf-8", "backslashreplace", line_buffering=True)
    how = (before.encoding, before.errors, None, before.line_buffering, before.write_through)
    return io.TextIOWrapper(buffer, *how)
