"""Everybody's answers at once are those that each of them would be given alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from builders import carousel, rewrite, sequence_recipe
from fusionrec.errors import FusionrecError, UsageError
from fusionrec.index import AnyOf, BatchSearch, Between, ExactIndex, Without
from fusionrec.ledger import Event, Ledger
from fusionrec.recommend import batch as room
from fusionrec.recommend.batch import BatchRecommender, write_answers
from fusionrec.recommend.catalog import current, withdraw
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.rating_head import RatingHead
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace


@pytest.fixture
def ledger(workspace: Workspace) -> Ledger:
    return Ledger(workspace.ledger)


@pytest.fixture
def artifact(workspace: Workspace) -> Artifact:
    return load(workspace)


def opened(artifact: Artifact, ledger: Ledger) -> Recommender:
    now = current(artifact, ledger)
    index = ExactIndex(artifact.schema, now.items, now.vectors, available=now.available)
    return Recommender(now, index)


def everyone(
    recommender: Recommender, ledger: Ledger, wished: Query | None = None, threads: int = 1
) -> BatchRecommender:
    return BatchRecommender(recommender, Feedback(ledger), wished or Query(), threads)


def alone(recommender: Recommender, ledger: Ledger, wished: Query, user: str) -> list[tuple]:
    """What one user is answered: items, ranks, scores, stars."""
    query = Query(user=user, k=wished.k, where=wished.where, seen=wished.seen, now=wished.now)
    answer = recommender.recommend(Feedback(ledger).enrich(query, recommender.catalog)[0])
    return [(i.id, i.rank, i.score, i.stars) for i in answer.items]


def together(recommender: Recommender, ledger: Ledger, wished: Query, threads: int = 1) -> dict:
    """What every user is answered, in the same words."""
    found: dict[str, list[tuple]] = {user: [] for user in recommender.artifact.users.ids}
    users, items = recommender.artifact.users.ids, recommender.catalog.items.ids
    for lists, _ in everyone(recommender, ledger, wished, threads).lists():
        for user, *rest in lists.tolist():
            item, rank, score, stars = rest
            known = [None if np.isnan(value) else float(value) for value in (score, stars)]
            found[users[user]].append((items[item], int(rank), *known))
    return found


WISHES = [
    Query(),
    Query(k=3, seen=True),
    Query(k=1_000),
    Query(k=7, where=[Between("year", 1970, 1995)]),
    Query(k=5, where=[AnyOf("genres", ("Drama", "Comedy")), Without(("3", "5"))], seen=True),
    Query(where=[Between("year", 1800, 1801)]),
]


@pytest.mark.parametrize("wished", WISHES, ids=str)
def test_everybody_is_answered_as_each_alone(artifact, ledger, wished):
    recommender = opened(artifact, ledger)
    found = together(recommender, ledger, wished)
    assert found == {user: alone(recommender, ledger, wished, user) for user in found}


@pytest.mark.parametrize("threads", [1, 3])
def test_however_they_are_dealt_into_blocks(artifact, ledger, threads, monkeypatch):
    recommender = opened(artifact, ledger)
    whole = together(recommender, ledger, Query())
    monkeypatch.setattr(room, "_SCORES", 0)
    monkeypatch.setattr(room, "_LEAST", 4)
    monkeypatch.setattr(room, "_GROUP", 10)
    ends = [done for _, done in everyone(recommender, ledger).lists()]
    assert ends == [8, 16, 24, 32, 40, 48, 56, 60]
    assert together(recommender, ledger, Query(), threads) == whole


def test_what_was_said_since_counts(artifact, ledger):
    ledger.record(
        Event(str(n), user, item, kind, rating, time=1.7e9 + n)
        for n, (user, item, kind, rating) in enumerate(
            [("5", "7", "rating", 5.0), ("9", "8", "hide", None), ("11", "9", "view", None),
             ("12", "4", "rating", 1.0), ("unknown", "4", "like", None)]
        )
    )  # fmt: skip
    ledger.set_profile("20", {"occupation": "7"})
    withdraw(ledger, current(artifact, ledger), ["2", "6"])
    before = together(opened(artifact, Ledger(Path("nowhere"))), Ledger(Path("nowhere")), Query())
    recommender = opened(artifact, ledger)
    assert everyone(recommender, ledger).with_feedback == 4
    found = together(recommender, ledger, Query())
    assert found == {user: alone(recommender, ledger, Query(), user) for user in found}
    assert found["5"] != before["5"]
    assert not {"2", "6"} & {item for answer in found.values() for item, *_ in answer}


def test_who_is_to_be_forgotten_is_left_out(artifact, ledger):
    ledger.record([Event("1", "5", "7", "like", time=1.0)])
    ledger.forget("5")
    ledger.forget("6")
    batch = everyone(opened(artifact, ledger), ledger)
    assert (batch.forgotten, batch.with_feedback) == (2, 0)
    found = together(batch.recommender, ledger, Query())
    assert {user for user, answer in found.items() if not answer} == {"5", "6"}


def test_stars_are_those_of_the_rating_head(artifact, ledger):
    rng = np.random.default_rng(0)
    sides = [rng.normal(1, 1, (n, 4)).astype(np.float32) for n in (60, 40)]
    sides[0][:, -1], sides[1][:, -2] = rng.random(60) < 0.7, rng.random(40) < 0.7
    sides[0][:3] = 0.0  # training saw nothing of them
    vars(artifact)["rating_head"] = RatingHead(*sides)
    recommender = opened(artifact, ledger)
    found = together(recommender, ledger, Query())
    assert found == {user: alone(recommender, ledger, Query(), user) for user in found}
    by_score = [s for answer in found.values() for _, _, score, s in answer if s == (score + 5) / 2]
    assert 0 < len(by_score) < 0.9 * sum(map(len, found.values()))


def test_items_that_people_take_again_stay_in(workspace, ledger):
    again = rewrite(
        load(workspace), "encoder.json", lambda e: e["schema"].__setitem__("repeats", True)
    )
    recommender = opened(again, ledger)
    found = together(recommender, ledger, Query())
    assert found == together(recommender, ledger, Query(seen=True))
    assert found == {user: alone(recommender, ledger, Query(), user) for user in found}


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A model whose users' vectors depend on when they are asked for."""
    from fusionrec.training.train import train

    timed = sequence_recipe(epochs=1).change({"model.clock": "true"})
    return train(carousel(), timed, Workspace(tmp_path_factory.mktemp("clocked")))


