"""What is said of names that nothing has, and of answers without items."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from builders import library, recipe
from fusionrec.cli.hints import hint_of
from fusionrec.data.dataset import Table
from fusionrec.errors import UsageError
from fusionrec.index import AllOf, AnyOf, Between, ExactIndex, NoneOf, Only
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.fuzzy import alike, folded
from fusionrec.recommend.messages import NO_REASON, NONE_LEFT
from fusionrec.recommend.query import Query, Rated
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

SHELVES = ("Rock", "Café", "true", "1999", "2003")
NO_RANGES = "shelf is a category and has no ranges: ask for each value, such as "


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    made = library()
    users = Table([f"00{n:02}x" for n in range(len(made.users))], dict(made.users.columns))
    columns = dict(made.items.columns)
    columns["shelf"] = [SHELVES[n % 5] for n in range(len(made.items))]
    columns["heading"] = [f"Quiet harbour {n}" for n in range(len(made.items))]
    items = Table([f"B{n:03}" for n in range(len(made.items))], columns)
    data = replace(made, users=users, items=items)
    # One reader has taken everything.
    user = np.where(made.user == 3, 4, made.user)
    everything = np.arange(len(items), dtype=np.int32)
    data = replace(
        data,
        user=np.concatenate([user, np.full(len(items), 3)]).astype(np.int32),
        item=np.concatenate([made.item, everything]),
        rating=np.concatenate([made.rating, np.full(len(items), 9.0, np.float32)]),
    )
    pairs = np.unique(data.user.astype(int) * len(items) + data.item, return_index=True)[1]
    data = replace(data, user=data.user[pairs], item=data.item[pairs], rating=data.rating[pairs])
    return train(data, recipe(epochs=1, batch=100), Workspace(tmp_path_factory.mktemp("remarks")))


@pytest.fixture(scope="module")
def recommender(artifact: Artifact) -> Recommender:
    catalog = Catalog.of(artifact)
    return Recommender(catalog, ExactIndex(artifact.schema, catalog.items, catalog.vectors))


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (AnyOf("shelf", ("rock",)), "no item has the shelf 'rock'; did you mean 'Rock'?"),
        (AnyOf("shelf", ("cafe",)), "no item has the shelf 'cafe'; did you mean 'Café'?"),
        (AnyOf("shelf", ("True",)), "no item has the shelf 'True'; did you mean 'true'?"),
        (AllOf("shelf", ("Rokc",)), "no item has the shelf 'Rokc'; did you mean 'Rock'?"),
        (AnyOf("topics", ("zzz",)), "no item has the topic 'zzz'"),
        (AnyOf("shelf", ("1998..2005",)), f"{NO_RANGES}shelf=1999 shelf=2003"),
        (AnyOf("shelf", ("..2000",)), f"{NO_RANGES}shelf=1999"),
        (AnyOf("shelf", ("a..b",)), f"{NO_RANGES}shelf=VALUE"),
    ],
)
def test_a_category_that_no_item_has_is_said_with_the_one_that_is_like_it(
    recommender, condition, said
):
    asked = Query(where=(condition,))
    person = replace(asked, user="0000x")
    likened = recommender.similar("B001", where=(condition,))
    for answer in (recommender.recommend(asked), recommender.recommend(person), likened):
        assert answer.items == []
        assert NONE_LEFT in answer.notes
        assert said in answer.notes
    words = recommender.search("harbour", asked)
    assert words.items == []
    assert said in words.notes


def test_where_items_are_found_nothing_is_guessed(recommender):
    for condition in (NoneOf("shelf", ("rock",)), AnyOf("shelf", ("rock", "Rock"))):
        answer = recommender.recommend(Query(user="0000x", where=(condition,), k=3))
        assert answer.items
        assert not any("did you mean" in note for note in answer.notes)
    none = recommender.recommend(Query(user="0000x", where=(Between("pages", 9000, None),)))
    assert none.notes == (NONE_LEFT,)


def test_who_has_taken_everything_is_told_so(recommender):
    whole = recommender.recommend(Query(user="0003x"))
    assert whole.items == []
    assert whole.notes == ("the person has rated all items already: `seen` shows what was rated",)
    some = recommender.recommend(Query(user="0003x", where=(AnyOf("shelf", ("Rock",)),)))
    assert some.notes == (
        "the person has rated all the items that meet these conditions already: "
        "`seen` shows what was rated",
    )
    assert recommender.recommend(Query(user="0003x", seen=True)).items
    away = recommender.recommend(Query(user="0003x", hidden=["B001"]))
    assert away.notes[0].startswith("the person has rated or hidden all items already")
    itself = recommender.similar("B001", where=(Only(("B001",)),))
    assert itself.notes == (NONE_LEFT,)
    behind = recommender.recommend(Query(user="0000x", offset=900))
    assert behind.notes == ("there are no more items",)


def test_an_open_category_of_a_profile_that_training_never_saw_is_said(recommender):
    answer = recommender.recommend(Query(profile={"interests": "ზღვა,Mars"}))
    said = "nobody in training has the interests 'Mars': it counts as not known"
    assert [note for note in answer.notes if "Mars" in note] == [said]
    assert not recommender.recommend(Query(profile={"interests": "ზღვა"})).notes


def test_items_that_nobody_has_are_refused_where_nothing_else_is_told(recommender):
    for query in (
        Query(history=[Rated("quiet harbuor 7", 9.0, named=True)]),
        Query(user="nobody", history=[Rated("quiet harbuor 7", 9.0, named=True)]),
    ):
        with pytest.raises(UsageError, match="'quiet harbuor 7' is not among the 24") as caught:
            recommender.recommend(query)
        assert "did you mean B007 = Quiet harbour 7" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        recommender.recommend(Query(history=[Rated("b7"), Rated("99999")]))
    assert caught.value.message.startswith("none of the 2 items named is among the 24")
    assert "99999" not in caught.value.hint


def test_items_that_nobody_has_are_noted_where_more_is_told(recommender):
    told = [Rated("b001"), Rated("B002")]
    for query in (Query(history=told), Query(user="0000x", history=told[:1])):
        answer = recommender.recommend(query)
        assert answer.items
        assert any("instead of 'b001', did you mean B001 = Quiet" in n for n in answer.notes)
    # Over HTTP, which finds the person first, the popular items answer.
    asked = Query(history=told[:1])
    answer = recommender.recommend_to(recommender.people.find(asked), asked)
    assert answer.kind == "popular"
    assert answer.items


@pytest.mark.parametrize("asked", ["0X", "00X", "0000X", "000x"])
def test_an_unknown_user_is_guessed_by_case_and_zeros(recommender, asked):
    with pytest.raises(UsageError) as caught:
        recommender.recommend(Query(user=asked))
    assert hint_of(caught.value).startswith("did you mean '0000x'?")


def test_an_explained_answer_without_a_reason_says_so(recommender, monkeypatch):
    monkeypatch.setattr(recommender.explainer, "of", lambda rows, *_: [None] * len(rows))
    assert NO_REASON in recommender.recommend(Query(user="0000x", explain=True)).notes
    assert NO_REASON not in recommender.recommend(Query(user="0000x")).notes


def test_names_are_like_each_other_when_folded_or_nearly_spelt():
    assert folded("  Señor-RITA 007 ") == folded("senor rita 7")
    assert folded("!!") == "!!"
    assert alike("rock", ["Rock", "Rocky"]) == ["Rock"]
    assert alike("rokcy", ["Jazz", "Rocky"]) == ["Rocky"]
    assert alike("rokcy", [f"Rocky{n}" for n in range(20)], compared=10) == []
    assert alike("x" * 200, ["x" * 200]) == []
