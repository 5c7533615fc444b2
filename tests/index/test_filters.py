"""Conditions: reading them, and that no value can say more than it means in Milvus' language."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from milvus_lite.search.filter.tokens import TokenKind, tokenize
from shop import BRANDS, SHOP, films, shop

from fusionrec.data.dataset import Table
from fusionrec.data.movielens import MOVIELENS
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import UsageError
from fusionrec.index import AnyOf, Between, Condition, MilvusIndex, mask, parse
from fusionrec.index.filters import expression, literal
from fusionrec.index.layout import layout_of

TEXT = st.text(max_size=30).filter(lambda s: not any("\ud800" <= c <= "\udfff" for c in s))
HOSTILE = st.sampled_from(
    ['"', "\\", '\\"', "\n", '"] or row >= 0 or brand in ["', "'", "%", "{x}", "\x00", "\u2028"]
)


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
    "condition", [AnyOf("row", ("1",)), Between("brand", 1, 2), AnyOf("name", ("x",))]
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


@given(TEXT | HOSTILE)
def test_a_text_stays_one_literal(value: str) -> None:
    tokens = tokenize(literal(value))
    assert [t.kind for t in tokens] == [TokenKind.STRING, TokenKind.EOF]
    assert tokens[0].value == value


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**62), 2**62))
def test_a_number_stays_one_literal(value: float) -> None:
    tokens = [t for t in tokenize(literal(value)) if t.kind != TokenKind.EOF]
    assert abs(tokens[-1].value) == abs(value)
    assert len(tokens) == 1 + (math.copysign(1, value) < 0)


@pytest.mark.parametrize("value", [math.nan, math.inf, "\ud800"])
def test_what_cannot_be_written_is_refused(value: float | str) -> None:
    with pytest.raises(UsageError):
        literal(value)


@given(st.lists(TEXT | HOSTILE, min_size=1, max_size=4), st.sampled_from(["brand", "tags"]))
def test_values_add_no_terms(values: list[str], field: str) -> None:
    _, items, _ = shop(30)
    tokens = tokenize(expression([AnyOf(field, tuple(values))], [3], layout_of(SHOP, items)))
    written = [t.value for t in tokens if t.kind == TokenKind.STRING]
    assert written == list(dict.fromkeys(values))
    assert [t.text for t in tokens if t.kind == TokenKind.OR] == []
    assert len([t for t in tokens if t.kind == TokenKind.AND]) == 1


NUMBERS = st.sampled_from([-5.5, 0.0, 3.25, 1e9, 1e-7]) | st.floats(-1e10, 1e10)
RANGES = st.tuples(NUMBERS, NUMBERS).map(lambda e: Between("row", min(e), max(e)))
HALVES = NUMBERS.map(lambda e: Between("row", None, e)) | NUMBERS.map(
    lambda e: Between("row", e, None)
)
TAGS = st.sampled_from([f"τag'{i}\"" for i in range(40)]) | TEXT
CONDITIONS = st.one_of(
    st.lists(st.sampled_from(BRANDS) | TEXT | HOSTILE, min_size=1, max_size=3).map(
        lambda v: AnyOf("brand", tuple(v))
    ),
    st.lists(TAGS | HOSTILE, min_size=1, max_size=3).map(lambda v: AnyOf("tags", tuple(v))),
    st.lists(st.sampled_from(['x"', "y\\", "ж"]) | TEXT, min_size=1, max_size=2).map(
        lambda v: AnyOf("in", tuple(v))
    ),
    RANGES,
    HALVES,
)


@pytest.fixture(scope="module")
def in_milvus(tmp_path_factory: pytest.TempPathFactory) -> object:
    path = tmp_path_factory.mktemp("filters") / "milvus.db"
    with MilvusIndex.build(str(path), *shop(), 1, "0123456789abcdef") as index:
        yield index


@settings(max_examples=60, deadline=None)
@given(
    st.lists(CONDITIONS, max_size=3),
    st.lists(st.integers(0, 119), max_size=100),
)
def test_milvus_and_the_mask_agree(
    in_milvus: MilvusIndex, conditions: list[Condition], exclude: list[int]
) -> None:
    schema, items, vectors = shop()
    allowed = mask(conditions, items, schema)
    allowed[exclude] = False
    found = in_milvus.search(vectors[0], len(items), conditions, np.array(exclude, dtype=int))
    assert sorted(found.rows.tolist()) == np.flatnonzero(allowed).tolist()


def test_layout_of_films_is_readable() -> None:
    schema, items, _ = films()
    layout = layout_of(schema, items)
    names = [c.name for c in layout.columns]
    assert {"title", "genres", "genres_0", "genres_17", "year", "year_known"} <= set(names)
    assert layout.fingerprint() == layout_of(schema, items).fingerprint()
    assert layout.fingerprint() != layout_of(*shop()[:2]).fingerprint()
