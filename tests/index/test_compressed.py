"""A compressed copy finds what an exact search finds, nearly always, with the same scores."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from index_data import SHOP, shop, unit

from fusionrec.data.dataset import Table
from fusionrec.errors import StoreDamagedError, UsageError
from fusionrec.index import AnyOf, Between, ExactIndex, FilterColumns
from fusionrec.index.compressed import RECALL, CompressedIndex, CompressedVectors, Sample
from fusionrec.index.inverted_lists import InvertedLists

N, D = 6_000, 24
NONE = np.empty(0, dtype=np.int64)


@pytest.fixture(scope="module")
def made() -> tuple[Table, np.ndarray, np.ndarray]:
    """Items in groups, shorter and longer ones, and people who like some of the groups; the spans
    of the vectors differ in scale tenfold.
    """
    random = np.random.default_rng(0)
    centres = random.normal(size=(60, D)).astype(np.float32)
    group = random.integers(0, 60, N)
    vectors = centres[group] + 0.4 * random.normal(size=(N, D)).astype(np.float32)
    vectors *= random.beta(8, 2, (N, 1)).astype(np.float32)
    people = centres[random.integers(0, 60, (300, 2))].sum(axis=1) + unit(300, D, 1)
    scale = np.repeat(np.float32([1.0, 0.1]), D // 2)
    vectors *= scale
    vectors /= np.linalg.norm(vectors, axis=1).max()
    people /= np.linalg.norm(people, axis=1, keepdims=True)
    _, few, _ = shop(600)
    columns = {name: list(values) * (N // 600) for name, values in few.columns.items()}
    columns["brand"] = [f"brand {number}" for number in group]
    columns["row"] = [float(number) for number in range(N)]
    return Table([str(n) for n in range(N)], columns), vectors, people


@pytest.fixture(scope="module")
def copy(made) -> CompressedVectors:
    _, vectors, people = made
    return CompressedVectors.build(vectors, [Sample(people[:200], [NONE] * 200)])


def both(made, copy, changed=NONE, available=None, vectors=None):
    """The copy's search, and the exact one, of the same items."""
    items, before, _ = made
    vectors = before if vectors is None else vectors
    parts = (SHOP, items.take(np.arange(len(vectors)) % N), vectors, "copy", available)
    given = {"columns": FilterColumns(SHOP, items)} if len(vectors) == N else {}
    return CompressedIndex(copy, changed, *parts, **given), ExactIndex(*parts, **given)


def recall(made, index, oracle, k=10, where=(), exclude=NONE) -> float:
    shares = []
    for person in made[2][200:]:
        wanted = oracle.search(person, k, where, exclude)
        found = index.search(person, k, where, exclude)
        assert len(found) == len(wanted)
        assert not np.isin(found.rows, exclude).any()
        same = np.isin(found.rows, wanted.rows)
        exact = dict(zip(wanted.rows.tolist(), wanted.scores.tolist(), strict=True))
        there = [exact[row] for row in found.rows[same].tolist()]
        assert found.scores[same].tolist() == there
        order = np.lexsort((found.rows, -found.scores))
        assert np.array_equal(order, np.arange(len(found)))  # ties by row
        shares.append(same.mean())
    return float(np.mean(shares))


@pytest.mark.parametrize("k", [1, 10, 100, 3_000])
def test_it_finds_what_it_says(made, copy, k):
    """For other people than those of whom it was measured, and where spans differ in scale."""
    assert copy.recall >= RECALL
    assert copy.probes[10] < copy.lists.count / 4
    assert recall(made, *both(made, copy), k) >= RECALL - 0.01


@pytest.mark.parametrize(
    ("where", "least"),
    [
        ([AnyOf("brand", ("brand 3",))], 1.0),  # few: all are compared
        ([Between("row", 0, 40)], 1.0),
        ([Between("row", 0, N / 2)], RECALL - 0.02),
        ([AnyOf("brand", tuple(f"brand {n}" for n in range(30)))], RECALL - 0.04),
    ],
)
def test_conditions_and_what_is_left_out(made, copy, where, least):
    seen = np.random.default_rng(2).choice(N, 2_000, replace=False)
    assert recall(made, *both(made, copy), where=where) >= least
    assert recall(made, *both(made, copy), where=where, exclude=seen) >= least


def test_nobody_gets_fewer_for_having_seen_all_that_is_near(made, copy):
    index, oracle = both(made, copy)
    for person in made[2][:20]:
        seen = np.sort(oracle.search(person, 2_500).rows)
        wanted = oracle.search(person, 10, exclude=seen)
        assert np.array_equal(index.search(person, 10, exclude=seen).rows, wanted.rows)
        assert len(index.search(person, 10, exclude=np.arange(N))) == 0


def test_items_that_changed_since_are_searched_as_they_are(made, copy):
    """Changed, added and withdrawn."""
    _, vectors, people = made
    now = np.concatenate([vectors, people[:50] * 0.9])
    now[:50] = people[50:100] * 0.8
    available = np.ones(len(now), dtype=bool)
    available[[3, 60, N + 3]] = False
    changed = np.r_[0:50, 60, N : N + 50]
    index, oracle = both(made, copy, changed, available, now)
    for n in range(100):
        found, wanted = index.search(people[n], 5), oracle.search(people[n], 5)
        assert found.rows[0] == wanted.rows[0]
        assert not np.isin(found.rows, [3, 60, N + 3]).any()
        assert np.array_equal(found.rows, wanted.rows)


def test_what_cannot_be_found_quickly_is_compared_exactly():
    """Vectors without any order: most lists would have to be read."""
    vectors, people = unit(2_000, 64, 0), unit(100, 64, 1)
    copy = CompressedVectors.build(vectors, [Sample(people, [NONE] * 100)])
    assert copy.probes == {}
    assert copy.recall < RECALL
    items = Table([str(n) for n in range(2_000)], shop(2_000)[1].columns)
    parts = (SHOP, items, vectors)
    found = CompressedIndex(copy, NONE, *parts).search(people[0], 10)
    assert np.array_equal(found.rows, ExactIndex(*parts).search(people[0], 10).rows)


def test_a_search_that_makes_no_sense_is_refused(made, copy):
    index, _ = both(made, copy)
    for vector, k, exclude in (
        (np.full(D, np.nan), 10, ()),
        (np.ones(D + 1), 10, ()),
        (np.ones(D), 0, ()),
        (np.ones(D), 10, [N]),
    ):
        with pytest.raises(UsageError):
            index.search(vector, k, (), exclude)


def test_a_file_gives_the_same_answers(made, copy, tmp_path):
    people = made[2]
    copy.lists.write(tmp_path / "lists")
    read = replace(copy, lists=InvertedLists.read(tmp_path / "lists", N, D))
    one, other = both(made, copy)[0], both(made, read)[0]
    for person in people[:20]:
        assert np.array_equal(one.search(person, 10).rows, other.search(person, 10).rows)
    for n, d in ((N + 1, D), (N, 2 * D)):
        with pytest.raises(StoreDamagedError, match="does not hold"):
            InvertedLists.read(tmp_path / "lists", n, d)
    (tmp_path / "lists").write_bytes(b"IwFl" + bytes(20))
    with pytest.raises(StoreDamagedError):
        InvertedLists.read(tmp_path / "lists", N, D)
    with pytest.raises(OSError, match="cannot be written"):
        copy.lists.write(tmp_path / "no folder" / "lists")
