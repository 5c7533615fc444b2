"""What users said since the training becomes data to train on, and a folder that keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from builders import as_options, recipe
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.load import read
from fusionrec.data.movielens import MOVIELENS
from fusionrec.data.parquet_dataset import save_dataset
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import DataError, UsageError
from fusionrec.features.encoder import Encoder
from fusionrec.ledger import Event, Ledger
from fusionrec.recommend.feedback_dataset import feedback_alone, other_data, with_feedback
from fusionrec.registry.versions import active_dataset
from fusionrec.workspace import Workspace


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.sqlite")


def rated(dataset: Dataset) -> dict[tuple[str, str], float]:
    """(user, item) -> rating, by outside ids."""
    pairs = zip(dataset.user, dataset.item, dataset.rating, strict=True)
    return {
        (dataset.users.ids[user], dataset.items.ids[item]): float(rating)
        for user, item, rating in pairs
    }


def say(ledger: Ledger, *said: tuple) -> None:
    """Records (user, item, kind, rating?) each a second after the one before."""
    ledger.record(
        Event(f"e{n}", user, item, kind, rating[0] if rating else None, 2e9 + n)
        for n, (user, item, kind, *rating) in enumerate(said)
    )


def test_the_last_opinion_of_each_pair_is_an_interaction(dataset, ledger):
    user, item = dataset.users.ids[int(dataset.user[0])], dataset.items.ids[int(dataset.item[0])]
    low = MOVIELENS.rating_range[0]
    before = rated(dataset)
    fresh = dataset.items.ids[3]
    say(
        ledger,
        (user, item, "rating", 2.0),
        (user, item, "rating", 3.5),
        ("visitor", fresh, "like"),
        ("visitor", dataset.items.ids[4], "rating", 5.0),
        ("visitor", dataset.items.ids[4], "dislike"),
        ("visitor", dataset.items.ids[5], "view"),
        ("visitor", dataset.items.ids[6], "hide"),
        ("visitor", "no such item", "like"),
    )
    ledger.set_profile("visitor", {"gender": "female", "age": "30", "occupation": "pilot"})
    made = with_feedback(dataset, ledger)
    after = rated(made)
    added = {("visitor", fresh): MOVIELENS.like, ("visitor", dataset.items.ids[4]): low}
    assert after == before | added | {(user, item): 3.5}
    assert made.users.row(made.users.ids.index("visitor")) == {
        "gender": "F", "age": "25", "occupation": "",
    }  # fmt: skip
    assert made.repairs[-2:] == (
        "3 ratings added, 1 users with them",
        "1 items that the schema or the data set does not know left out",
    )
    assert made.time[-1] >= 2e9
    # What is not known of a profile is no value of its own.
    encoder = Encoder.fit(made, np.arange(len(made)))
    assert "" not in encoder.vocabularies["occupation"].values
    assert encoder.encode_table("user", made.users)["occupation"][-1] == 0


def test_items_are_as_they_are_now(dataset, ledger):
    known = dataset.items.ids[0]
    dune = {"title": "Dune", "genres": ["Sci-Fi"], "year": 2021}
    ledger.change_items({"new": dune, known: dune, "broken": {"no such field": 1}})
    say(ledger, ("visitor", "new", "rating", 4.0))
    made = with_feedback(dataset, ledger)
    items = made.items.positions()
    for id in ("new", known):
        assert made.items.row(items[id])["title"] == "Dune"
    assert "broken" not in items
    assert rated(made)["visitor", "new"] == 4.0


def test_who_was_forgotten_is_left_out(dataset, ledger):
    gone, stays = (dataset.users.ids[int(user)] for user in np.unique(dataset.user)[:2])
    ledger.forget(gone)
    made = with_feedback(dataset, ledger)
    assert gone not in made.users.ids
    assert rated(made) == {pair: r for pair, r in rated(dataset).items() if pair[0] != gone}
    assert "1 users who were forgotten are left out" in made.repairs
    assert stays in made.users.ids
    # Someone who comes back after that is a new user: what they rated before stays away.
    say(ledger, (gone, dataset.items.ids[0], "like"))
    again = rated(with_feedback(dataset, ledger))
    assert [pair for pair in again if pair[0] == gone] == [(gone, dataset.items.ids[0])]


def test_feedback_alone(dataset, ledger, tmp_path):
    with pytest.raises(DataError, match="no interactions"):
        feedback_alone(MOVIELENS, dataset.items, ledger)
    say(ledger, ("a", dataset.items.ids[0], "like"), ("b", dataset.items.ids[1], "rating", 1.0))
    made = feedback_alone(MOVIELENS, dataset.items, ledger)
    assert rated(made) == {("a", dataset.items.ids[0]): 4.0, ("b", dataset.items.ids[1]): 1.0}
    save_dataset(tmp_path / "said", made)
    assert rated(read(tmp_path / "said")) == rated(made)


FIELDS = (
    Field("customer", "user", "id"),
    Field("id", "user", "category"),
    Field("sku", "item", "id"),
    Field("tags", "item", "categories"),
    Field("price", "item", "number"),
)
SHOP = Schema("shop", FIELDS, (0.0, 1.0))


@pytest.mark.parametrize("times", [True, False])
def test_a_saved_data_set_comes_back_as_it_was(tmp_path, times):
    users = Table(["ü1", "用户 2"], {"id": ["a", ""]})
    items = Table(["x\n", "y"], {"tags": [("t", "u"), ()], "price": [1.5, float("nan")]})
    user, item = np.array([0, 1, 1], dtype=np.int32), np.array([1, 0, 1], dtype=np.int32)
    rating = np.array([0.0, 0.25, 1.0], dtype=np.float32)
    when = np.array([1, 2, 3], dtype=np.int64) if times else None
    made = Dataset(SHOP, "shop", users, items, user, item, rating, when)
    save_dataset(tmp_path / "shop", made)
    again = read(tmp_path / "shop")
    assert rated(again) == rated(made)
    assert again.schema == SHOP
    assert (again.time is None) == (not times)
    assert again.users.columns == {"id": ["a", ""]}
    assert [tuple(tags) for tags in again.items.columns["tags"]] == [("t", "u"), ()]
    assert again.items.columns["price"][0] == 1.5
    with pytest.raises(UsageError, match="is there already"):
        save_dataset(tmp_path / "shop", made)


@pytest.mark.parametrize("file", ["interactions.parquet", "items.parquet", "dataset.json"])
@pytest.mark.parametrize("damage", [b"", b"PAR1 nonsense"])
def test_a_damaged_one_is_said(dataset, tmp_path, file, damage):
    save_dataset(tmp_path / "d", dataset)
    (tmp_path / "d" / file).write_bytes(damage)
    with pytest.raises(DataError, match="is not a data set of this program"):
        read(tmp_path / "d")


def test_the_command(workspace, dataset, fusionrec, tmp_path):
    say(Ledger(workspace.ledger), ("visitor", dataset.items.ids[0], "like"))
    folder = tmp_path / "said"
    ended = fusionrec(workspace, "export", "feedback", "-o", str(folder))
    assert (ended.code, ended.out.strip()) == (0, str(folder)), ended.err
    assert "1 rating by 1 user of" in ended.err
    assert json.loads((folder / "dataset.json").read_text())["name"] == "feedback"
    assert fusionrec(workspace, "export", "feedback", "-o", str(folder)).code == 2


def test_ids_of_another_data_set_are_warned_of(workspace, dataset, ledger):
    assert active_dataset(workspace) == ""  # nothing is active yet
    Ledger(workspace.ledger).activate("v1", "")
    name = active_dataset(workspace)
    assert name == dataset.name
    assert other_data(dataset, name) == other_data(dataset, f"{name} with feedback") == ""
    assert other_data(dataset, "") == ""
    assert f"those of {dataset.name}" in other_data(dataset, "shop")
    Ledger(workspace.ledger).activate("v9", "")  # one that has gone
    assert active_dataset(workspace) == ""


def test_the_report_of_what_was_trained_with_feedback(dataset, fusionrec, tmp_path):
    save_dataset(tmp_path / "d", dataset)
    workspace, data = Workspace(tmp_path / "home"), ("--data", str(tmp_path / "d"))
    ledger = Ledger(workspace.ledger)
    say(ledger, ("visitor", dataset.items.ids[0], "like"))
    ended = fusionrec(workspace, "train", *data, "--with-feedback", *as_options(recipe(epochs=1)))
    assert ended.code == 0, ended.err
    # What is said later does not hide what it was trained on.
    ledger.record([Event("later", "visitor", dataset.items.ids[1], "like", time=3e9)])
    ended = fusionrec(workspace, "report", *data)
    assert ended.code == 0, ended.err
    page = Path(ended.out.strip()).read_text(encoding="utf-8")
    assert "held out of training" in page
    alone = fusionrec(workspace, "report", "-o", str(tmp_path / "alone.html"))  # finds them, too
    assert alone.code == 0, alone.err
    assert "held out of training" in (tmp_path / "alone.html").read_text(encoding="utf-8")


def test_what_was_taken_back_is_not_trained_on(dataset, ledger):
    fresh = dataset.items.ids[3]
    say(ledger, ("visitor", fresh, "rating", 2.0), ("visitor", fresh, "rating", 5.0))
    before = with_feedback(dataset, ledger)
    assert rated(before)["visitor", fresh] == 5.0
    ledger.retract("visitor", "e1")
    after = with_feedback(dataset, ledger)
    assert rated(after)["visitor", fresh] == 2.0
    assert before.feedback < after.feedback == ledger.revision().event
    as_it_was = with_feedback(dataset, ledger, until=before.feedback)
    assert rated(as_it_was) == rated(before)
    ledger.retract("visitor", "e0")
    assert rated(with_feedback(dataset, ledger)) == rated(dataset)
