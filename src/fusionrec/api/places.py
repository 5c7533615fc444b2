"""Where things are, as it is said in Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fusionrec.config import Workspace

if TYPE_CHECKING:
    from fusionrec.index import Place

Home = str | Path | None


def place_in(workspace: Workspace, milvus: str) -> Place:
    """A store by its URI; the workspace's own way to one where that is empty.

    Raises:
        UsageError: the URI is of no known form.
        ConfigError: a setting is out of its range.
    """
    from fusionrec.index import place_from

    return place_from({"uri": milvus} if milvus else {}, file=workspace.settings)
