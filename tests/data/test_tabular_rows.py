from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from tabular_files import FILES, RATED, describe, finding, write

from fusionrec.data.tabular.casting import numbers, seconds
from fusionrec.data.tabular.convert import convert, count_weights
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import DataError

NOW = 1_700_000_000
UNRATED = {"user": "u", "item": "i"}


def converted(folder, columns, name="rows.csv", **keys):
    write(folder / name, columns)
    return convert(read_spec(describe(folder, name, **keys)), now=NOW)


@pytest.mark.parametrize("name", FILES)
def test_ratings_and_times_of_every_format(tmp_path, name):
    times = ["1600000003", "1600000002", "1600000001"]
    columns = {"t": times, "u": list("bab"), "i": ["x", "x", "y, z"], "r": ["1", "2.5", "5"]}
    made = converted(tmp_path, columns, f"rows.{name}", **RATED)
    assert (made.users.ids, made.items.ids) == (["b", "a"], ["x", "y, z"])
    assert made.user.tolist() == [0, 1, 0]
    assert made.item.tolist() == [0, 0, 1]
    assert made.rating.tolist() == [1, 2.5, 5]
    assert made.time.tolist() == [1600000003, 1600000002, 1600000001]
    kinds = [column.dtype for column in (made.user, made.item, made.rating, made.time)]
    assert kinds == [np.int32, np.int32, np.float32, np.int64]
    assert made.findings == ()


@pytest.mark.parametrize("name", ["rows.parquet", "rows.jsonl"])
def test_typed_columns_need_no_text(tmp_path, name):
    columns = {"u": [1, 2], "i": [1.0, 7.5], "r": [1, 5], "t": [1_600_000_000, 1_600_000_001]}
    made = converted(tmp_path, columns, name, **RATED)
    assert (made.users.ids, made.items.ids) == (["1", "2"], ["1", "7.5"])
    assert made.time.tolist() == columns["t"]


def test_several_files_are_one_table(tmp_path):
    write(tmp_path / "rows-2.jsonl", {"r": [4], "i": ["x"], "u": ["b"]})
    made = converted(tmp_path, {"u": ["a"], "i": ["x"], "r": ["5"]}, "rows-1.csv")
    assert made.rows == 1
    made = convert(read_spec(describe(tmp_path, "rows-*")))
    assert (made.rows, made.users.ids, made.rating.tolist()) == (2, ["a", "b"], [5, 4])


def test_ids_stay_as_they_are_and_near_duplicates_are_reported(tmp_path):
    ids = ["A1", "a1", " a1", "B", "1.0", "1", "ß"]
    made = converted(tmp_path, {"u": ids, "i": ["x"] * 7, "r": ["3"] * 6 + ["4"]})
    assert made.users.ids == ids
    near = finding(made, "users_near")
    assert (near.count, near.warning) == (3, True)
    assert near.example == "'A1' and 'a1', 'A1' and ' a1', '1.0' and '1'"


def test_ids_may_be_said_to_mean_not_known(tmp_path):
    columns = {"u": ["NULL", "a", "b", "NULL"], "i": ["x", "NA", "y", "y"], "r": ["3"] * 4}
    made = converted(tmp_path, columns)
    nobody = finding(made, "users_unknown")
    assert (nobody.count, nobody.mend) == (2, 'missing = ["NULL"]')
    path = describe(tmp_path, "rows.csv", **{**RATED, "time": "", "missing": ["NULL"]})
    made = convert(read_spec(path))
    assert (made.users.ids, made.items.ids) == (["a", "b"], ["NA", "y"])
    assert finding(made, "user_empty").count == 2


def test_ids_that_are_none_are_left_out_and_counted(tmp_path):
    users = ["a", "", "  ", "b\x07", "c" * 501, "d" * 500, None, "e"]
    items = ["x"] * 7 + [""]
    made = converted(tmp_path, {"u": users, "i": items, "r": ["3"] * 7 + ["4"]})
    assert made.users.ids == ["a", "d" * 500]  # not e, whose item has none
    assert (finding(made, "user_empty").count, finding(made, "item_empty").count) == (3, 1)
    unfit = finding(made, "user_unfit")
    assert (unfit.count, unfit.left_out) == (2, True)
    assert unfit.example == "rows.csv, row 4, 'b\\x07'"


def test_ratings_that_are_none_are_left_out_and_counted(tmp_path):
    ratings = ["5", "", "5.1", "0", "nan", "inf", "four", "1,500", " 3 ", "+2", "1e0", "0x1"]
    columns = {"u": [str(n) for n in range(12)], "i": ["x"] * 12, "r": ratings}
    made = converted(tmp_path, columns)
    assert made.rating.tolist() == [5, 3, 2, 1]
    assert finding(made, "rating_empty").count == 1
    unfit = finding(made, "rating_unfit")
    assert (unfit.count, unfit.example) == (7, "rows.csv, row 3, '5.1'")
    assert made.rows == len(made.user) + sum(one.count for one in made.findings if one.left_out)


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"u": list("ab"), "i": list("xy"), "r": ["9", "10"]}, "none of 2 .*number of 1 to 5: 2"),
        ({"u": [], "i": [], "r": []}, "header alone"),
    ],
)
def test_nothing_left_is_an_error_that_says_why(tmp_path, columns, said):
    with pytest.raises(DataError, match=said) as error:
        converted(tmp_path, columns)
    assert "scale" in error.value.hint


