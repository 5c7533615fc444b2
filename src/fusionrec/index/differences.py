"""What Milvus Lite and a Milvus server do differently: every difference stands here, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from fusionrec.errors import StoreMissingError, UsageError
from fusionrec.index.layout import ROW

Kind = Literal["FLAT", "HNSW"]
Call = Callable[..., Any]

ALIAS = "fusionrec"
PREFIX = "fusionrec_v"
MAX_LIMIT = 16_384  # answers of one search or query; a server refuses more, Lite is kept to it
MAX_EF = 32_768
_NOTE = "fusionrec"  # the property that holds the note where descriptions are not kept
_HNSW = {"M": 16, "efConstruction": 200}


@dataclass(frozen=True)
class Software:
    """What answers at a place.

    Attributes:
        version: as it names itself.
        folder: of a store that this process opened itself; None for one behind an address.
    """

    version: str
    folder: Path | None = None

    @property
    def lite(self) -> bool:
        """Whether it is Milvus Lite, which may also stand behind an address."""
        return "milvus_lite" in self.version

    @property
    def title(self) -> str:
        """Its name and version, for people."""
        number = self.version.removeprefix("milvus_lite").removesuffix("-lite").strip("-_v ")
        return f"Milvus {'Lite' if self.lite else 'server'} {number}".rstrip()

    @property
    def cannot(self) -> tuple[str, ...]:
        """What a person who knows the other kind of place would expect, and does not get here."""
        missing: list[str] = []
        if self.folder is not None:
            missing.append("one process at a time: another one answers exactly from the artifact")
        if self.lite:
            missing.append("time of a search grows with the items, whatever the index type")
            missing.append("no users, no databases, no encryption")
        return tuple(missing)

    def names(self, call: Call) -> list[str]:
        """The project's collections, damaged ones among them, in order."""
        if self.folder is not None:
            # Its own listing opens every collection, and one damaged one makes it fail.
            folders = (self.folder / "collections").glob(f"{PREFIX}*")
            return sorted(folder.name for folder in folders if folder.is_dir())
        return sorted(name for name in call("list_collections") if name.startswith(PREFIX))

    def active(self, call: Call) -> str | None:
        """The collection that the alias points to, or None."""
        if self.folder is not None:
            try:  # without opening the collection, which may be damaged
                return str(call("describe_alias", ALIAS)["collection_name"])
            except StoreMissingError:
                return None
        if not call("has_collection", ALIAS):
            return None
        # describe_alias is not known to every server that is still about.
        return str(call("describe_collection", ALIAS)["collection_name"])

    def keep(self, text: str) -> dict[str, Any]:
        """Options of ``create_collection`` that keep a text with it, beside its description: Lite
        forgets descriptions, and servers before 2.4 know no properties of one's own.
        """
        return {"properties": {_NOTE: text}} if self.lite else {}

    def kept(self, described: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that ``keep`` and the description were given; empty if there is none."""
        try:
            note = json.loads(
                described.get("properties", {}).get(_NOTE) or described["description"]
            )
        except (KeyError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def reading(self, kind: Kind, limit: int, *, settled: bool) -> dict[str, Any]:
        """Options of a search for ``limit`` rows; not ``settled``, it sees our last write."""
        # A server refuses an ef below the limit; Lite takes it for more than it is good for.
        params = {"ef": min(max(128, 2 * limit), MAX_EF)} if kind == "HNSW" else {}
        options: dict[str, Any] = {"search_params": {"metric_type": "IP", "params": params}}
        # A server answers from what it knew some seconds ago unless told to wait; Lite never does.
        options["consistency_level"] = "Bounded" if settled else "Session"
        # A server adds the key to every hit; asked for nothing, Lite sends whole rows with vectors.
        options["output_fields"] = [ROW] if self.lite else []
        return options


def check_kind(kind: str) -> None:
    """Refuses an index type before anything is written: Lite takes any in silence, and a server
    complains only when all rows are in.

    Raises:
        UsageError: it is not one of ``Kind``, which every place knows.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"an index is {' or '.join(get_args(Kind))}, got {kind!r}")


def index_params(kind: Kind) -> dict[str, int]:
    """How an index of a type is built."""
    return _HNSW if kind == "HNSW" else {}
