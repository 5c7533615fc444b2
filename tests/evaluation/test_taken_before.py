"""The baseline of what someone took before: its order, where it is offered, and that it counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from builders import checkerboard
from event_data import baskets, data_set, schema
from fusionrec.baselines import Popular, TakenBefore
from fusionrec.data.dataset import Dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.errors import UsageError
from fusionrec.evaluation.protocols import ALL, ProtocolOptions, named
from fusionrec.evaluation.run import evaluate
from fusionrec.metrics import top

OFFERED = ("next-item", "global-time")  # where a user may be asked for what they took before


def orders(dataset: Dataset) -> list[list[int]]:
    """Every user's order of all items, learned from all rows."""
    ranker = TakenBefore().fit(dataset, np.arange(len(dataset)))
    scores = ranker.scores(np.arange(len(dataset.users)))
    assert np.isfinite(scores).all()
    return top(scores, len(dataset.items)).tolist()


def took(*rows: tuple[int, int, float]) -> Dataset:
    """Events of user, item and weight each."""
    user, item, weight = zip(*rows, strict=True)
    return data_set(schema(repeats=True), user, item, weight=weight)


def rated(dataset: Dataset) -> Dataset:
    """The same, as ratings of 1 to 5 and not as events."""
    stars = replace(dataset.schema, events=False, rating_range=(1.0, 5.0), like=4.0)
    return replace(dataset, schema=stars, rating=1 + 4 * dataset.rating)


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (  # taken in all: item 0 once, 1 twice, 2 four times, 3 and 4 three times
            [*[(0, 3, 1.0)] * 3, *[(0, 1, 1.0)] * 2, (0, 0, 1.0), *[(1, 2, 1.0)] * 4, (1, 4, 1.0)]
            + [(2, 4, 1.0)] * 2,
            [[3, 1, 0, 2, 4], [2, 4, 3, 1, 0], [4, 2, 3, 1, 0]],
        ),
        (  # of equal items the popular one comes first, and then the catalog's first
            [(0, 0, 1.0), (0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0), (1, 3, 1.0)],
            [[2, 0, 1, 3], [2, 3, 0, 1]],
        ),
        # Events weigh, and equal sums of weights are equal.
        ([*[(0, 0, 0.2)] * 4, (0, 1, 1.0)], [[1, 0]]),
        ([*[(0, 0, 0.2)] * 5, (0, 1, 1.0)], [[0, 1]]),  # equal, and item 0 is the popular one
        ([*[(0, 0, 0.2)] * 5, (0, 1, 1.0), *[(1, 1, 0.2)] * 9], [[1, 0], [1, 0]]),
        # Any popularity is less than the smallest weight.
        ([(0, 0, 0.00001), *((user, 1, 1.0) for user in range(1, 300))], [[0, 1]]),
    ],
)
def test_what_someone_took_most_comes_first_and_then_what_is_popular(rows, wanted):
    assert orders(took(*rows))[: len(wanted)] == wanted


def test_of_ratings_it_counts_how_many_they_are():
    data = rated(took((0, 0, 0.1), (0, 0, 0.2), (0, 1, 1.0), (1, 1, 1.0), (1, 1, 1.0)))
    assert orders(data)[0] == [0, 1]


def test_rows_in_another_order_and_rows_left_out_change_nothing_else():
    data = baskets()
    rows, users = np.arange(0, len(data), 2), np.arange(len(data.users))
    one = TakenBefore().fit(data, rows).scores(users)
    assert np.array_equal(one, TakenBefore().fit(data, rows[::-1]).scores(users))
    rest = np.setdiff1d(np.arange(len(data.items)), data.item[rows])
    assert (one[:, rest] == 0).all()


def test_who_took_nothing_is_shown_what_is_popular():
    data = baskets()
    others = np.flatnonzero(data.user > 0)
    known, everybody = (made.fit(data, others) for made in (TakenBefore(), Popular()))
    lists = [top(ranker.scores(np.array([0])), 30) for ranker in (known, everybody)]
    assert np.array_equal(*lists)


def test_it_is_offered_where_people_take_items_again_and_nowhere_else():
    sample = synthetic(seed=1, users=120, items=60, interactions=3000)
    again = replace(sample, schema=replace(sample.schema, repeats=True))
    for name, protocol in ALL.items():
        once, more = (list(protocol.baselines(data, 0)) for data in (sample, again))
        assert "taken-before" not in once
        assert more == [b for b in protocol.baseline_names if b == "taken-before" or b in once]
        assert ("taken-before" in more) == (name in OFFERED)
    for name in OFFERED:  # nor do its notes say that other data lack it
        notes = evaluate(sample, named(name), ProtocolOptions(), resamples=1000).notes
        assert not any("cannot serve" in note for note in notes)
    with pytest.raises(UsageError, match="cannot serve the baseline taken-before"):
        evaluate(checkerboard(), named("next-item"), ProtocolOptions(baselines=("taken-before",)))


@pytest.mark.parametrize("protocol", OFFERED)
@pytest.mark.parametrize("stars", [False, True])
def test_where_people_do_repeat_it_ranks_better_than_popularity(protocol, stars):
    data = rated(baskets()) if stars else baskets()
    result = evaluate(data, named(protocol), ProtocolOptions())
    ours, popular = (result.row(name).figure("ndcg@10") for name in ("taken-before", "popular"))
    assert ours > 1.2 * popular, (ours, popular)
    assert [row.name for row in result.rows][-3:] == ["taken-before", "item-knn", "ease"]


def test_what_is_known_of_a_user_when_the_next_item_is_asked_counts():
    # The item taken last was taken once in training, as two others were, and then once more.
    taken = [(user, (user + n) % 7) for user in range(40) for n in (0, 1, 2, 2, 2)]
    user, item = zip(*taken, strict=True)
    data = data_set(schema(repeats=True), user, item, time=np.tile(np.arange(5), 40))
    found = evaluate(data, named("next-item"), ProtocolOptions(baselines=("taken-before",)))
    assert found.row("taken-before").figure("ndcg@10") == 1.0
