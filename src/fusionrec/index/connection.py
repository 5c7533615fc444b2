"""The address of a Milvus and its connection settings; secrets are never shown."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from fusionrec.config import Settings, settings_table
from fusionrec.errors import ConfigError, UsageError

VARIABLE = "FUSIONREC_MILVUS"  # prefix of the environment variables
_SECRET = ("token", "password")
_MAX_SHARDS = 16  # of a server as it is set up by default
_NUMBERS: Mapping[str, tuple[Callable[[str], float], str]] = {
    "timeout": (float, "a number of seconds"),
    "search_timeout": (float, "a number of seconds"),
    "replicas": (int, "a whole number"),
    "shards": (int, "a whole number"),
}


@dataclass(frozen=True, repr=False)
class Place(Settings):
    """One Milvus: a local path (Milvus Lite), a server, a cluster or Zilliz Cloud.

    A user, password or database in the URI is moved to its own field, so that the URI can be shown
    and stored.

    Attributes:
        uri: a path that ends in ``.db``, or http(s)://host:port; empty: where the index was built.
        token: for a server; replaces user and password.
        user, password: for a server.
        database: of a server; empty: its default one.
        ca: file of CA certificates (PEM), for https only; empty: the system's.
        server_name: the name in the server's certificate, if it is not the host's.
        timeout: seconds for one request.
        search_timeout: seconds for one search, for which an answer may be waiting.
        replicas: copies of each collection that a cluster keeps loaded, each on query nodes of its
            own; for collections that are not loaded yet.
        shards: into which a collection's writes are split, up to 16; 0: the server's default. For
            new collections.

    Raises:
        UsageError: the URI is of no known form.
        ConfigError: a setting is out of its range, or two contradict each other.
    """

    uri: str = ""
    token: str = ""
    user: str = ""
    password: str = ""
    database: str = ""
    ca: str = ""
    server_name: str = ""
    timeout: float = 30.0
    search_timeout: float = 5.0
    replicas: int = 1
    shards: int = 0

    def __post_init__(self) -> None:
        if self.uri:
            for name, value in _uri_fields(self.uri).items():
                # An explicit setting overrides the URI.
                if value and (name == "uri" or not getattr(self, name)):
                    object.__setattr__(self, name, value)
        for name in ("timeout", "search_timeout"):
            if not (math.isfinite(seconds := getattr(self, name)) and seconds > 0):
                raise ConfigError(f"{name} must be seconds above 0, got {seconds!r}")
        if self.replicas < 1:
            raise ConfigError(f"replicas must be 1 or more, got {self.replicas}")
        if not 0 <= self.shards <= _MAX_SHARDS:
            raise ConfigError(f"shards must be 0 to {_MAX_SHARDS}, got {self.shards}")
        if self.password and not self.user and not self.token:
            raise ConfigError("a password needs a user", hint=f"set {VARIABLE}_USER")
        if self.ca and not Path(self.ca).is_file():
            raise ConfigError(f"ca names no file of certificates: {self.ca}")
        if self.ca and self.uri.startswith("http:"):
            raise ConfigError("ca is for an https address", hint="an http one is not encrypted")

    @classmethod
    def of(cls, place: Place | str | Path) -> Place:
        """The place itself, or the place at a URI."""
        return place if isinstance(place, Place) else cls(str(place))

    @property
    def is_server(self) -> bool:
        """Whether this is a server's address rather than a local path."""
        return "://" in self.uri

    @property
    def name(self) -> str:
        """The name in messages and in the ledger: URI and database, nothing secret."""
        path = f"/{quote(self.database)}" if self.is_server and self.database else ""
        return self.uri + path

    @property
    def credentials(self) -> str:
        """Token, or user and password, in Milvus' form; empty if there are none."""
        return self.token or (f"{self.user}:{self.password}" if self.user else "")

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that no message may contain, longest first."""
        texts = {self.credentials, self.token, self.password, self.token.partition(":")[2]}
        texts |= {quote(text, safe="") for text in texts}
        return tuple(sorted((text for text in texts if text), key=len, reverse=True))

    def at(self, uri: str) -> Place:
        """The place, at this URI if it has none."""
        return replace(self, uri=uri) if uri and not self.uri else self

    def __repr__(self) -> str:
        settings = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name)}
        shown = (f"{n}={'***' if n in _SECRET else repr(v)}" for n, v in settings.items())
        return f"Place({', '.join(shown)})"

    __str__ = __repr__


def place_from(
    given: Mapping[str, str], environment: Mapping[str, str] | None = None, file: Path | None = None
) -> Place:
    """Reads the place from options, environment and a settings file.

    Args:
        given: settings by name, from options; they override all others.
        environment: ``FUSIONREC_MILVUS`` is the URI, ``FUSIONREC_MILVUS_TOKEN`` and so on the other
            settings; the process's by default. It overrides the file.
        file: a workspace's settings, of which the table ``[milvus]`` is read; may be missing.

    Raises:
        ConfigError: a setting is unknown, of the wrong type or out of its range.
    """
    environment = os.environ if environment is None else environment
    known = {f.name: f"{VARIABLE}_{f.name.upper()}" for f in fields(Place)} | {"uri": VARIABLE}
    from_environment = {n: environment[v] for n, v in known.items() if environment.get(v)}
    settings: dict[str, Any] = dict(settings_table(file, "milvus"))
    for layer in (from_environment, given):
        if layer.get("user") or layer.get("password"):
            settings.pop("token", None)  # else the token of a lower layer would win
        settings.update(layer)
    for name in _SECRET:
        # Checked here, so that the message lacks the value.
        if not isinstance(settings.get(name, ""), str):
            raise ConfigError(f"milvus.{name} must be a text in quotes")
    for name, (number, what) in _NUMBERS.items():
        if isinstance(text := settings.get(name), str):
            try:
                settings[name] = number(text)
            except ValueError:
                raise ConfigError(f"{name} must be {what}, got {text!r}") from None
    return Place.from_dict(settings)


def _uri_fields(uri: str) -> dict[str, str]:
    """The fields of ``Place`` in a URI; the query of a server's address is ignored.

    Raises:
        UsageError: it is neither a path that ends in ``.db`` nor an http(s) address.
    """
    if "://" not in uri:
        if not uri.endswith(".db"):
            raise UsageError(
                f"a local Milvus is a path that ends in .db, got {uri!r}",
                hint="for a server, write http://host:19530",
            )
        with suppress(RuntimeError):  # "~" and no user of this name
            uri = str(Path(uri).expanduser())
        return {"uri": os.path.realpath(uri)}  # of links in a circle, too
    scheme = uri.partition("://")[0]
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or scheme.lower() not in ("http", "https"):
        raise UsageError(
            f"a Milvus server is http(s)://host:port, got an address that begins with {scheme!r}"
        )
    host = f"[{host}]" if ":" in host else host
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    return {
        "uri": f"{scheme.lower()}://{host}" + (f":{port}" if port else ""),
        "token": "" if password else name,
        "user": name if password else "",
        "password": password,
        "database": unquote(parts.path.strip("/")),
    }