def test_counts_weigh_by_their_logarithm(tmp_path):
    counts = ["1", "3", "7", "0", "-2", "many", "", "1e9"]
    columns = {"u": [str(n) for n in range(8)], "i": ["x"] * 8, "n": counts}
    made = converted(tmp_path, columns, **UNRATED, count="n")
    assert len(made.rating) == 4
    assert (finding(made, "rating_unfit").count, finding(made, "rating_empty").count) == (2, 1)
    assert finding(made, "returns_unmatched").count == 1
    assert made.rating[1] == pytest.approx(2 * made.rating[0])
    assert made.rating[2] == pytest.approx(3 * made.rating[0])
    assert made.rating[3] == 1
    many = count_weights(np.r_[np.tile([1.0, 15.0], 500), 1e12])
    assert many[[0, 1, -1]].tolist() == [0.25, 1, 1]  # one machine makes nobody else's little
    assert count_weights(np.array([1e-30]))[0] > 0


def test_events_weigh_what_is_said_and_others_are_left_out(tmp_path):
    kinds = ["view", "buy", "refund", "view", None]
    columns = {"u": list("abcde"), "i": ["x"] * 5, "e": kinds}
    made = converted(tmp_path, columns, **UNRATED, event="e")
    assert made.rating.tolist() == [1, 1, 1, 1]
    text = "events = {view = 0.25, buy = 1}"
    toml = describe(tmp_path, "rows.csv", **UNRATED, event="e")
    toml.write_text(toml.read_text().replace("[interactions]", f"[interactions]\n{text}"))
    made = convert(read_spec(toml))
    assert made.rating.tolist() == [0.25, 1, 0.25]
    assert made.kinds == {"view": 2, "buy": 1, "refund": 1}
    assert finding(made, "event_other").count == finding(made, "event_empty").count == 1
    assert "row 3, 'refund'" in finding(made, "event_other").example


def test_rows_that_say_nothing_more_weigh_1(tmp_path):
    made = converted(tmp_path, {"u": ["a", "b"], "i": ["x", "x"]}, **UNRATED)
    assert made.rating.tolist() == [1, 1]
    assert made.time is None


@pytest.mark.parametrize(
    ("repeats", "rows"), [("last", [1, 4]), ("first", [1, 3]), ("keep", [0, 1, 2, 3, 4])]
)
def test_of_repeats_one_stays_by_its_time(tmp_path, repeats, rows):
    times = ["12", "11", "12", "11", "13"]
    columns = {"u": list("abaaa"), "i": list("xxxxx"), "r": list("12345"), "t": times}
    made = converted(tmp_path, columns, **RATED, repeats=repeats)
    assert made.rating.tolist() == [float(columns["r"][row]) for row in rows]
    assert made.time.tolist() == [int(columns["t"][row]) for row in rows]
    if repeats != "keep":
        assert finding(made, "repeated").count == 3


@pytest.mark.parametrize(("repeats", "time"), [("last", [9, 2]), ("first", [1, 2])])
def test_of_repeated_events_the_strongest_counts(tmp_path, repeats, time):
    columns = {"u": list("aaba"), "i": list("xxxx"), "n": list("1733"), "t": list("1329")}
    made = converted(tmp_path, columns, **UNRATED, count="n", time="t", repeats=repeats)
    assert sorted(made.time.tolist()) == sorted(time)
    weights = dict(zip(made.time.tolist(), made.rating.tolist(), strict=True))
    assert weights[2] < weights[time[0]] == 1


@pytest.mark.parametrize(("unit", "digits"), [("s", 0), ("ms", 3), ("us", 6), ("ns", 9)])
def test_units_of_times(tmp_path, unit, digits):
    times = [f"1600000000{'0' * digits}", f"-1{'0' * digits}"]
    columns = {"u": ["a", "b"], "i": ["x", "x"], "r": ["1", "2"], "t": times}
    made = converted(tmp_path, columns, **RATED, time_unit=unit)
    assert made.time.tolist() == [1_600_000_000, -1]


@pytest.mark.parametrize(("unit", "finer", "factor"), [("s", "ms", 1000), ("ms", "us", 10**6)])
def test_times_of_another_unit_are_refused_with_it(tmp_path, unit, finer, factor):
    times = ["5"] + [str(1_600_000_000 * factor)] * 2
    columns = {"u": list("abc"), "i": list("xxx"), "r": list("123"), "t": times}
    with pytest.raises(DataError, match="2 of 3 times lie beyond the year 2100") as error:
        converted(tmp_path, columns, **RATED, time_unit=unit)
    assert f'time_unit = "{finer}"' in error.value.hint