def test_a_model_that_reads_the_clock_is_asked_as_of_now(clocked, tmp_path):
    assert clocked.reads_clock
    ledger = Ledger(tmp_path / "ledger.sqlite")
    recommender, late = opened(clocked, ledger), Query(now=1010.0)
    found = together(recommender, ledger, late)
    for user, answer in found.items():
        for one, other in zip(answer, alone(recommender, ledger, late, user), strict=True):
            assert one[:2] == other[:2]
            assert one[2] == pytest.approx(other[2], abs=1e-5)
    assert found != together(recommender, ledger, Query(now=1001.0))


def test_equal_vectors_rank_by_position_whatever_block_they_are_in():
    rng = np.random.default_rng(3)
    distinct = rng.normal(size=(9, 8)).astype(np.float32)
    vectors = distinct[rng.integers(0, 9, 700)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = rng.normal(size=(50, 8)).astype(np.float32)
    allowed = rng.random(700) < 0.8
    barred = rng.integers(0, 50, 900), rng.integers(0, 700, 900)
    for k in (1, 10, 200, 700):
        rows, scores = BatchSearch(vectors, allowed).search(queries, k, barred)
        exact = (vectors.astype(np.float64) @ queries.T.astype(np.float64)).astype(np.float32).T
        exact[:, ~allowed] = -np.inf
        exact[barred] = -np.inf
        order = np.argsort(-exact, axis=1, kind="stable")[:, : rows.shape[1]]
        wanted = np.take_along_axis(exact, order, axis=1)
        there = np.isfinite(wanted)
        np.testing.assert_array_equal(rows, np.where(there, order, -1))
        np.testing.assert_array_equal(scores, np.where(there, wanted, np.nan))


def test_queries_that_are_no_vectors_are_refused():
    search = BatchSearch(np.eye(3, dtype=np.float32), np.ones(3, dtype=bool))
    with pytest.raises(UsageError, match="finite"):
        search.search(np.full((2, 3), np.nan, dtype=np.float32), 1)
    with pytest.raises(UsageError, match="k of at least 1"):
        search.search(np.eye(3, dtype=np.float32), 0)


def test_what_is_wished_of_one_person_is_refused(artifact, ledger):
    for query in (Query(user="5"), Query(explain=True), Query(diversity=0.5), Query(offset=3)):
        with pytest.raises(UsageError, match="for everybody"):
            everyone(opened(artifact, ledger), ledger, query)


def test_the_file_holds_the_same(artifact, ledger, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_LEAST", 4)
    monkeypatch.setattr(room, "_SCORES", 0)
    monkeypatch.setattr(room, "_GROUP", 16)
    recommender, file = opened(artifact, ledger), tmp_path / "recs.parquet"
    file.write_text("an older one")
    seen: list[tuple[int, int]] = []
    batch = everyone(recommender, ledger, Query(k=4))
    rows = write_answers(file, batch, lambda _, *done: seen.append(done))
    table = pq.read_table(file)
    assert seen == [(16, 60), (32, 60), (48, 60), (60, 60)]
    assert table.column_names == ["user", "item", "rank", "score", "stars"]
    assert [str(field.type) for field in table.schema][:2] == [
        "dictionary<values=string, indices=int32, ordered=0>"
    ] * 2
    assert json.loads(table.schema.metadata[b"fusionrec"]) == {"version": "v1", "k": 4}
    wanted = together(recommender, ledger, Query(k=4))
    told = [(user, *one) for user, answer in wanted.items() for one in answer]
    assert [tuple(row.values()) for row in table.to_pylist()] == told
    assert rows == len(told) > 230
    assert [path.name for path in tmp_path.iterdir() if "recs" in path.name] == ["recs.parquet"]


def test_a_version_that_only_ranks_predicts_no_stars(workspace, ledger, tmp_path):
    ranking = load(workspace)
    vars(ranking)["manifest"] = {**ranking.manifest, "score": {"kind": "ranking"}}
    write_answers(tmp_path / "r.parquet", everyone(opened(ranking, ledger), ledger))
    assert "stars" not in pq.read_schema(tmp_path / "r.parquet").names


def test_a_file_that_cannot_be_written_leaves_nothing_behind(artifact, ledger, tmp_path):
    batch, file = everyone(opened(artifact, ledger), ledger), tmp_path / "recs.parquet"
    with pytest.raises(FusionrecError, match="cannot be written"):
        write_answers(tmp_path / "missing" / "recs.parquet", batch)

    def stop(*_: int) -> None:
        raise KeyboardInterrupt

    file.write_text("the one before")
    with pytest.raises(KeyboardInterrupt):
        write_answers(file, batch, stop)
    assert file.read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir() if "recs" in path.name] == ["recs.parquet"]


def test_the_command(workspace, fusionrec, tmp_path):
    file, asked = tmp_path / "recs.parquet", ("-k", "2", "--year", "1900..")
    done = fusionrec(workspace, "recommend", "--all", "-o", str(file), *asked)
    assert (done.code, done.out) == (0, f"{file}\n")
    assert "120 rows for 60 users of v1" in done.err
    frame = pq.read_table(file).to_pandas()
    one = json.loads(fusionrec(workspace, "recommend", "--user", "7", *asked, "--json").out)
    sevens = frame[frame.user == "7"]
    assert list(sevens.item) == [item["id"] for item in one["items"]]
    assert [round(stars, 3) for stars in sevens.stars] == [item["stars"] for item in one["items"]]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--all"], "--all needs a file"),
        (["--all", "-o", "x.parquet", "--user", "5"], "--user does not go with --all"),
        (["--all", "-o", "x.parquet", "--age", "25"], "--age does not go with --all"),
        (["--user", "5", "-o", "x.parquet"], "add --all"),
        (["--all", "-o", "x.csv"], "call it x.parquet"),
    ],
)
def test_what_does_not_go_with_everybody(
    workspace, fusionrec, tmp_path, monkeypatch, arguments, says
):
    monkeypatch.chdir(tmp_path)
    done = fusionrec(workspace, "recommend", *arguments)
    assert done.code == 2
    assert says in done.err
    assert list(tmp_path.glob("*.parquet")) == []
