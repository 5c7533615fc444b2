"""Numbers as people write them, and ids that are numbers."""

from __future__ import annotations

import math
import uuid
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tabular_files import describe, finding, write

from fusionrec.data.tabular.casting import as_text, cast_numbers, numbers, seconds
from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.ids import factorize, looks_rounded
from fusionrec.data.tabular.number_formats import UNUSUAL, number_form, read_numbers
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import DataError

NONE = math.nan
# text -> number with decimal = ".", and with decimal = ","
NUMBERS = {
    "7": (7, 7), " +7 ": (7, 7), "-1.5e3": (-1500, -1500), ".5": (0.5, 0.5), "007": (7, 7),
    "1.5": (1.5, 1.5), "1,5": (1.5, 1.5), "0,123": (0.123, 0.123), "1,2345": (NONE, 1.2345),
    "1,234": (1234, 1.234), "1.234": (1.234, 1234), "1,234.50": (1234.5, NONE),
    "1.234,50": (NONE, 1234.5), "1.234.567": (NONE, 1234567), "12,34,567": (1234567, NONE),
    "1 234,50": (1234.5, 1234.5), "1\u202f234": (1234, 1234), "1\u00a0234\u2009567": (1234567,) * 2,
    "1'234.50": (1234.5, 1234.5), "1’234": (1234, 1234), "1 23": (NONE, NONE),
    "$12.40": (12.4, 12.4), "12,40 €": (12.4, 12.4), "EUR 3": (3, 3), "3 USD": (3, 3), "₹5": (5, 5),
    "¥1,200": (1200, 1.2), "R$ 1.234,50": (NONE, 1234.5), "US$5": (5, 5), "kr 5": (5, 5),
    "5 zł": (5, 5), "Fr. 5.50": (5.5, 5.5), "12,- €": (12, 12), "12.–": (12, 12),
    "-$3": (-3, -3), "$-3": (-3, -3), "(12.50)": (-12.5, -12.5), "($1,000.00)": (-1000, NONE),
    "−3": (-3, -3), "3-": (-3, -3), "(5": (NONE, NONE), "45%": (45, 45), "45 %": (45, 45),
    "3.50 stars": (3.5, 3.5), "4 Sterne": (4, 4), "4★": (4, 4), "12.5 h": (12.5, 12.5),
    "3x": (3, 3), "12 ×": (12, 12), "****": (4, 4), "x3": (NONE, NONE),
    "5kg": (5, 5), "4 out of 5": (4, 4), "4,5 von 5 Sternen": (4.5, 4.5), "4/5": (4, 4),
    "8 / 10": (8, 8), "★★★★☆": (4, 4), "★★½": (2.5, 2.5), "⭐️⭐️": (2, 2), "☆☆": (NONE, NONE),
    "034545104x": (NONE, NONE), "12A": (NONE, NONE), "SKU 3": (NONE, NONE), "FR12": (NONE, NONE),
    "1.2k": (NONE, NONE),
    "5 million": (NONE, NONE), "8 pm": (NONE, NONE), "1_000": (NONE, NONE), "nan": (NONE, NONE),
    "inf": (NONE, NONE), "1e999": (NONE, NONE), "12 angry men so": (NONE, NONE), "": (NONE, NONE),
    "2020-09-04": (NONE, NONE), "1.2.3": (NONE, NONE), "١٢": (NONE, NONE),
}  # fmt: skip


@pytest.mark.parametrize("decimal", [".", ","])
def test_numbers_as_people_write_them(decimal):
    texts = pa.array([*NUMBERS, None, *NUMBERS])
    read = [*(both[decimal == ","] for both in NUMBERS.values())]
    np.testing.assert_array_equal(numbers(texts, "", decimal), [*read, NONE, *read])
    single = [numbers(pa.array([text]), "", decimal)[0] for text in NUMBERS]
    np.testing.assert_array_equal(single, read)


