"""The answer: scores are the towers' cosines, the right items are left out, notes are honest."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from fusionrec.artifact import Artifact
from fusionrec.errors import UsageError
from fusionrec.index import AnyOf, Between, ExactIndex, MilvusIndex
from fusionrec.people import Query
from fusionrec.recommender import Recommender


@pytest.fixture(scope="module", params=["milvus", "exact"])
def recommender(
    request: pytest.FixtureRequest,
    published: Artifact,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Recommender]:
    parts = (published.schema, published.items, published.item_vectors)
    if request.param == "exact":
        yield Recommender(published, ExactIndex(*parts))
        return
    uri = str(tmp_path_factory.mktemp("store") / "milvus.db")
    with MilvusIndex.build(uri, *parts, published.version, published.checksum) as index:
        yield Recommender(published, index)


def ids(answer) -> list[str]:
    return [item.id for item in answer.items]


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


def test_what_a_user_has_rated_is_left_out_unless_asked_for(recommender, dataset):
    rated = {str(i + 1) for i in dataset.item[(dataset.user == 9) & (dataset.item > 1)]}
    unseen = recommender.recommend(Query(user="10", k=100))
    assert rated
    assert set(ids(unseen)) == set(dataset.items.ids) - rated
    assert unseen.kind == "user"
    everything = recommender.recommend(Query(user="10", k=100, seen=True))
    assert set(ids(everything)) == set(dataset.items.ids)


def test_profiles_alone_give_different_answers(recommender):
    answers = {
        gender + age: recommender.recommend(Query(profile={"gender": gender, "age": age}, k=40))
        for gender in "FM"
        for age in ("1", "56")
    }
    assert {answer.kind for answer in answers.values()} == {"profile"}
    assert len({tuple(ids(answer)) for answer in answers.values()}) == 4
    asked = [Query(profile={"gender": g}) for g in "FM"]
    vectors = [recommender.people.find(one).vector for one in asked]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] < 0.9999


def test_what_is_said_wins_over_what_is_stored(recommender, published):
    stored = published.users.row(9)["gender"]
    other = {"F": "M", "M": "F"}[stored]
    same = recommender.recommend(Query(user="10", profile={"gender": stored}, k=40))
    changed = recommender.recommend(Query(user="10", profile={"gender": other}, k=40))
    plain = recommender.recommend(Query(user="10", k=40))
    assert (same.kind, changed.kind) == ("mixed", "mixed")
    wanted = [i.score for i in plain.items]
    assert [i.score for i in same.items] == pytest.approx(wanted, abs=1e-5)
    assert [i.score for i in changed.items] != pytest.approx(wanted, abs=1e-3)


def test_an_unknown_user_is_an_error_that_names_the_profile(recommender):
    with pytest.raises(UsageError, match="'nobody' is not among the 60 users of v1") as caught:
        recommender.recommend(Query(user="nobody"))
    assert "--profile gender=F --profile age=1 --profile occupation=0" in caught.value.hint


def test_an_unknown_user_with_a_profile_is_answered_from_it_with_a_note(recommender):
    profile = {"gender": "F"}
    answer = recommender.recommend(Query(user="nobody", profile=profile))
    assert answer.kind == "profile"
    assert any("nobody" in note and "profile" in note for note in answer.notes)
    assert ids(answer) == ids(recommender.recommend(Query(profile=profile)))
    assert not recommender.recommend(Query(profile=profile)).notes


def test_a_user_without_a_training_row_is_answered_from_the_stored_profile(recommender, published):
    answer = recommender.recommend(Query(user="1", k=40))
    assert answer.kind == "profile"
    stored = recommender.recommend(Query(profile=published.users.row(0), k=40))
    assert ids(answer) == ids(stored)


def test_of_whom_nothing_is_known_gets_what_is_popular(recommender, published):
    answer = recommender.recommend(Query(k=5))
    assert (answer.kind, len(answer.items)) == ("popular", 5)
    counts = published.item_counts
    assert [item.score for item in answer.items] == sorted(counts, reverse=True)[:5]
    assert all(item.stars is None for item in answer.items)
    assert all(counts[int(item.id) - 1] == item.score for item in answer.items)


def test_a_film_that_nobody_rated_is_not_popular(recommender):
    assert not {"1", "2"} & set(ids(recommender.recommend(Query(k=100))))


@pytest.mark.parametrize("query", [{"user": "10"}, {"profile": {"gender": "M"}}, {}])
def test_k(recommender, query):
    assert len(recommender.recommend(Query(k=3, **query)).items) == 3
    assert len(recommender.recommend(Query(k=100_000, seen=True, **query)).items) >= 38
    for k in (0, -1):
        with pytest.raises(UsageError, match=r"1 or more|at least 1"):
            recommender.recommend(Query(k=k, **query))


@pytest.mark.parametrize("query", [{"user": "10"}, {"profile": {"gender": "M"}}, {}])
def test_filters(recommender, published, query):
    where = (AnyOf("genres", ("Drama", "Comedy")), Between("year", 1960, 1990))
    answer = recommender.recommend(Query(k=100, seen=True, where=where, **query))
    fits = {
        id_
        for id_, genres, year, count in zip(
            published.items.ids,
            published.items.columns["genres"],
            published.items.columns["year"],
            published.item_counts,
            strict=True,
        )
        if {"Drama", "Comedy"} & set(genres) and 1960 <= year <= 1990 and (query or count)
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


def test_similar_to_what_there_is_not(recommender):
    with pytest.raises(UsageError, match="'no such' is not among the 40 items") as caught:
        recommender.similar("no such")
    assert "movie_id" in caught.value.hint
    with pytest.raises(UsageError, match="at least 1"):
        recommender.similar("7", k=0)


def test_milvus_and_numpy_answer_alike(recommender, published):
    exact = Recommender(
        published, ExactIndex(published.schema, published.items, published.item_vectors)
    )
    for user in ("5", "20", "44"):
        query = Query(user=user, k=10, where=[Between("year", None, 1985)])
        got, wanted = recommender.recommend(query), exact.recommend(query)
        assert got.items == wanted.items


def test_an_answer_as_json(recommender):
    shown = recommender.recommend(Query(user="10", k=2)).to_json()
    assert list(shown) == ["items", "kind", "version", "place"]
    assert list(shown["items"][0])[:5] == ["rank", "id", "title", "score", "stars"]
    assert isinstance(shown["items"][0]["genres"], list)
    assert isinstance(shown["items"][0]["year"], int)
