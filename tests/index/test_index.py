"""What every index must do: one suite over all of them, with answers checked by plain NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from index_data import BRANDS, LONG, Data, build, films, reopen, shop

from builders import case
from fusionrec.data.movielens import GENRES
from fusionrec.errors import FusionrecError, StoreDamagedError, UsageError
from fusionrec.index import AnyOf, Between, Condition, ExactIndex, Index
from fusionrec.index.exact import distinct

MADE = {"shop": shop, "films": films}
WHERE: dict[str, list[list[Condition]]] = {
    "shop": [
        [],
        [AnyOf("brand", ("茶", "b\\"))],
        [AnyOf("tags", ("τag'3\"",)), Between("row", -10, 4)],
        [AnyOf("in", ("ж",))],
        [AnyOf("in", ("no such",))],
        [AnyOf("brand", ("c\nd", 'Ädel "A"', "e') or true or ('"))],
        [AnyOf("brand", (LONG,))],
        [AnyOf("in", ("z\n", "y\\")), AnyOf("brand", BRANDS)],
        [AnyOf("in", (LONG, 'x"'))],
    ],
    "films": [
        [],
        [AnyOf("genres", ("Film-Noir", "Children's"))],
        [AnyOf("genres", ("War",)), Between("year", 1950, 1980)],
        [Between("year", None, 1990)],
        [Between("year", 3000, None)],
        [AnyOf("genres", ("Sci-Fi",)), AnyOf("genres", ("Horror", "Drama"))],
        [Between("year", 1930.5, 1931.5)],
        [Between("year", 1960, None), Between("year", None, 1960)],
        [AnyOf("genres", tuple(GENRES))],
    ],
}


@pytest.fixture(scope="module", params=list(MADE))
def made(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def data(made: str) -> Data:
    return MADE[made]()


@pytest.fixture(
    scope="module", params=["exact", "FLAT", "HNSW", "served", "server FLAT", "server HNSW"]
)
def index(
    request: pytest.FixtureRequest, data: Data, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("index")
    if request.param == "exact":
        yield ExactIndex(*data)
    elif request.param == "served":
        from milvus_lite.adapter.grpc.server import start_server_in_thread

        server, store, port = start_server_in_thread(str(folder / "served"))
        with build(f"http://127.0.0.1:{port}", data) as built:
            yield built
        server.stop(grace=None).wait()
        store.close()
    else:
        where, _, kind = request.param.rpartition(" ")
        uri = request.getfixturevalue("server").uri if where else folder / "new" / "milvus.db"
        build(uri, data, kind=kind).close()
        with reopen(uri, data) as opened:
            yield opened


def right(data: Data, query: np.ndarray, where: list[Condition], exclude: list[int]) -> list[int]:
    """Every allowed row, best first, ties by row; written without the code under test."""
    _, items, vectors = data
    scores = np.array([np.float32(np.dot(v.astype(float), query.astype(float))) for v in vectors])
    kept = [r for r in range(len(items)) if r not in set(exclude) and meets(items.row(r), where)]
    return sorted(kept, key=lambda row: (-scores[row], row))


def meets(item: dict[str, object], where: list[Condition]) -> bool:
    for condition in where:
        value = item[condition.field]
        if isinstance(condition, AnyOf):
            values = value if isinstance(value, tuple) else (value,)
            if not set(values) & set(condition.values):  # type: ignore[arg-type]
                return False
        else:
            low = -np.inf if condition.low is None else condition.low
            high = np.inf if condition.high is None else condition.high
            if not (np.isfinite(value) and low <= value <= high):  # type: ignore[call-overload,operator]
                return False
    return True


def test_answers_are_the_right_ones(index: Index, data: Data, made: str) -> None:
    vectors = data[2]
    for where, row in product(WHERE[made], (0, 3, 4)):
        exclude = [row, 7, 7, 50]
        wanted = right(data, vectors[row], where, exclude)
        for k in (1, 10, 10_000, 100_000):
            with case(where, row, k):
                hits = index.search(vectors[row], k, where, np.array(exclude))
                assert hits.rows.tolist() == wanted[:k]
                assert hits.rows.dtype == np.int64
                assert hits.scores.dtype == np.float32
                assert np.allclose(hits.scores, vectors[hits.rows] @ vectors[row], atol=1e-5)


def test_scores_are_equal_everywhere(index: Index, data: Data) -> None:
    schema, items, vectors = data
    query = vectors[:3].mean(axis=0)
    hits, wanted = index.search(query, 20), ExactIndex(schema, items, vectors).search(query, 20)
    assert np.array_equal(hits.rows, wanted.rows)
    assert np.array_equal(hits.scores, wanted.scores)


def test_all_may_be_left_out(index: Index, data: Data) -> None:
    n = len(data[1])
    assert len(index.search(data[2][0], 10, exclude=np.arange(n))) == 0
    assert index.search(data[2][0], 10, exclude=np.arange(1, n)).rows.tolist() == [0]
    assert len(index.search(data[2][0], 10, exclude=[])) == 10


def test_questions_are_checked(index: Index, data: Data) -> None:
    right = data[2][0]
    infinite = np.where(np.arange(len(right)) == 1, np.inf, right)
    for k in (0, -1):
        with case(k), pytest.raises(UsageError, match="at least 1"):
            index.search(right, k)
    for wrong in (np.full_like(right, np.nan), infinite, right[:-1], right[None]):
        with case(wrong), pytest.raises(FusionrecError):
            index.search(wrong, 5)
    for rows in ([-1], [10_000], np.array([0.5]), np.array([[1]])):
        with case(rows), pytest.raises(UsageError, match="leave out"):
            index.search(right, 5, exclude=rows)
    assert index.place


def test_ties_break_by_row_at_the_cut(tmp_path: Path) -> None:
    schema, items, vectors = films(100)
    vectors[:] = vectors[0]
    with build(tmp_path / "m.db", (schema, items, vectors)) as milvus:
        for index in (milvus, ExactIndex(schema, items, vectors)):
            rows = index.search(vectors[0], 7, exclude=[2]).rows
            assert rows.tolist() == [0, 1, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("value", [np.nan, 0.0, 2.0, np.inf])
def test_vectors_must_be_normalised(value: float, tmp_path: Path) -> None:
    schema, items, vectors = films(20)
    vectors[3] *= value
    with pytest.raises(StoreDamagedError, match="row 3"):
        ExactIndex(schema, items, vectors)
    with pytest.raises(StoreDamagedError, match="row 3"):
        build(tmp_path / "never" / "m.db", (schema, items, vectors))
    assert not (tmp_path / "never").exists()
    with pytest.raises(StoreDamagedError, match="float32"):
        ExactIndex(schema, items, vectors[1:])


@pytest.mark.parametrize("parts", [[[]], [[3]], [[5, 2, 2], [], [9, 5, 0]], [[7, 7, 7]]])
def test_distinct_rows_are_those_of_numpy(parts: list[list[int]]) -> None:
    rows = [np.array(part, dtype=np.int64) for part in parts]
    found, wanted = distinct(*rows), np.unique(np.concatenate(rows))
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
