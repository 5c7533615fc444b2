"""The protocols: each runs, nothing leaks, and what is found is what was planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from builders import checkerboard, library, recipe
from fusionrec.data.dataset import Dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.splits import leave_last_out, random_split
from fusionrec.errors import FusionrecError, UsageError
from fusionrec.evaluation import PROTOCOLS, bootstrap, model_source
from fusionrec.evaluation.bootstrap import compare
from fusionrec.evaluation.metrics_table import MetricsRow, RunMetrics
from fusionrec.evaluation.model_source import TrainedVersion, TrainOnSplit
from fusionrec.evaluation.protocols import ALL, ProtocolOptions, SplitRun, named
from fusionrec.evaluation.protocols.common import group_fields
from fusionrec.evaluation.published_results import PUBLISHED
from fusionrec.evaluation.result import Result
from fusionrec.evaluation.run import evaluate
from fusionrec.evaluation.text_tables import tables
from fusionrec.metrics import mae, rmse
from fusionrec.models.presets import SequenceRecipe
from fusionrec.registry import Artifact
from fusionrec.training.train import train
from fusionrec.workspace import Workspace

SAMPLE = synthetic(seed=1, users=120, items=60, interactions=3000)
ONE_FOLD = {"new-user": (0,), "global-time": (0,)}


def asked(protocol: str, **given: Any) -> ProtocolOptions:
    return ProtocolOptions(folds=ONE_FOLD.get(protocol), **given)


def fresh(**training: Any) -> TrainOnSplit:
    return TrainOnSplit(recipe(epochs=1, **training))


@cache
def measured(protocol: str) -> Result:
    """The sample under a protocol, everybody asked through the index."""
    return evaluate(SAMPLE, named(protocol), asked(protocol), fresh(), through_index=None)


@pytest.fixture(scope="module")
def trained_on_all(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return train(SAMPLE, recipe(epochs=1), Workspace(tmp_path_factory.mktemp("all")))


def figures(result: Result) -> dict[str, dict[str, float]]:
    return {row.name: {m: row.figure(m) for m in row.metrics} for row in result.rows}


def test_the_names_are_those_of_the_protocols() -> None:
    assert tuple(ALL) == PROTOCOLS
    assert {anchor.protocol for anchor in PUBLISHED} <= set(ALL)
    for anchor in PUBLISHED:
        assert anchor.row in ("", *named(anchor.protocol).baseline_names)
        assert anchor.source


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol_puts_the_model_beside_its_baselines(protocol: str) -> None:
    result = measured(protocol)
    beside = [
        b for b in named(protocol).baseline_names if b != "taken-before"
    ]  # nobody takes again here
    assert [row.name for row in result.rows] == ["fusion", *beside]
    assert [row.is_model for row in result.rows] == [True] + [False] * (len(result.rows) - 1)
    found = figures(result)
    assert all(np.isfinite(v) for line in found.values() for v in line.values())
    metrics = [m.format(k=10) for m in named(protocol).metrics]
    assert [c.metric for c in result.comparisons] == metrics
    for c in result.comparisons:
        assert c.low <= c.difference <= c.high
        assert c.difference == found["fusion"][c.metric] - found[c.baseline][c.metric]
    assert json.loads(json.dumps(result.to_json()))["rows"][0]["figures"]
    for table in tables(result):
        assert all(len(row) == len(table.header) for row in table.rows)


@pytest.mark.parametrize("protocol", [p for p in PROTOCOLS if p != "rating"])
def test_the_index_and_the_exact_answer_agree(protocol: str) -> None:
    searched = measured(protocol).index_check
    assert searched is not None
    assert searched.differ == 0
    assert searched.index == searched.exact
    model = measured(protocol).row("fusion")
    if protocol != "new-item":  # whose ties are broken otherwise
        assert searched.exact["ndcg@10"] == pytest.approx(model.figure("ndcg@10"), abs=1e-12)


def test_rating_is_what_a_plain_computation_says() -> None:
    from fusionrec.evaluation.baselines import Bias

    shown = named("rating").prepare(SAMPLE)
    split = random_split(shown, 0.1, 0)
    predicted = (
        Bias().fit(shown, split.train).predict(shown.user[split.test], shown.item[split.test])
    )
    bias = measured("rating").row("bias")
    assert bias.figure("rmse") == pytest.approx(rmse(predicted, shown.rating[split.test]))
    assert bias.figure("mae") == pytest.approx(mae(predicted, shown.rating[split.test]))


def test_rating_reads_neither_times_nor_the_order_of_rows() -> None:
    assert SAMPLE.time is not None
    rng = np.random.default_rng(0)
    order = rng.permutation(len(SAMPLE))
    other = replace(
        SAMPLE,
        user=SAMPLE.user[order],
        item=SAMPLE.item[order],
        rating=SAMPLE.rating[order],
        time=rng.permutation(SAMPLE.time),
    )
    assert named("rating").prepare(SAMPLE).time is None
    again = evaluate(other, named("rating"), ProtocolOptions(), fresh(), through_index=0)
    assert figures(again) == figures(measured("rating"))


def test_new_user_reads_nothing_of_the_users_it_tests() -> None:
    """Who they are and how they rate is changed: what they are shown stays the same."""
    split = named("new-user").runs(SAMPLE, asked("new-user"))[0].split
    hidden = split.test
    user, item, rating = SAMPLE.user.copy(), SAMPLE.item.copy(), SAMPLE.rating.copy()
    rng = np.random.default_rng(0)
    item[hidden] = item[hidden[::-1]]
    _, kept = np.unique(user.astype(np.int64) * 100 + item, return_index=True)
    rating[hidden] = rng.permutation(rating[hidden])
    ids = [f"else-{n}" if n in set(user[hidden].tolist()) else i
           for n, i in enumerate(SAMPLE.users.ids)]  # fmt: skip
    other = replace(
        SAMPLE,
        users=replace(SAMPLE.users, ids=ids),
        user=user[kept := np.sort(kept)],
        item=item[kept],
        rating=rating[kept],
        time=SAMPLE.time[kept],
    )
    lists = []
    for dataset in (SAMPLE, other):
        seen: list[np.ndarray] = []
        _spy(dataset, seen)
        lists.append(seen[0])
    assert np.array_equal(*lists)


def _spy(dataset: Dataset, seen: list[np.ndarray]) -> None:
    """Evaluates new-user and keeps the scores that the model gave."""
    original = model_source.ModelRanker.scores

    def scores(self: Any, users: np.ndarray, history: Any = None) -> np.ndarray:
        seen.append(original(self, users, history))
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(model_source.ModelRanker, "scores", scores)
        evaluate(dataset, named("new-user"), asked("new-user"), fresh(), through_index=0)


def test_next_item_leaves_out_all_that_came_before() -> None:
    protocol = named("next-item")
    run = protocol.runs(SAMPLE, ProtocolOptions())[0]
    task = protocol.tasks(SAMPLE, run, ProtocolOptions())[0]
    assert (run.split.test == leave_last_out(SAMPLE, short="train").test).all()
    assert (task.exclude.counts == np.bincount(SAMPLE.user[run.split.before_test])).all()
    assert task.history is task.exclude
    assert (task.rows == run.split.train).all()


def test_without_times_one_item_of_each_user_at_random_is_the_test() -> None:
    plain = replace(SAMPLE, time=None)
    one, other = named("next-item").runs(plain, ProtocolOptions(seeds=(0, 1)))
    assert not np.array_equal(one.split.test, other.split.test)
    tested = np.bincount(SAMPLE.user[one.split.test], minlength=len(SAMPLE.users))
    assert (tested == (np.bincount(SAMPLE.user, minlength=len(SAMPLE.users)) >= 3)).all()
    result = evaluate(plain, named("next-item"), ProtocolOptions(), fresh(), through_index=0)
    assert result.runs == ["no times: one at random, seed 0"]
    assert "one item of each user at random" in result.notes[0]
    assert result.row("fusion").figure("hr@10") > 0


def test_without_times_a_version_that_saw_the_test_is_refused(trained_on_all: Artifact) -> None:
    plain = replace(SAMPLE, time=None)
    with pytest.raises(UsageError) as refused:
        evaluate(
            plain, named("next-item"), ProtocolOptions(seeds=(2,)), TrainedVersion(trained_on_all)
        )
    assert "fusionrec train --protocol next-item --seed 2" in str(refused.value.hint)


def test_settings_can_be_chosen_without_a_look_at_the_test() -> None:
    protocol, options = named("next-item"), ProtocolOptions(validation=True)
    run = protocol.runs(SAMPLE, options)[0]
    task = protocol.tasks(SAMPLE, run, options)[0]
    assert (task.relevant.items == SAMPLE.item[run.split.validation][_by_user(run)]).all()
    assert task.exclude.counts.sum() == len(run.split.train)
    result = evaluate(SAMPLE, protocol, options)
    assert result.row("ease").figure("hr@10") > 0
    assert "the test was not looked at" in result.notes[0]


def _by_user(run: SplitRun) -> np.ndarray:
    return np.argsort(SAMPLE.user[run.split.validation])


def test_new_item_ranks_the_hidden_items_alone_and_learns_nothing_of_them() -> None:
    protocol = named("new-item")
    run = protocol.runs(SAMPLE, ProtocolOptions(seeds=(3,)))[0]
    task = protocol.tasks(SAMPLE, run, ProtocolOptions())[0]
    assert task.candidates.sum() == 6
    assert not task.candidates[SAMPLE.item[task.rows]].any()
    assert (np.sort(task.tie_order) == np.arange(60)).all()
    other = protocol.tasks(
        SAMPLE, protocol.runs(SAMPLE, ProtocolOptions(seeds=(4,)))[0], ProtocolOptions()
    )[0]
    assert (task.tie_order != other.tie_order).any()


def test_planted_groups_are_found() -> None:
    """In the checkerboard a rating follows from both groups: the model beats the biases."""
    board = checkerboard(users=60, items=40)
    source = fresh(batch=200)
    source = replace(source, recipe=recipe(epochs=40, batch=200, exposure=0.0, ranking=0.0))
    result = evaluate(board, named("rating"), ProtocolOptions(), source)
    found = figures(result)
    assert found["fusion"]["rmse"] < 1.0
    assert found["bias"]["rmse"] > 1.9
    assert {c.mark for c in result.comparisons} == {"better"}


def test_a_second_schema_is_served() -> None:
    books = library()
    result = evaluate(
        books, named("new-item"), ProtocolOptions(share=0.3), fresh(), through_index=5
    )
    assert result.index_check is not None
    assert result.index_check.users == 5
    people = evaluate(books, named("new-user"), asked("new-user"), resamples=1000)
    assert [row.name for row in people.rows] == ["popular", "popular-by-group", "profile-ridge"]
    assert group_fields(books) == ["town"]


def test_a_version_that_saw_the_test_is_refused(trained_on_all: Artifact) -> None:
    for protocol, says in (
        ("next-item", "on all 3000 rows, all 120 test rows among them"),
        ("rating", "300 of 300 test rows among them"),
    ):
        with pytest.raises(UsageError, match=says):
            evaluate(SAMPLE, named(protocol), ProtocolOptions(), TrainedVersion(trained_on_all))
    with pytest.raises(
        UsageError, match="v1 was trained on synthetic sample, this is checkerboard"
    ):
        evaluate(checkerboard(), named("rating"), ProtocolOptions(), TrainedVersion(trained_on_all))


def test_a_version_of_the_splits_training_rows_is_measured(tmp_path: Path) -> None:
    split = leave_last_out(SAMPLE, short="train")
    artifact = train(SAMPLE, recipe(epochs=1), Workspace(tmp_path), rows=split.train)
    result = evaluate(
        SAMPLE, named("next-item"), ProtocolOptions(), TrainedVersion(artifact), through_index=0
    )
    assert result.rows[0].name == "fusion v1"
    ours, theirs = result.row("fusion v1"), measured("next-item").row("fusion")
    assert ours.figure("ndcg@10") == theirs.figure("ndcg@10")


def test_a_version_that_saw_the_validation_items_is_not_asked_for_them(tmp_path: Path) -> None:
    split = leave_last_out(SAMPLE, short="train")
    artifact = train(SAMPLE, recipe(epochs=1), Workspace(tmp_path), rows=split.before_test)
    protocol = named("next-item")
    evaluate(SAMPLE, protocol, ProtocolOptions(), TrainedVersion(artifact), through_index=0)
    with pytest.raises(UsageError, match=r"of \d+ test rows among them"):
        evaluate(SAMPLE, protocol, ProtocolOptions(validation=True), TrainedVersion(artifact))


def test_a_model_that_ranks_is_not_asked_for_ratings() -> None:
    with pytest.raises(UsageError, match="ranks and predicts no ratings"):
        evaluate(SAMPLE, named("rating"), ProtocolOptions(), TrainOnSplit(SequenceRecipe()))


def test_a_training_that_saw_the_test_is_refused() -> None:
    run = named("next-item").runs(SAMPLE, ProtocolOptions())[0]
    with pytest.raises(UsageError, match="more than one part"):
        replace(run.split, train=np.arange(len(SAMPLE)))


def line(name: str, value: np.ndarray, metric: str = "ndcg@10", model: bool = False) -> MetricsRow:
    users = np.arange(len(value))
    return MetricsRow(name, model, [RunMetrics(users, np.ones(len(value)), {metric: value})], 0.0)


def test_intervals_cover_zero_for_the_same_and_leave_it_out_for_others() -> None:
    rng = np.random.default_rng(0)
    a = rng.random(400)
    same = compare(line("a", a), line("b", a), "ndcg@10")
    assert (same.low, same.difference, same.high, same.mark) == (0.0, 0.0, 0.0, "unclear")
    noise = rng.normal(0, 0.1, 400)
    close = compare(line("a", a), line("b", a + noise - noise.mean()), "ndcg@10")
    assert close.low < 0 < close.high
    above = compare(line("a", a + 0.05), line("b", a + noise - noise.mean()), "ndcg@10")
    assert above.low > 0
    assert above.mark == "better"
    # The interval of a mean is about ± 1.96 standard errors.
    width = 1.96 * noise.std() / np.sqrt(400)
    assert (close.high - close.low) / 2 == pytest.approx(width, rel=0.1)


def test_a_lower_error_is_the_better_one_and_rmse_weighs_by_ratings() -> None:
    rng = np.random.default_rng(0)
    error, weight = rng.random(200) + 0.5, rng.integers(1, 9, 200).astype(float)
    one = replace(
        line("a", error, "rmse"), runs=[RunMetrics(np.arange(200), weight, {"rmse": error})]
    )
    two = replace(one, name="b", runs=[replace(one.runs[0], values={"rmse": error * 0.8})])
    assert one.figure("rmse") == pytest.approx(np.sqrt((weight * error**2).sum() / weight.sum()))
    assert compare(two, one, "rmse").mark == "better"
    assert compare(one, two, "rmse").mark == "worse"


def test_users_of_several_runs_are_drawn_together_and_nan_counts_in_nothing() -> None:
    value = np.r_[np.full(30, 0.5), np.nan]
    users = np.arange(31)
    runs = [RunMetrics(users, np.ones(31), {"hr@10": value + shift}) for shift in (0.0, 0.2)]
    one = MetricsRow("a", True, runs, 0.0)
    assert one.figure("hr@10") == pytest.approx(0.6)
    zero = MetricsRow("b", False, [replace(r, values={"hr@10": value * 0}) for r in runs], 0.0)
    found = compare(one, zero, "hr@10")
    assert (found.low, found.high) == (pytest.approx(0.6), pytest.approx(0.6))


def test_few_users_are_said_to_be_few_and_others_do_not_pair() -> None:
    few = line("a", np.arange(bootstrap.MIN_USERS - 1.0))
    assert compare(few, few, "ndcg@10").mark == "few users"
    with pytest.raises(UsageError, match="same users"):
        compare(few, line("b", np.zeros(4)), "ndcg@10")
    with pytest.raises(UsageError, match="1000"):
        compare(few, few, "ndcg@10", resamples=10)


def test_several_seeds_are_several_runs_and_the_mean_is_theirs() -> None:
    result = evaluate(SAMPLE, named("rating"), ProtocolOptions(seeds=(0, 1, 2)))
    bias = result.row("bias")
    assert result.seeds == [0, 1, 2]
    assert len(set(bias.by_run("rmse"))) == 3
    assert bias.figure("rmse") == pytest.approx(np.mean(bias.by_run("rmse")))


def test_folds_test_every_user_once() -> None:
    result = evaluate(SAMPLE, named("new-user"), ProtocolOptions())
    users = np.concatenate([run.users for run in result.row("popular").runs])
    assert len(result.runs) == 5
    assert sorted(users) == np.unique(SAMPLE.user).tolist()


def test_each_users_figures_are_saved(tmp_path: Path) -> None:
    result = measured("new-user")
    result.save(tmp_path / "users.parquet")
    table = pq.read_table(tmp_path / "users.parquet").to_pydict()
    assert len(table["user"]) == result.users * len(result.rows)
    assert set(table["user"]) <= set(SAMPLE.users.ids)
    of_model = [v for v, n in zip(table["ndcg@10"], table["name"], strict=True) if n == "fusion"]
    assert np.mean(of_model) == pytest.approx(result.row("fusion").figure("ndcg@10"))
    with pytest.raises(FusionrecError, match="cannot be written"):
        result.save(tmp_path / "none" / "users.parquet")


class Never:
    """A source that must not be asked to train."""

    name = "never"

    def check(self, *_: object) -> None: ...

    def get(self, *_: object) -> Artifact:
        raise AssertionError("trained before the input was checked")


@pytest.mark.parametrize(
    ("protocol", "make", "given", "says"),
    [
        ("global-time", lambda d: replace(d, time=None), {}, "no times"),
        ("new-user", lambda _: checkerboard(), {}, "no profiles"),
        ("new-item", lambda _: checkerboard(), {}, "says nothing of its items"),
        ("new-user", lambda d: d, {"folds": (7,)}, "folds are 0 to 4, got 7"),
        ("rating", lambda d: d, {"folds": (0,)}, "has no folds"),
        ("next-item", lambda d: d, {"share": 0.2}, "has no share"),
        ("rating", lambda d: d, {"k": 5}, "has no k"),
        ("new-user", lambda d: d, {"validation": True}, "has no validation"),
        ("rating", lambda d: d, {"baselines": ("ease",)}, "no baseline 'ease'; it has bias"),
        ("new-item", library, {"baselines": ("newest",)}, None),
        ("rating", lambda d: d, {"share": 1.5}, "between 0 and 1"),
        ("next-item", lambda d: d, {"k": 0}, "1 or more"),
        ("next-item", lambda d: d, {"seeds": (-1,)}, "0 or more"),
        ("new-user", lambda d: d, {"folds": ()}, "count from 0"),
    ],
)
def test_what_does_not_suit_is_said_before_any_long_work(
    protocol: str, make: Callable[..., Dataset], given: dict[str, Any], says: str | None
) -> None:
    if says is None:
        evaluate(library(), named(protocol), ProtocolOptions(**given))
        return
    with pytest.raises(UsageError, match=says):
        evaluate(make(SAMPLE), named(protocol), ProtocolOptions(**given), Never())


def test_an_unknown_protocol_is_said() -> None:
    with pytest.raises(UsageError, match=r"no protocol 'next'; there are rating, next-item"):
        named("next")


def test_made_up_times_are_marked_wherever_the_clock_is_read() -> None:
    copy = replace(SAMPLE, name="ml-1m")
    result = evaluate(copy, named("global-time"), ProtocolOptions(baselines=("popular",)))
    assert result.notes[0] == "on partly interpolated timestamps"
    assert evaluate(copy, named("rating"), ProtocolOptions()).published
    assert not measured("rating").published
