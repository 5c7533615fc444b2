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
from event_data import baskets, groups
from fusionrec.baselines import Bias, item_sets
from fusionrec.data.dataset import Dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.data.splits import leave_last_out, random_split
from fusionrec.errors import FusionrecError, UsageError
from fusionrec.evaluation import PROTOCOLS, bootstrap
from fusionrec.evaluation.bootstrap import compare
from fusionrec.evaluation.metrics_table import MetricsRow, RunMetrics
from fusionrec.evaluation.model_source import ModelRanker, TrainedVersion, TrainOnSplit
from fusionrec.evaluation.protocols import ALL, ProtocolOptions, SplitRun, Task, named
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
FRESH = TrainOnSplit(recipe(epochs=1))


def asked(protocol: str, data: Dataset = SAMPLE, model: Any = None, **given: Any) -> Result:
    """The result of one fold; nobody is asked through the index unless ``through_index`` says."""
    through = given.pop("through_index", 0)
    options = ProtocolOptions(**({"folds": ONE_FOLD.get(protocol)} | given))
    return evaluate(data, named(protocol), options, model, through_index=through)


@cache
def measured(protocol: str) -> Result:
    """The sample under a protocol, everybody asked through the index."""
    return asked(protocol, model=FRESH, through_index=None)


def first_task(protocol: str, **given: Any) -> tuple[SplitRun, Task]:
    """The first run and its first ranking."""
    made, options = named(protocol), ProtocolOptions(**given)
    run = made.runs(SAMPLE, options)[0]
    return run, made.tasks(SAMPLE, run, options)[0]


def figures(result: Result) -> dict[str, dict[str, float]]:
    return {row.name: {m: row.figure(m) for m in row.metrics} for row in result.rows}


def test_the_names_are_those_of_the_protocols():
    assert tuple(ALL) == PROTOCOLS
    for published in PUBLISHED:
        assert published.row in ("", *named(published.protocol).baseline_names)
        assert published.source
    with pytest.raises(UsageError, match=r"no protocol 'next'; there are rating, next-item"):
        named("next")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_protocol_puts_the_model_beside_its_baselines(protocol):
    result = measured(protocol)
    beside = [b for b in named(protocol).baseline_names if b != "taken-before"]  # nobody does here
    assert [row.name for row in result.rows] == ["fusion", *beside]
    assert [row.is_model for row in result.rows] == [True] + [False] * len(beside)
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
def test_the_index_and_the_exact_answer_agree(protocol):
    searched = measured(protocol).index_check
    assert searched.differ == 0
    assert searched.index == searched.exact
    model = measured(protocol).row("fusion")
    if protocol != "new-item":  # whose ties are broken otherwise
        assert searched.exact["ndcg@10"] == pytest.approx(model.figure("ndcg@10"), abs=1e-12)


def test_rating_is_what_a_plain_computation_says():
    shown = named("rating").prepare(SAMPLE)
    split = random_split(shown, 0.1, 0)
    fitted, test = Bias().fit(shown, split.train), split.test
    predicted = fitted.predict(shown.user[test], shown.item[test])
    bias = measured("rating").row("bias")
    assert bias.figure("rmse") == pytest.approx(rmse(predicted, shown.rating[test]))
    assert bias.figure("mae") == pytest.approx(mae(predicted, shown.rating[test]))


def test_rating_reads_neither_times_nor_the_order_of_rows():
    rng = np.random.default_rng(0)
    order = rng.permutation(len(SAMPLE))
    columns = {name: getattr(SAMPLE, name)[order] for name in ("user", "item", "rating")}
    other = replace(SAMPLE, time=rng.permutation(SAMPLE.time), **columns)
    assert named("rating").prepare(SAMPLE).time is None
    assert figures(asked("rating", other, FRESH)) == figures(measured("rating"))


def test_new_user_reads_nothing_of_the_users_it_tests(monkeypatch):
    """Who they are and how they rate is changed: what they are shown stays the same."""
    hidden = named("new-user").runs(SAMPLE, ProtocolOptions(folds=(0,)))[0].split.test
    item, rating = SAMPLE.item.copy(), SAMPLE.rating.copy()
    item[hidden] = item[hidden[::-1]]
    rating[hidden] = np.random.default_rng(0).permutation(rating[hidden])
    _, kept = np.unique(SAMPLE.user.astype(np.int64) * 100 + item, return_index=True)
    kept = np.sort(kept)
    tested = set(SAMPLE.user[hidden].tolist())
    ids = [f"else-{n}" if n in tested else i for n, i in enumerate(SAMPLE.users.ids)]
    other = replace(
        SAMPLE,
        users=replace(SAMPLE.users, ids=ids),
        user=SAMPLE.user[kept],
        item=item[kept],
        rating=rating[kept],
        time=SAMPLE.time[kept],
    )
    seen: list[np.ndarray] = []
    original = ModelRanker.scores

    def spied(*given: Any) -> np.ndarray:
        seen.append(original(*given))
        return seen[-1]

    monkeypatch.setattr(ModelRanker, "scores", spied)
    for dataset in (SAMPLE, other):
        asked("new-user", dataset, FRESH)
    assert len(seen) == 4  # any rating, and liked ones
    assert np.array_equal(seen[0], seen[2])


