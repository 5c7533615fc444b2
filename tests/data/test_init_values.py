"""The small parts of init: quoting, names of fields, what columns are and what they hold."""

from __future__ import annotations

import tomllib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionrec.data.detection import name_hints
from fusionrec.data.detection.attributes import guess_attribute
from fusionrec.data.detection.column_stats import ColumnStats, agreement, shown
from fusionrec.data.detection.signal_guesses import guess_event, guess_time
from fusionrec.data.tabular.toml_file import quoted, value_text


def column(name: str, values: list) -> ColumnStats:
    """A column of texts, or of lists of texts."""
    lists = any(isinstance(value, list) for value in values)
    return ColumnStats(name, pa.array(values, pa.list_(pa.string()) if lists else pa.string()))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_quoted_so_that_it_reads_back(text):
    written = quoted(text)
    assert tomllib.loads(f"value = {written}")["value"] == text
    assert written.isprintable()


def test_half_a_surrogate_pair_does_not_break_the_file():
    assert tomllib.loads(f"value = {quoted(chr(0xD800))}")["value"] == "\ufffd"


@given(st.dictionaries(st.text("ab ._-=\"'#\n茶", max_size=5), st.floats(0.01, 1), max_size=4))
def test_any_name_may_be_a_key(weights):
    assert tomllib.loads(f"value = {value_text(weights)}")["value"] == weights


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=6))
def test_fields_have_names_that_are_identifiers_and_distinct(columns):
    taken = {"user_id", "item_id"}
    for number, column in enumerate(columns, start=1):
        name = name_hints.identifier(column, number, taken, "item")
        assert name.isidentifier()
        assert name.isascii()
        assert name not in taken
        taken.add(name)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("Page count", "page_count"),
        ("releaseYear", "release_year"),
        ("año", "ano"),
        ("თემა", "column_3"),
        ("2nd price", "item_2nd_price"),
        ("user_id", "item_user_id"),
        ("", "column_3"),
    ],
)
def test_names_of_fields(column, name):
    assert name_hints.identifier(column, 3, {"user_id", "item_id"}, "item") == name


@pytest.mark.parametrize(
    ("name", "known", "how"),
    [
        ("userId", name_hints.USER, 3),
        ("user_id", name_hints.USER, 3),
        ("visitorid", name_hints.USER, 3),
        ("Customer", name_hints.USER, 2),
        ("anonymous_user_id", name_hints.USER, 1),
        ("user_agent", name_hints.USER, 0),
        ("isbn", name_hints.ITEM, 2),
        ("PRODUCT_NO", name_hints.ITEM, 3),
        ("product title", name_hints.ITEM, 1),
        ("id_película", name_hints.ITEM, 3),
        ("Kundennummer", name_hints.USER, 3),
        ("ID клиента", name_hints.USER, 3),
        ("userid_DI", name_hints.USER, 1),
        ("product weight", name_hints.ITEM, 0),
        ("transactionid", name_hints.ITEM, 0),
    ],
)
def test_names_of_ids(name, known, how):
    assert name_hints.role(name, known) == how


def found(name, values, side="item"):
    return guess_attribute(column(name, values), side)


TITLES = ("name", "书名", "标题", "名称", "片名", "题名", "商品名称", "曲名", "название")


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("colour", lambda i: ["red", "blue", "green"][i % 3], "category"),
        ("in_stock", lambda i: "01"[i % 2], "category"),
        ("shelf_code", lambda i: str(7 + i % 4), "category"),
        ("shelf_id", lambda i: str(7 + i % 20), "category"),  # codes that repeat
        ("pages", lambda i: str(100 + i), "number"),
        ("year", lambda i: str(1990 + i % 9), "number"),
        *((name, lambda i: f"Alpha{i}", "text") for name in TITLES),
        ("summary", lambda i: f"A long tale of {i} days and nights", "text"),
        ("wood", lambda i: f"{'ab'[i % 2]}{chr(97 + i % 40 // 2)}", "category"),
        ("phrase", lambda i: f"dark {'ab'[i % 2]}{chr(97 + i % 40 // 2)}", "text"),
        ("tags", lambda i: ["a", "b"] if i % 2 else ["c"], "categories"),
    ],
)
def test_kinds_of_columns(name, value, kind):
    assert found(name, [value(i) for i in range(60)]).column.kind == kind


