"""A connection to a Milvus, for its collections, alias, rows and searches."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from fusionrec.errors import StoreError, StoreMissingError, StoreUnavailableError, UsageError
from fusionrec.index import milvus_lite
from fusionrec.index.connection import Place
from fusionrec.index.error_mapping import damaged_error, translated
from fusionrec.index.index_types import IndexType, build_params
from fusionrec.index.layout import VECTOR, Layout
from fusionrec.index.milvus_client import collection_schema, connect
from fusionrec.index.server_info import ALIAS, MAX_LIMIT, PREFIX, ServerInfo

_LONG = 600  # seconds for operations that take a server minutes, with a million rows
_POLL = 0.2  # seconds between two checks of their progress
# Seconds that an index may take without progress, and per row: a server adds whole segments.
_STALL, _ROW_STALL = 60.0, 0.003


@dataclass(frozen=True)
class CollectionInfo:
    """One collection of this project.

    Attributes:
        rows: as Milvus counts them; 0 if it is damaged.
        active: whether the alias for other programs points to it.
        damaged: whether it cannot be read.
    """

    name: str
    rows: int
    active: bool
    damaged: bool = False


class MilvusStore:
    """A connection to one place; close it, or use it in a ``with``.

    Args:
        place: where, and how it is reached; or its URI.
        create: whether to create a missing local store, with its folders.

    Attributes:
        place: its name in messages; without secrets.
        server: the software there.

    Raises:
        UsageError: the URI has no known form, or replicas are set for Milvus Lite.
        StoreMissingError: there is no such local store, and ``create`` is False.
        StoreUnavailableError: it cannot be reached, or another process has it.
        StoreDamagedError: there is something else at the path.
    """

    def __init__(self, place: Place | str, *, create: bool = True) -> None:
        address = Place.of(place)
        if not address.uri:
            raise UsageError("a store needs a URI", hint="a path that ends in .db, or http://host")
        self.place = address.name
        self._timeout, self._secrets = address.timeout, address.secrets
        self._search_timeout = min(address.search_timeout, address.timeout)
        several: dict[str, Any] = {"replica_number": address.replicas}
        self._replicas = several if address.replicas > 1 else {}
        split: dict[str, Any] = {"num_shards": address.shards}
        self._shards = split if address.shards else {}
        self._folder = None if address.is_server else Path(address.uri)
        self._client: Any = None
        with self._translated():
            if self._folder is not None:
                self._client = milvus_lite.connect(self._folder, create, lambda: connect(address))
            else:
                self._client = connect(address)
        try:
            self.server = ServerInfo(str(self._call("get_server_version")), self._folder)
            if self.server.lite and self._replicas:
                raise UsageError(
                    f"{self.server.title} keeps one copy, and {address.replicas} replicas are set",
                    "replicas need a Milvus cluster: leave them out of [milvus], or set 1",
                )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connection, and frees an embedded store's lock; closing twice does nothing."""
        client, self._client = self._client, None
        if client is None:
            return
        with self._translated():
            try:
                client.close()
            finally:
                if self._folder is not None:
                    milvus_lite.release(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _translated(self, *, reading: bool = True) -> AbstractContextManager[None]:
        return translated(self.place, secrets=self._secrets, reading=reading)

    def _call(self, method: str, *args: Any, reading: bool = True, **options: Any) -> Any:
        """Sends one request to Milvus; all go through here."""
        if self._client is None:
            raise StoreError(f"{self.place} was closed")
        options = {"timeout": self._timeout} | options
        with self._translated(reading=reading):
            return getattr(self._client, method)(*args, **options)

    def collections(self) -> list[CollectionInfo]:
        """The project's collections by name, including damaged ones."""
        active = self.active()
        collections = []
        for name in self.server.collection_names(self._call):
            try:
                rows = int(self._call("get_collection_stats", name)["row_count"])
                collections.append(CollectionInfo(name, rows, name == active))
            except StoreUnavailableError:
                raise
            except StoreError:
                collections.append(CollectionInfo(name, 0, name == active, damaged=True))
        return collections

    def active(self) -> str | None:
        """The collection that the alias points to, or None."""
        return self.server.active_collection(self._call)

    def has(self, name: str) -> bool:
        """Whether there is a collection of this name, readable or not."""
        return name in self.server.collection_names(self._call)

    def activate(self, name: str) -> None:
        """Points the alias, which other programs use, at a collection; it must exist."""
        self.check_exists(name)
        method = "create_alias" if self.active() is None else "alter_alias"
        self._call(method, name, ALIAS, reading=False)

    def drop(self, name: str) -> None:
        """Deletes a collection of the project.

        Raises:
            UsageError: the alias points to it, or it is not the project's.
            StoreMissingError: there is no such collection.
        """
        if not name.startswith(PREFIX):
            raise UsageError(f"{name} is not a collection of this project")
        self.check_exists(name)
        if name == self.active():
            raise UsageError(
                f"{name} is the active collection of {self.place}",
                hint="activate another one first",
            )
        self._call("drop_collection", name, reading=False)

    def check_exists(self, name: str) -> None:
        """Raises StoreMissingError where there is no collection of this name."""
        if not self.has(name):
            raise StoreMissingError(f"{self.place} has no collection {name}", code="not_indexed")

    def create(self, name: str, layout: Layout, d: int, note: dict[str, Any]) -> None:
        """Creates an empty collection for vectors of length d, with a note of JSON values. Replaces
        one of that name, whatever its state.

        Raises:
            StoreDamagedError: the old one cannot be dropped.
        """
        if self.has(name):
            if name == self.active():
                self._call("drop_alias", ALIAS, reading=False)  # a server refuses otherwise
            self._call("drop_collection", name, reading=False)
            if self.has(name):
                raise damaged_error(self.place, f"what is left of {name} cannot be dropped")
        text = json.dumps(note, sort_keys=True)
        with self._translated(reading=False):
            schema = collection_schema(self._client, layout, d, text)
        options = self.server.note_options(text) | self._shards
        self._call("create_collection", name, schema=schema, reading=False, **options)

    def note(self, name: str) -> dict[str, Any]:
        """The note of ``create``; empty if it cannot be read."""
        return self.server.read_note(self._call("describe_collection", name))

    def insert(self, name: str, records: list[dict[str, Any]]) -> None:
        """Adds rows; ``finish`` makes them durable.

        Raises:
            StoreError: Milvus did not accept all of them.
        """
        # An embedded store that is busy is no network that hangs.
        options = {} if self._folder is None else {"timeout": _LONG}
        count = self._call("insert", name, records, reading=False, **options)["insert_count"]
        if count != len(records):
            raise StoreError(f"{self.place} took {count} of {len(records)} rows")

    def add_index(self, name: str, kind: IndexType, n: int) -> None:
        """Adds the vector index, for inner products, to an empty collection that will have n rows.

        Raises:
            StoreError: the place has no such index type, or too few query nodes for its replicas.
        """
        index = self._client.prepare_index_params()
        params = build_params(kind, n)
        index.add_index(VECTOR, index_type=kind, metric_type="IP", params=params)
        self._call("create_index", name, index, reading=False, sync=False)
        if self._replicas:  # too few nodes are noticed here, before rows are written
            self.load(name)
            self._call("release_collection", name)

    def finish(self, name: str, n: int, progress: Callable[[int], None] = lambda _: None) -> None:
        """Makes the n rows durable and the collection searchable. Calls ``progress`` with the
        number of indexed rows, whenever it rises.

        Raises:
            StoreUnavailableError: there was no progress for too long.
        """
        self._call("flush", name, reading=False, timeout=_LONG)
        patience = _STALL + n * _ROW_STALL
        before, end = -1, time.monotonic() + patience
        while True:
            done = self.server.indexed_rows(self._call("describe_index", name, VECTOR))
            if done >= n:
                break
            if done > before:
                before, end = done, time.monotonic() + patience
                progress(done)
            if time.monotonic() > end:
                raise StoreUnavailableError(
                    f"{self.place} has {max(done, 0)} of {n} rows in the index of {name}, and has "
                    f"not moved for {patience:.0f} s",
                    code="index_stalled",
                )
            time.sleep(_POLL)
        progress(n)
        self.load(name)

    def load(self, name: str) -> None:
        """Loads a collection with all its replicas, so that it can be searched. One that is loaded
        stays as it is: a server refuses another number of replicas.

        Raises:
            StoreUnavailableError: a request took longer than the place's timeout, or loading has
                not moved for ten minutes.
            StoreError: there are too few query nodes for the replicas.
        """
        if self.state(name) == "Loaded":
            return
        # Not in one request: that could not tell a hanging server from one that loads.
        self._call("load_collection", name, _async=True, **self._replicas)
        before, end = -1, time.monotonic() + _LONG
        while True:
            state, done = self._load_state(name)
            if state == "Loaded":
                return
            if done > before:
                before, end = done, time.monotonic() + _LONG
            if time.monotonic() > end:
                raise StoreUnavailableError(
                    f"{self.place} has not loaded {name}, it is {state} and has not moved for "
                    f"{_LONG} s",
                    hint="look at the server's log, and at its memory",
                )
            time.sleep(_POLL)

    def state(self, name: str) -> str:
        """The load state: ``Loaded``, ``Loading``, ``NotLoad`` or ``NotExist``."""
        return self._load_state(name)[0]

    def _load_state(self, name: str) -> tuple[str, int]:
        """The state, and how many percent of all replicas are loaded; -1 where that is unknown."""
        found = self._call("get_load_state", name)
        state = found["state"]
        return str(getattr(state, "name", state)), int(found.get("progress", -1))

    def index_type(self, name: str) -> str:
        """The type of a collection's vector index; empty if it has none."""
        described = self._call("describe_index", name, VECTOR)
        return str(described.get("index_type", "")) if described else ""

    def count(self, name: str) -> int:
        """Number of rows, including duplicates after a kill."""
        return int(self.query(name, "", ["count(*)"], limit=None)[0]["count(*)"])

    def query(
        self, name: str, expression: str, fields: list[str], limit: int | None = MAX_LIMIT
    ) -> list[dict[str, Any]]:
        """Rows that meet an expression, including the latest writes."""
        options: dict[str, Any] = {"consistency_level": "Strong"}
        if limit is not None:
            options["limit"] = limit
        return list(self._call("query", name, filter=expression, output_fields=fields, **options))

    def search(
        self,
        name: str,
        vectors: Sequence[np.ndarray],
        limit: int,
        expression: str,
        kind: IndexType,
        n: int,
        *,
        settled: bool = True,
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Milvus' results among n rows, one for each vector: int64 [m] rows, float32 [m] scores,
        best first; rows may repeat.

        Not ``settled``, a server first waits for our latest writes: consistency "Session". Else it
        is "Bounded", which never waits: rows are flushed before a collection is loaded, and not
        written again, so each replica that is loaded holds all of them. Queries, which count and
        compare, are "Strong".
        """
        options = self.server.search_options(kind, limit, n, settled=settled)
        options |= {"filter": expression, "anns_field": VECTOR, "limit": limit}
        if settled:  # an answer may be waiting
            options["timeout"] = self._search_timeout
        found: list[tuple[np.ndarray, np.ndarray]]
        found = self._call("search", name, list(vectors), **options)
        return found