def test_dates_far_ahead_have_no_unit_to_be_mistaken(tmp_path):
    times = [datetime(2020, 1, 1), datetime(2999, 1, 1), datetime(2999, 1, 1)]
    columns = {"u": ["a", "b", "c"], "i": ["x", "y", "y"], "r": [1, 2, 2], "t": times}
    made = converted(tmp_path, columns, "rows.parquet", **RATED)
    assert finding(made, "time_future").count == 2
    assert made.users.ids == ["a"]


THERE, LATER = NOW + 300, NOW + 301


@pytest.mark.parametrize(
    ("times", "unit"),
    [
        ([str(THERE), str(LATER)], "s"),
        ([f"{THERE}999", f"{LATER}000"], "ms"),
        ([datetime.fromtimestamp(t, UTC).isoformat() for t in (THERE, LATER)], "text"),
    ],
)
def test_times_of_the_future_are_left_out_whatever_they_are_written_as(tmp_path, times, unit):
    columns = {"u": ["a", "b"], "i": ["x", "y"], "r": ["1", "2"], "t": times}
    made = converted(tmp_path, columns, **RATED, time_unit=unit)
    assert made.time.tolist() == [THERE]
    one = finding(made, "time_future")
    assert (one.count, one.left_out) == (1, True)
    assert times[1] in one.example
    assert ("UTC" in one.says) is (unit == "text")


def test_seconds_read_as_milliseconds_are_an_error(tmp_path):
    columns = {"u": ["a", "b"], "i": ["x", "y"], "r": [1, 2], "t": ["1600000000", "1700000000"]}
    made = converted(tmp_path, columns, **RATED, time_unit="ms")
    assert finding(made, "time_1970").count == 2


def test_odd_times_are_counted_and_unreadable_ones_left_out(tmp_path):
    times = ["", "soon", "-5", str(NOW + 301), str(NOW), "9" * 30]
    columns = {"u": list("abcdef"), "i": ["x"] * 6, "r": ["1", "2", "3"] * 2, "t": times}
    made = converted(tmp_path, columns, **RATED)
    assert made.time.tolist() == [-5, NOW]
    counts = {one.name: one.count for one in made.findings if one.name.startswith("time")}
    assert counts == {"time_empty": 1, "time_unfit": 2, "time_future": 1, "time_early": 1}


def test_dates_as_text():
    day = 1_714_521_600
    noon = day + 12 * 3600 + 1800
    texts = {
        "2024-05-01": day,
        "2024-05-01 12:30:00": noon,
        "2024-05-01T12:30:00.987654Z": noon,
        "2024-05-01T12:30:00+02:00": noon - 7200,
        "20240501T123000Z": noon,
        "2024-05-01 12:30:00 UTC": noon,
    }
    time, known = seconds(pa.array([*texts, "2024-02-30", "01/05/2024", "", None]), "text", "t")
    assert time[known].tolist() == list(texts.values())
    assert known.tolist() == [True] * 6 + [False] * 4
    alike = list(texts)[:2], list(texts)[3:4]  # of one form, which are cast at once
    for some in alike:
        assert seconds(pa.array(some), "text", "t")[0].tolist() == [texts[one] for one in some]
    nested = seconds(pa.array([["2024-05-01"]]), "text", "t")
    assert [part.tolist() for part in nested] == [[0], [False]]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_timestamps_keep_their_own_unit(unit):
    moment = datetime(1969, 12, 31, 23, 59, 59)
    values = pa.array([moment, None], pa.timestamp(unit, "UTC"))
    time, known = seconds(values, "ms", "t")
    assert time.tolist() == [-1, 0]
    assert known.tolist() == [True, False]


def test_numbers_of_lists_and_nothing_are_none():
    for values in (pa.array([["1"]]), pa.nulls(1), pa.array([""])):
        assert np.isnan(numbers(values, "")).tolist() == [True]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"u": [["a"]], "i": ["x"], "r": [1]}, r"rows\.jsonl: u: expected one value in each row"),
        ({"u": ["a"], "i": ["x"], "rate": [1]}, r"no column 'r' \(interactions.rating\)"),
    ],
)
def test_a_column_of_lists_or_none_is_refused(tmp_path, columns, said):
    with pytest.raises(DataError, match=said):
        converted(tmp_path, columns, "rows.jsonl")


def test_little_data_is_reported(tmp_path):
    made = converted(tmp_path, {"u": ["a", "a"], "i": ["x", "x"], "r": ["3", "3"]})
    names = {one.name for one in made.findings}
    assert names == {"one_user", "one_item", "one_rating", "repeated"}
