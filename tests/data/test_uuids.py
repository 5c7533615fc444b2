"""Ids and attributes of the type UUID, in Parquet and in frames: read as text."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fusionrec.data.catalog import load
from fusionrec.data.dataframes import read_frames
from fusionrec.workspace import Workspace

NUMBERS = [(u, i) for u in range(12) for i in range(10) if (u + i) % 3]


def uuids(numbers: list[int | None]) -> pa.Array:
    stored = [None if n is None else UUID(int=n).bytes for n in numbers]
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array(stored, pa.binary(16)))


def text(number: int) -> str:
    return str(UUID(int=number))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Orders and items whose ids are UUIDs, and so is one of the items' attributes; one order is
    of nobody.
    """
    base = tmp_path / "data"
    base.mkdir()
    users, items = zip(*NUMBERS, strict=True)
    orders = {"user_id": uuids([*(u + 100 for u in users), None]), "item_id": uuids([*items, 1])}
    pq.write_table(pa.table(orders), base / "orders.parquet")
    things = {
        "item_id": uuids(list(range(10))),
        "title": [f"Thing {n} of amber" for n in range(10)],
        "maker": uuids([None if n == 9 else 500 + n % 2 for n in range(10)]),
    }
    pq.write_table(pa.table(things), base / "items.parquet")
    return base


def test_a_folder_is_guessed_and_read(folder, fusionrec, tmp_path):
    workspace = Workspace(tmp_path / "home")
    assert fusionrec(workspace, "init", str(folder)).code == 0
    data = load(str(folder), workspace.data)
    assert (len(data), len(data.users), len(data.items)) == (len(NUMBERS), 12, 10)
    assert data.items.ids[:2] == [text(0), text(1)]
    assert data.users.ids[0] == text(100)
    assert list(data.items.columns["maker"]) == [*[text(500), text(501)] * 4, text(500), ""]
    assert any("no user id: 1" in one for one in data.repairs)


def test_a_frame_of_uuids_is_read(folder):
    ids = [(UUID(int=u), UUID(int=i)) for u, i in NUMBERS]
    orders = pd.DataFrame(ids, columns=["user", "item"])
    things = pq.read_table(folder / "items.parquet")
    data = read_frames(orders, items=things.rename_columns(["item", "title", "maker"]))
    assert data.items.ids == [text(n) for n in range(10)]
    assert set(data.users.ids) == {text(n) for n in range(12)}
    assert data.items.columns["maker"][:2] == [text(500), text(501)]
    assert {f.name: f.kind for f in data.schema.attributes("item")}["maker"] == "category"
