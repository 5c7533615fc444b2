"""Translates the exceptions of Milvus' client into ours, and silences its duplicate logs."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fusionrec.errors import (
    FusionrecError,
    StoreDamagedError,
    StoreError,
    StoreInUseError,
    StoreMissingError,
    StoreUnavailableError,
)

_COLLECTION_NOT_FOUND, _INDEX_NOT_FOUND, _DATABASE_NOT_FOUND = 100, 700, 800
# A server's errors for some seconds after its start: collections not loaded, replicas, channels,
# segments or nodes missing.
_STARTING_UP = frozenset([2, 101, 103, 400, 401, 500, 501, 502, 503, 601, 901, 902, 903, 904])
_UNAVAILABLE = (
    *("unavailable", "deadline", "timeout", "timed out", "fail connecting", "connection refused"),
    *("closed channel", "is closed", "not ready"),
)
_REFUSED = ("unauthenticated", "auth check", "permission_denied", "permissiondenied")
_ENCRYPTION = ("certificate", "ssl_", "handshake", "verification check", "tsi_")
_FEW_NODES = ("nodes not enough", "node not enough")  # of servers before 2.4, and later ones
_READ_ONLY = "read-only file system"
# Of an error of the operating system, these alone mean that contents are missing or of another
# kind; the others say that it refuses: the disk is read-only, broken, or over its quota.
_DAMAGE = frozenset([errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST])
_FULL = ("no space left", "disk quota exceeded")

# ``depth`` > 0 within ``translated``: what pymilvus logs there is raised as well.
_context = threading.local()


@contextmanager
def translated(
    place: str, *, secrets: tuple[str, ...] = (), reading: bool = True
) -> Iterator[None]:
    """Translates any exception of the store's client into a ``FusionrecError``.

    Args:
        place: the store's name in messages.
        secrets: texts that no message may contain.
        reading: whether an unknown error of an embedded store means that it is damaged; a failed
            write does not.

    Raises:
        StoreUnavailableError: locked, refused, too slow. StoreMissingError: no such collection.
        StoreDamagedError: unreadable. StoreError: anything else.
    """
    before = getattr(_context, "depth", 0)
    _context.depth = before + 1
    try:
        yield
    except FusionrecError:
        raise
    except Exception as error:
        mapped = _translate(error, place, secrets, reading)
        # Tracebacks show the cause, which must not contain a secret.
        raise mapped from (None if any(s in str(error) for s in secrets) else error)
    finally:
        _context.depth = before


def _translate(
    error: Exception, place: str, secrets: tuple[str, ...], reading: bool
) -> FusionrecError:
    # A failed connection has a general message; the reason is in its cause.
    links = [link for link in (error, error.__cause__) if isinstance(link, Exception)]
    message = _message(links[-1], secrets)
    lowered = message.replace(place, "").casefold()  # a path may contain any word
    code = getattr(error, "code", None)
    for link in links:  # the code of a plain gRPC error is a method that returns an enum
        if callable(status := getattr(link, "code", None)):
            lowered += f" {status()}".casefold()
    names = {cls.__name__ for cls in type(error).__mro__}
    mapped: FusionrecError = StoreError(f"{place}: {message}")
    if "DataDirLockedError" in names:
        mapped = StoreInUseError(
            f"{place} is in use by another process",
            hint="an embedded Milvus serves one process: stop the other one, or use a Milvus "
            "server",
        )
    elif any(words in lowered for words in _FULL) or getattr(error, "errno", None) == errno.ENOSPC:
        mapped = StoreError(f"{place}: the disk is full", hint="free some space, then index again")
    elif code == _COLLECTION_NOT_FOUND or "CollectionNotFoundError" in names:
        mapped = StoreMissingError(f"{place}: {message}", code="not_indexed")
    elif code == _DATABASE_NOT_FOUND:
        mapped = StoreMissingError(f"{place}: {message}", code="unknown_database")
    elif any(words in lowered for words in _FEW_NODES):
        hint = "each replica needs query nodes of its own: add some, or set fewer [milvus] replicas"
        said = f"{place} has too few query nodes for the replicas that are set ({message})"
        mapped = StoreError(said, hint=hint)
    elif _is_server(place) and any(words in lowered for words in _ENCRYPTION):
        hint = "check FUSIONREC_MILVUS_CA, FUSIONREC_MILVUS_SERVER_NAME, and http against https"
        mapped = StoreUnavailableError(f"{place} cannot be reached safely ({message})", hint=hint)
    elif any(words in lowered for words in _REFUSED):
        hint = "check FUSIONREC_MILVUS_TOKEN, or user and password"
        mapped = StoreError(f"{place} refuses the token: {message}", hint=hint)
    elif (
        any(words in lowered for words in _UNAVAILABLE)
        or any(isinstance(link, (PermissionError, TimeoutError, MemoryError)) for link in links)
        or any(isinstance(link, OSError) and _refused(link) for link in links)
        or _READ_ONLY in lowered
        or (_is_server(place) and code in _STARTING_UP)
    ):
        mapped = _unavailable_error(place, message)
    elif (not _is_server(place) and reading) or code == _INDEX_NOT_FOUND:
        mapped = damaged_error(place, message)
    return mapped


def _refused(error: OSError) -> bool:
    return error.errno is not None and error.errno not in _DAMAGE


def _message(error: Exception, secrets: tuple[str, ...]) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    details = getattr(error, "details", None)
    text = getattr(error, "message", "") or (details() if callable(details) else "") or str(error)
    for secret in secrets:
        text = text.replace(secret, "***")
    # The first line, cut, is enough to identify the error, and holds no token that is unknown here.
    [line] = text.strip().splitlines()[:1] or [""]
    return f"{type(error).__name__}: {line[:300]}".removesuffix(": ")


def _unavailable_error(place: str, message: str) -> StoreUnavailableError:
    if _is_server(place):
        hint = "is the server running, and ready? With no server, a local path uses Milvus Lite"
    elif _READ_ONLY in message.casefold():
        hint = (
            "an embedded Milvus writes to its folder when it is opened: put the workspace on a "
            "file system that can be written, or index into a server"
        )
    else:
        hint = "check that this user may write there, and that the disk is well; or try again"
    return StoreUnavailableError(f"{place} cannot be reached ({message})", hint=hint)


def _is_server(place: str) -> bool:
    return "://" in place


def damaged_error(place: str, what: str) -> StoreDamagedError:
    """The error for a store with wrong contents."""
    return StoreDamagedError(f"{place} is damaged: {what}")


def _is_not_raised(_record: logging.LogRecord) -> bool:
    """Whether a log record is kept: not within ``translated``, which raises the error as well."""
    return not getattr(_context, "depth", 0)


def silence_logs() -> None:
    """Silences the client's logs of errors that we raise; other records are unchanged."""
    for name in ("pymilvus.decorators", "milvus_lite.server_manager"):
        logging.getLogger(name).addFilter(_is_not_raised)  # once, however often this is called
    embedded = logging.getLogger("milvus_lite")
    if not embedded.handlers:
        # Without a handler Python prints warnings itself; a program's own logging still gets them.
        embedded.addHandler(logging.NullHandler())
