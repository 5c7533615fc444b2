"""All differences between Milvus Lite and a Milvus server."""

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
MAX_LIMIT = 16_384  # results of one search or query: a server's limit, used for Lite too
_NOTE = "fusionrec"  # property with the note, where descriptions are not stored
_LITE_KINDS: tuple[IndexType, ...] = ("FLAT", "HNSW")


def collection_name(version: str | int, checksum: str) -> str:
    """The collection of an artifact version, such as ``fusionrec_v3_1a2b3c4d``.

    Args:
        version: the version's number or name, with or without ``v``.
        checksum: of the artifact, hexadecimal; its first eight digits are used.

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
    """The software at a place, Milvus Lite or a server.

    Attributes:
        version: as it reports itself.
        folder: of a store embedded in this process; None for one behind an address.
    """

    version: str
    folder: Path | None = None

    @property
    def lite(self) -> bool:
        """Whether it is Milvus Lite, which may also be behind an address."""
        return "milvus_lite" in self.version

    @property
    def title(self) -> str:
        """Its name and version, for people."""
        number = self.version.removeprefix("milvus_lite").removesuffix("-lite").strip("-_v ")
        return f"Milvus {'Lite' if self.lite else 'server'} {number}".rstrip()

    @property
    def limitations(self) -> tuple[str, ...]:
        """Features of other kinds of Milvus that are missing here."""
        missing: list[str] = []
        if self.folder is not None:
            missing.append("one process at a time: another one answers exactly from the artifact")
        if self.lite:
            missing.append("time of a search grows with the items, whatever the index type")
            missing.append("no users, no databases, no encryption")
        return tuple(missing)

    def collection_names(self, call: Call) -> list[str]:
        """The project's collections, sorted, including damaged ones."""
        if self.folder is not None:
            # Lite's own listing opens every collection, and fails if one is damaged.
            folders = (self.folder / "collections").glob(f"{PREFIX}*")
            return sorted(folder.name for folder in folders if folder.is_dir())
        return sorted(name for name in call("list_collections") if name.startswith(PREFIX))

    def active_collection(self, call: Call) -> str | None:
        """The collection that the alias points to, or None."""
        if self.folder is not None:
            try:  # without opening the collection, which may be damaged
                return str(call("describe_alias", ALIAS)["collection_name"])
            except StoreMissingError:
                return None
        if not call("has_collection", ALIAS):
            return None
        # Older servers do not know describe_alias.
        return str(call("describe_collection", ALIAS)["collection_name"])

    def note_options(self, text: str) -> dict[str, Any]:
        """Options of ``create_collection`` that store a text besides the description: Lite loses
        descriptions, and servers before 2.4 have no custom properties.
        """
        return {"properties": {_NOTE: text}} if self.lite else {}

    def read_note(self, described: dict[str, Any]) -> dict[str, Any]:
        """The JSON object in property or description; empty if there is none."""
        try:
            note = json.loads(
                described.get("properties", {}).get(_NOTE) or described["description"]
            )
        except (KeyError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def indexed_rows(self, described: dict[str, Any] | None) -> int:
        """Rows in the described index; -1 if there is none."""
        if not described:
            return -1
        # Lite builds it before it answers, and does not count.
        return sys.maxsize if self.lite else int(described["indexed_rows"])

    def choose_type(self, wanted: IndexType | None, n: int) -> IndexType:
        """The index type for n items: the wanted one, else the default.

        Lite compares all items with any index, so its default is the exact one.

        Raises:
            UsageError: the place does not have it; Lite itself would accept any.
        """
        if wanted is None:
            return "FLAT" if self.lite else kind_for(n)
        if self.lite and wanted not in _LITE_KINDS:
            raise UsageError(
                f"{self.title} has no index of type {wanted}",
                hint=f"it has {' and '.join(_LITE_KINDS)}; {wanted} needs a Milvus server",
            )
        return wanted

    def search_options(
        self, kind: IndexType, limit: int, n: int, *, settled: bool
    ) -> dict[str, Any]:
        """Options of a search for ``limit`` of n rows; not ``settled``: with our last write."""
        params = search_params(kind, limit, n)
        options: dict[str, Any] = {"search_params": {"metric_type": "IP", "params": params}}
        # By default, a server's answer may be some seconds old; Lite's never is.
        options["consistency_level"] = "Bounded" if settled else "Session"
        # A server adds the key to every hit; Lite without fields sends whole rows with vectors.
        options["output_fields"] = [ROW] if self.lite else []
        return options
