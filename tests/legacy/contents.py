"""What the packed workspace was asked when it was made, and how its ledger is read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

PACKED = Path(__file__).with_name("workspace.tar.gz")

ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "known user": ("recommend", {"user": "v0"}),
    "user with feedback": ("recommend", {"user": "v1"}),
    "user who hides": ("recommend", {"user": "v2", "k": 24}),
    "visitor with feedback": ("recommend", {"user": "visitor"}),
    "forgotten user": ("recommend", {"user": "v10", "profile": {"town": "Oslo"}}),
    "profile": ("recommend", {"profile": {"town": "Riga"}}),
    "liked": ("recommend", {"liked": ["f2", "Blue river 5"]}),
    "rated": ("recommend", {"rated": {"f2": 5.0, "f3": 1.0}}),
    "filtered": ("recommend", {"user": "v0", "where": ["genres=Drama", "year=1955..1970"]}),
    "similar": ("similar", {"item": "f5"}),
    "similar to an added item": ("similar", {"item": "new1"}),
    "words": ("search", {"words": "red river"}),
    "words and taste": ("search", {"words": "river", "user": "v3"}),
    "popular": ("recommend", {"k": 24}),
}


def rows(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of a ledger, by table."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
            for (name,) in names.fetchall()
        }
