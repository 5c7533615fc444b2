"""What is said of a version's worth: true of its figures beside those of the baselines."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from builders import cycle
from fusionrec.baselines import EASE, Popular
from fusionrec.data.dataset import Dataset
from fusionrec.registry.tables import Histories
from fusionrec.training.holdouts import Holdout, by_user, drawn_users, later_holdouts, next_holdouts
from fusionrec.training.weighing import Weighed
from fusionrec.training.worth import measured

DATA = cycle()
ROWS = np.arange(len(DATA))
HISTORIES, ORDER = Histories.build(DATA, ROWS), Histories.order(DATA, ROWS)
ITEMS = len(DATA.items)
NEXT = next_holdouts(HISTORIES, DATA.schema, drawn_users(HISTORIES, 100, 0), ITEMS, 0)[0]
LIST_PARTS = {"next": 1.0, "profile": 0.2}


def worth(
    values: np.ndarray | None,
    holdouts: Sequence[Holdout] = (NEXT,),
    weights: dict[str, float] = LIST_PARTS,
    data: Dataset = DATA,
) -> dict:
    users = 0 if values is None else len(values)
    figure = None if values is None else float(values.mean())
    weighed = Weighed(weights, figure, {"next": 0.5}, users, values)
    return measured(data, ORDER, "next", holdouts, weighed)


def test_better_lists_are_said_to_be_better_by_how_much():
    users = len(NEXT.users)
    best = worth(np.zeros(users))["baselines"]
    best = max(best.values())
    found = worth(np.full(users, 1.5 * best))
    assert found["sure"]
    assert found["gain"] == pytest.approx(0.5)
    assert found["best"] in found["baselines"]
    assert "lists 50% better than those of the best simple method, " in found["sentence"]
    assert (found["goal"], found["users"], found["parts"]) == ("next", users, {"next": 0.5})


def test_worse_lists_are_said_to_be_worse():
    found = worth(np.zeros(len(NEXT.users)))
    assert "lists 100% worse than those of the best simple method, " in found["sentence"]


def test_level_lists_are_said_to_be_level():
    users = len(NEXT.users)
    best = max(worth(np.zeros(users))["baselines"].values())
    found = worth(np.full(users, best))
    assert not found["sure"]
    assert found["sentence"].startswith("lists level with the best simple method, ")


def test_popularity_that_is_level_is_said_to_be_what_is_popular():
    users = len(NEXT.users)
    best = max(worth(np.zeros(users))["baselines"].values())
    found = worth(np.full(users, best), weights={"profile": 1.0, "trend-3d": 0.5})
    said = "too little data to do better than what is popular: answers are that"
    assert found["sentence"] == said


@pytest.mark.parametrize("values", [None, np.ones(19)])
def test_too_little_data_is_said_and_nothing_is_compared(values):
    found = worth(values, [], {"profile": 1.0})
    assert found["sentence"].startswith("too little data to hold anything out: ")
    assert (found["baselines"], found["best"], found["gain"]) == ({}, None, None)


def test_parts_that_were_not_held_against_anything_are_not_said_to_be_popularity():
    found = worth(None, [])
    assert found["sentence"] == "nothing was held out: what the lists are worth is not known"


def test_baselines_are_measured_by_the_same_holdouts_and_see_what_is_visible_alone():
    holdouts = [NEXT, later_holdouts(HISTORIES, DATA.schema, ITEMS, 100, 0)[0]]
    asked = len(np.unique(np.concatenate([one.users for one in holdouts])))
    found = worth(np.ones(asked), holdouts)["baselines"]
    for name, make in (("popular", Popular), ("ease", EASE)):
        wanted = []
        for one in holdouts:
            ranker = make().fit(DATA, np.sort(ORDER[one.visible]))
            wanted.append(one.ndcg(np.array(ranker.scores(one.users), dtype="f4")))
        users = np.concatenate([one.users for one in holdouts])
        each = by_user(np.concatenate(wanted), users)
        assert found[name] == pytest.approx(each.mean(), abs=1e-6)
    assert found.keys() == {"popular", "popular-last-7-days", "item-knn", "ease"}