def test_buckets_are_for_skewed_numbers():
    assert found("price", [str(1.1**i) for i in range(90)]).column.buckets
    assert not found("pages", [str(100 + i) for i in range(90)]).column.buckets


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("a", ["", None, " "], "empty"),
        ("a", ["x"] * 9, 'every row says "x"'),
        ("hash", [f"f{i:06x}" for i in range(60)], "a code"),
        ("ean", [str(4_000_000_000_000 + 7 * i) for i in range(60)], "a code"),
        ("shelf_id", [str(i) for i in range(60)], "a code"),
        ("made", [f"20{i:02d}-01-02" for i in range(10, 60)], "dates are not read"),
        ("made_at", [str(1_700_000_000 + 60 * (i % 20)) for i in range(60)], "dates are not read"),
        (
            "word",
            [f"abc{'defgh'[i % 5]}{'ijklm'[i // 5 % 5]}{'no'[i // 25 % 2]}" for i in range(50)],
            "different word",
        ),
        ("tags", [f"['a', 'b{i % 3}']" for i in range(60)], "as text"),
        ("cover", [f"covers/{i}.svg" for i in range(60)], "pictures"),
    ],
)
def test_columns_that_are_left_out(name, values, why):
    assert why in found(name, values)


def test_words_for_not_known():
    column = found("age", [str(20 + i) if i % 3 else "NULL" for i in range(60)], "user").column
    assert (column.kind, column.missing) == ("number", ("NULL",))
    assert found("plan", [["none", "basic", "plus"][i % 3] for i in range(60)]).column.missing == ()
    bracketed = ["(nothing said)" if i % 5 == 0 else "abc"[i % 3] for i in range(60)]
    assert found("kind", bracketed).column.missing == ("(nothing said)",)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (lambda n: 1_700_000_000 + n, "s"),
        (lambda n: f"{1_700_000_000 + n / 8:.3f}", "s"),
        (lambda n: 1_700_000_000_000 + n, "ms"),
        (lambda n: f"{1_700_000_000_000 + n / 8:.3f}", "ms"),
        (lambda n: 1_700_000_000_000_000 + n, "us"),
        (lambda n: 1_700_000_000_000_000_000 + n, "ns"),
        (lambda n: f"2024-01-{1 + n % 28:02d}", "text"),
        (lambda n: f"2024-01-{1 + n % 28:02d}T10:00:00+02:00", "text"),
        (lambda n: f"{1 + n % 28:02d}/12/2024", "text"),
        (lambda n: n + 7_240_000, "no time since 1970"),
        (lambda n: f"{n}e300", "no time since 1970"),
    ],
)
def test_units_of_times(value, said):
    dates = column("date", [str(value(n)) for n in range(90)])
    time = guess_time(dates)
    assert said in (time if isinstance(time, str) else time.settings["time_unit"])


def test_what_speaks_against_an_item_is_no_event():
    kinds = ["click", "purchase", "remove_from_cart", "refund"]
    mark = guess_event(column("action", [kinds[i % 4] for i in range(40)]))
    assert mark is not None
    assert mark.settings["events"] == {"click": 0.2, "purchase": 1.0}


def test_one_column_follows_from_another():
    keys = [str(i % 7) for i in range(70)]
    key = column("key", keys)
    alone = column("alone", [str(i) for i in range(70)])
    assert agreement(column("name", [f"name {k}" for k in keys]), key) == 1
    assert agreement(column("gaps", [k if n % 3 else "" for n, k in enumerate(keys)]), key) == 1
    assert agreement(column("other", [str(i % 5) for i in range(70)]), key) < 0.3
    assert agreement(alone, alone) == 0


def test_what_is_shown_is_one_line_and_short():
    assert shown("a\nb\x1b") == '"a\\nb\\u001b"'
    assert len(shown("x" * 999)) == 42


WORDS = ["ash", "oak wood", "elm", "fir"]


@pytest.mark.parametrize(
    ("values", "separator"),
    [
        *(([f"{WORDS[i % 4]}{s}{WORDS[i % 3]}" for i in range(50)], s) for s in "|;,/"),
        (["fiction; crime", "fiction; love", "crime; love", "poetry; love", "essays; crime"], ";"),
        (["S,M", "M,L", "S,M,L", "L", "M"], ","),
        (["Woolf, B.", "Woolf, V.", "Stein, G. M.", "Stein, B.", "Plato", "Mann, V."], None),
        (
            ["Woolf, Virginia", "Woolf, Leonard", "Mann, Erika", "Mann, Klaus", "Stein, Leonard"],
            None,
        ),
    ],
)
def test_separators_of_several_categories_and_commas_within_names(values, separator):
    column = found("made_of", values * 9).column
    assert column.kind == ("categories" if separator else "category")
    assert separator in (None, column.separator)
