"""The one place where the store's own exceptions become ours, and where its noise stops."""

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
# What a server answers for some seconds after it has come back: collections not loaded, replicas,
# channels, segments or nodes not there yet.
_NOT_YET = frozenset([2, 101, 103, 400, 401, 500, 501, 502, 503, 601, 901, 902, 903, 904])
_AWAY = (
    "unavailable",
    "deadline",
    "timeout",
    "timed out",
    "fail connecting",
    "connection refused",
    "closed channel",
    "is closed",
    "not ready",
)
_REFUSED = ("unauthenticated", "auth check", "permission_denied", "permissiondenied")
_ENCRYPTION = ("certificate", "ssl_", "handshake", "verification check", "tsi_")
_READ_ONLY = "read-only file system"
# What the system refuses says nothing of what is in the store.
_HELD_BACK = frozenset(
    [errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBUSY, errno.ENOLCK]
)
_FULL = ("no space left", "disk quota exceeded")

# Threads that are inside ``translated``; what pymilvus logs there is raised as well.
_inside = threading.local()


@contextmanager
def translated(
    place: str, *, secrets: tuple[str, ...] = (), reading: bool = True
) -> Iterator[None]:
    """Turns whatever the store's client raises into an error of ours.

    Args:
        place: the store, as people may see it.
        secrets: texts that no message may hold.
        reading: whether an embedded store that fails for no known reason must be damaged: so it
            is when reading, while a failed write says nothing about what was there before.

    Raises:
        StoreUnavailableError: locked, refused, too slow. StoreMissingError: no such collection.
        StoreDamagedError: unreadable. StoreError: anything else.
    """
    before = getattr(_inside, "depth", 0)
    _inside.depth = before + 1
    try:
        yield
    except FusionrecError:
        raise
    except Exception as error:
        mapped = _mapped(error, place, secrets, reading)
        # The cause is shown in tracebacks: not where it may hold a secret.
        raise mapped from (None if any(s in str(error) for s in secrets) else error)
    finally:
        _inside.depth = before


def _mapped(
    error: Exception, place: str, secrets: tuple[str, ...], reading: bool
) -> FusionrecError:
    # A failed connection is told in general words; what was the matter is in its cause.
    links = [link for link in (error, error.__cause__) if isinstance(link, Exception)]
    said = _said(links[-1], secrets)
    low = said.replace(place, "").casefold()  # a path may hold any word
    code = getattr(error, "code", None)
    for link in links:  # of a bare gRPC error, the code is a method that answers with an enum
        if callable(status := getattr(link, "code", None)):
            low += f" {status()}".casefold()
    names = {cls.__name__ for cls in type(error).__mro__}
    mapped: FusionrecError = StoreError(f"{place}: {said}")
    if "DataDirLockedError" in names:
        mapped = locked(place)
    elif any(words in low for words in _FULL) or getattr(error, "errno", None) == errno.ENOSPC:
        mapped = StoreError(f"{place}: the disk is full", hint="free some space, then index again")
    elif code == _COLLECTION_NOT_FOUND or "CollectionNotFoundError" in names:
        mapped = StoreMissingError(f"{place}: {said}", hint="build the index: fusionrec index")
    elif code == _DATABASE_NOT_FOUND:
        hint = "make it on the server, or name another one: --connect database=NAME"
        mapped = StoreMissingError(f"{place}: {said}", hint=hint)
    elif _is_server(place) and any(words in low for words in _ENCRYPTION):
        hint = "check FUSIONREC_MILVUS_CA, FUSIONREC_MILVUS_SERVER_NAME, and http against https"
        mapped = StoreUnavailableError(f"{place} cannot be reached safely ({said})", hint=hint)
    elif any(words in low for words in _REFUSED):
        hint = "check FUSIONREC_MILVUS_TOKEN, or user and password"
        mapped = StoreError(f"{place} refuses the token: {said}", hint=hint)
    elif (
        any(words in low for words in _AWAY)
        or any(isinstance(link, (PermissionError, TimeoutError, MemoryError)) for link in links)
        or any(getattr(link, "errno", None) in _HELD_BACK for link in links)
        or _READ_ONLY in low
        or (_is_server(place) and code in _NOT_YET)
    ):
        mapped = _away(place, said)
    elif (not _is_server(place) and reading) or code == _INDEX_NOT_FOUND:
        mapped = damaged(place, said)
    return mapped


def _said(error: Exception, secrets: tuple[str, ...]) -> str:
    details = getattr(error, "details", None)
    text = getattr(error, "message", "") or (details() if callable(details) else "") or str(error)
    for secret in secrets:
        text = text.replace(secret, "***")
    lines = text.strip().splitlines()
    # Tokens that no one told us of are cut too; a first line is enough to know the fault by.
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _away(place: str, said: str) -> StoreUnavailableError:
    if _is_server(place):
        hint = "is the server running, and ready? With no server, a local path uses Milvus Lite"
    elif _READ_ONLY in said.casefold():
        hint = (
            "an embedded Milvus writes to its folder when it is opened: put the workspace on a "
            "file system that can be written, or index into a server: --milvus http://HOST:19530"
        )
    else:
        hint = "check that this user may write there, or try again"
    return StoreUnavailableError(f"{place} cannot be reached ({said})", hint=hint)


def _is_server(place: str) -> bool:
    return "://" in place


def locked(place: str) -> StoreInUseError:
    """The error for a store that another process has open."""
    return StoreInUseError(
        f"{place} is in use by another process",
        hint="an embedded Milvus serves one process: stop the other one, or use a Milvus server",
    )


def damaged(place: str, what: str) -> StoreDamagedError:
    """The error for a store that is not what was written."""
    return StoreDamagedError(
        f"{place} is damaged: {what}", hint="rebuild it from the model: fusionrec index"
    )


class _NotTwice(logging.Filter):
    """Drops the report, with traceback, of an error that is raised in this thread as well."""

    def filter(self, _record: logging.LogRecord) -> bool:
        return not getattr(_inside, "depth", 0)


def quiet() -> None:
    """Stops what the store prints about errors that we raise; other records go where they went."""
    for name in ("pymilvus.decorators", "milvus_lite.server_manager"):
        log = logging.getLogger(name)
        if not any(isinstance(f, _NotTwice) for f in log.filters):
            log.addFilter(_NotTwice())
    embedded = logging.getLogger("milvus_lite")
    if not embedded.handlers:
        # Without any handler Python prints warnings itself; a program's own logging sees them.
        embedded.addHandler(logging.NullHandler())
