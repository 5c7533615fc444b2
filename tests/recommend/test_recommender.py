"""The answer: scores are the towers' cosines, the right items are left out, notes are honest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from fusionrec.errors import UsageError
from fusionrec.index import AnyOf, Between, ExactIndex, MilvusIndex, Only, Without
from fusionrec.ledger import ItemChange
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.fulltext import Match
from fusionrec.recommend.item_search import ItemSearch
from fusionrec.recommend.popular import NOBODY
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.rank_fusion import fuse, ranks
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from swap_stress import exact, ids


@pytest.fixture(scope="module", params=["milvus", "exact"])
def recommender(
    request: pytest.FixtureRequest, published: Artifact, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recommender]:
    parts = (published.schema, published.items, published.item_vectors)
    if request.param == "exact":
        yield Recommender(Catalog.of(published), ExactIndex(*parts))
        return
    uri = str(tmp_path_factory.mktemp("store") / "milvus.db")
    with MilvusIndex.build(uri, *parts, published.version, published.checksum) as index:
        yield Recommender(Catalog.of(published), index)


@pytest.fixture
def rated(dataset) -> set[str]:
    """What user 10 has rated in training."""
    return {str(i + 1) for i in dataset.item[(dataset.user == 9) & (dataset.item > 1)]}


def test_scores_are_five_times_the_towers_cosine(recommender, published, dataset):
    users = published.user_tower.vectors(published.encoder.encode_table("user", dataset.users))
    items = published.item_tower.vectors(published.encoder.encode_table("item", dataset.items))
    for user in ("7", "30", "60"):
        answer = recommender.recommend(Query(user=user, k=40, seen=True))
        cosines = users[int(user) - 1] @ items.T
        for item in answer.items:
            cosine = float(cosines[int(item.id) - 1])
            assert item.score / 5 == pytest.approx(cosine, abs=1e-5)
            assert item.stars == pytest.approx(np.clip((item.score + 5) / 2, 1, 5), abs=1e-6)
        assert len(answer.items) == 40
        assert np.all(np.diff([item.score for item in answer.items]) <= 1e-6)
        assert [item.rank for item in answer.items] == list(range(1, 41))


def test_what_a_user_has_rated_is_left_out_unless_asked_for(recommender, dataset, rated):
    unseen = recommender.recommend(Query(user="10", k=100))
    assert rated
    assert set(ids(unseen)) == set(dataset.items.ids) - rated
    assert unseen.kind == "user"
    everything = recommender.recommend(Query(user="10", k=100_000, seen=True))
    assert set(ids(everything)) == set(dataset.items.ids)
    searched = "animation comedy drama"
    assert rated & set(ids(recommender.search(searched, Query("10", k=40, seen=True))))
    found = set(ids(recommender.search(searched, Query("10", k=40))))
    assert found
    assert not rated & found


def test_nobody_gets_what_is_popular_and_what_nobody_rated_last(recommender, published):
    answer = recommender.recommend(Query(k=100))
    assert (answer.kind, answer.place, answer.notes) == ("popular", "counts", (NOBODY,))
    assert set(ids(answer)) == set(published.items.ids)
    counts = published.item_counts
    assert [item.ratings for item in answer.items] == sorted(counts, reverse=True)
    assert ids(answer)[-2:] == ["1", "2"]
    assert all(counts[int(item.id) - 1] == item.ratings for item in answer.items)
    shown = answer.to_json()["items"][0]
    assert list(shown) == ["rank", "id", "title", "ratings", "content"]


def test_an_answer_as_json(recommender):
    shown = recommender.recommend(Query(user="10", k=2)).to_json()
    assert list(shown) == ["items", "kind", "version", "place", "notes"]
    assert list(shown["items"][0]) == ["rank", "id", "title", "score", "stars", "content"]
    assert isinstance(shown["items"][0]["content"]["genres"], list)
    assert isinstance(shown["items"][0]["content"]["year"], int)


def test_an_item_that_was_added_is_shown_to_strangers(published):
    added = {"title": "New", "genres": ["Drama"], "year": 2026}
    changes = [ItemChange(1, "x1", added), ItemChange(2, "x2", added | {"year": 2027})]
    recommender = exact(published, Catalog.of(published, changes))
    answer = recommender.recommend(Query(k=100, explain=True))
    assert ids(answer)[-4:] == ["x2", "x1", "1", "2"], "the newest of what nobody rated first"
    assert answer.items[-4].reason.kind == "new"
    for where in ([Only(("x1",))], [Between("year", 2026, 2026)]):
        alone = recommender.recommend(Query(where=where))
        assert (ids(alone), alone.kind) == (["x1"], "popular")
        assert not any("no item" in note for note in alone.notes)


@pytest.mark.parametrize("query", [{"user": "10"}, {"profile": {"gender": "M"}}, {}])
def test_filters(recommender, published, query):
    where = (AnyOf("genres", ("Drama", "Comedy")), Between("year", 1960, 1990))
    answer = recommender.recommend(Query(k=100, seen=True, where=where, **query))
    items, columns = published.items.ids, published.items.columns
    fits = {
        id_
        for id_, genres, year in zip(items, columns["genres"], columns["year"], strict=True)
        if {"Drama", "Comedy"} & set(genres) and 1960 <= year <= 1990
    }
    assert fits
    assert set(ids(answer)) == fits
    assert not recommender.recommend(Query(where=[Between("year", 3000, None)], **query)).items


def test_similar_items_leave_out_the_item_itself(recommender, published):
    answer = recommender.similar("7", k=100)
    assert answer.kind == "similar"
    assert set(ids(answer)) == set(published.items.ids) - {"7"}
    cosines = published.item_vectors @ published.item_vectors[6]
    for item in answer.items:
        assert item.score == pytest.approx(5 * cosines[int(item.id) - 1], abs=5e-5)
        assert item.stars is None
    dramas = recommender.similar("7", k=100, where=[AnyOf("genres", ("Drama",))])
    assert dramas.items
    assert all("Drama" in item.content["genres"] for item in dramas.items)
    with pytest.raises(UsageError, match="at least 1"):
        recommender.similar("7", k=0)


@pytest.mark.parametrize(
    ("item", "hint"),
    [
        ("no such", "an item is named by its id or title, such as 1"),
        ("scarlet scraem", "did you mean 7 = Scarlet Scream"),
    ],
)
def test_similar_to_what_there_is_not(recommender, item, hint):
    with pytest.raises(UsageError) as caught:
        recommender.similar(item)
    assert caught.value.code == "unknown_item"
    assert caught.value.hint.startswith(hint)


def test_ids_in_conditions_are_kept_to_and_unknown_ones_told(recommender):
    answer = recommender.recommend(Query("10", k=40, where=[Only(("7", "9", "none"))], seen=True))
    assert set(ids(answer)) == {"7", "9"}
    assert answer.notes == ("no item of v1 has the id none",)
    without = recommender.similar("7", k=40, where=[Without(("9", "8", "7", "x"))])
    assert set(ids(without)) == {str(n) for n in range(1, 41)} - {"7", "8", "9"}
    assert without.notes == ("no item of v1 has the id x",)
    popular = recommender.recommend(Query(k=40, where=[Only(("7", "1", "y"))]))
    assert ids(popular) == ["7", "1"]  # which nobody rated
    assert "no item of v1 has the id y" in popular.notes


def test_an_item_rated_twice_is_told(recommender):
    twice = [Rated("7", 5.0), Rated("8", 3.0), Rated("7", 1.0)]
    answer = recommender.recommend(Query(history=twice))
    assert "item 7 was rated more than once: the last rating of it counts" in answer.notes
    assert ids(answer) == ids(recommender.recommend(Query(history=twice[1:])))
    nothing = [Rated("none", 1.0), Rated("none", 2.0), twice[0]]
    for told in (twice[:2], [twice[0], twice[0]], nothing):
        notes = recommender.recommend(Query(history=told)).notes
        assert not any("more than once" in note for note in notes)


def test_a_search_by_words_alone(recommender):
    answer = recommender.search("iron island")
    assert (answer.kind, answer.place, answer.notes) == ("search", "words", ())
    assert ids(answer)[:2] == ["22", "28"]
    assert set(ids(answer)[2:]) == {"14", "23", "30"}
    scores = {item.id: item.score for item in answer.items}
    rare = np.log1p(40 / np.array([5, 2]))  # of 40 items 5 hold "iron", 2 "island"
    assert scores["28"] == pytest.approx(rare.sum())
    assert scores["22"] == scores["28"] + 1  # its title is what was typed
    assert all(item.stars is None for item in answer.items)
    assert [item.rank for item in answer.items] == [1, 2, 3, 4, 5]
    assert ids(recommender.search("iron isl", prefix=True))[:2] == ["22", "28"]


def test_conditions_and_k_hold_for_words(recommender):
    where = [AnyOf("genres", ("War",)), Without(("30",))]
    assert ids(recommender.search("iron 1990s", Query(where=where))) == ["23"]
    assert len(recommender.search("iron", Query(k=2)).items) == 2
    with pytest.raises(UsageError, match="no word to search for in '!\\?'") as caught:
        recommender.search("!?")
    assert "1970s" in caught.value.hint
    strange = recommender.search("iron", Query(where=[Only(("z",))]))
    assert "no item of v1 has the id z" in strange.notes


def test_a_search_that_finds_nothing_says_why(recommender):
    [note] = recommender.search("xyzzy").notes
    assert note.endswith("try other or fewer words")
    [note] = recommender.search("iron", Query(where=[Between("year", 3000, None)])).notes
    assert note == "items hold these words, but none of them meets the conditions"
    assert "first 32 words" in recommender.search(" ".join(f"w{n}" for n in range(40))).notes[0]


def test_misspelt_words_are_taken_for_near_ones_and_the_title_is_suggested(recommender):
    found = recommender.search("irn ilsand")
    assert ids(found) == ids(recommender.search("iron island"))
    assert found.notes == ("no item holds 'irn', 'ilsand': these hold 'iron', 'island'",)
    assert found.to_json()["suggestions"] == [{"text": "Iron Island", "id": "22"}]
    assert "suggestions" not in recommender.search("iron island").to_json()


@pytest.mark.parametrize(
    "who", [{"user": "10"}, {"profile": {"gender": "F", "age": "25"}}, {"history": [Rated("7")]}]
)
def test_taste_orders_items_that_hold_the_same_words(recommender, who):
    everything = recommender.recommend(Query(k=40, seen=True, **who))
    place = {item.id: item.rank for item in everything.items}
    stars = {item.id: item.stars for item in everything.items}
    answer = recommender.search("animation", Query(k=40, seen=True, **who))
    assert answer.kind == "search"
    assert answer.place == recommender.index.place
    assert set(ids(answer)) == {"3", "5", "6", "8", "14", "21", "25", "26", "37"}
    assert ids(answer) == sorted(ids(answer), key=place.__getitem__)
    for item in answer.items:
        assert item.score == pytest.approx(1 / 61 + 1 / (60 + item.rank))
        assert (item.stars is None) == (stars[item.id] is None)
        assert item.stars is None or item.stars == pytest.approx(stars[item.id], abs=1e-5)


def test_a_weak_match_stays_below_whatever_the_taste(recommender):
    """Only two items hold both words; everything else holds one of them."""
    for user in ("5", "20", "44"):
        answer = recommender.search("iron regiment", Query(user, k=40, seen=True))
        assert set(ids(answer)[:2]) == {"23", "30"}
        assert set(ids(answer)[2:]) == {"14", "18", "22", "28"}
        scores = [item.score for item in answer.items]
        assert scores == sorted(scores, reverse=True)


def test_a_search_for_someone_unknown(recommender):
    with pytest.raises(UsageError, match="'nobody' is not among"):
        recommender.search("iron", Query(user="nobody"))
    strange = recommender.search("iron", Query(history=[Rated("none")]))
    assert strange.place == "words"
    assert any("left out 1 of 1" in note for note in strange.notes)
    assert ids(strange) == ids(recommender.search("iron"))


def test_reciprocal_ranks_are_joined_as_in_their_paper():
    """By hand: words rank a, then c and d equal, then b; taste ranks d, c, b, a; e is weak."""
    held = {"a": "x", "b": "y", "c": "z", "d": "z", "e": "w"}
    hits = [Match("a", 9.0), Match("c", 7.0), Match("b", 6.5), Match("d", 6.0), Match("e", 4.0)]
    liking = {"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 0.9}
    matches = [held[hit.id] for hit in hits]
    joined = fuse(hits, matches, lambda i: np.array([liking[x] for x in i]))
    wanted = {
        "a": 1 / 61 + 1 / 64,
        "b": 1 / 64 + 1 / 63,
        "c": 1 / 62 + 1 / 62,
        "d": 1 / 62 + 1 / 61,
        "e": 1 / 65,
    }
    assert {hit.id: hit.score for hit in joined} == pytest.approx(wanted)
    assert [hit.id for hit in joined] == ["d", "c", "a", "b", "e"]
    assert ranks(np.array([1.0, 3.0, 3.0, 2.0])).tolist() == [4, 1, 1, 3]
    assert fuse([], [], lambda _: np.empty(0)) == []
    called = [*hits[:4], Match("e", 4.0, called=True)]
    assert fuse(called, matches, lambda i: np.array([liking[x] for x in i]))[0].id == "e"


def test_very_many_hits_keep_their_order_below_those_that_taste_reorders(published, monkeypatch):
    monkeypatch.setattr("fusionrec.recommend.rank_fusion.POOL", 3)
    finder = ItemSearch(Catalog.of(published))
    hits = finder.words.search("animation drama")
    assert len(hits) > 6
    asked: list[str] = []

    def taste(given: list[str]) -> np.ndarray:
        asked.extend(given)
        return np.arange(len(given))

    joined = fuse(hits, range(3), taste)
    assert set(asked) == {hit.id for hit in hits[:3]}
    assert [hit.id for hit in joined[3:]] == [hit.id for hit in hits[3:]]
    scores = [hit.score for hit in joined]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("7", "7"),
        ("scarlet scream", "7"),
        ("Scream, Scarlet", "7"),
        ("Iron Island", "22"),
        ("iron island 2", "28"),
        ("iron island 1965", "28"),
        ("alibi", "9"),
        ("alibi crime 1990s", "9"),
        ("99999", None),
        ("1972", None),
        ("musical 1980s", None),
        ("scarlet nothing", None),
        ("", None),
    ],
)
def test_an_item_by_its_name(recommender, text, id_):
    assert recommender.finder.item(text) == id_
    named = recommender.finder.named([Rated(text, 4.0), Rated("8")])
    assert named == [Rated(id_ or text, 4.0), Rated("8")]


def test_a_name_that_several_have_is_refused_with_the_candidates(recommender, published):
    with pytest.raises(UsageError, match="'iron' may be any of 5 items") as caught:
        recommender.finder.item("iron")
    shown = caught.value.hint.split("; ")
    assert "28 = Iron Island 2 (year 1965)" in shown
    counts = [published.item_counts[int(one.split()[0]) - 1] for one in shown]
    assert counts == sorted(counts, reverse=True)
    with pytest.raises(UsageError, match="may be any of 2") as caught:
        recommender.finder.item("summer")
    assert "…" not in caught.value.hint
