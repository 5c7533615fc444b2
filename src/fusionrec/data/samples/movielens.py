"""A synthetic data set with planted tastes, for trials and tests without a download."""

from __future__ import annotations

import numpy as np

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.movielens.schema import AGES, GENRES, MOVIELENS, OCCUPATIONS
from fusionrec.errors import UsageError

# A title's second word is one of three of the item's first genre, so that words carry some taste.
_FIRST = """
    Amber Broken Crimson Distant Endless Falling Golden Hidden Iron Last Lonely Midnight
    Northern Painted Quiet Restless Scarlet Silver Stolen Velvet Wandering Winter
"""
_SECOND = """
    Strike Pursuit Impact, Voyage Compass Island, Lantern Paintbox Puppet, Kite Playground
    Teddy, Banquet Neighbours Umbrella, Heist Alibi Ledger, Archive Witness Harvest, Letters
    Harbour Daughters, Dragon Spell Kingdom, Shadow Cigarette Alley, Cellar Scream Grave,
    Serenade Chorus Waltz, Riddle Cipher Stranger, Promise Summer Heart, Orbit Nebula Android,
    Hostage Deadline Silence, Regiment Trench Armistice, Saddle Canyon Sheriff
"""


def synthetic(
    seed: int = 0, users: int = 500, items: int = 400, interactions: int = 30_000
) -> Dataset:
    """Users who rate items by tastes that depend on gender, age, occupation and chance.

    The same seed and sizes give the same Dataset in every process: named ``synthetic sample``,
    under the schema MOVIELENS, its rows of distinct pairs, sorted by user and increasing time.

    Raises:
        UsageError: a size is below 1, or there are fewer pairs than interactions.
    """
    if min(users, items, interactions) < 1 or interactions > users * items:
        raise UsageError(
            "synthetic sample: expected sizes of at least 1 and interactions up to users·items, "
            f"got {users} users, {items} items, {interactions} interactions"
        )
    rng = np.random.default_rng(seed)
    user_table, taste = _users(rng, users)
    item_table, content = _items(rng, items)
    affinity = taste @ content.T  # [users, items], about standard normal
    quality = rng.normal(0, 0.5, items)
    user, item = _choose(rng, affinity, quality, interactions)
    stars = 3.5 + 0.7 * affinity[user, item] + quality[item]
    stars += rng.normal(0, 0.3, users)[user] + rng.normal(0, 0.5, interactions)
    rating = np.clip(np.rint(stars), 1, 5).astype(np.float32)
    # Each user's times increase from a random start in the year 2000.
    start = rng.integers(946_684_800, 978_307_200, size=users)
    elapsed = np.cumsum(rng.integers(1, 3_600, size=len(user)))
    first = np.searchsorted(user, user)  # each row's first row of the same user
    time = (start[user] + elapsed - elapsed[first]).astype(np.int64)
    columns = user.astype(np.int32), item.astype(np.int32), rating, time
    return Dataset(MOVIELENS, "synthetic sample", user_table, item_table, *columns)


def _users(rng: np.random.Generator, count: int) -> tuple[Table, np.ndarray]:
    """The users, and float [count, genres] their taste for each genre."""
    columns: dict[str, list[str]] = {}
    taste = rng.normal(0, 0.5, (count, len(GENRES)))
    for name, choices, weight in (
        ("gender", ("F", "M"), 0.5),
        ("age", tuple(AGES), 0.6),
        ("occupation", tuple(OCCUPATIONS), 0.4),
    ):
        chosen = rng.integers(len(choices), size=count)
        columns[name] = [choices[c] for c in chosen]
        taste += rng.normal(0, weight, (len(choices), len(GENRES)))[chosen]
    return Table([str(number) for number in range(1, count + 1)], columns), taste


def _items(rng: np.random.Generator, count: int) -> tuple[Table, np.ndarray]:
    """The items, and float [count, genres] their genres as unit vectors."""
    content = np.zeros((count, len(GENRES)))
    genres, titles = [], []
    first, seconds = _FIRST.split(), [words.split() for words in _SECOND.split(",")]
    seen: dict[str, int] = {}
    for row in range(count):
        picked = rng.choice(len(GENRES), size=rng.integers(1, 4), replace=False)
        content[row, picked] = 1 / np.sqrt(len(picked))
        genres.append(tuple(GENRES[g] for g in np.sort(picked)))
        second = seconds[picked[0]]
        title = f"{first[rng.integers(len(first))]} {second[rng.integers(len(second))]}"
        seen[title] = seen.get(title, 0) + 1
        titles.append(title if seen[title] == 1 else f"{title} {seen[title]}")
    years = rng.integers(1950, 2001, size=count).astype(float).tolist()
    columns = {"genres": genres, "title": titles, "year": years}
    return Table([str(number) for number in range(1, count + 1)], columns), content


def _choose(
    rng: np.random.Generator, affinity: np.ndarray, quality: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` distinct pairs, favouring active users, popular and good items, and liked genres.

    Adding Gumbel noise to log weights and taking the largest draws without replacement.
    """
    users, items = affinity.shape
    activity = rng.normal(0, 0.7, (users, 1))
    popularity = rng.permutation(-np.log(np.arange(1, items + 1) + items / 20))
    weight = activity + popularity + quality + 0.5 * affinity + rng.gumbel(size=affinity.shape)
    chosen = np.sort(np.argpartition(weight.ravel(), -count)[-count:])
    user, item = np.divmod(chosen, items)
    shuffled = np.lexsort((rng.random(count), user))
    return user[shuffled], item[shuffled]
