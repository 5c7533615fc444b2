"""The one place where the store's own exceptions become ours, and where its noise stops."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from fusionrec.errors import (
    FusionrecError,
    StoreDamagedError,
    StoreError,
    StoreMissingError,
    StoreUnavailableError,
    UsageError,
)

_SERVER_SCHEMES = ("http", "https")
_COLLECTION_NOT_FOUND, _INDEX_NOT_FOUND = 100, 700
_AWAY = (
    "unavailable",
    "deadline",
    "timeout",
    "timed out",
    "fail connecting",
    "connection refused",
    "closed channel",
    "is closed",
)
_REFUSED = ("unauthenticated", "auth check", "permission_denied", "permissiondenied")
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
    said = _said(error, secrets)
    low = said.replace(place, "").casefold()  # a path may hold any word
    code = getattr(error, "code", None)
    if callable(code):  # a bare gRPC error: its code is a method that answers with an enum
        low += f" {code()}".casefold()
    names = {cls.__name__ for cls in type(error).__mro__}
    mapped: FusionrecError = StoreError(f"{place}: {said}")
    if "DataDirLockedError" in names:
        mapped = locked(place)
    elif any(words in low for words in _FULL) or getattr(error, "errno", None) == errno.ENOSPC:
        mapped = StoreError(f"{place}: the disk is full", hint="free some space, then index again")
    elif code == _COLLECTION_NOT_FOUND or "CollectionNotFoundError" in names:
        mapped = StoreMissingError(f"{place}: {said}", hint="build the index: fusionrec index")
    elif any(words in low for words in _REFUSED):
        mapped = StoreError(f"{place} refuses the token: {said}", hint="check the token")
    elif any(words in low for words in _AWAY) or isinstance(error, (PermissionError, TimeoutError)):
        mapped = _away(place, said)
    elif (not is_server(place) and reading) or code == _INDEX_NOT_FOUND:
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
    if is_server(place):
        hint = "is the server running, and ready? With no server, a local path uses Milvus Lite"
    else:
        hint = "check that this user may write there, or try again"
    return StoreUnavailableError(f"{place} cannot be reached ({said})", hint=hint)


def locked(place: str) -> StoreUnavailableError:
    """The error for a store that another process has open."""
    return StoreUnavailableError(
        f"{place} is in use by another process",
        hint="an embedded Milvus serves one process: stop the other one, or use a Milvus server",
    )


def damaged(place: str, what: str) -> StoreDamagedError:
    """The error for a store that is not what was written."""
    return StoreDamagedError(
        f"{place} is damaged: {what}", hint="rebuild it from the model: fusionrec index"
    )


def is_server(uri: str) -> bool:
    """Whether a URI names a Milvus server rather than a local path."""
    return "://" in uri


def place_of(uri: str) -> str:
    """The URI as people may see it: a local path whole, a server without user, password and query.

    Raises:
        UsageError: it is neither a path that ends in ``.db`` nor an http(s) address.
    """
    if not is_server(uri):
        if not uri.endswith(".db"):
            raise UsageError(
                f"a local Milvus is a path that ends in .db, got {uri!r}",
                hint="for a server, write http://host:19530",
            )
        return str(Path(uri).expanduser().resolve())
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme.lower() not in _SERVER_SCHEMES:
        scheme = uri.partition("://")[0]
        raise UsageError(
            f"a Milvus server is http(s)://host:port, got an address that begins with {scheme!r}"
        )
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "") + parts.path.rstrip("/")


def secrets_of(uri: str, token: str) -> tuple[str, ...]:
    """The texts that messages about this URI must not hold, longest first."""
    parts = urlsplit(uri) if is_server(uri) else None
    held = {token, token.partition(":")[2]}
    if parts is not None:
        held |= {parts.netloc.rpartition("@")[0], parts.password or "", parts.query}
    return tuple(sorted((h for h in held if h), key=len, reverse=True))


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
