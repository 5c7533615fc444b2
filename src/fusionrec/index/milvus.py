"""The Milvus client: the only module that knows pymilvus, imported when a store is opened."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np

from fusionrec.errors import StoreError, StoreMissingError, StoreUnavailableError, UsageError
from fusionrec.index import lite
from fusionrec.index.boundary import damaged, is_server, place_of, quiet, secrets_of, translated
from fusionrec.index.layout import ID, ROW, VECTOR, Column, Layout

ALIAS = "fusionrec"
PREFIX = "fusionrec_v"
MAX_LIMIT = 16_384  # answers of one search or query, the server's limit
MAX_EF = 32_768
_LONG = 600.0  # seconds for what takes a server minutes, with a million rows
Kind = Literal["FLAT", "HNSW"]

_NOTE = "fusionrec"  # the property that holds the note where descriptions are not kept
_HNSW = {"M": 16, "efConstruction": 200}


@dataclass(frozen=True)
class CollectionInfo:
    """One collection of this project.

    Attributes:
        name: in Milvus.
        rows: how many rows it says it has; 0 where it is damaged.
        active: whether the alias for outside readers points to it.
        damaged: whether it cannot be read.
    """

    name: str
    rows: int
    active: bool
    damaged: bool = False


class MilvusStore:
    """A connection to one place that holds collections; close it, or use it in a ``with``.

    Args:
        uri: a local path ending in ``.db`` (embedded, one process at a time) or http(s)://host:port.
        token: for a server; never shown.
        timeout: seconds that one request may take.
        create: whether a local store that is not there is made, its folders too.

    Raises:
        UsageError: the URI is of no known form.
        StoreMissingError: there is no such local store, and ``create`` is False.
        StoreUnavailableError: it cannot be reached, or another process has it.
        StoreDamagedError: there is something else at the path.
    """

    def __init__(
        self, uri: str, *, token: str = "", timeout: float = 30.0, create: bool = True
    ) -> None:
        self.place = place_of(uri)
        self.lite = not is_server(uri)
        self._timeout = timeout
        self._secrets = secrets_of(uri, token)
        self._client: Any = None
        with self._translated():
            if self.lite:
                self._client = lite.connect(
                    Path(self.place), create, lambda: _client(self.place, "", timeout)
                )
            else:
                self._client = _client(uri, token, timeout)

    def close(self) -> None:
        """Lets go of the place, and of an embedded store's lock; closing twice does nothing."""
        client, self._client = self._client, None
        if client is None:
            return
        with self._translated():
            try:
                client.close()
            finally:
                if self.lite:
                    lite.release(Path(self.place))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _translated(self, *, reading: bool = True) -> AbstractContextManager[None]:
        return translated(self.place, secrets=self._secrets, reading=reading)

    def _call(self, method: str, *args: Any, reading: bool = True, **options: Any) -> Any:
        """One request to Milvus; every one goes through here."""
        if self._client is None:
            raise StoreError(f"{self.place} was closed")
        options = {"timeout": self._timeout} | options
        with self._translated(reading=reading):
            return getattr(self._client, method)(*args, **options)

    def collections(self) -> list[CollectionInfo]:
        """The project's collections by name, damaged ones among them."""
        active = self.active()
        found = []
        for name in self._names():
            try:
                rows = int(self._call("get_collection_stats", name)["row_count"])
                found.append(CollectionInfo(name, rows, name == active))
            except StoreUnavailableError:
                raise
            except StoreError:
                found.append(CollectionInfo(name, 0, name == active, damaged=True))
        return found

    def _names(self) -> list[str]:
        if self.lite:
            # Its own listing opens every collection, and one damaged one makes it fail.
            folders = (Path(self.place) / "collections").glob(f"{PREFIX}*")
            return sorted(folder.name for folder in folders if folder.is_dir())
        return sorted(n for n in self._call("list_collections") if n.startswith(PREFIX))

    def active(self) -> str | None:
        """The collection that the alias points to, or None."""
        if self.lite:
            try:  # without opening the collection, which may be damaged
                return str(self._call("describe_alias", ALIAS)["collection_name"])
            except StoreMissingError:
                return None
        if not self._call("has_collection", ALIAS):
            return None
        # describe_alias is not known to every server that is still about.
        return str(self._call("describe_collection", ALIAS)["collection_name"])

    def has(self, name: str) -> bool:
        """Whether there is a collection of this name, readable or not."""
        return name in self._names()

    def activate(self, name: str) -> None:
        """Points the alias, which readers outside use, at a collection.

        Raises:
            StoreMissingError: there is no such collection.
        """
        self._check_there(name)
        move = "create_alias" if self.active() is None else "alter_alias"
        self._call(move, name, ALIAS, reading=False)

    def drop(self, name: str) -> None:
        """Deletes a collection of the project.

        Raises:
            UsageError: the alias points to it, or it is not the project's.
            StoreMissingError: there is no such collection.
        """
        if not name.startswith(PREFIX):
            raise UsageError(f"{name} is not a collection of this project")
        self._check_there(name)
        if name == self.active():
            raise UsageError(
                f"{name} is the active collection of {self.place}",
                hint="activate another one first",
            )
        self._call("drop_collection", name, reading=False)

    def _check_there(self, name: str) -> None:
        if not self.has(name):
            raise StoreMissingError(
                f"{self.place} has no collection {name}", hint="build the index: fusionrec index"
            )

    def create(self, name: str, layout: Layout, d: int, note: dict[str, Any]) -> None:
        """Makes an empty collection, in place of one of that name, whatever state that is in.

        Args:
            name: of the collection.
            layout: its scalar columns.
            d: length of the vectors.
            note: JSON values to keep with it; see ``note``.

        Raises:
            StoreDamagedError: what has that name cannot be dropped.
        """
        from pymilvus import DataType

        if self.has(name):
            if name == self.active():
                self._call("drop_alias", ALIAS, reading=False)  # a server refuses otherwise
            self._call("drop_collection", name, reading=False)
            if self.has(name):
                raise damaged(self.place, f"what is left of {name} cannot be dropped")
        text = json.dumps(note, sort_keys=True)
        with self._translated(reading=False):
            schema = self._client.create_schema(auto_id=False, description=text)
            schema.add_field(ROW, DataType.INT64, is_primary=True)
            schema.add_field(ID, DataType.VARCHAR, max_length=layout.id_bytes)
            schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=d)
            for c in layout.columns:
                schema.add_field(c.name, DataType[c.kind.upper()], **_limits(c))
        # Milvus Lite forgets descriptions; servers before 2.4 know no properties of one's own.
        embedded = "milvus_lite" in str(self._call("get_server_version"))
        options = {"properties": {_NOTE: text}} if embedded else {}
        self._call("create_collection", name, schema=schema, reading=False, **options)

    def note(self, name: str) -> dict[str, Any]:
        """What ``create`` was given to keep; empty where it cannot be read."""
        held = self._call("describe_collection", name)
        try:
            note = json.loads(held.get("properties", {}).get(_NOTE) or held["description"])
        except (KeyError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def insert(self, name: str, records: list[dict[str, Any]]) -> None:
        """Adds rows; they are safe after ``finish``.

        Raises:
            StoreError: not all of them were taken.
        """
        taken = self._call("insert", name, records, reading=False)["insert_count"]
        if taken != len(records):
            raise StoreError(f"{self.place} took {taken} of {len(records)} rows")

    def finish(self, name: str, kind: Kind) -> None:
        """Makes the rows durable and the collection searchable by inner product."""
        self._call("flush", name, reading=False, timeout=_LONG)
        index = self._client.prepare_index_params()
        params = _HNSW if kind == "HNSW" else {}
        index.add_index(VECTOR, index_type=kind, metric_type="IP", params=params)
        self._call("create_index", name, index, reading=False, timeout=_LONG)
        self.load(name)

    def load(self, name: str) -> None:
        """Makes a collection that is there ready for searches."""
        self._call("load_collection", name, timeout=_LONG)

    def count(self, name: str) -> int:
        """Rows, those counted that a kill has doubled."""
        return int(self.query(name, "", ["count(*)"], limit=None)[0]["count(*)"])

    def query(
        self, name: str, expression: str, fields: list[str], limit: int | None = MAX_LIMIT
    ) -> list[dict[str, Any]]:
        """Rows that meet an expression, the latest writes included."""
        options: dict[str, Any] = {"consistency_level": "Strong"}
        if limit is not None:
            options["limit"] = limit
        return list(self._call("query", name, filter=expression, output_fields=fields, **options))

    def search(
        self,
        name: str,
        vector: np.ndarray,
        limit: int,
        expression: str,
        kind: Kind,
        *,
        settled: bool = True,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Milvus' own answer: int64 [m] rows, float32 [m] scores, best first; rows may repeat.

        Not ``settled``, a server first waits for the writes of a moment ago.
        """
        # A server refuses an ef below the limit.
        params = {"ef": min(max(128, 2 * limit), MAX_EF)} if kind == "HNSW" else {}
        options: dict[str, Any] = {"search_params": {"metric_type": "IP", "params": params}}
        options["consistency_level"] = "Bounded" if settled else "Strong"
        options |= {"anns_field": VECTOR, "limit": limit, "output_fields": [ROW]}
        hits = self._call("search", name, [vector], filter=expression, **options)[0]
        with self._translated():
            rows = np.array([hit["entity"][ROW] for hit in hits], dtype=np.int64)
            return rows, np.array([hit["distance"] for hit in hits], dtype=np.float32)


def _client(uri: str, token: str, timeout: float) -> Any:
    from pymilvus import MilvusClient

    quiet()
    # A shared connection outlives its clients, and with it the port of a store that is closed.
    return MilvusClient(uri=uri, token=token, timeout=timeout, dedicated=True)


def _limits(column: Column) -> dict[str, Any]:
    from pymilvus import DataType

    limits: dict[str, Any] = {}
    if column.kind in ("varchar", "array"):
        limits["max_length"] = column.max_bytes
    if column.kind == "array":
        limits |= {"element_type": DataType.VARCHAR, "max_capacity": column.capacity}
    return limits
