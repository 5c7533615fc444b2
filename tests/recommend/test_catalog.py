"""A version's items after changes: positions stay, vectors are the item tower's."""

from __future__ import annotations

import numpy as np
import pytest

from fusionrec.data.item_files import item_of, plain_content
from fusionrec.errors import UsageError
from fusionrec.ledger import ItemChange, Ledger
from fusionrec.recommend.catalog import Catalog, current, put, restore, withdraw
from fusionrec.registry import Artifact

DUNE = {"title": "Dune", "genres": ["Sci-Fi", "Adventure"], "year": 2021.0}


def after(artifact: Artifact, *changes: tuple[str, dict | None]) -> Catalog:
    numbered = [ItemChange(n, item, content) for n, (item, content) in enumerate(changes, 1)]
    return Catalog.of(artifact, numbered)


def test_without_changes_it_is_the_versions_own(published):
    for catalog in (after(published), after(published, ("nobody's", None))):
        assert list(catalog.items.ids) == list(published.items.ids)
        assert catalog.vectors is published.item_vectors
        assert catalog.available.all()
        assert not len(catalog.changed_since(0))


def test_no_change_moves_a_position(published):
    """So that a collection built in between keeps its rows."""
    n, first = len(published.items), published.items.ids[5]
    changes = [("a", DUNE), ("b", DUNE), ("a", None), ("c", DUNE), (first, None), ("a", DUNE)]
    for count in range(1, len(changes) + 1):
        catalog = after(published, *changes[:count])
        positions = catalog.positions
        assert [positions.get(id, n + place) for place, id in enumerate("abc")] == [n, n + 1, n + 2]
        gone = {id for id, content in dict(changes[:count]).items() if content is None}
        assert {catalog.items.ids[row] for row in np.flatnonzero(~catalog.available)} == gone


def test_an_added_item_stands_behind_with_the_vector_of_its_content(published):
    catalog = after(published, ("new", DUNE))
    n = len(published.items)
    assert catalog.positions["new"] == n
    assert catalog.items.row(n) == {**DUNE, "genres": ("Sci-Fi", "Adventure")}
    assert catalog.items.row(7) == published.items.row(7)
    features = published.encoder.encode(
        "item", [None], {"title": ["Dune"], "genres": [("Sci-Fi", "Adventure")], "year": [2021.0]}
    )
    wanted = published.item_tower.vectors(features)[0]
    assert catalog.vectors[n] == pytest.approx(wanted, abs=1e-6)
    assert np.array_equal(catalog.vectors[:n], published.item_vectors)
    assert catalog.counts[n] == 0
    assert len(published.items) == n, "the version itself is as it was"


def test_changed_content_moves_the_vector_of_that_item_alone(published):
    id = published.items.ids[5]
    content = published.items.row(5)
    other = {**content, "genres": ["War"], "year": 1950.0}
    catalog = after(published, (id, other))
    assert len(catalog) == len(published.items)
    assert catalog.items.row(5)["genres"] == ("War",)
    assert np.abs(catalog.vectors[5] - published.item_vectors[5]).max() > 1e-3
    assert np.linalg.norm(catalog.vectors[5]) == pytest.approx(1.0, abs=1e-4)
    rest = np.arange(len(catalog)) != 5
    assert np.array_equal(catalog.vectors[rest], published.item_vectors[rest])
    # Back to what it was: the tower gives what it gave when the version was published.
    same = after(published, (id, other), (id, {**content, "genres": list(content["genres"])}))
    assert same.vectors[5] == pytest.approx(published.item_vectors[5], abs=1e-5)


def test_what_was_changed_since_is_known(published):
    first = published.items.ids[0]
    catalog = after(published, ("a", DUNE), (first, None), ("b", DUNE), ("a", None))
    n = len(published.items)
    assert catalog.changed_since(0).tolist() == [0, n, n + 1]
    assert catalog.changed_since(2).tolist() == [n, n + 1]
    assert catalog.changed_since(3).tolist() == [n]
    assert catalog.changed_since(4).tolist() == []


def test_content_of_another_schema_is_left_out_and_said(published):
    catalog = after(published, ("a", {"colour": "red"}), ("b", DUNE))
    assert "colour" in catalog.skipped["a"]
    n = len(published.items)
    assert catalog.available[n:].tolist() == [False, True]


def test_what_is_not_told_of_an_item_stays_and_a_withdrawn_one_comes_back_as_it_was(
    published, tmp_path
):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    id = published.items.ids[5]
    own = published.items.row(5)

    def now() -> Catalog:
        return current(published, ledger)

    assert put(ledger, now(), [item_of(published.schema, id, {"year": 1950})]) == 1
    assert plain_content(now().items.row(5)) == plain_content({**own, "year": 1950.0})
    assert put(ledger, now(), [item_of(published.schema, id, {"year": None})]) == 1
    assert np.isnan(now().items.row(5)["year"])
    assert put(ledger, now(), [item_of(published.schema, "new", DUNE)]) == 1
    for ids in (["new", id], ["new"]):
        withdraw(ledger, now(), ids)
    gone = now()
    assert not gone.available[[5, len(published.items)]].any()
    assert gone.items.row(gone.positions["new"])["title"] == "Dune", "it can still be shown"
    assert restore(ledger, gone, [id, "new"]) == 2
    assert restore(ledger, now(), [id, "new"]) == 0
    back = now()
    assert back.available.all()
    assert back.items.row(back.positions["new"]) == {**DUNE, "genres": ("Sci-Fi", "Adventure")}
    with pytest.raises(UsageError, match="nobody"):
        restore(ledger, now(), [id, "nobody"])