def test_next_item_leaves_out_all_that_came_before():
    run, task = first_task("next-item")
    assert (run.split.test == leave_last_out(SAMPLE).test).all()
    assert (task.exclude.counts == np.bincount(SAMPLE.user[run.split.before_test])).all()
    assert (task.history_rows == run.split.before_test).all()
    assert (task.rows == run.split.train).all()


def test_without_times_one_item_of_each_user_at_random_is_the_test(trained_on_all):
    plain = replace(SAMPLE, time=None)
    one, other = named("next-item").runs(plain, ProtocolOptions(seeds=(0, 1)))
    assert not np.array_equal(one.split.test, other.split.test)
    tested = np.bincount(SAMPLE.user[one.split.test], minlength=len(SAMPLE.users))
    assert (tested == (np.bincount(SAMPLE.user, minlength=len(SAMPLE.users)) >= 3)).all()
    result = asked("next-item", plain, FRESH)
    assert result.runs == ["no times: one at random, seed 0"]
    assert "one item of each user at random" in result.notes[0]
    assert result.row("fusion").figure("hr@10") > 0
    with pytest.raises(UsageError) as refused:
        asked("next-item", plain, TrainedVersion(trained_on_all), seeds=(2,))
    assert "fusionrec train --protocol next-item --seed 2" in str(refused.value.hint)


def test_settings_can_be_chosen_without_a_look_at_the_test():
    run, task = first_task("next-item", validation=True)
    wanted = run.split.validation
    by_user = np.argsort(SAMPLE.user[wanted])
    assert (task.relevant.items == SAMPLE.item[wanted][by_user]).all()
    assert task.exclude.counts.sum() == len(run.split.train)
    result = asked("next-item", validation=True)
    assert result.row("ease").figure("hr@10") > 0
    assert "the test was not looked at" in result.notes[0]


def test_random_holdout_asks_for_liked_items_and_leaves_out_all_of_training():
    run, task = first_task("random-holdout")
    train, test = run.split.train, run.split.test
    assert (SAMPLE.rating[test] >= 4).all()
    assert (SAMPLE.rating[train] < 4).sum() == (SAMPLE.rating < 4).sum()
    assert (task.relevant.counts == np.bincount(SAMPLE.user[test], minlength=120)).all()
    assert (task.exclude.counts == np.bincount(SAMPLE.user[train], minlength=120)).all()
    assert (task.candidates == (np.bincount(SAMPLE.item, minlength=60) > 0)).all()
    assert (task.rows == train).all()
    assert (task.history_rows == train).all()
    assert task.now is None  # times part nothing here, so no model gets one


def test_random_holdout_is_drawn_by_the_seed_and_its_share():
    same, other = (asked("random-holdout", seeds=(seed,)) for seed in (0, 1))
    assert figures(same) != figures(other)
    assert figures(asked("random-holdout", share=0.2)) == figures(same)
    assert asked("random-holdout", share=0.5).runs == ["liked 0.5, seed 0"]


def test_random_holdout_keeps_a_second_share_apart_to_choose_settings(tmp_path):
    (run, task), (chosen, choice) = (
        first_task("random-holdout", validation=on) for on in (False, True)
    )
    assert np.array_equal(run.split.test, chosen.split.test)
    assert len(run.split.validation) == 0
    assert np.array_equal(np.setdiff1d(task.rows, choice.rows), chosen.split.validation)
    assert choice.relevant.counts.sum() == len(chosen.split.validation)
    assert choice.exclude.counts.sum() == len(chosen.split.train)
    result = asked("random-holdout", model=FRESH, validation=True)
    assert result.row("fusion").figure("recall@10") > 0
    assert "the test was not looked at" in result.notes[0]
    artifact = train(SAMPLE, recipe(epochs=1), Workspace(tmp_path), rows=run.split.train)
    assert asked("random-holdout", model=TrainedVersion(artifact)).row(f"fusion {artifact.version}")
    with pytest.raises(UsageError, match=r"of \d+ test rows among them") as refused:
        asked("random-holdout", model=TrainedVersion(artifact), validation=True, share=0.2)
    command = "fusionrec train --protocol random-holdout --share 0.2 --validation"
    assert refused.value.hint.endswith(command)