@pytest.mark.parametrize(
    ("text", "decimal", "forms"),
    [
        ("7.25", ".", []),
        ("1,5", ".", ["comma"]),
        ("1,5", ",", []),
        ("1.5", ",", ["point"]),
        ("1,234", ".", ["thousands"]),
        ("1.234", ",", ["points"]),
        ("$1,234", ".", ["thousands", "currency"]),
        ("4,5/5", ".", ["comma", "top"]),
        ("5 stars", ".", ["unit"]),
        ("5kg", ".", ["unit"]),
        ("5%", ".", ["percent"]),
        ("★☆", ".", ["stars"]),
        ("x 1,5", ".", []),
    ],
)
def test_unusual_forms_are_said(text, decimal, forms):
    read = cast_numbers(pa.array(["", text, None, text]), "", decimal)[1]
    assert list(read) == forms
    assert read.keys() <= UNUSUAL.keys()
    assert all(rows.tolist() == [False, True, False, True] for rows in read.values())


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (pa.array([True, False, None]), [1, 0, NONE]),
        (pa.array([1, None], pa.uint8()), [1, NONE]),
        (pa.array([1.5, math.inf]), [1.5, NONE]),
        (pa.array(["1", "1,5"]).dictionary_encode(), [1, 1.5]),
        (pa.array([], pa.string()), []),
    ],
)
def test_other_types(values, read):
    np.testing.assert_array_equal(numbers(values, ""), read)


@settings(deadline=None, max_examples=50)
@given(number=st.decimals(-(10**9), 10**9, places=2))
@pytest.mark.parametrize("group", [",.", ".,", "\u202f,", "’."])
def test_a_written_amount_is_read_back(number, group):
    text = f"{number:,.2f}".translate({ord(","): group[0], ord("."): group[1]})
    written = pa.array([text, f"{text} €", f"$ {text}", f"{text} points"])
    assert read_numbers(written, group[1])[0].tolist() == [float(number)] * 4


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=30), max_size=5))
def test_no_text_breaks_the_reading(texts):
    for decimal in ".,":
        assert len(numbers(pa.array(texts, pa.string()), "", decimal)) == len(texts)
    number_form(texts)


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        (["4", "5"], {"decimal": ".", "ambiguous": False, "thousands": False, "share": 1}),
        (["1.5", "2.25", "3.125"], {"decimal": ".", "ambiguous": False}),
        (["1,5", "4"], {"decimal": ",", "ambiguous": False}),
        (["1,234", "2"], {"decimal": ".", "ambiguous": True, "thousands": True}),
        (["1.234", "2.500"], {"decimal": ".", "ambiguous": True, "thousands": False}),
        (["1,234", "2.5"], {"decimal": ".", "ambiguous": False, "thousands": True}),
        (["1.234,50", "1.234"], {"decimal": ",", "ambiguous": False, "thousands": True}),
        (["$5", "$6.50", "free"], {"currency": "$", "share": 2 / 3}),
        (["1 star", "2 stars", "3 stars"], {"unit": "stars", "units": 2}),
        (["4/5", "3.5/5"], {"tops": (5.0,)}),
        (["4/5", "7/10"], {"tops": (5.0, 10.0)}),
        (["★★☆☆☆", "★★★★★"], {"tops": (5.0,)}),
    ],
)
def test_the_form_of_a_column(texts, form):
    found = number_form(texts)
    assert {name: getattr(found, name) for name in form} == form


def test_a_column_without_numbers_has_no_form():
    assert number_form(["red", "blue"]) is None


def converted(folder: Path, columns: dict[str, list], **keys: object):
    write(folder / "log.csv", {"u": ["a", "a", "b"], "i": ["x", "y", "x"], **columns})
    return convert(read_spec(describe(folder, "log.csv", user="u", item="i", **keys)))


def test_the_decimal_sign_of_a_spec_is_heeded_and_unusual_forms_are_found(tmp_path):
    prices = {"n": ["1,234", "$2", "3"], "t": ["04.09.2020", "05.09.2020 08:30", "Sep 9"]}
    rated = {"rating": "n", "scale": [1, 2000]}
    made = converted(tmp_path, prices, **rated)
    assert sorted(made.rating.tolist()) == [2, 3, 1234]
    one = finding(made, "rating_thousands")
    assert (one.count, one.left_out) == (1, False)
    assert 'decimal = "," reads it as 1.234' in one.says
    assert one.example == "log.csv, row 1, '1,234'"
    assert finding(made, "rating_currency").example == "log.csv, row 2, '$2'"
    forms = {"time": "t", "time_format": "%d.%m.%Y %H:%M|%d.%m.%Y", "decimal": ","}
    made = converted(tmp_path, prices, **rated, **forms)
    assert made.rating.tolist() == pytest.approx([1.234, 2])
    assert made.time.tolist() == [1_599_177_600, 1_599_294_600]
    assert finding(made, "time_unfit").example == "log.csv, row 3, 'Sep 9'"


