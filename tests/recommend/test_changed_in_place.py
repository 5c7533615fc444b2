"""What is made of a version's items is updated for those that change, and answers the same."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import LIBRARY, TOPICS, library, recipe
from fusionrec.data import layered
from fusionrec.data.dataset import Table
from fusionrec.index import AnyOf, Between, Condition, ExactIndex, NoneOf, Only
from fusionrec.ledger import ItemChange
from fusionrec.recommend import followed_index
from fusionrec.recommend.answer import Answer
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.followed_index import FollowedIndex
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.service.ui.facets import Facets
from fusionrec.service.ui.projection import chart_of
from fusionrec.workspace import Workspace
from swap_stress import exact

SHELVES = ("მარცხენა", "მარჯვენა", "ახალი თარო", "")
WORDS = ("წიგნი", "ზღვა", "ბაღი", "ახალი", "toy", "story")


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model of every kind of field, not to be changed."""
    from fusionrec.training.train import train

    return train(library(), recipe(epochs=1), Workspace(tmp_path_factory.mktemp("books")))


def over(catalog: Catalog) -> Recommender:
    return exact(catalog.artifact, catalog)


def followed(before: Recommender, changes: list[ItemChange]) -> Recommender:
    """The recommender after some changes, by way of what was made before."""
    now = before.catalog.after(changes)
    index = ExactIndex(
        now.artifact.schema,
        now.items,
        now.vectors,
        available=now.available,
        columns=now.columns,
        checked=True,
    )
    return before.after(now).over(index, ())


content = st.fixed_dictionaries(
    {},
    optional={
        "shelf": st.sampled_from(SHELVES),
        "topics": st.lists(st.sampled_from((*TOPICS, "ახალი")), max_size=3, unique=True),
        "heading": st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join),
        "pages": st.sampled_from((None, 100.0, 1977.0)),
    },
)
strange = st.just({"colour": "written under another schema"})
names = st.sampled_from([*(f"ტომი {n}/ა" for n in range(6)), "new 1", "new 2", "new 3", "New 1"])
told = st.tuples(names, st.none() | content | strange)


def numbered(told: list[tuple[str, Any]]) -> list[ItemChange]:
    return [ItemChange(n, item, content) for n, (item, content) in enumerate(told, 1)]


def plain(table: Table) -> list[list[Any]]:
    return [list(table.ids), *([str(v) for v in column] for column in table.columns.values())]


WHERE: list[list[Condition]] = [
    [],
    [AnyOf("shelf", ("ახალი თარო", "მარცხენა"))],
    [NoneOf("topics", ("ახალი", "ზღვა"))],
    [Between("pages", 100.0, 1980.0)],
    [Only(("new 1", "ტომი 3/ა", "nothing"))],
]


def short(answer: Answer) -> list[Any]:
    return [(item.id, item.title, round(item.score or 0, 3), item.reason) for item in answer.items]


def alike(one: Recommender, other: Recommender) -> None:
    """Both answer the same, and hold the same of their items."""
    here, there = one.catalog, other.catalog
    assert plain(here.items) == plain(there.items)
    assert np.allclose(here.vectors, there.vectors, atol=1e-5)
    assert here.available.tolist() == there.available.tolist()
    assert (here.number, here.changed, here.skipped) == (there.number, there.changed, there.skipped)
    assert list(here.positions.items()) == list(there.positions.items())
    for text in (*WORDS, "1970s", "ახალი თარო"):
        assert one.finder.hits(text, (), np.empty(0, int), prefix=False, limit=100) == (
            other.finder.hits(text, (), np.empty(0, int), prefix=False, limit=100)
        )
        assert one.finder.near(text) == other.finder.near(text)
    assert one.finder.near("NEW 1") == other.finder.near("NEW 1")
    user = here.artifact.users.ids[3]
    for where in WHERE:
        assert (
            one.catalog.columns.mask(where).tolist() == other.catalog.columns.mask(where).tolist()
        )
        query = Query(user, where=where, k=40, seen=True, explain=True, calibration=0.2)
        # Vectors computed in other batches differ in their last bits, so equal scores may swap.
        here_list, there_list = (short(each.recommend(query)) for each in (one, other))
        assert [item[2] for item in here_list] == [item[2] for item in there_list]
        by_score = lambda item: (-item[2], item[0])  # noqa: E731
        assert sorted(here_list, key=by_score) == sorted(there_list, key=by_score)
    for field in LIBRARY.attributes("item"):
        if field.kind in ("category", "categories"):
            assert Facets(here).all(field) == Facets(there).all(field)


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(told=st.lists(told, min_size=1, max_size=14), cuts=st.sets(st.integers(1, 13)))
def test_change_by_change_it_is_what_all_changes_make_of_the_version(books, told, cuts):
    changes = numbered(told)
    now = over(Catalog.of(books))
    now.finder.prepare()
    choices, chart = Facets(now.catalog), chart_of(now.catalog)
    fields = [f for f in LIBRARY.fields if f.kind in ("category", "categories")]
    ends = [*sorted(cut for cut in cuts if cut < len(changes)), len(changes)]
    for begin, end in zip([0, *ends], ends, strict=False):
        for field in fields:
            choices.all(field)
        now = followed(now, changes[begin:end])
        choices, chart = choices.after(now.catalog), chart.after(now.catalog)
    anew = over(Catalog.of(books, changes))
    alike(now, anew)
    assert [choices.all(field) for field in fields] == [
        Facets(anew.catalog).all(field) for field in fields
    ]
    wanted = chart_of(anew.catalog)
    drawn, wanted_points = chart.drawn(now.catalog)["points"], wanted.drawn(anew.catalog)["points"]
    assert [point[:2] for point in drawn] == [point[:2] for point in wanted_points]
    assert np.allclose(chart.middle, wanted.middle, atol=1e-5)