def test_random_holdout_of_events_and_of_repeats():
    result = asked("random-holdout", groups())
    ease, popular = (result.row(name).figure("recall@10") for name in ("ease", "popular"))
    assert ease > 0.8 > 2 * popular  # taken within a group: 30 items are left, 10 of them its own
    assert not any("liked:" in note for note in result.notes)
    bought = baskets()
    made, options = named("random-holdout"), ProtocolOptions()
    [run] = made.runs(bought, options)
    [task] = made.tasks(bought, run, options)
    pair = bought.user * 30 + bought.item
    assert not np.intersect1d(pair[run.split.train], pair[run.split.test]).size
    assert (task.exclude.counts == item_sets(bought, run.split.train).counts).all()


def test_random_holdout_says_who_likes_too_little_to_be_asked():
    rating = np.where(SAMPLE.user < 117, 5, 1).astype(np.float32)
    rating[np.flatnonzero(SAMPLE.user == 118)[0]] = 4
    result = asked("random-holdout", replace(SAMPLE, rating=rating), baselines=("popular",))
    assert result.users == 117
    assert "trained on and not tested: 3 users with fewer than 2 liked items" in result.notes


def test_new_item_ranks_the_hidden_items_alone_and_learns_nothing_of_them():
    (_, task), (_, other) = (first_task("new-item", seeds=(seed,)) for seed in (3, 4))
    assert task.candidates.sum() == 6
    assert not task.candidates[SAMPLE.item[task.rows]].any()
    assert (np.sort(task.tie_order) == np.arange(60)).all()
    assert (task.tie_order != other.tie_order).any()


def test_planted_groups_are_found():
    """In the checkerboard a rating follows from both groups: the model beats the biases."""
    source = TrainOnSplit(recipe(epochs=40, batch=200, exposure=0.0, ranking=0.0))
    result = asked("rating", checkerboard(users=60, items=40), source)
    assert result.row("fusion").figure("rmse") < 1.0
    assert result.row("bias").figure("rmse") > 1.9
    assert {c.mark for c in result.comparisons} == {"better"}
    # 22 items are left to rank, 12 of them of the user's own group: at best, recall@10 is .83.
    source = TrainOnSplit(recipe(epochs=40, batch=200))
    result = asked("random-holdout", checkerboard(users=60, items=40), source)
    assert result.row("fusion").figure("recall@10") > 0.7
    assert result.row("popular").figure("recall@10") < 0.55
    assert {c.mark for c in result.comparisons} == {"better"}


def test_a_second_schema_is_served():
    books = library()
    assert asked("new-item", books, FRESH, share=0.3, through_index=5).index_check.users == 5
    people = [row.name for row in asked("new-user", books).rows]
    assert people == ["popular", "popular-by-group", "profile-ridge"]
    assert group_fields(books) == ["town"]


# Models that may have seen the test.


