"""Vectors of another model: a file of items becomes a version that answers, without towers."""

from __future__ import annotations

import datetime
import errno
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders import Ended, library, python, tree
from fusionrec.data.dataset import Table
from fusionrec.data.schema import Field, Schema
from fusionrec.deploy.build import build_index
from fusionrec.errors import ArtifactError, DataError
from fusionrec.ledger import Ledger
from fusionrec.recommend.catalog import current
from fusionrec.recommend.user_vector import DISLIKED
from fusionrec.registry import Artifact, tables
from fusionrec.registry.vector_import import publish_vectors
from fusionrec.registry.vector_import.columns import MAX_CATEGORIES, MAX_FILTERS, field_name
from fusionrec.registry.vector_import.reading import read_vectors
from fusionrec.registry.versions import load, versions
from fusionrec.workspace import Workspace

Command = Callable[..., Ended]


def done(ended: Ended) -> Ended:
    assert ended.code == 0, ended.err
    return ended


def found(command: Command, workspace: Workspace, *arguments: str) -> list[str]:
    """The ids of an answer."""
    answer = json.loads(done(command(workspace, *arguments, "--json")).out)
    return [item["id"] for item in answer["items"]]


def refused(ended: Ended, words: str, hint: str = "") -> None:
    assert ended.code in (1, 2)
    assert words in ended.err
    assert hint in ended.err
    said = [line for line in ended.err.splitlines() if not line.startswith("reading ")]
    assert len(said) <= 2
    assert "defect" not in ended.err