def test_attributes_are_read_by_their_own_decimal_sign(tmp_path):
    write(tmp_path / "items.csv", {"i": ["x", "y"], "price": ["1.234,50 €", "7,5"]})
    said = 'files = "items.csv"\nid = "i"\ndecimal = ","\n[items.fields.price]\nkind = "number"'
    made = converted(tmp_path, {}, tables=f"[items]\n{said}")
    assert made.items.columns["price"] == [1234.5, 7.5]
    assert finding(made, "items_price_points").example == "items.csv, '1.234,50 €'"


@pytest.mark.parametrize("hours", [["0.25", "0.5", "12.5"], ["1e-3", "2e-3", "3e-3"]])
def test_a_count_may_be_an_amount_with_fractions(tmp_path, hours):
    weights = converted(tmp_path, {"n": hours}, count="n").rating
    assert 0 < weights[0] < weights[1] < weights[2] <= 1


def test_a_count_too_small_to_keep_is_left_out(tmp_path):
    made = converted(tmp_path, {"n": ["1e-60", "1", "0"]}, count="n")
    assert finding(made, "rating_unfit").count == 2
    assert made.rating.tolist() == [1]


def test_fractions_among_whole_ids_stay():
    texts, codes = factorize(pa.array([1420.5, 7.0, None, 1420.0, 7.0]), "")
    assert texts == ["1420.5", "7", "1420", None]
    assert codes.tolist() == [0, 1, 3, 2, 1]


@pytest.mark.parametrize(
    ("kind", "limit"), [(pa.float64(), 2**53), (pa.float32(), 2**24), (pa.float16(), 2**11)]
)
def test_ids_in_floats_are_refused_where_neighbours_run_together(kind, limit):
    exact = pa.array(np.array([limit - 1, -1, np.nan, np.inf], kind.to_pandas_dtype()))
    assert factorize(exact, "")[0][:2] == [str(limit - 1), "-1"]
    beyond = pa.array(np.array([3, limit], kind.to_pandas_dtype()))
    with pytest.raises(DataError, match=f"log: id: expected ids, got floats .* {limit}, ") as error:
        factorize(beyond, "log: id")
    assert "export the column as text" in error.value.hint


def test_long_whole_numbers_and_uuids_are_ids():
    one = uuid.UUID(int=2**127 + 1)
    assert as_text(pa.array([2**53 + 1, 2**63 - 1]), "").to_pylist() == [
        "9007199254740993",
        "9223372036854775807",
    ]
    assert factorize(pa.array([one.bytes], pa.uuid()), "")[0] == [str(one), None]


@pytest.mark.parametrize(
    ("text", "rounded"),
    [("1.23457E+12", True), ("1,2E+15", True), ("4E+09", True), ("1E5", False), ("AE+12", False)],
)
def test_ids_that_a_spreadsheet_has_rounded(text, rounded):
    assert looks_rounded(["b7", text]) is rounded


@pytest.mark.parametrize(
    "values",
    [
        pa.array([time(8, 30)]),
        pa.array([time(8, 30)], pa.time32("s")),
        pa.array([timedelta(hours=1)]),
    ],
)
@pytest.mark.parametrize("unit", ["s", "text"])
def test_times_of_day_and_durations_are_no_times(values, unit):
    with pytest.raises(DataError, match="log: t: expected dates, or numbers since 1970") as error:
        seconds(values, unit, "log: t")
    assert "with the date in it" in error.value.hint


def test_times_beyond_the_calendar_are_left_out(tmp_path):
    good = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
    beyond = pa.array([good, 2**62, -(2**62)], pa.timestamp("s"))
    assert seconds(beyond, "text", "")[1].tolist() == [True, False, False]
    assert seconds(pa.array([date(2020, 1, 1)], pa.date64()), "s", "")[0].tolist() == [good]
    assert seconds(pa.array([2**31 - 1], pa.date32()), "s", "")[1].tolist() == [False]
    stamps = pa.array([good * 10**6, 2**62, -(2**62)], pa.timestamp("us"))
    write(tmp_path / "log.parquet", {"u": list("aab"), "i": list("xyx"), "t": stamps})
    spec = describe(tmp_path, "log.parquet", user="u", item="i", time="t", time_unit="text")
    made = convert(read_spec(spec))
    assert made.time.tolist() == [good]
    assert finding(made, "time_unfit").count == 2