@settings(deadline=None, max_examples=20)
@given(told=st.lists(told, min_size=1, max_size=8), later=st.lists(told, min_size=1, max_size=8))
def test_what_was_before_stays_as_it_was(books, told, later):
    changes = numbered([*told, *later])
    old = over(Catalog.of(books, changes[: len(told)]))
    old.finder.prepare()
    kept = over(Catalog.of(books, changes[: len(told)]))
    now = followed(old, changes[len(told) :])
    assert plain(old.catalog.items) == plain(kept.catalog.items)
    for where in WHERE:
        query = Query(books.users.ids[3], where=where, k=40, seen=True)
        assert short(old.recommend(query)) == short(kept.recommend(query))
    for word in WORDS:
        for recommender in (old, now):
            rows, here = recommender.finder.rows, recommender.catalog.available
            found = recommender.search(word, Query(k=100))
            assert all(here[rows[item.id]] for item in found.items)
            recommender.finder.near(word)
            recommender.finder.guess("new 2")


def test_more_is_looked_for_where_the_words_are_ahead(books):
    """A limit counts the items that are shown, not those that another catalog alone has."""
    changes = numbered([(f"new {n}", {"heading": "წიგნი"}) for n in range(5)])
    old = over(Catalog.of(books))
    old.finder.prepare()
    wanted = [item.id for item in old.search("წიგნი", Query(k=3)).items]
    now = followed(old, changes)
    assert [item.id for item in old.search("წიგნი", Query(k=3)).items] == wanted
    assert {item.id for item in now.search("წიგნი", Query(k=5)).items} == {c.item for c in changes}


def test_searches_go_on_while_items_change(books):
    """Whichever catalog a search is of, it shows none but its own items that are there."""
    live, ended, problems = [over(Catalog.of(books))], threading.Event(), []
    live[0].finder.prepare()

    def search() -> None:
        try:
            while not ended.is_set():
                recommender = live[-1]
                rows, here = recommender.finder.rows, recommender.catalog.available
                for options in ({}, {"prefix": True}):
                    answer = recommender.search("toy სთორი წიგნი", Query(k=50), **options)
                    assert all(here[rows[item.id]] for item in answer.items)
                recommender.finder.near("toy stori")
                recommender.catalog.columns.mask(WHERE[1])
        except BaseException as error:
            problems.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 121):
        told = {"heading": "toy story", "shelf": SHELVES[number % 4]} if number % 3 else None
        change = ItemChange(number, f"new {number // 3}", told)
        live.append(followed(live[-1], [change]))
    ended.set()
    for thread in threads:
        thread.join()
    assert problems == []
    alike(live[-1], over(live[-1].catalog))


class TestLargeCatalogs:
    """Of which nothing is copied: what changed lies over what was there, also when it is much."""

    @pytest.fixture(autouse=True)
    def as_if_large(self, monkeypatch):
        monkeypatch.setattr(layered, "SMALL", 0)
        monkeypatch.setattr(followed_index, "SETTLED", 3)

    @settings(
        deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(told=st.lists(told, min_size=1, max_size=24), every=st.integers(1, 4))
    def test_they_are_what_all_changes_make_of_the_version(self, books, told, every):
        changes, own = numbered(told), Catalog.of(books)
        base = FollowedIndex(over(own).index, own)
        now, states = over(own), []
        for begin in range(0, len(changes), every):
            catalog = now.catalog.after(changes[begin : begin + every])
            now = now.after(catalog).over(base.after(catalog), ())
            below = FollowedIndex(over(catalog.solid).index, catalog.solid)
            for index in (now.index, below.after(catalog)):
                states.append((now.over(index, ()), changes[: begin + every]))
        for state, until in states[-4:] + states[:2]:
            alike(state, over(Catalog.of(books, until)))
