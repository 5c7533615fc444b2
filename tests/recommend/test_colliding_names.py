"""Columns that are called like the words of answers and tables: each stands where it is looked for,
in JSON, in Python, in tables and in files.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

import colliding
import fusionrec as package
from builders import Ended, as_options, recipe
from colliding import ITEMS, WORDS, content, title
from fusionrec.data.catalog import load
from fusionrec.deploy.build import build_index
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

Run = Callable[..., Ended]
OWN = {"rank", "id", "title", "score", "stars", "ratings", "reason", "content"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with an index, beside the files that it was trained on."""
    base = tmp_path_factory.mktemp("words")
    colliding.words(base / "data")
    made = Workspace(base / "home")
    build_index(made, train(load(str(base / "data"), made.data), recipe(epochs=1), made))
    return made


def shown(ended: Ended) -> list[dict]:
    assert ended.code == 0, ended.err
    return json.loads(ended.out)["items"]


def is_whole(item: dict) -> bool:
    """Whether an item of an answer has its own attributes, and nothing of them outside."""
    number = int(item["id"].removeprefix("s"))
    return (
        set(item) <= OWN and item["title"] == title(number) and item["content"] == content(number)
    )


@pytest.mark.parametrize(
    "asked",
    [
        ("recommend", "--user", "c3", "--explain"),
        ("recommend", "--profile", "user_score=3", "--profile", "user_item=k"),
        ("recommend", "--liked", title(4)),
        ("similar", title(3)),
        ("search", "amber", "--user", "c3"),
    ],
)
def test_json_keeps_what_is_known_of_an_item_apart(home, fusionrec: Run, asked) -> None:
    items = shown(fusionrec(home, *asked, "-k", "3", "--json"))
    assert len(items) == 3
    assert [item["rank"] for item in items] == [1, 2, 3]
    assert all(map(is_whole, items))


def test_conditions_name_such_columns(home, fusionrec: Run) -> None:
    where = ("--where", "score=3..9", "--where", "user=user 0", "--where", "vector=vector 0")
    items = shown(fusionrec(home, "recommend", *where, "--where", "row=..10", "--json"))
    assert {item["id"] for item in items} == {"s3", "s6"}


def test_no_two_columns_of_a_table_have_one_heading(home, fusionrec: Run) -> None:
    for asked in (("recommend", "--explain"), ("recommend", "--user", "c3"), ("similar", "s3")):
        header, *rows = fusionrec(home, *asked, "-k", "3").out.splitlines()
        names = header.split("\t")
        assert len({name.casefold() for name in names}) == len(names)
        by_name = [dict(zip(names, row.split("\t"), strict=True)) for row in rows]
        for rank, row in enumerate(by_name, start=1):
            number = int(row["Id"].removeprefix("s"))
            assert (row["Rank"], row["Title"]) == (str(rank), title(number))
            for name in ("score", "rank", "stars", "title"):
                wanted = content(number)[name]
                assert row[f"content.{name}"] == f"{wanted:g}" if name != "title" else wanted


def test_rows_and_frames_in_python(home) -> None:
    with package.Recommender(home.home) as recommender:
        answer = recommender.recommend("c3", k=4)
        lists = recommender.recommend_all(k=2)
    frame = pd.json_normalize(answer.to_json()["items"])
    assert frame.columns.is_unique
    assert {f"content.{name}" for name in WORDS} <= set(frame.columns)
    assert [item.content for item in answer.items] == [
        content(int(item.id.removeprefix("s"))) for item in answer.items
    ]
    assert [item.rank for item in answer.items] == [1, 2, 3, 4]
    assert list(lists.columns) == ["user", "item", "rank", "score", "stars"]
    assert set(lists.item) <= {f"s{n}" for n in range(ITEMS)}


def test_an_id_of_a_file_of_items_is_no_title(home, fusionrec: Run, tmp_path) -> None:
    new = tmp_path / "new.jsonl"
    new.write_text('{"id": "s1", "score": 1}\n')
    ended = fusionrec(home, "items", "add", str(new))
    assert ended.code != 0
    assert "no id; it has id, score" in ended.err
    new.write_text('{"sku": "n1", "id": "A new thing", "score": 7, "user": "user 1"}\n')
    ended = fusionrec(home, "items", "add", str(new))
    assert "rename sku to item_id, or say --id sku" in ended.err


def test_everything_else_takes_them(home, fusionrec: Run, tmp_path) -> None:
    """Items that are added, vectors given away and taken back in, and what was changed."""
    workspace = Workspace(tmp_path / "home")
    shutil.copytree(home.home, workspace.home)
    new = tmp_path / "new.jsonl"
    new.write_text(json.dumps({"item_id": "s24", "id": title(24), **content(24)}) + "\n")
    assert fusionrec(workspace, "items", "add", str(new)).code == 0
    [changed] = json.loads(fusionrec(workspace, "items", "--json").out)
    assert changed == {"id": "s24", "title": title(24), "state": "added"}
    file = tmp_path / "vectors.parquet"
    assert fusionrec(workspace, "export", "vectors", "-o", str(file)).code == 0
    names = pq.read_schema(file).names
    assert sorted(names) == sorted(["id", "id_", "vector_", "vector", *set(WORDS) - {"vector"}])
    assert fusionrec(workspace, "index", "--vectors", str(file)).code == 0
    [item] = shown(fusionrec(workspace, "search", "Thing 24", "-k", "1", "--json"))
    assert item["id"] == "s24"
    assert is_whole(item)
    assert all(map(is_whole, shown(fusionrec(workspace, "similar", "s24", "--json"))))


def test_init_finds_names_for_such_columns(fusionrec: Run, tmp_path: Path) -> None:
    colliding.words(tmp_path / "data")
    workspace, data = Workspace(tmp_path / "home"), str(tmp_path / "data")
    assert fusionrec(workspace, "init", data, "--force").code == 0
    checked = json.loads(fusionrec(workspace, "check", data, "--json").out)
    assert {field["name"] for field in checked["fields"]} >= {*WORDS, "user_score", "user_item"}
    options = as_options(recipe(epochs=1))
    ended = fusionrec(workspace, "train", "--data", data, "--model", "fusion", *options)
    assert ended.code == 0, ended.err
