"""What is found while someone is still writing, and in which order."""

from __future__ import annotations

import pytest

from fusionrec.data.dataset import Table
from fusionrec.data.movielens import MOVIELENS
from fusionrec.recommend.catalog import current
from fusionrec.recommend.fulltext import FulltextIndex
from fusionrec.recommend.item_words import plain_words
from fusionrec.registry.versions import load


def test_how_near_items_come_to_what_is_half_written():
    films = {
        "1": ("Blade Runner", ("Sci-Fi",), 1982.0),
        "2": ("The Blade Runs", (), 1990.0),
        "3": ("Runner and Blade", (), 1991.0),
        "4": ("Sling Blade", (), 1996.0),
        "5": ("Spider-Man", ("Action",), 2002.0),
    }
    names = ("title", "genres", "year")
    columns = {name: [film[n] for film in films.values()] for n, name in enumerate(names)}
    index = FulltextIndex(MOVIELENS, Table(list(films), columns))
    assert index.nearness("Blade r") == {"1": 0, "2": 1, "3": 2}
    assert index.nearness("runner an") == {"3": 0}
    assert index.nearness("blade") == {"1": 0, "2": 1, "3": 1, "4": 1}
    assert index.nearness("runner 198") == {"1": 2}
    assert index.nearness("spider-m") == index.nearness("spiderm") | {"5": 0} == {"5": 0}
    assert index.nearness('^ "*') == index.nearness("") == {}


@pytest.mark.parametrize("more", [{}, {"user": "30"}], ids=str)
def test_all_that_matches_is_found_whoever_asks(shop, more):
    index = FulltextIndex(MOVIELENS, load(shop.workspace).items)
    for text in ("i", "iron", "iron isl", "com"):
        wanted = {hit.id for hit in index.search(text, prefix=True)}
        assert set(shop.ids("/v1/search", q=text, prefix=True, k=100, **more)) == wanted


def test_titles_that_begin_so_stand_first_and_of_them_the_most_rated(shop):
    now = current(load(shop.workspace), shop.ledger)
    found = shop.ids("/v1/search", q="a", prefix=True, k=100)
    titles = [str(now.items.columns["title"][now.positions[id]]) for id in found]
    begins = [plain_words(title)[0].startswith("a") for title in titles]
    assert set(begins) == {True, False}
    assert begins == sorted(begins, reverse=True)
    for first in (True, False):
        counts = [int(now.counts[now.positions[id]])
                  for id, begun in zip(found, begins, strict=True) if begun is first]  # fmt: skip
        assert counts == sorted(counts, reverse=True)


def test_the_order_holds_under_conditions_and_over_pages(shop):
    whole = shop.ids("/v1/search", q="iron", prefix=True, k=100)
    pages = [shop.ids("/v1/search", q="iron", prefix=True, k=3, offset=n) for n in (0, 3)]
    assert pages[0] + pages[1] == whole[:6]
    later = shop.ids("/v1/search", q="iron", prefix=True, k=100, where="year=1980..")
    assert later == [id for id in whole if id in later]