@pytest.fixture(scope="module")
def trained_on_all(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return train(SAMPLE, recipe(epochs=1), Workspace(tmp_path_factory.mktemp("all")))


@pytest.mark.parametrize(
    ("protocol", "data", "says"),
    [
        ("next-item", SAMPLE, "on all 3000 rows, all 120 test rows among them"),
        ("rating", SAMPLE, "300 of 300 test rows among them"),
        ("rating", checkerboard(), "was trained on synthetic sample, this is checkerboard"),
    ],
)
def test_a_version_that_saw_the_test_is_refused(trained_on_all, protocol, data, says):
    with pytest.raises(UsageError, match=says):
        asked(protocol, data, TrainedVersion(trained_on_all))


def test_a_version_of_the_splits_rows_is_measured_and_validation_items_are_rows_too(tmp_path):
    split = leave_last_out(SAMPLE)
    for rows in (split.train, split.before_test):
        artifact = train(SAMPLE, recipe(epochs=1), Workspace(tmp_path), rows=rows)
        result = asked("next-item", model=TrainedVersion(artifact))
        assert result.rows[0].name == f"fusion {artifact.version}"
        if rows is split.train:
            fresh = measured("next-item").row("fusion")
            assert result.rows[0].figure("ndcg@10") == fresh.figure("ndcg@10")
    with pytest.raises(UsageError, match=r"of \d+ test rows among them"):
        asked("next-item", model=TrainedVersion(artifact), validation=True)


def test_a_model_that_ranks_is_not_asked_for_ratings():
    with pytest.raises(UsageError, match="ranks and predicts no ratings"):
        asked("rating", model=TrainOnSplit(SequenceRecipe()))


# Intervals.


def line(name: str, *values: np.ndarray, metric: str = "ndcg@10", weight: Any = None) -> MetricsRow:
    """A line of the table, with one run for each array of users' values."""
    weight = np.ones(len(values[0])) if weight is None else weight
    runs = [RunMetrics(np.arange(len(value)), weight, {metric: value}) for value in values]
    return MetricsRow(name, False, runs, 0.0)


def test_intervals_cover_zero_for_the_same_and_leave_it_out_for_others():
    rng = np.random.default_rng(0)
    a = rng.random(400)
    same = compare(line("a", a), line("b", a), "ndcg@10")
    assert (same.low, same.difference, same.high, same.mark) == (0.0, 0.0, 0.0, "unclear")
    noise = rng.normal(0, 0.1, 400)
    noise -= noise.mean()
    close = compare(line("a", a), line("b", a + noise), "ndcg@10")
    assert close.low < 0 < close.high
    above = compare(line("a", a + 0.05), line("b", a + noise), "ndcg@10")
    assert above.low > 0
    assert above.mark == "better"
    # The interval of a mean is about ± 1.96 standard errors.
    width = 1.96 * noise.std() / np.sqrt(400)
    assert (close.high - close.low) / 2 == pytest.approx(width, rel=0.1)


def test_a_lower_error_is_the_better_one_and_rmse_weighs_by_ratings():
    rng = np.random.default_rng(0)
    error, weight = rng.random(200) + 0.5, rng.integers(1, 9, 200).astype(float)
    one, two = (line("a", error * by, metric="rmse", weight=weight) for by in (1.0, 0.8))
    assert one.figure("rmse") == pytest.approx(np.sqrt((weight * error**2).sum() / weight.sum()))
    assert compare(two, one, "rmse").mark == "better"
    assert compare(one, two, "rmse").mark == "worse"


def test_users_of_several_runs_are_drawn_together_and_nan_counts_in_nothing():
    value = np.r_[np.full(30, 0.5), np.nan]
    one = line("a", value, value + 0.2)
    assert one.figure("ndcg@10") == pytest.approx(0.6)
    found = compare(one, line("b", value * 0, value * 0), "ndcg@10")
    assert (found.low, found.high) == (pytest.approx(0.6), pytest.approx(0.6))


def test_few_users_are_said_to_be_few_and_others_do_not_pair():
    few = line("a", np.arange(bootstrap.MIN_USERS - 1.0))
    assert compare(few, few, "ndcg@10").mark == "few users"
    with pytest.raises(UsageError, match="same users"):
        compare(few, line("b", np.zeros(4)), "ndcg@10")
    with pytest.raises(UsageError, match="1000"):
        compare(few, few, "ndcg@10", resamples=10)


# Results and refusals.


def test_several_seeds_are_several_runs_and_the_mean_is_theirs():
    result = asked("rating", seeds=(0, 1, 2))
    by_run = result.row("bias").by_run("rmse")
    assert result.seeds == [0, 1, 2]
    assert len(set(by_run)) == 3
    assert result.row("bias").figure("rmse") == pytest.approx(np.mean(by_run))


def test_folds_test_every_user_once():
    result = asked("new-user", folds=None)
    users = np.concatenate([run.users for run in result.row("popular").runs])
    assert len(result.runs) == 5
    assert sorted(users) == np.unique(SAMPLE.user).tolist()


def test_each_users_figures_are_saved(tmp_path: Path):
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

    name, rates = "never", True

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
        ("random-holdout", lambda d: replace(d, rating=d.rating * 0 + 1), {}, "2 liked items"),
        ("rating", lambda d: d, {"k": 5}, "has no k"),
        ("new-user", lambda d: d, {"validation": True}, "has no validation"),
        ("rating", lambda d: d, {"baselines": ("ease",)}, "no baseline 'ease'; it has bias"),
        ("rating", lambda d: d, {"share": 1.5}, "between 0 and 1"),
        ("rating", lambda d: d, {"share": 0.0}, "between 0 and 1"),
        ("rating", lambda d: d, {"share": float("nan")}, "between 0 and 1"),
        ("next-item", lambda d: d, {"k": 0}, "1 or more"),
        ("next-item", lambda d: d, {"seeds": (-1,)}, "0 or more"),
        ("new-user", lambda d: d, {"folds": ()}, "count from 0"),
    ],
)
def test_what_does_not_suit_is_said_before_any_long_work(
    protocol: str, make: Callable[[Dataset], Dataset], given: dict[str, Any], says: str
):
    with pytest.raises(UsageError, match=says):
        asked(protocol, make(SAMPLE), Never(), **given)


def test_a_data_set_that_cannot_be_asked_names_the_protocols_that_can():
    with pytest.raises(UsageError) as refused:
        asked("new-user", checkerboard())
    assert refused.value.hint == "it can be asked by protocol rating or next-item or random-holdout"


def test_made_up_times_are_marked_wherever_the_clock_is_read():
    copy = replace(SAMPLE, name="ml-1m")
    result = asked("global-time", copy, baselines=("popular",), folds=None)
    assert result.notes[0] == "on partly interpolated timestamps"
    assert asked("rating", copy).published
    assert not measured("rating").published
