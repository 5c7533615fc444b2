"""A request may name what its list is for, where the version's parts are weighed for that."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from fusionrec.errors import UsageError
from fusionrec.ledger import Ledger
from fusionrec.recommend.batch import BatchRecommender, joined, write_answers
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.item_search import ItemSearch
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.query_builder import QueryRequest, build_query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.workspace import Workspace
from swap_stress import exact, ids


@pytest.fixture(scope="module")
def asked(parted: Artifact) -> Recommender:
    return exact(parted)


def test_the_list_is_ordered_for_the_goal_and_says_so_where_it_was_asked_for(asked, parted):
    user = parted.users.ids[0]
    own = asked.recommend(Query(user=user, k=5, seen=True))
    same = asked.recommend(Query(user=user, k=5, seen=True, goal="next"))
    other = asked.recommend(Query(user=user, k=5, seen=True, goal="taste"))
    vector = parted.vectors_of(
        [user], {n: c[:1] for n, c in parted.users.columns.items()}, [parted.histories.of(0)],
        goal="taste",
    )[0]  # fmt: skip
    best = np.argsort(-(parted.item_vectors @ vector), kind="stable")[:5]
    assert parted.goals == ("next", "taste", "later")  # too few could be asked for ``later``
    assert ids(own) == ids(same) != ids(other) == [parted.items.ids[row] for row in best]
    assert [answer.goal for answer in (own, same, other)] == [None, "next", "taste"]
    assert "goal" not in own.to_json()
    assert other.to_json()["goal"] == "taste"


def test_a_vector_is_made_once_until_something_is_new(parted, monkeypatch):
    asked, user, made = exact(parted), parted.users.ids[1], []
    plain = Artifact.vectors_of
    monkeypatch.setattr(Artifact, "vectors_of", lambda *a, **m: made.append(1) or plain(*a, **m))
    query = Query(user=user, k=5, goal="taste")
    first = ids(asked.recommend(query))
    assert [ids(asked.recommend(query)) for _ in range(2)] == [first, first]
    assert len(made) == 1
    liked = Rated(parted.items.ids[3], 5.0, named=True)
    for fresh in (replace(query, history=(liked,)), replace(query, goal="later")):
        asked.recommend(fresh)
    assert len(made) == 3
    assert ids(asked.after(asked.catalog).recommend(query)) == first
    assert len(made) == 4  # its items may have changed


def test_nobody_known_gets_what_is_popular_whatever_the_goal(asked):
    answer = asked.recommend(Query(k=3, goal="taste"))
    assert (answer.kind, answer.goal) == ("popular", None)


def test_a_search_by_taste_goes_by_the_goal(asked, parted):
    moved = 0
    for user in parted.users.ids:
        query = Query(user=user, k=20, seen=True)
        own, other = (asked.search("iron", replace(query, goal=goal)) for goal in (None, "taste"))
        assert (own.goal, other.goal) == (None, "taste")
        assert sorted(ids(own)) == sorted(ids(other))
        moved += ids(own) != ids(other)
    assert moved


def test_everybodys_lists_for_a_goal_are_those_of_each(asked, parted, tmp_path):
    feedback = Feedback(Ledger(Workspace(tmp_path).ledger))
    batch = BatchRecommender(asked, feedback, Query(k=4, goal="taste"))
    rows = joined([lists for lists, _ in batch.lists()])
    for position, user in enumerate(parted.users.ids):
        found = rows["item"][rows["user"] == position]
        single = asked.recommend(Query(user=user, k=4, goal="taste"))
        assert [parted.items.ids[row] for row in found] == ids(single)
    write_answers(tmp_path / "all.parquet", batch)
    about = json.loads(pq.read_schema(tmp_path / "all.parquet").metadata[b"fusionrec"])
    assert about == {"version": "v1", "k": 4, "goal": "taste"}
    with pytest.raises(UsageError, match="v1 has the goals next, taste, later; got 'x'"):
        BatchRecommender(asked, feedback, Query(goal="x"))


def test_a_goal_that_the_version_does_not_have_is_refused(parted, published, tmp_path):
    feedback = Feedback(Ledger(Workspace(tmp_path).ledger))
    for artifact, has in ((parted, "has the goals next, taste, later"), (published, "no goals")):
        items = ItemSearch(Catalog.of(artifact))
        with pytest.raises(UsageError, match=has) as refused:
            build_query(QueryRequest.of(goal="soon"), items, feedback)
        assert refused.value.code == "unknown_goal"
