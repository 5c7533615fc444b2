"""Why an item is not in a list: the status, and a rank that is exact."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fusionrec.errors import UsageError
from fusionrec.index import AllOf, AnyOf, Between, NoneOf, Only, Without
from fusionrec.ledger import ItemChange
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.why_not import why_not, written
from swap_stress import exact, ids


@pytest.mark.parametrize("version", ["published", "parted"])
@pytest.mark.parametrize("known", [True, False])
def test_the_rank_is_the_place_in_the_whole_list(request, version, known):
    artifact = request.getfixturevalue(version)
    asked = exact(artifact)
    query = Query(user=artifact.users.ids[9] if known else None, k=3)
    whole = asked.recommend(replace(query, k=1_000))
    for place, one in enumerate(whole.items, start=1):
        found = why_not(asked, query, one.id)
        assert (found.rank, found.of) == (place, len(whole.items))
        assert found.status == ("shown" if place <= 3 else "ranked")
        if known:
            assert found.score == pytest.approx(one.score, abs=1e-5)
            assert found.last_score == pytest.approx(whole.items[2].score, abs=1e-5)
        if found.parts:
            assert sum(part.item for part in found.parts) == pytest.approx(found.score, abs=1e-5)
            last = sum(part.last for part in found.parts)
            assert last == pytest.approx(found.last_score, abs=1e-5)
    assert bool(found.parts) == (version == "parted" and known)
    assert f"rank {place} of {place}" in found.text
    assert found.last == whole.items[2].id


def test_it_says_what_keeps_an_item_out(published):
    catalog, user = Catalog.of(published), published.users.ids[9]
    whole = ids(exact(published).recommend(Query(user=user, k=1_000)))
    taken = next(id for id in published.items.ids if id not in whole)
    gone, hidden, free = whole[:3]
    asked = exact(published, catalog.after([ItemChange(1, gone, None)]))
    query = Query(user=user, k=2, hidden={hidden})

    def told(item, query=query):
        found = why_not(asked, query, item)
        return found.status, found.text

    assert told(taken)[0] == "taken"
    assert "they have rated it already; else it would have rank" in told(taken)[1]
    assert told(taken, replace(query, seen=True))[0] in ("ranked", "shown")
    assert told(gone)[0] == "withdrawn"
    assert told(hidden) == ("hidden", told(hidden)[1])
    assert "else it would have rank 1 of" in told(hidden)[1]
    assert told(free)[0] == "shown"
    status, text = told(free, replace(query, where=[Between("year", 1800.0, 1801.0)]))
    assert (status, text[:39]) == ("filtered", "it does not meet year=1800..1801; else ")
    with pytest.raises(UsageError, match="is not among the"):
        told("nothing")


def test_what_is_unknown_is_left_out_of_the_json(published):
    found = why_not(exact(published), Query(k=1), published.items.ids[5]).to_json()
    assert {"item", "title", "status", "text", "rank", "of"} <= found.keys()
    assert not {"parts", "failed"} & found.keys()


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (Between("year", 1980.0, None), "year=1980.."),
        (AnyOf("genres", ("War", "Drama")), "genre=War,Drama"),
        (AllOf("genres", ("War",)), "genre+=War"),
        (NoneOf("genres", ("War",)), "genre!=War"),
        (Only(("1",)), "the list of the only items"),
        (Without(("1",)), "the items left out"),
    ],
)
def test_conditions_are_shown_as_they_are_written(published, condition, text):
    assert written(published.schema, condition) == text
