"""Learning from what people did: no ratings, no attributes, no times, items taken again."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from builders import recipe, sequence_recipe
from event_data import baskets, data_set, groups, schema, tell
from fusionrec.api import Recommender
from fusionrec.data.leakage import check_disjoint
from fusionrec.data.schema import Field
from fusionrec.data.splits import Split, leave_last_out
from fusionrec.errors import TrainingError, UsageError
from fusionrec.evaluation.model_source import TrainOnSplit
from fusionrec.evaluation.protocols import ProtocolOptions, named
from fusionrec.evaluation.run import evaluate
from fusionrec.ledger import Ledger, RecentActivity
from fusionrec.models.presets import FUSION
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.feedback_dataset import trained_with, with_feedback
from fusionrec.recommend.query import Query, Rated
from fusionrec.registry import Artifact
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from swap_stress import exact


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model of ``groups``: no attributes, no times."""
    asked = recipe(epochs=15, batch=100, user_id_dropout=0.0, item_id_dropout=0.0)
    return train(groups(), asked, Workspace(tmp_path_factory.mktemp("events")))


@pytest.fixture(scope="module")
def bought(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model of ``baskets`` that reads histories."""
    asked = sequence_recipe(epochs=2, validation=0.2)
    return train(baskets(), asked, Workspace(tmp_path_factory.mktemp("baskets")))


@pytest.mark.parametrize("ask", ["recommend", "search"])
@pytest.mark.parametrize("rated", [{"i1": 5}, {"i1": 0.5}, {"no such item": 1.0}])
def test_ratings_in_a_question_are_refused_in_python_too(taken, ask, rated):
    words = ("i1",) if ask == "search" else ()
    with Recommender(taken.folder.parent.parent, version=taken.version) as recommender:
        with pytest.raises(UsageError) as caught:
            getattr(recommender, ask)(*words, rated=rated)
        assert caught.value.code == "ratings_mean_nothing"
        assert getattr(recommender, ask)(*words, liked=["i1"], rated={}).version == taken.version


def share_of(group: int, answer) -> float:
    """How much of an answer is of a group."""
    return float(np.mean([int(item.id[1:]) % 2 == group for item in answer.items]))


def test_what_was_really_trained_with_is_in_the_manifest(taken):
    terms = taken.manifest["recipe"]["training"]
    assert (terms["squared"], terms["ranking"], terms["exposure"]) == (0.0, 1.0, 0.0)
    assert terms["batch"] == 100  # all else is as it was asked
    assert taken.manifest["score"] == {"kind": "ranking"}
    assert not taken.predicts_ratings
    assert taken.manifest["training"]["measure"]["unit"] == "events"


def test_named_recipes_have_a_form_for_events_and_ratings_keep_theirs():
    events, ratings = schema(), replace(schema(), events=False)
    for name in ("quick", "full"):
        made = FUSION[name].for_schema(events, 10_000_000)
        assert not made.rates
        assert made.training.epochs == FUSION[name].training.epochs
        assert made.training.batch == FUSION[name].training.batch
        assert made.for_schema(events, 1000) == made
        assert FUSION[name].for_schema(ratings, 1000) is FUSION[name]
        # Of few events minibatches are small enough to learn in steps.
        for rows, batch in ((50_000, 500), (10, 100)):
            assert FUSION[name].for_schema(events, rows).training.batch == batch
    ranks = recipe(squared=0.0, validation=0.0)
    assert ranks.for_schema(events, 1000) is ranks


def test_people_get_more_of_what_they_take(taken):
    with exact(taken) as opened:
        for user in (0, 1, 2, 3):
            answer = opened.recommend(Query(user=f"u{user}", k=5))
            assert (answer.kind, share_of(user % 2, answer)) == ("user", 1.0)
            assert all(item.stars is None for item in answer.items)
            had = {f"i{n}" for n in taken.histories.of(user).items}
            assert not had & {item.id for item in answer.items}
        near = opened.similar("i6", k=5)
        assert share_of(0, near) == 1.0
        nobody = opened.recommend(Query(k=3))
        assert "taken most often" in nobody.notes[-1]
        liked = opened.recommend(Query(history=[Rated("i3", 0.0, named=True)], k=5, explain=True))
        assert share_of(1, liked) == 1.0
        texts = [item.reason.text for item in liked.items if item.reason]
        assert not any("rated" in text for text in texts)


def test_a_named_item_weighs_as_one_that_was_taken(taken):
    with exact(taken) as opened:
        find = opened.people.find
        one, other = (
            find(Query(history=history)).vector
            for history in ([Rated("i3", 0.0, named=True)], [Rated("i3", 1.0)])
        )
        np.testing.assert_array_equal(one, other)
        # A smaller weight pulls less, and never away.
        faint = find(Query(user="u0", history=[Rated("i3", 0.1)])).vector
        full = find(Query(user="u0", history=[Rated("i3", 1.0)])).vector
        item, plain = taken.item_vectors[3], taken.user_vectors[0]
        assert plain @ item < faint @ item < full @ item


def test_weights_count_in_training(tmp_path):
    """Everyone takes one item of each pair with all weight and the other with hardly any."""
    user, item = np.divmod(np.arange(40 * 20), 20)
    kept = np.random.default_rng(0).random(len(user)) < 0.6
    user, item = user[kept], item[kept]
    weight = np.where(item % 2, 0.02, 1.0)
    data = data_set(schema(), user, item, weight=weight)
    asked = recipe(epochs=12, batch=100, user_id_dropout=0.0, item_id_dropout=0.0)
    artifact = train(data, asked, Workspace(tmp_path))
    scores = (artifact.user_vectors @ artifact.item_vectors.T).mean(axis=0)
    assert scores[0::2].min() > scores[1::2].max()


def test_protocols_that_do_not_suit_name_those_that_do():
    plain, timed = groups(), groups(times=True)
    for name, data, hint in (
        ("rating", timed, "it can be asked by protocol next-item or random-holdout or global-time"),
        ("rating", plain, "it can be asked by protocol next-item or random-holdout"),
        ("global-time", plain, "it can be asked by protocol next-item or random-holdout"),
        (
            "new-user",
            timed,
            "it can be asked by protocol next-item or random-holdout or global-time",
        ),
        (
            "new-item",
            timed,
            "it can be asked by protocol next-item or random-holdout or global-time",
        ),
    ):
        with pytest.raises(UsageError, match=r"^doings (holds|has|says)") as refused:
            evaluate(data, named(name), ProtocolOptions(), None)
        assert refused.value.hint == hint


@pytest.mark.parametrize(
    "protocol", ["next-item", "random-holdout", "new-user", "new-item", "global-time"]
)
def test_every_protocol_that_ranks_measures_events(protocol):
    plain = groups(times=True)
    more = (Field("club", "user", "category"), Field("shelf", "item", "category"))
    clubs = ["even" if n % 2 else "odd" for n in range(len(plain.users))]
    shelves = ["odd" if n % 2 else "even" for n in range(len(plain.items))]
    data = data_set(
        schema(*more), plain.user, plain.item, time=plain.time,
        users={"club": clubs}, items={"shelf": shelves},
    )  # fmt: skip
    folds = (0,) if "folds" in named(protocol).takes else None
    source = TrainOnSplit(recipe(epochs=15, batch=100, user_id_dropout=0.5, item_id_dropout=0.5))
    result = evaluate(data, named(protocol), ProtocolOptions(folds=folds), source, through_index=0)
    assert result.row("fusion").figure("ndcg@10") > 0.2
    assert not any("liked" in metric for row in result.rows for metric in row.metrics)
    assert not any("liked" in note for note in result.notes)
    assert result.comparisons


def test_what_is_refused_of_what_cannot_be_learned(tmp_path):
    alone = data_set(schema(), [0, 1, 2], [0, 0, 0])
    for asked in (recipe(), sequence_recipe()):
        with pytest.raises(TrainingError, match="nothing to rank"):
            train(alone, asked, Workspace(tmp_path))


# Items taken again.


def test_what_is_taken_again_may_be_tested_on(tmp_path):
    data = baskets()
    split = leave_last_out(data)
    check_disjoint(data, split, split.train)
    with pytest.raises(UsageError, match="another part has another row of"):
        Split("copy", split.train, split.test).check(
            replace(data, schema=replace(data.schema, repeats=False))
        )
    asked = ProtocolOptions(baselines=("popular",))
    source = TrainOnSplit(sequence_recipe(epochs=12, batch=200))
    result = evaluate(data, named("next-item"), asked, source, through_index=20)
    assert result.row("sequence").figure("hr@10") > 0.6
    assert result.row("sequence").figure("ndcg@10") > 0.5
    assert result.index_check.differ == 0
    late = evaluate(data, named("global-time"), ProtocolOptions(folds=(0,)), None)
    assert late.row("popular").figure("hr@10") > 0.5


def test_the_staple_is_recommended_again(tmp_path):
    asked = recipe(epochs=20, batch=100, user_id_dropout=0.0, item_id_dropout=0.0)
    with exact(train(baskets(), asked, Workspace(tmp_path))) as opened:
        for user in range(8):
            answer = opened.recommend(Query(user=f"u{user}", k=3, explain=True))
            assert answer.items[0].id == f"i{user % 4}"
            reasons = [item.reason.items for item in answer.items if item.reason]
            assert all(len(set(named)) == len(named) for named in reasons)


def test_repeated_items_of_a_history_are_read(bought):
    with exact(bought) as opened:
        listed = [Rated("i5", 1.0), Rated("i6", 1.0), Rated("i5", 1.0)]
        person = opened.people.find(Query(history=listed))
        assert person.history.items.tolist() == [5, 6, 5]
        assert not any("more than once" in n for n in opened.recommend(Query(history=listed)).notes)
        stored = bought.histories.of(0)
        both = opened.people.find(Query(user="u0", history=[Rated("i0", 1.0)]))
        assert len(both.history) == len(stored) + 1


# What is said to a model of events.


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.sqlite")


def test_what_feedback_says_of_events(taken, ledger):
    catalog = Catalog.of(taken)
    tell(ledger, "v", ("i3", "rating", 1.0), ("i4", "like"), ("i5", "like"), ("i5", "dislike"),
         ("i6", "dislike"), ("i6", "like"), ("i7", "hide"), ("i8", "view"))  # fmt: skip
    said = Feedback(ledger).of("v", catalog)
    assert [(one.item, one.rating) for one in said.history] == [("i4", 1.0), ("i6", 1.0)]
    assert said.hidden == {"i5", "i7"}
    person = exact(taken, catalog).people.find(Query(history=said.history))
    assert person.named == {catalog.positions[item] for item in ("i4", "i6")}, "not taken"
    for user in "abc":
        tell(ledger, user, ("i9", "rating", 1.0), ("i10", "like"), since=time.time() - 60)
    asked = Feedback(ledger).enrich(Query(), catalog)[0]
    assert asked.recent == RecentActivity(3, {"i10": 3})


def pairs(data) -> list[tuple[str, str]]:
    return [
        (data.users.ids[u], data.items.ids[i]) for u, i in zip(data.user, data.item, strict=True)
    ]


def test_feedback_as_events_to_train_on(ledger):
    data = groups()
    mine = [item for user, item in pairs(data) if user == "u0"]
    tell(ledger, "u0", (mine[0], "hide"), (mine[1], "dislike"), (mine[2], "dislike"),
         (mine[2], "like"), ("i1", "rating", 1.0))  # fmt: skip
    tell(ledger, "new", ("i1", "like"), ("i1", "like"), ("i2", "view"))
    made = with_feedback(data, ledger)
    after = pairs(made)
    assert set(pairs(data)) - set(after) == {("u0", mine[0]), ("u0", mine[1])}
    assert set(after) - set(pairs(data)) == {("new", "i1")}
    assert (made.rating == 1).all()
    assert made.feedback == ledger.revision().event
    assert "1 ratings left out: this data set is of events" in made.repairs
    assert "2 events of items that their users refuse left out" in made.repairs


def test_likes_of_what_is_taken_again_are_so_many_events(ledger):
    data = baskets()
    tell(ledger, "u1", ("i1", "like"), ("i1", "like"))
    made = with_feedback(data, ledger)
    assert len(made) == len(data) + 2
    tell(ledger, "u1", ("i1", "dislike"), since=1e8)
    assert ("u1", "i1") not in pairs(with_feedback(data, ledger))
    assert len(with_feedback(data, ledger, until=1)) == len(data) + 1


def test_feedback_that_was_trained_with_does_not_count_again(ledger, tmp_path):
    data = groups()
    fresh = next(f"i{n}" for n in range(0, 40, 2) if ("u0", f"i{n}") not in pairs(data))
    tell(ledger, "u0", (fresh, "like"), ("i2", "hide"), ("i4", "dislike"))
    made = with_feedback(data, ledger)
    artifact = train(made, recipe(epochs=2), Workspace(tmp_path))
    assert artifact.last_event == json.loads((artifact.folder / "manifest.json").read_text())[
        "feedback"
    ] == 3  # fmt: skip
    catalog = Catalog.of(artifact)
    said = Feedback(ledger).of("u0", catalog)
    assert said.history == ()
    assert said.hidden == {"i2", "i4"}
    with exact(artifact) as opened:
        asked = Feedback(ledger).enrich(Query(user="u0"), catalog)[0]
        answer = opened.recommend(asked)
        assert answer.kind == "user"
        assert not {"i2", "i4", fresh} & {item.id for item in answer.items}
    tell(ledger, "u0", ("i6", "like"))
    assert [one.item for one in Feedback(ledger).of("u0", catalog).history] == ["i6"]
    # The data set is found again, as it was then.
    assert trained_with(data, ledger, artifact).fingerprint() == artifact.manifest["rows"]
