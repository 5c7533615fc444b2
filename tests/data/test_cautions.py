"""Data that can be read and from which nothing sensible can be learned."""

from __future__ import annotations

import pytest
from tabular_files import describe, finding, write

from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.spec import read_spec
from fusionrec.workspace import Workspace

N = 60
GOOD = {
    "u": [f"u{n % 12}" for n in range(N)],
    "i": [f"i{n % 11}" for n in range(N)],
    "r": [1 + n * n % 5 for n in range(N)],
    "t": [f"2024-05-{1 + n % 28:02} 10:00" for n in range(N)],
}
RATED = {"user": "u", "item": "i", "rating": "r", "scale": [0, 5], "time": "t", "time_unit": "text"}
COUNTED = {"user": "u", "item": "i", "count": "r"}
TABLE = '[items]\nfiles = "items.csv"\nid = "id"\n'


def warned(folder, columns, keys=RATED, table=None):
    write(folder / "rows.csv", GOOD | columns)
    if table:
        write(folder / "items.csv", {"id": table})
    made = convert(read_spec(describe(folder, "rows.csv", tables=TABLE if table else "", **keys)))
    return made, {one.name for one in made.findings if one.warning}


def of(column, values):
    """A value for each that a column has."""
    return [values[int(name[1:]) % len(values)] for name in GOOD[column]]


@pytest.mark.parametrize("keys", [RATED, COUNTED])
def test_nothing_is_said_of_good_data(tmp_path, keys):
    assert warned(tmp_path, {}, keys)[1] == set()


@pytest.mark.parametrize(
    ("columns", "keys", "name"),
    [
        ({"r": of("i", [3, 5, 4])}, RATED, "rating_of_item"),
        ({"r": of("u", [3, 5, 4])}, RATED, "rating_of_user"),
        ({"r": of("i", [3, 5, 9])}, COUNTED, "count_of_item"),
        ({"u": [f"u{n}" for n in range(N)]}, RATED, "users_single"),
        ({"i": [f"i{n}" for n in range(N)]}, RATED, "items_single"),
        ({"t": ["2024-05-01"] * N}, RATED, "time_alike"),
        ({"t": [f"2024-05-01 10:{n}" for n in range(10, 60)] * 2}, RATED, "time_one_day"),
        ({"r": [n * n % 5 + 0.5 for n in range(N)]}, COUNTED, "count_fraction"),
        ({"r": [n % 2 * (1 + n % 5) for n in range(N)]}, RATED, "rating_zeros"),
        ({"r": [(n % 5 > 0) * (2 + n % 7) / 2 for n in range(N)]}, RATED, "rating_zeros"),
        ({"u": [f'"u{n % 12}"' for n in range(N)]}, RATED, "users_quoted"),
        ({"i": [f" i{n % 11}" for n in range(N)]}, RATED, "items_spaced"),
    ],
)
def test_a_warning_is_said_on_the_terminal(tmp_path, fusionrec, columns, keys, name):
    columns = {column: values[:N] for column, values in columns.items()}
    made, names = warned(tmp_path, columns, keys)
    assert names == {name}
    said = fusionrec(Workspace(tmp_path / "home"), "check", str(tmp_path)).err
    assert f"warning: {finding(made, name)}" in said


def test_what_happens_by_chance_or_is_a_scale_is_not_said(tmp_path):
    some = {"r": [5] * (N - 1) + [4], "i": [*GOOD["i"][:-1], "once"]}
    assert warned(tmp_path, some)[1] == set()  # nearly all ratings are the same
    thumbs = RATED | {"scale": [0, 1]}
    assert warned(tmp_path, {"r": [n * n % 5 % 2 for n in range(N)]}, thumbs)[1] == set()


def test_zeros_come_with_the_scale_to_write(tmp_path):
    made, _ = warned(tmp_path, {"r": [n % 2 * (1 + n % 5) for n in range(N)]})
    zeros = finding(made, "rating_zeros")
    assert (zeros.count, zeros.mend) == (30, "scale = [1, 5]")
    assert str(zeros).endswith("; to change it: scale = [1, 5]")


@pytest.mark.parametrize("side", ["rows", "table"])
def test_quotes_on_one_side_say_how_many_ids_would_meet(tmp_path, side):
    quoted, plain = [f'"i{n}"' for n in range(11)], [f"i{n}" for n in range(2, 13)]
    rows, table = (quoted, plain) if side == "rows" else (plain, quoted)
    made, names = warned(tmp_path, {"i": of("i", rows)}, table=table)
    assert names == {"items_quoted", "items_unmatched"}
    said = finding(made, "items_quoted")
    assert ("table of items that stand" in said.says) is (side == "table")
    assert said.count == 11
    assert said.example.endswith("do not, and without them 9 would be in both")
