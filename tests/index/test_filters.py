"""Conditions: reading them, and that no value can say more than it means in Milvus' language."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from index_data import BRANDS, SHOP, build, films, shop
from milvus_lite.search.filter.tokens import TokenKind, tokenize

from builders import case
from fusionrec.data.dataset import Table
from fusionrec.data.movielens import MOVIELENS
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import UsageError
from fusionrec.index import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    ExactIndex,
    FilterColumns,
    Index,
    NoneOf,
    Only,
    Without,
    read_conditions,
)
from fusionrec.index.filter_parser import parse
from fusionrec.index.filters import expression, literal
from fusionrec.index.layout import layout_of


def mask(conditions: Iterable[Condition], items: Table, schema: Schema) -> np.ndarray:
    return FilterColumns(schema, items).mask(conditions)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PARTS = (
    *('"', "\\", '\\"', "\n", "\r", "\t", "'", "%", "{x}", "\x00", "\u2028", "\ufeff", "\x7f", "𝕏"),
    *(
        '"] or row >= 0 or brand in ["',
        "\\u0022",
        "\\",
        " or ",
        " and not ",
        "==",
        "]",
        ")",
        "$meta",
    ),
)
HOSTILE = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join) | st.sampled_from(
    [part * (10_000 // len(part)) for part in PARTS]
)
KINDS = st.sampled_from([AnyOf, AllOf, NoneOf])


@pytest.mark.parametrize(
    ("name", "text", "condition"),
    [
        ("genre", "Comedy", AnyOf("genres", ("Comedy",))),
        ("genres", " sci-fi ", AnyOf("genres", ("Sci-Fi",))),
        ("year", "1994", Between("year", 1994.0, 1994.0)),
        ("year", "1980..1989", Between("year", 1980.0, 1989.0)),
        ("year", "1980..", Between("year", 1980.0, None)),
        ("year", "..1989", Between("year", None, 1989.0)),
        ("year", "-1.5..2e3", Between("year", -1.5, 2000.0)),
    ],
)
def test_parse(name: str, text: str, condition: Condition) -> None:
    assert parse(MOVIELENS, name, text) == condition


@pytest.mark.parametrize(
    ("written", "conditions"),
    [
        ([], []),
        (["genre=War", "genre=comedy"], [AnyOf("genres", ("War", "Comedy"))]),
        (["genre+=War", "genre+=comedy"], [AllOf("genres", ("War", "Comedy"))]),
        (["genre!=War", " genres != comedy "], [NoneOf("genres", ("War", "Comedy"))]),
        (
            ["genre=War", "genre!=Drama", "year=1990", "genre+=Crime", "genre=Comedy"],
            [
                AnyOf("genres", ("War", "Comedy")),
                NoneOf("genres", ("Drama",)),
                Between("year", 1990, 1990),
                AllOf("genres", ("Crime",)),
            ],
        ),
    ],
)
def test_conditions_are_read_and_joined(written: list[str], conditions: list[Condition]) -> None:
    assert read_conditions(MOVIELENS, written) == conditions
    ids = [Only(("1", "2")), Without(("3",))]
    assert read_conditions(MOVIELENS, written, ["1", "2"], ["3"]) == [*conditions, *ids]


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("genre", "name=value"),
        ("=War", "name=value"),
        ("genre-=War", "'genre-'"),
        ("genre!War", "name=value"),
        ("genre==War", "'=War'"),
        ("year!=1990", "is a number"),
        ("year+=1990", "is a number"),
        ("genre!=", "no value ''"),
        ("\ud800=1", "cannot be filtered"),
    ],
)
def test_what_is_no_condition_is_refused(written: str, says: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as raised:
        read_conditions(MOVIELENS, [written])
    assert raised.value.hint
    with pytest.raises(UsageError, match="one range at a time"):
        read_conditions(MOVIELENS, ["year=1990", "year=1991"])


@settings(deadline=None)
@given(TEXT | HOSTILE)
def test_a_written_value_is_read_whole(value: str) -> None:
    for operator, kind in (("=", AnyOf), ("+=", AllOf), ("!=", NoneOf)):
        if value.strip():
            read = read_conditions(SHOP, [f"tag{operator}{value}"])
            assert read == [kind("tags", (value.strip(),))]


@pytest.mark.parametrize(
    ("name", "text", "says", "hint"),
    [
        ("genr", "Comedy", "'genr'", "did you mean 'genre'?"),
        ("title", "x", "'title'", "filters are: genre, year"),
        ("user_id", "1", "'user_id'", "genre"),
        ("genre", "Comdey", "'Comdey'", "did you mean 'Comedy'?"),
        ("genre", "", "no value", "Action"),
        ("year", "1989..1980", "begins above", "1980..1989"),
        ("year", "..", "'..'", "1980..1989"),
        ("year", "nan", "'nan'", "1980"),
        ("year", "1e999", "'1e999'", "1980"),
        ("year", "1..2..3", "1..2..3", "1980"),
        ("year", "1_980", "1_980", "1980"),
    ],
)
def test_parse_refuses(name: str, text: str, says: str, hint: str) -> None:
    with pytest.raises(UsageError, match=re.escape(says)) as raised:
        parse(MOVIELENS, name, text)
    assert hint in (raised.value.hint or "")


def test_labels_are_understood() -> None:
    field = Field("kind", "item", "category", True, {"b": "Book", "d": "Disc"})
    ids = (Field("u", "user", "id"), Field("i", "item", "id"))
    schema = Schema("s", (*ids, field), (0.0, 1.0))
    assert parse(schema, "kind", "disc") == AnyOf("kind", ("d",))
    assert parse(SHOP, "tag", "anything") == AnyOf("tags", ("anything",))


@pytest.mark.parametrize(
    "make",
    [
        lambda: AnyOf("brand", ()),
        lambda: AnyOf("brand", "abc"),  # type: ignore[arg-type]
        lambda: AllOf("tags", ()),
        lambda: NoneOf("tags", (1,)),  # type: ignore[arg-type]
        lambda: AnyOf("brand", ("\ud800",)),
        lambda: Only(()),
        lambda: Only("abc"),  # type: ignore[arg-type]
        lambda: Without((7,)),  # type: ignore[arg-type]
        lambda: Without(("\udfff",)),
        lambda: Between("row", None, None),
        lambda: Between("row", math.nan, 1.0),
        lambda: Between("row", 2.0, 1.0),
        lambda: Between("row", None, math.inf),
    ],
)
def test_conditions_are_checked_when_made(make: object) -> None:
    with pytest.raises(UsageError):
        make()  # type: ignore[operator]


@pytest.mark.parametrize(
    "condition",
    [
        AnyOf("row", ("1",)),
        AllOf("row", ("1",)),
        NoneOf("sku", ("1",)),
        Between("brand", 1, 2),
        AnyOf("name", ("x",)),
    ],
)
def test_conditions_must_fit_the_schema(condition: Condition) -> None:
    _, items, _ = shop(10)
    with pytest.raises(UsageError):
        mask([condition], items, SHOP)
    with pytest.raises(UsageError):
        expression([condition], (), layout_of(SHOP, items))


def test_mask_by_hand() -> None:
    columns = {"title": ["a", "b", "c"], "genres": [("War",), (), ("War", "Drama")]}
    items = Table(["1", "2", "3"], {**columns, "year": [1990.0, 1991.0, math.nan]})
    assert mask([], items, MOVIELENS).tolist() == [True] * 3
    assert mask([AnyOf("genres", ("War", "Crime"))], items, MOVIELENS).tolist() == [1, 0, 1]
    assert mask([Between("year", None, 1990)], items, MOVIELENS).tolist() == [1, 0, 0]
    both = [AnyOf("genres", ("War",)), Between("year", 1900, None)]
    assert mask(both, items, MOVIELENS).tolist() == [1, 0, 0]
    assert mask([AnyOf("genres", ("no such",))], items, MOVIELENS).tolist() == [0, 0, 0]
    assert mask([AllOf("genres", ("War", "Drama"))], items, MOVIELENS).tolist() == [0, 0, 1]
    assert mask([AllOf("genres", ("War", "no such"))], items, MOVIELENS).tolist() == [0, 0, 0]
    assert mask([NoneOf("genres", ("Drama", "Crime"))], items, MOVIELENS).tolist() == [1, 1, 0]
    assert mask([NoneOf("genres", ("no such",))], items, MOVIELENS).tolist() == [1, 1, 1]
    assert mask([Only(("3", "1", "9"))], items, MOVIELENS).tolist() == [1, 0, 1]
    assert mask([Only(("9",))], items, MOVIELENS).tolist() == [0, 0, 0]
    assert mask([Without(("3", "9"))], items, MOVIELENS).tolist() == [1, 1, 0]
    assert mask([Only(("1", "2")), Without(("1",))], items, MOVIELENS).tolist() == [0, 1, 0]


@settings(deadline=None)
@given(TEXT | HOSTILE)
def test_a_text_stays_one_literal(value: str) -> None:
    tokens = tokenize(literal(value))
    assert [t.kind for t in tokens] == [TokenKind.STRING, TokenKind.EOF]
    assert tokens[0].value == value


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**62), 2**62))
def test_a_number_stays_one_literal(value: float) -> None:
    tokens = [t for t in tokenize(literal(value)) if t.kind != TokenKind.EOF]
    assert abs(tokens[-1].value) == abs(value)
    assert len(tokens) == 1 + (math.copysign(1, value) < 0)


@settings(deadline=None)
@given(st.lists(TEXT | HOSTILE, min_size=1, max_size=4), st.sampled_from(["brand", "tags"]), KINDS)
def test_values_add_no_terms(values: list[str], field: str, kind: type[AnyOf]) -> None:
    _, items, _ = shop(30)
    given = [kind(field, tuple(values)), Only(tuple(values)), Without(tuple(values))]
    tokens = tokenize(expression(given, [3], layout_of(SHOP, items)))
    written = [t.value for t in tokens if t.kind == TokenKind.STRING]
    distinct = list(dict.fromkeys(values))
    never = kind is AllOf and field == "brand" and len(distinct) > 1
    assert written == distinct * (2 if never else 3)
    assert [t.text for t in tokens if t.kind == TokenKind.OR] == []
    assert len([t for t in tokens if t.kind == TokenKind.AND]) == 3


NUMBERS = st.sampled_from([-5.5, 0.0, 3.25, 1e9, 1e-7]) | st.floats(-1e10, 1e10)
RANGES = st.tuples(NUMBERS, NUMBERS).map(lambda e: Between("row", min(e), max(e)))
HALVES = NUMBERS.map(lambda e: Between("row", None, e)) | NUMBERS.map(
    lambda e: Between("row", e, None)
)
VALUES = {
    "brand": st.sampled_from(BRANDS) | TEXT | HOSTILE,
    "tags": st.sampled_from([f"τag'{i}\"" for i in range(40)]) | TEXT | HOSTILE,
    "in": st.sampled_from(['x"', "y\\", "ж"]) | TEXT | HOSTILE,
}
CATEGORIES = st.sampled_from(list(VALUES)).flatmap(
    lambda field: st.builds(
        lambda kind, values: kind(field, tuple(values)),
        KINDS,
        st.lists(VALUES[field], min_size=1, max_size=3),
    )
)
IDS = st.lists(st.sampled_from(shop()[1].ids) | TEXT | HOSTILE, min_size=1, max_size=60).map(tuple)
CONDITIONS = st.one_of(CATEGORIES, RANGES, HALVES, st.builds(Only, IDS), st.builds(Without, IDS))


@pytest.fixture(scope="module", params=["Lite FLAT", "Lite HNSW", "server"])
def in_milvus(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Index]:
    uri = str(tmp_path_factory.mktemp("filters") / "milvus.db")
    if request.param == "server":
        uri = request.getfixturevalue("server").uri
    kind = "HNSW" if request.param.endswith("HNSW") else "FLAT"
    with build(uri, shop(), "filters", kind=kind) as index:
        yield index
        if request.param == "server":
            index.store.drop(index.name)


def rows_of(index: Index, where: list[Condition], exclude: Sequence[int] = ()) -> list[int]:
    """Every row that an index finds under these conditions."""
    _, items, vectors = shop()
    found = index.search(vectors[0], len(items), where, np.array(exclude, dtype=int))
    return sorted(found.rows.tolist())


@settings(max_examples=80, deadline=None)
@given(st.lists(CONDITIONS, max_size=3), st.lists(st.integers(0, 119), max_size=100))
def test_milvus_and_the_mask_agree(
    in_milvus: Index, conditions: list[Condition], exclude: list[int]
) -> None:
    schema, items, _ = shop()
    allowed = mask(conditions, items, schema)
    allowed[exclude] = False
    assert rows_of(in_milvus, conditions, exclude) == np.flatnonzero(allowed).tolist()


@pytest.mark.parametrize("field", VALUES)
@pytest.mark.parametrize("kind", [AnyOf, AllOf, NoneOf])
def test_values_that_items_hold(in_milvus: Index, kind: type[AnyOf], field: str) -> None:
    """Two that an item holds together where it can, and two that none may hold together."""
    schema, items, _ = shop()
    column = items.columns[field]
    several_by_item = [value if isinstance(value, tuple) else (value,) for value in column]
    first = tuple(dict.fromkeys(one for several in several_by_item for one in several))[:2]
    pairs = {first, *(several[:2] for several in several_by_item if len(several) > 1)}
    found = set()
    for values in sorted(pairs):
        condition = kind(field, values)
        right = np.flatnonzero(mask([condition], items, schema)).tolist()
        assert rows_of(in_milvus, [condition]) == right
        found.add(len(right))
    assert max(found) > 0 or (kind is AllOf and field == "brand")


def test_no_value_breaks_out(in_milvus: Index) -> None:
    """Alone, since Milvus might refuse what it should find, and 10,000 characters long."""
    schema, items, _ = shop()
    for part, length in product(PARTS, (1, 10_000)):
        value = part * max(1, length // len(part))
        with case(part, length):
            for kind, field in product((AnyOf, AllOf, NoneOf), VALUES):
                condition = kind(field, (value,))
                right = np.flatnonzero(mask([condition], items, schema)).tolist()
                assert rows_of(in_milvus, [condition]) == right
            assert rows_of(in_milvus, [Only((value,))]) == []
            assert rows_of(in_milvus, [Without((value,))]) == list(range(len(items)))


@pytest.mark.parametrize("kind", ["FLAT", "HNSW"])
def test_selective_filters_still_return_k_items(kind: str, tmp_path: Path) -> None:
    """Where few items are left, or most are left out, a graph gives up before it has k of them."""
    schema, items, vectors = films(3000)
    exact = ExactIndex(schema, items, vectors)
    near = np.argsort(-(vectors @ vectors[0]))  # what a walk along the graph meets first
    selective: list[tuple[list[Condition], np.ndarray]] = [
        ([AllOf("genres", ("War", "Drama")), NoneOf("genres", ("Comedy",))], near[:0]),
        ([AllOf("genres", ("War",)), Between("year", 1950, 1955)], near[:0]),
        ([Only(tuple(items.ids[row] for row in near[-30:]))], near[:0]),
        ([Without(tuple(items.ids[row] for row in near[:2500]))], near[:0]),
        ([], near[:2000]),
    ]
    with build(tmp_path / "milvus.db", (schema, items, vectors), kind=kind) as index:
        for where, exclude in selective:
            right = exact.search(vectors[0], 10, where, exclude)
            assert len(right) == 10
            assert index.search(vectors[0], 10, where, exclude).rows.tolist() == right.rows.tolist()


def test_layout_of_films_is_readable() -> None:
    schema, items, _ = films()
    layout = layout_of(schema, items)
    names = [c.name for c in layout.columns]
    assert {"title", "genres", "genres_0", "genres_17", "year", "year_known"} <= set(names)
    assert layout.fingerprint() == layout_of(schema, items).fingerprint()
    assert layout.fingerprint() != layout_of(*shop()[:2]).fingerprint()