def circle(n: int, dim: int = 8, seed: int = 0) -> np.ndarray:
    """float32 [n, dim], of length 1."""
    vectors = np.random.default_rng(seed).normal(size=(n, dim))
    return np.float32(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def write(path: Path, ids: Any, vectors: Any, **columns: Any) -> Path:
    """A file of items, as another program would write it."""
    lists = vectors if isinstance(vectors, pa.Array) else list(map(list, vectors))
    pq.write_table(pa.table({"id": ids, "vector": lists, **columns}), path)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Thirty shelves of a shop: pairs of them are alike."""
    near = circle(15).repeat(2, axis=0) + 0.05 * circle(30, seed=1)
    return write(
        tmp_path / "shop.parquet",
        list(range(100, 130)),
        near,
        Name=[f"Lamp {n}" if n % 2 else f"Chair {n}" for n in range(30)],
        colour=[("red", "green", "blue")[n % 3] for n in range(30)],
        tags=[["new", "oak"] if n % 2 else ["oak"] for n in range(30)],
        price=[float(n) if n % 7 else None for n in range(30)],
    )


@pytest.fixture
def both(workspace: Workspace, fusionrec: Command, file: Path) -> Workspace:
    """A trained version v1, and the shop as v2, active."""
    done(fusionrec(workspace, "index"))
    done(fusionrec(workspace, "index", "--vectors", str(file)))
    return workspace


def test_what_was_given_away_comes_back_as_it_was(workspace, fusionrec, tmp_path):
    new = tmp_path / "new.jsonl"
    new.write_text('{"id": "new", "title": "Dune", "genres": ["Sci-Fi"], "year": 2021}\n')
    done(fusionrec(workspace, "items", "add", str(new)))
    done(fusionrec(workspace, "items", "withdraw", "7"))
    first, second = tmp_path / "a.parquet", tmp_path / "b.parquet"
    done(fusionrec(workspace, "export", "vectors", "-o", str(first)))
    ended = done(fusionrec(workspace, "index", "--vectors", str(first)))
    assert "guessed" not in ended.err
    assert "note:" not in ended.err
    assert "v2 is active; its 40 items" in ended.err
    old, new = (current(load(workspace, v), Ledger(workspace.ledger)) for v in ("v1", "v2"))
    here = np.flatnonzero(old.available)
    assert new.items.ids == old.items.take(here).ids
    assert new.available.all()
    assert np.array_equal(new.vectors, old.vectors[here])
    for name, column in old.items.take(here).columns.items():
        pairs = zip(map(plain, column), map(plain, new.items.columns[name]), strict=True)
        assert all(a == b for a, b in pairs), name
    assert new.artifact.schema == tables.items_only(old.artifact.schema)
    done(fusionrec(workspace, "export", "vectors", "-o", str(second)))
    assert pq.read_table(first).equals(pq.read_table(second), check_metadata=True)


def plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def test_every_kind_of_field_of_any_schema_comes_back(tmp_path):
    data = library()
    vectors = circle(len(data.items))
    path = tmp_path / "books.parquet"
    tables.write_vectors(path, data.schema, data.items, vectors)
    read = read_vectors(path)
    assert read.notes == ()
    assert read.schema == tables.items_only(data.schema)
    assert read.table.ids == list(data.items.ids)
    assert list(read.table.columns) == list(data.items.columns)
    for name, column in data.items.columns.items():
        assert list(map(plain, read.table.columns[name])) == list(map(plain, column))
    assert np.array_equal(read.vectors, vectors)


def test_attributes_called_like_the_two_columns_come_back(tmp_path):
    names = ("id", "id_", "vector")
    sides = Field("u", "user", "id"), Field("i", "item", "id")
    schema = Schema("odd", (*sides, *(Field(n, "item", "text") for n in names)), (1.0, 5.0))
    table = Table(["a", "b"], {name: [f"{name}1", f"{name}2"] for name in names})
    tables.write_vectors(tmp_path / "v.parquet", schema, table, circle(2))
    read = read_vectors(tmp_path / "v.parquet")
    assert (read.table, read.schema) == (table, schema)


def test_it_is_an_artifact_like_any_other(both, file):
    artifact = load(both)
    assert (artifact.version, artifact.has_towers, artifact.predicts_ratings) == (
        "v2",
        False,
        False,
    )
    manifest = artifact.manifest
    assert (manifest["model"], manifest["format"], manifest["dim"]) == ("vectors", 3, 8)
    assert (manifest["items"], manifest["users"], manifest["data"]) == (30, 0, "shop.parquet")
    assert manifest["files"].keys() == tree(artifact.folder).keys() - {"manifest.json"}
    assert not [name for name in manifest["files"] if "tower" in name]
    assert np.allclose(np.linalg.norm(artifact.item_vectors, axis=1), 1, atol=1e-6)
    assert len(artifact.users) == 0
    assert artifact.user_vectors.shape == (0, 8)
    assert not artifact.item_counts.any()
    assert str(file.parent) not in json.dumps(dict(manifest))
    (artifact.folder / "item_vectors.npy").write_bytes(b"x")
    with pytest.raises(ArtifactError, match="is damaged") as caught:
        load(both)
    assert "index its file of vectors again" in caught.value.hint


def test_only_vectors_go_without_towers(both):
    path = load(both).folder / "manifest.json"
    said = json.loads(path.read_text())
    for model, words in (("fusion", "lacks recipe"), ("sequence", "lacks recipe")):
        path.write_text(json.dumps(said | {"model": model}))
        with pytest.raises(ArtifactError, match=words):
            Artifact.load(path.parent)
        path.write_text(json.dumps(said | {"model": model, "recipe": {}}))
        with pytest.raises(ArtifactError, match="does not list"):
            Artifact.load(path.parent)


def test_answers_come_from_the_vectors(both, fusionrec):
    assert found(fusionrec, both, "similar", "104", "-k", "1") == ["105"]
    assert found(fusionrec, both, "similar", "Lamp 5", "-k", "1") == ["104"]
    assert found(fusionrec, both, "search", "lamp", "-k", "2") == ["101", "103"]
    to_taste = found(fusionrec, both, "search", "lamp", "--liked", "104", "-k", "2")
    assert to_taste[0] == "105"
    assert found(fusionrec, both, "recommend", "--liked", "104", "-k", "1") == ["105"]
    liked = ["--liked", "Chair 4", "--rated", "110=1", "-k", "30"]
    vectors = load(both).item_vectors
    # Of what is liked, here with a half, what is disliked takes away no more than a half.
    order = np.argsort(-(vectors @ (vectors[4] - DISLIKED * vectors[10])), kind="stable")
    wanted = [str(100 + row) for row in order if row not in (4, 10)]
    assert found(fusionrec, both, "recommend", *liked) == wanted
    answer = json.loads(fusionrec(both, "recommend", "--liked", "104", "--json").out)
    assert answer["place"].endswith("milvus.db")
    assert answer["kind"] == "history"
    assert "stars" not in answer["items"][0]
    assert any("answered from the items you named" in note for note in answer["notes"])


def test_guessed_attributes_filter(both, fusionrec):
    red = found(fusionrec, both, "similar", "104", "-k", "30", "--where", "colour=red")
    assert sorted(red) == [str(100 + n) for n in range(0, 30, 3)]
    new = found(fusionrec, both, "similar", "104", "-k", "30", "--where", "tags=new")
    assert len(new) == 15
    cheap = found(fusionrec, both, "similar", "104", "-k", "30", "--where", "price=1..8")
    assert sorted(cheap) == ["101", "102", "103", "105", "106", "108"]


def test_where_nothing_is_known_nothing_is_made_up(both, fusionrec):
    for more in ([], ["--rated", "104=3"], ["--rated", "104=5", "--rated", "104=3"]):
        ended = done(fusionrec(both, "recommend", *more))
        assert ended.out.count("\n") == 1
        assert "there are no ratings by which to order the items" in ended.err
        assert "no item meets" not in ended.err
    unknown = fusionrec(both, "recommend", "--liked", "nothing's")
    assert unknown.code == 2
    assert "is not among the 30 items of v2" in unknown.err


@pytest.mark.parametrize("command", ["recommend", "search lamp"])
@pytest.mark.parametrize(
    "given", ["--user 5", "--profile age=25", "--age 25", "--user 5 --liked 104"]
)
def test_users_and_profiles_are_refused(both, fusionrec, command, given):
    ended = fusionrec(both, *command.split(), *given.split())
    refused(
        ended, "it knows neither users nor profiles", "hint: say what the person likes: --liked"
    )
    assert ended.code == 2


def test_what_needs_a_training_is_refused(both, fusionrec, tmp_path):
    ended = fusionrec(
        both, "evaluate", "--protocol", "rating", "--data", "synthetic", "--version", "v2"
    )
    refused(ended, "there is no training to measure", "hint: name a trained version")
    refused(fusionrec(both, "report"), "there is no training to report")
    assert not (both.home / "reports").exists()
    new = tmp_path / "new.jsonl"
    new.write_text('{"id": "new", "genres": ["Drama"]}\n{"id": "104", "colour": "red"}\n')
    before = Ledger(both.ledger).stamp()
    ended = fusionrec(both, "items", "add", str(new))
    refused(ended, "the vector of a new or changed item is not known", "index --vectors FILE")
    assert Ledger(both.ledger).stamp() == before


@pytest.mark.parametrize("again", [False, True])
def test_items_are_withdrawn_and_restored(both, fusionrec, file, again):
    done(fusionrec(both, "items", "withdraw", "105", "Lamp 7"))
    if again:
        done(fusionrec(both, "index"))
    for arguments in (
        ["similar", "104", "-k", "30"],
        ["recommend", "--liked", "104", "-k", "30"],
        ["search", "lamp", "-k", "30"],
        ["search", "lamp", "-k", "30", "--liked", "104"],
    ):
        assert not {"105", "107"} & set(found(fusionrec, both, *arguments))
    done(fusionrec(both, "items", "restore", "105"))
    assert found(fusionrec, both, "similar", "104", "-k", "1") == ["105"]
    assert found(fusionrec, both, "similar", "105", "-k", "1") == ["104"]
    listed = json.loads(done(fusionrec(both, "items", "--json")).out)
    assert {row["id"]: row["state"] for row in listed} == {"107": "withdrawn"}


def test_changes_under_another_version_are_skipped_and_said(workspace, fusionrec, file, tmp_path):
    ids = load(workspace).items.ids
    new, shop = tmp_path / "new.jsonl", pq.read_table(file)
    shop = shop.set_column(0, "id", pa.array([*ids[:20], *(f"x{n}" for n in range(10))]))
    pq.write_table(shop, file)
    added = [{"id": "new1", "genres": ["Drama"]}, {"id": "new2"}, {"id": ids[0], "title": "Other"}]
    new.write_text("".join(f"{json.dumps(item)}\n" for item in added))
    done(fusionrec(workspace, "items", "add", str(new)))
    done(fusionrec(workspace, "items", "withdraw", ids[1], "new2"))
    done(fusionrec(workspace, "index", "--vectors", str(file)))
    now = current(load(workspace), Ledger(workspace.ledger))
    assert now.skipped.keys() == {"new1", ids[0]}
    assert np.flatnonzero(~now.available).tolist() == [1]
    assert np.array_equal(now.vectors, now.artifact.item_vectors)
    ended = done(fusionrec(workspace, "items"))
    assert "note: item new1 does not fit v2: its vector is not known" in ended.err
    assert f"note: item {ids[0]} does not fit v2" in ended.err
    assert now.items.columns["Name"][0] == "Chair 0"
    got = found(fusionrec, workspace, "recommend", "--liked", ids[2], "-k", "99")
    assert set(got) == set(now.items.ids) - {ids[1], ids[2]}
    done(fusionrec(workspace, "models", "activate", "v1"))
    assert found(fusionrec, workspace, "similar", "new1", "-k", "1")


def test_versions_take_turns(both, fusionrec):
    shown = done(fusionrec(both, "models")).out.splitlines()
    assert shown[2].split("\t")[:1] + shown[2].split("\t")[2:] == [
        "v2", "shop.parquet", "", "vectors", "", "", "active",
    ]  # fmt: skip
    assert [(v.model, v.problem) for v in versions(both)] == [("fusion", ""), ("vectors", "")]
    for _ in range(2):
        done(fusionrec(both, "models", "activate", "v1"))
        assert found(fusionrec, both, "recommend", "--user", "10", "-k", "3")
        done(fusionrec(both, "models", "activate", "v2"))
        assert found(fusionrec, both, "similar", "104", "-k", "1") == ["105"]
    ended = done(fusionrec(both, "doctor"))
    assert "v2 is whole: 30 items" in ended.out
    assert "v2 answers from" in ended.out
    assert "warning" not in ended.out
    trained = done(fusionrec(both, "recommend", "--user", "10", "--version", "v1"))
    assert trained.out.count("\n") == 11


def test_a_version_is_named_or_made_not_both(workspace, fusionrec, file):
    ended = fusionrec(workspace, "index", "--version", "v1", "--vectors", str(file))
    refused(ended, "--vectors makes a version of its own", "hint: leave out --version")
    assert [v.name for v in versions(workspace)] == ["v1"]


def test_it_says_what_it_took_the_columns_for(tmp_path, workspace, fusionrec):
    n = MAX_CATEGORIES + 1
    path = write(
        tmp_path / "x.parquet",
        [str(i) for i in range(n)],
        circle(n, 2),
        **{
            "name": [f"n{i}" for i in range(n)],
            "TITLE": pa.array(["a", "b", "c", "d"][i % 4] for i in range(n)).dictionary_encode(),
            "many": [f"m{i}" for i in range(n)],
            "few": [f"f{i % MAX_CATEGORIES}" for i in range(n)],
            "prose": ["x" * 2_000] * n,
            "release year": pa.array([1990 + i % 9 for i in range(n)], pa.int16()),
            "release-year": [bool(i % 2) for i in range(n)],
            "a.b": pa.array([float(i) for i in range(n)], pa.float16()),
            "茶": [["x", None, ""], None] * (n // 2) + [[]],
            "user": ["u"] * n,
            "when": [datetime.date(2000, 1, 1)] * n,
            "raw": [b"x"] * n,
            "nested": [{"a": 1}] * n,
            "nothing": [None] * n,
        },
    )
    ended = done(fusionrec(workspace, "index", "--vectors", str(path)))
    lines = ended.err.splitlines()
    assert lines[1:11] == [
        "guessed: name is text, no filter",
        "guessed: TITLE is text, the title",
        "guessed: many is text, no filter",
        "guessed: few is category, a filter",
        "guessed: prose is text, no filter",
        "guessed: 'release year', here release_year is number, a filter",
        "guessed: 'release-year', here release_year_2 is category, a filter",
        "guessed: 'a.b', here a_b is number, a filter",
        "guessed: '茶', here column is categories, a filter",
        "guessed: user is category, a filter",
    ]
    left = [line for line in lines if line.startswith("note: column")]
    assert [line.split("'")[1] for line in left] == ["when", "raw", "nested", "nothing"]
    items = load(workspace).items
    assert items.columns["TITLE"][:2] == ["a", "b"]
    assert items.columns["release_year_2"][:2] == ["false", "true"]
    assert list(map(list, items.columns["column"][:2])) == [["x"], []]
    where = ["--where", "a_b=3..3", "--where", "release_year=1993..1993"]
    assert found(fusionrec, workspace, "similar", "0", *where) == ["3"]


def test_more_filters_than_a_collection_has_columns_for_are_kept_as_attributes(tmp_path):
    columns = {f"n{i}": [float(i)] * 3 for i in range(MAX_FILTERS + 5)}
    workspace = Workspace(tmp_path / "home")
    path = write(tmp_path / "x.parquet", ["a", "b", "c"], circle(3), title=["x"] * 3, **columns)
    artifact = publish_vectors(workspace.models, path)
    assert len(artifact.schema.filters()) == MAX_FILTERS
    assert len(artifact.items.columns) == MAX_FILTERS + 6
    build_index(workspace, artifact)


def test_names_of_fields():
    assert field_name("prix d'été", ()) == "prix_d_ete"
    assert field_name("x", {"x", "x_2"}) == "x_3"
    for name in ("größe (cm)", "1st", "", "  ", "_", "class", "x", "é", "日本"):
        made = field_name(name, {"x"})
        assert made.isidentifier()
        assert made.isascii()
        assert made != "x"


def test_a_column_that_came_later_is_guessed_beside_the_schema(tmp_path):
    data = library()
    path = tmp_path / "books.parquet"
    tables.write_vectors(path, data.schema, data.items, circle(len(data.items)))
    table = pq.read_table(path)
    n = len(table)
    pq.write_table(table.append_column("title", pa.array(["x"] * n)), path)
    read = read_vectors(path)
    assert read.notes == ("guessed: title is category, a filter",)
    assert read.schema.title == "heading"
    assert read.table.columns["title"] == ["x"] * n
    pq.write_table(table.drop_columns("pages"), path)
    with pytest.raises(DataError, match=r"tells of a column 'pages'.*there is none"):
        read_vectors(path)
    pages = table.column_names.index("pages")
    pq.write_table(table.set_column(pages, "pages", pa.array(["x"] * n)), path)
    with pytest.raises(DataError, match="'pages' for the number pages, and it is string"):
        read_vectors(path)
    for text in (b"{", b"[]", b'{"name": "x"}', b"\xff"):
        pq.write_table(table.replace_schema_metadata({tables.SCHEMA: text}), path)
        with pytest.raises(DataError, match="is not a schema"):
            read_vectors(path)


FLAT = pa.array(np.arange(1, 13, dtype=np.float64))
EXACT = (
    np.arange(1, 13).reshape(4, 3) / np.linalg.norm(np.arange(1, 13).reshape(4, 3), axis=1)[:, None]
)


@pytest.mark.parametrize("number", [pa.float16(), pa.float32(), pa.float64()])
@pytest.mark.parametrize(
    "lists",
    [
        lambda flat: pa.FixedSizeListArray.from_arrays(flat, 3),
        lambda flat: pa.ListArray.from_arrays([0, 3, 6, 9, 12], flat),
        lambda flat: pa.LargeListArray.from_arrays([0, 3, 6, 9, 12], flat),
        lambda flat: pa.ExtensionArray.from_storage(
            pa.fixed_shape_tensor(flat.type, [3]), pa.FixedSizeListArray.from_arrays(flat, 3)
        ),
    ],
)
@pytest.mark.parametrize("ids", [pa.int64(), pa.uint8(), pa.string(), pa.large_string()])
def test_every_form_of_ids_and_vectors(tmp_path, number, lists, ids):
    flat = FLAT.cast(number)
    named = pa.array([7, 8, 9, 10]).cast(ids)
    read = read_vectors(write(tmp_path / "x.parquet", named, lists(flat)))
    assert read.table.ids == ["7", "8", "9", "10"]
    assert read.vectors.dtype == np.float32
    assert np.allclose(read.vectors, EXACT, atol=1e-6)
    assert len(read.notes) == 1
    assert "the order is by cosine" in read.notes[0]


def test_lengths_out_of_any_order_are_put_to_one(tmp_path):
    lengths = np.array([[1e300], [1e-300], [5e-324], [1.0], [1e160]])
    vectors = circle(5, 1).astype(np.float64) * lengths
    read = read_vectors(write(tmp_path / "x.parquet", list("abcde"), vectors))
    assert np.array_equal(read.vectors, np.sign(vectors))
    same = circle(3000, 5) * np.float32(3)
    read = read_vectors(write(tmp_path / "y.parquet", list(range(3000)), same))
    assert read.notes == ()
    assert np.allclose(read.vectors, same / 3, atol=1e-6)


def two(vector: Any) -> list[Any]:
    return [[1.0, 0.0], [0.0, 1.0], vector, [0.0, 1.0]]


IDS, GOOD = ["a", "b", "c", "d"], [[1.0, 0.0]] * 4
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no id": ({"name": IDS, "vector": GOOD}, "has no column 'id'; its columns: name, vector"),
    "no vector": ({"id": IDS, "embedding": GOOD}, "has no column 'vector'"),
    "a float id": ({"id": [1.0, 2.0, 3.0, 4.0], "vector": GOOD}, "ids must be texts or whole"),
    "a null id": ({"id": ["a", "b", None, "d"], "vector": GOOD}, r"row 2 .* has no id"),
    "an empty id": ({"id": ["a", " ", "c", "d"], "vector": GOOD}, r"got ' ' in row 1"),
    "a control id": ({"id": ["a", "b", "c", "d\n"], "vector": GOOD}, r"got 'd\\n' in row 3"),
    "a long id": ({"id": ["a", "b", "c", "d" * 501], "vector": GOOD}, "1 to 500 characters"),
    "a repeated id": (
        {"id": ["a", "b", "c", "b"], "vector": GOOD},
        r"'b' in row 3 .* stands in row 1 already",
    ),
    "integers": ({"id": IDS, "vector": [[1, 0]] * 4}, "vectors must be lists of float, got"),
    "no list": ({"id": IDS, "vector": [1.0] * 4}, "vectors must be lists of float, got double"),
    "ragged": (
        {"id": IDS, "vector": two([1.0])},
        "item 'c', row 2 .* has 1 numbers, those before have 2",
    ),
    "null": ({"id": IDS, "vector": two(None)}, "item 'c', row 2 .* is missing"),
    "half null": ({"id": IDS, "vector": two([None, 1.0])}, "item 'c', row 2 .* no finite"),
    "nan": ({"id": IDS, "vector": two([math.nan, 1.0])}, "item 'c', row 2 .* no finite"),
    "infinite": ({"id": IDS, "vector": two([1.0, -math.inf])}, "item 'c', row 2 .* no finite"),
    "zero": ({"id": IDS, "vector": two([0.0, -0.0])}, "item 'c', row 2 .* is zero"),
    "of nothing": (
        {"id": IDS, "vector": pa.array([[]] * 4, pa.list_(pa.float32()))},
        "item 'a', row 0 .* has 0 numbers, not 1 to 32,768",
    ),
    "too long": (
        {"id": ["a"], "vector": [[1.0] * 32_769]},
        "item 'a', row 0 .* has 32769 numbers, not 1 to 32,768",
    ),
    "no items": (
        {"id": pa.array([], pa.string()), "vector": pa.array([], pa.list_(pa.float32()))},
        "holds no items",
    ),
    "a category no index can hold": (
        {"id": IDS, "vector": GOOD, "c": [["x" * 70_000], [], [], []]},
        "a value of c takes 70000 bytes",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_used_is_named_and_makes_no_version(tmp_path, name):
    columns, words = WRONG[name]
    path, models = tmp_path / "x.parquet", tmp_path / "models"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match=words):
        publish_vectors(models, path)
    assert not models.exists()


def test_the_offender_is_found_in_a_later_batch(tmp_path):
    vectors = circle(5_000, 4)
    vectors[4_321] = 0
    path = write(tmp_path / "x.parquet", [f"i{n}" for n in range(5_000)], vectors)
    with pytest.raises(DataError, match="item 'i4321', row 4321"):
        read_vectors(path)
    vectors[4_321] = 1
    path = write(tmp_path / "x.parquet", [*range(4_999), 17], vectors)
    with pytest.raises(DataError, match=r"'17' in row 4999 .* in row 17 already"):
        read_vectors(path)


def test_a_file_that_is_none_is_said(workspace, fusionrec, file, tmp_path):
    content = file.read_bytes()
    given = {
        "not Parquet": b"id,vector\n1,2\n",
        "empty": b"",
        "short": content[: len(content) // 2],
    }
    given |= {f"cut {n}": content[:n] + content[n + 40 :] for n in (4, 900, len(content) - 300)}
    for name, wrong in given.items():
        (tmp_path / name).write_bytes(wrong)
        refused(fusionrec(workspace, "index", "--vectors", str(tmp_path / name)), "error: ")
    path = str(tmp_path / "no.parquet")
    refused(fusionrec(workspace, "index", "--vectors", path), "it is not there", "hint: ")
    refused(fusionrec(workspace, "index", "--vectors", str(tmp_path)), "it is no file")
    twice = pa.table([pa.array(["a"])] * 2, names=["id", "id"])
    pq.write_table(twice, tmp_path / "twice")
    ended = fusionrec(workspace, "index", "--vectors", str(tmp_path / "twice"))
    refused(ended, "more than one column 'id'")
    broken = pa.StringArray.from_buffers(
        1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")
    )
    write(tmp_path / "broken", ["a"], [[1.0]], name=broken)
    ended = fusionrec(workspace, "index", "--vectors", str(tmp_path / "broken"))
    refused(ended, "cannot be read as Parquet")
    assert [v.name for v in versions(workspace)] == ["v1"]


@pytest.mark.parametrize("point", [(tables.np, "save"), (Path, "rename"), (os, "fsync")])
def test_a_full_disk_leaves_what_was_there(both, file, monkeypatch, point):
    before = tree(both.models)

    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(*point, full)
        with pytest.raises(ArtifactError, match="No space left") as caught:
            publish_vectors(both.models, file)
    assert "make room there and index the file again" in caught.value.hint
    assert tree(both.models) == before


def test_nothing_is_loaded_that_trains(file, tmp_path):
    code = """
import sys
from pathlib import Path
from fusionrec.registry.vector_import import publish_vectors
print(publish_vectors(Path(sys.argv[2]), Path(sys.argv[1])).version, "paddle" in sys.modules)
"""
    assert python(code, file, tmp_path / "models").split() == ["v1", "False"]
