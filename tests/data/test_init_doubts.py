"""What ``fusionrec init`` makes, and warns, of files that are not quite as they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tabular_files import describe, write

from fusionrec.data.detection.infer import InferredSpec, infer_spec
from fusionrec.data.detection.rating_scale import guess_scale
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.convert import Converted, convert
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import DataError
from fusionrec.workspace import Workspace

ROWS = 600
STARS = {"rating": [1, 2, 3, 4, 5]}


def taken(folder: Path, more: dict[str, list], name: str = "taken.csv") -> InferredSpec:
    """A guess of a file of users, items and other columns, whose values repeat."""
    draw = np.random.default_rng(3)
    ids = {"user_id": draw.integers(40, size=ROWS), "item_id": draw.integers(1, 50, size=ROWS)}
    columns = {name: numbers.tolist() for name, numbers in ids.items()}
    write(folder / name, columns | {name: (one * ROWS)[:ROWS] for name, one in more.items()})
    return infer_spec(folder)


def converted(folder: Path, guessed: InferredSpec) -> Converted:
    (folder / "fusionrec.toml").write_text(toml_text(guessed))
    return convert(read_spec(folder))


def said(guessed: InferredSpec) -> dict:
    return {line.key: line.value for line in guessed.interactions}


def reasons(guessed: InferredSpec, key: str) -> str:
    return " ".join(next(line.why for line in guessed.interactions if line.key == key))


def init_stderr(folder: Path, fusionrec) -> str:
    ended = fusionrec(Workspace(folder / "home"), "init", str(folder), "--force")
    assert ended.code == 0
    return ended.err


def many(low: int, high: int, rows: int = 15_514) -> np.ndarray:
    return np.resize(np.arange(low, high + 1, dtype=np.float64), rows)


FEW = [0.0] * 11 + [11.0] * 14


@pytest.mark.parametrize(
    ("name", "numbers", "scale", "outside"),
    [
        ("Rating (1-10)", [*many(1, 10), *FEW], (1, 10), 25),
        ("Rating", [*many(1, 10), *FEW], (1, 10), 25),
        ("stars", [*many(1, 5, 4_000), 11, 11, 11], (1, 5), 3),
        ("stars", [*many(1, 5, 4_000), -99], (1, 5), 1),
        ("rating 0..10", many(1, 8), (0, 10), 0),
        ("rating 1 to 7", many(1, 6, 90), (1, 7), 0),
        ("rating 1-5", many(1, 10), (1, 10), 0),
        ("rating 2020-2024", many(1, 5), (1, 5), 0),
        ("rating", [*many(1, 5), 0.0], (0, 5), 0),  # a rare zero is a rating
        ("rating", [*many(1, 9), 10.0], (1, 10), 0),  # and so is a rare ten
        ("rating", [1, 2, 3, 4, 5, 100], (0, 100), 0),  # too few to tell
        ("rating", [0, 1], (0, 1), 0),
        ("rating", [-1, 1], (-1, 1), 0),
        ("rating", [0.5, 1, 4.5, 5], (0.5, 5), 0),
        ("rating", [-1, 2, 3, 7, 10], (1, 10), 0),  # -1 means that there is none
        ("rating", [-9.5, 3.25, 9.75], (-10, 10), 0),
        ("rating", [2.25, 4.75], (1, 5), 0),
        ("rating", [3, 250], (3, 250), 0),
    ],
)
def test_scales_which_a_few_stray_numbers_do_not_widen(name, numbers, scale, outside):
    low, high, notes = guess_scale(name, np.array(numbers, dtype=np.float64))
    assert (low, high) == scale
    assert [f"{outside} of" in one for one in notes if "outside" in one] == [True] * (outside > 0)


def test_an_unreadable_file_is_reported_with_its_line(tmp_path, fusionrec):
    taken(tmp_path, STARS)
    rows = [f'{{"item": "item{n}", "title": "Song of {n}"}}' for n in range(30)]
    rows[7] = '{"item": "item7", "title": "Song'
    (tmp_path / "tracks.jsonl").write_text("\n".join(rows))
    err = init_stderr(tmp_path, fusionrec)
    assert "warning: tracks.jsonl is not used: line 8: not JSON" in err
    assert "run init with --force" in err
    assert '"tracks.jsonl": line 8: not JSON' in (tmp_path / "fusionrec.toml").read_text()


@pytest.mark.parametrize("made", [lambda n: f"2024-03-{n % 28 + 1:02d}", lambda n: 1.7e9 + n])
@pytest.mark.parametrize(("lacking", "used"), [(0, True), (20, True), (200, False)])
def test_times_that_many_rows_lack_are_left_out(tmp_path, made, lacking, used):
    dates = ["" if n < lacking else made(n) for n in range(ROWS)]
    guessed = taken(tmp_path, STARS | {"Date": dates})
    assert ("time" in said(guessed)) == used
    why = reasons(guessed, "time") if used else guessed.left_out["Date"]
    assert (f"{lacking} of the 600 rows read have none" in why) == (lacking > 0)
    lost = {one.name: one.count for one in converted(tmp_path, guessed).findings}
    assert lost.get("time_empty", 0) == lacking * used


def test_decimal_commas_are_read_and_reported(tmp_path):
    guessed = taken(tmp_path, {"rating": ["3,5", "4", "0,5", "5,0"]})
    assert (said(guessed)["rating"], said(guessed)["scale"]) == ("rating", [0.5, 5.0])
    assert said(guessed)["decimal"] == ","
    assert set(converted(tmp_path, guessed).rating.tolist()) <= {3.5, 4.0, 0.5, 5.0}


ZONED = ["2024-04-15 10:00:00 +08:00"] + [f"2024-04-{n} 10:00:00" for n in range(11, 16)]


@pytest.mark.parametrize(
    ("name", "values", "key", "doubt"),
    [
        ("rating", ["4/5", "3/5", "2/5"], "rating", ""),
        ("plays", [-1, *range(1, 20)], "count", "returns"),
        ("hours", [1.5, *range(1, 20)], "count", "count_fraction"),
        ("plays", ["1,250", *range(1, 20)], "count", "count_thousands"),
        ("date", ZONED, "time", ""),
        ("date", ["15.04.2024", "16.04.2024"], "time", ""),
        ("date", ["05.04.2024", "06.04.2024"], "time", "day_or_month"),
    ],
)
def test_columns_in_forms_of_their_own_are_read(tmp_path, name, values, key, doubt):
    guessed = taken(tmp_path, {name: values})
    assert said(guessed)[key] == name
    assert [one.name for one in guessed.doubts][:1] == ([doubt] if doubt else [])
    assert converted(tmp_path, guessed).rows == ROWS


@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("rating", [5], "every rating is 5"),
        ("rating", ["4", "3", "none of it"], 'are no numbers, such as "none of it"'),
        ("Quantity", ["two", 1, 2, 3], 'such as "two"'),
        ("date", ["week 3, 2024", "week 4, 2024"], "are no dates that can be read"),
        ("ts", ["soon", "late", *[1.7e9 + n / 2 for n in range(9)]], "are no time since 1970"),
    ],
)
def test_init_says_why_a_column_is_no_rating_count_or_time(tmp_path, fusionrec, name, values, why):
    guessed = taken(tmp_path, {name: values})
    assert said(guessed).keys() == {"files", "user", "item", "repeats"}
    err = init_stderr(tmp_path, fusionrec)
    assert f"warning: {name} is not taken for " in err
    assert why in err
    assert guessed.left_out[name] in err


@pytest.mark.parametrize("more", [{"plays": [1]}, {"remark": ["a", "b", "c"]}])
def test_no_warning_where_nothing_is_lost(tmp_path, more):
    assert taken(tmp_path, more).doubts == ()


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_true_and_false_are_thumbs(tmp_path, ending):
    guessed = taken(tmp_path, {"liked": [True, False, False]}, f"taken.{ending}")
    assert (said(guessed)["rating"], said(guessed)["scale"]) == ("liked", [0.0, 1.0])
    assert "event" not in said(guessed)
    assert set(converted(tmp_path, guessed).rating.tolist()) == {0.0, 1.0}


def test_true_and_false_of_what_was_done_is_an_event(tmp_path):
    guessed = taken(tmp_path, {"purchased": [True, False, False]}, "taken.parquet")
    assert (said(guessed)["event"], said(guessed)["events"]) == ("purchased", {"true": 1.0})


def test_dates_that_are_said_to_be_numbers_hint_at_the_unit(tmp_path):
    taken(tmp_path, {"Date": ["2024-03-01 10:00:00"]})
    describe(tmp_path, "taken.csv", user="user_id", item="item_id", time="Date")
    with pytest.raises(DataError, match="600 of 600 times are dates") as error:
        convert(read_spec(tmp_path))
    assert error.value.hint == 'set time_unit = "text"'


@pytest.mark.parametrize("written", [True, False])
def test_init_warns_of_an_index_that_was_not_written(tmp_path, fusionrec, written):
    ids = pd.Index(list(range(49, 0, -1))) if written else pd.RangeIndex(1, 50)
    items = pd.DataFrame({"genre": (["a", "b", "c"] * 49)[:49]}, index=ids.rename("item_id"))
    items.to_parquet(tmp_path / "items.parquet")
    guessed, err = taken(tmp_path, STARS), init_stderr(tmp_path, fusionrec)
    if written:
        assert guessed.items is not None
        assert "warning: items" not in err
        return
    index = 'its index, "item_id", was not written as a column: call reset_index()'
    why = guessed.unused["items.parquet"]
    assert why.startswith("none of its columns has the ids of users or items in taken.csv; its")
    assert index in why
    assert f"warning: items.parquet is not used: {index}" in err
