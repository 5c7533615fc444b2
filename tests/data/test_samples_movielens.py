"""The synthetic sample: the same everywhere, and its planted taste is there to be learnt."""

from __future__ import annotations

import numpy as np
import pytest

from builders import python
from fusionrec.data.samples.movielens import synthetic
from fusionrec.errors import UsageError


def test_sizes_pairs_times_and_titles():
    dataset = synthetic()
    assert (len(dataset.users), len(dataset.items), len(dataset)) == (500, 400, 30_000)
    assert dataset.synthetic
    assert len(np.unique(dataset.user.astype(np.int64) * 400 + dataset.item)) == 30_000
    assert (np.diff(dataset.user) >= 0).all()
    same_user = np.diff(dataset.user) == 0
    assert (np.diff(dataset.time)[same_user] > 0).all()
    assert len(set(dataset.items.columns["title"])) == 400
    assert set(np.unique(dataset.rating)) <= {1, 2, 3, 4, 5}
    assert len(np.unique(dataset.rating)) >= 4
    counts = np.sort(np.bincount(dataset.item, minlength=400))
    assert counts[-40:].sum() > 3 * counts[:40].sum(), "popularity is skewed"


def test_same_seed_same_rows_in_another_process():
    made = "from fusionrec.data.samples.movielens import synthetic as s; print(s(7, 50, 40, 600)"
    own = synthetic(7, 50, 40, 600).fingerprint()
    assert python(f"{made}.fingerprint())").strip() == own
    assert synthetic(8, 50, 40, 600).fingerprint() != own


def _group_genre_error(dataset, groups):
    """RMSE on every fifth row of the means by group and genre."""
    holdout = np.arange(len(dataset)) % 5 == 0
    names = sorted({genre for genres in dataset.items.columns["genres"] for genre in genres})
    member = np.array([[n in genres for n in names] for genres in dataset.items.columns["genres"]])
    group = np.unique(np.array(groups), return_inverse=True)[1][dataset.user]
    mean = dataset.rating[~holdout].mean()
    total, count = np.zeros((2, group.max() + 1, len(names)))
    rows = member[dataset.item]
    np.add.at(total, group[~holdout], rows[~holdout] * (dataset.rating[~holdout, None] - mean))
    np.add.at(count, group[~holdout], rows[~holdout])
    offset = (total / (count + 5))[group]
    guess = mean + (offset * rows).sum(1) / rows.sum(1)
    return np.sqrt(((guess - dataset.rating)[holdout] ** 2).mean())


@pytest.mark.parametrize("by", ["gender", "age", "occupation", "user"])
def test_planted_taste_is_real(by):
    """Knowing whose taste it is says more than the genres' means alone."""
    dataset = synthetic()
    groups = dataset.users.ids if by == "user" else dataset.users.columns[by]
    everyone = _group_genre_error(dataset, ["all"] * len(dataset.users))
    assert _group_genre_error(dataset, groups) < everyone * (0.95 if by == "user" else 0.99)


def test_there_are_at_most_as_many_ratings_as_pairs():
    assert len(synthetic(0, 4, 5, 20)) == 20
    for sizes in ((0, 5, 5), (5, 5, 26), (5, 5, 0)):
        with pytest.raises(UsageError, match="synthetic sample"):
            synthetic(0, *sizes)
