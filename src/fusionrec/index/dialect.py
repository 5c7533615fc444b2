"""What Milvus Lite and a Milvus server do differently: every difference stands here, once."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fusionrec.errors import StoreMissingError, UsageError
from fusionrec.index.index_types import IndexType, kind_for, search_params
from fusionrec.index.layout import ROW

Call = Callable[..., Any]

ALIAS = "fusionrec"
PREFIX = "fusionrec_v"
MAX_LIMIT = 16_384  # answers of one search or query; a server refuses more, Lite is kept to it
_NOTE = "fusionrec"  # the property that holds the note where descriptions are not kept
_LITE_KINDS: tuple[IndexType, ...] = ("FLAT", "HNSW")


def collection_name(version: str | int, checksum: str) -> str:
    """The collection of an artifact version, such as ``fusionrec_v3_1a2b3c4d``.

    Args:
        version: the version's number, or its name; a leading ``v`` is not repeated.
        checksum: of the artifact, hexadecimal; the first eight digits are used.

    Raises:
        UsageError: the version has characters besides ASCII letters, digits and underscores, or
            the checksum is not hexadecimal.
    """
    number = str(version).removeprefix("v")
    if not re.fullmatch(r"[A-Za-z0-9_]{1,100}", number):
        raise UsageError(f"a version is ASCII letters, digits and underscores, got {version!r}")
    if not re.fullmatch(r"[0-9a-fA-F]{8,}", checksum):
        raise UsageError(f"a checksum is eight hexadecimal digits or more, got {checksum!r}")
    return f"{PREFIX}{number}_{checksum[:8].lower()}"


@dataclass(frozen=True)
class ServerInfo:
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

    def indexed(self, described: dict[str, Any] | None) -> int:
        """Rows in an index, of which it is told; -1 where there is no index."""
        if not described:
            return -1
        # Lite has built it when it has answered, and counts nothing.
        return sys.maxsize if self.lite else int(described["indexed_rows"])

    def kind(self, wanted: IndexType | None, n: int) -> IndexType:
        """The type of index for n items: the one that is wanted, else what suits them.

        Lite compares all items whatever the index, so that there the exact one costs nothing.

        Raises:
            UsageError: the place does not know it; Lite itself would take any in silence.
        """
        if wanted is None:
            return "FLAT" if self.lite else kind_for(n)
        if self.lite and wanted not in _LITE_KINDS:
            raise UsageError(
                f"{self.title} has no index of type {wanted}",
                hint=f"it has {' and '.join(_LITE_KINDS)}; {wanted} needs a Milvus server",
            )
        return wanted

    def reading(self, kind: IndexType, limit: int, n: int, *, settled: bool) -> dict[str, Any]:
        """Options of a search for ``limit`` of n rows; not ``settled``, it sees our last write."""
        params = search_params(kind, limit, n)
        options: dict[str, Any] = {"search_params": {"metric_type": "IP", "params": params}}
        # A server answers from what it knew some seconds ago unless told to wait; Lite never does.
        options["consistency_level"] = "Bounded" if settled else "Session"
        # A server adds the key to every hit; asked for nothing, Lite sends whole rows with vectors.
        options["output_fields"] = [ROW] if self.lite else []
        return options
