"""Rows made of lists in cells, of wide tables and of several tables."""

from __future__ import annotations

import json
import math

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from tabular_files import describe, finding, write

from fusionrec.data.tabular.cells import split
from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.lookup import Lookup, join, key_texts, stem
from fusionrec.data.tabular.readers import delimited
from fusionrec.data.tabular.reshape import explode, unpivot
from fusionrec.data.tabular.shapes import shape_table
from fusionrec.data.tabular.source_spec import SourceSpec
from fusionrec.data.tabular.spec import InteractionsSpec, read_spec
from fusionrec.errors import DataError

quick = settings(max_examples=60, deadline=None)
WORDS = st.one_of(st.none(), st.sampled_from(["a", "b", "10", "10.5", "é"]))


def taken(made):
    """The pairs of user and item that were read."""
    users, items = made.users.ids, made.items.ids
    return [(users[u], items[i]) for u, i in zip(made.user, made.item, strict=True)]


def converted(folder, files, **keys):
    return convert(read_spec(describe(folder, files, **keys)))


@pytest.mark.parametrize(
    ("cell", "separator", "values"),
    [
        ("p7,p1 , p6", ",", ["p7", "p1", "p6"]),
        ("p7,,p6,", ",", ["p7", None, "p6"]),
        ("p7  p1\tp6", " ", ["p7", "p1", "p6"]),
        ("p7||p1", "||", ["p7", "p1"]),
        ('["a, b", "c"]', ",", ["a, b", "c"]),
        ('["a\\"b", "\\u00e9"]', ",", ['a"b', "é"]),
        ("['a', 'b']", ",", ["a", "b"]),
        ("['a' 'b'\n 'c']", ",", ["a", "b", "c"]),
        ("['it\\'s', \"that's\"]", ",", ["it's", "that's"]),
        ("('a',)", ",", ["a"]),
        ("[1, 2]", " ", ["1", "2"]),
        ("[1 2\n 3]", ",", ["1", "2", "3"]),
        ('[1, null, "b", {"c": 1}]', ",", ["1", None, "b", '{"c": 1}']),
        ("[New York, Oslo]", ";", ["New York", "Oslo"]),
        ("['a', b]", ",", ["['a'", "b]"]),
        ("[" * 9_000 + "'" + "]" * 9_000, ";", ["[" * 9_000 + "'" + "]" * 9_000]),
        ("[]", ",", []),
        (" ", ",", []),
        (None, ",", []),
    ],
)
def test_values_of_a_cell(cell, separator, values):
    flat, lengths = split(pa.array([cell, "x"], pa.string()), separator)
    assert flat.to_pylist() == [*values, "x"]
    assert lengths.tolist() == [len(values), 1]


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl", "rows.parquet"])
def test_lists_of_a_file_and_in_text_become_rows_in_their_order(tmp_path, name):
    items = [["p2", "p1"], ["p3"], []]
    cells = [json.dumps(one) for one in items] if name == "rows.csv" else items
    write(tmp_path / name, {"u": ["a", "b", "c"], "i": cells})
    made = converted(tmp_path, name, user="u", item="i", explode=["i"])
    assert taken(made) == [("a", "p2"), ("a", "p1"), ("b", "p3")]
    assert made.rows == 3
    assert made.findings == ()


def test_columns_of_lists_go_together_and_uneven_rows_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 30)
    rows = {"u": ["a", "b", "c", "d"], "i": ["x y", "x", "y z", "z"]}
    write(tmp_path / "rows.csv", rows | {"r": ["1 2", "3", "4", "5"]})
    keys = {"user": "u", "item": "i", "rating": "r", "scale": [1, 5]}
    made = converted(tmp_path, "rows.csv", explode=["i", "r"], separator=" ", **keys)
    assert taken(made) == [("a", "x"), ("a", "y"), ("b", "x"), ("d", "z")]
    assert made.rating.tolist() == [1, 2, 3, 5]
    uneven = finding(made, "explode_uneven")
    assert (uneven.count, uneven.example, uneven.warning) == (1, "rows.csv, row 3", True)


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_a_wide_table_becomes_rows(tmp_path, name):
    text = name == "rows.csv"
    empty = "" if text else None
    wide = {"i1": [5, empty], "i2": [empty, 3], "i3": [1, " " if text else math.nan]}
    write(tmp_path / name, {"user": ["a", "b"], **wide, "all": [empty, empty]})
    keys = {"user": "user", "item": "column", "rating": "value", "scale": [1, 5]}
    made = converted(tmp_path, name, unpivot=["user"], **keys)
    assert taken(made) == [("a", "i1"), ("a", "i3"), ("b", "i2")]
    assert made.rating.tolist() == [5, 1, 3]


def test_shaped_rows_may_be_the_table_of_items_as_well(tmp_path):
    write(tmp_path / "wide.csv", {"user": ["a", "b"], "i1": ["5", ""], "i2": ["", "3"]})
    write(tmp_path / "lists.csv", {"user": ["a", "b"], "i": ["i3 i4", "i2"]})
    keys = {"user": "user", "item": "column", "unpivot": ["user"]}
    shapes = ('files = "wide.csv"\nid = "column"\nunpivot = ["user"]',
              'files = "lists.csv"\nid = "i"\nexplode = ["i"]\nseparator = " "')  # fmt: skip
    for shape, ids in zip(shapes, (["i1", "i2"], ["i3", "i4", "i2", "i1"]), strict=True):
        made = converted(tmp_path, "wide.csv", tables=f"[items]\n{shape}", **keys)
        assert made.items.ids == ids
        assert taken(made) == [("a", "i1"), ("b", "i2")]


@pytest.mark.parametrize("keys", [{"files": "wide*.csv"}, {"files": "wide-a.csv"}])
def test_a_file_with_one_wide_row_for_each_user(tmp_path, keys):
    for name in "ab":
        write(tmp_path / f"wide-{name}.csv", {"i1": ["5"], f"only {name}": ["1"]})
    made = converted(tmp_path, **keys, user="filename", item="column", unpivot=["filename"])
    assert taken(made)[:2] == [("wide-a", "i1"), ("wide-a", "only a")]
    assert len(made.user) == (4 if "*" in keys["files"] else 2)


def test_what_an_unpivoted_column_may_not_be_called(tmp_path):
    write(tmp_path / "wide.csv", {"value": ["a"], "i1": ["5"]})
    with pytest.raises(DataError, match="keeps a column 'value'"):
        converted(tmp_path, "wide.csv", user="value", item="column", unpivot=["value"])


def test_a_file_for_each_user(tmp_path):
    (tmp_path / "users").mkdir()
    for name in ("ann.csv", "bob.csv.gz"):
        write(tmp_path / "users" / name, {"i": ["x", "y"]})
    made = converted(tmp_path, "users/*", user="filename", item="i")
    assert taken(made) == [("ann", "x"), ("ann", "y"), ("bob", "x"), ("bob", "y")]
    assert stem("C.D/orders.2024.tsv") == "orders.2024"


def test_a_column_of_the_file_may_be_called_filename(tmp_path):
    write(tmp_path / "rows.csv", {"i": ["x", "y"], "filename": ["a", "b"]})
    made = converted(tmp_path, "rows.csv", user="filename", item="i")
    assert taken(made) == [("a", "x"), ("b", "y")]


def shop(folder, **orders):
    """Order lines without people, and orders and customers with them."""
    write(folder / "lines.csv", {"order": ["3", "1", "3", "9"], "p": ["x", "y", "z", "x"]})
    known = {"id": [1.0, 3.0, None], "customer": ["c1", "c2", "c3"], "p": ["-", "shop 3", "-"]}
    write(folder / "orders.parquet", known | orders)
    write(folder / "customers.csv", {"customer": ["c2", "c1"], "who": ["bob", "ann"]})
    return [
        {"files": "orders.parquet", "on": "order", "key": "id"},
        {"files": "customers.csv", "on": "customer"},
    ]


def toml(folder, joins, **keys):
    lines = [f"{name} = {json.dumps(value)}" for name, value in keys.items()]
    for table in joins:
        lines += ["[[interactions.join]]", *(f'{key} = "{value}"' for key, value in table.items())]
    text = "\n".join(["[interactions]", 'files = "lines.csv"', *lines])
    (folder / "fusionrec.toml").write_text(text)
    return read_spec(folder)


@pytest.mark.parametrize("item", ["p", "orders.p"])
def test_joins_in_turn_keep_the_order_of_the_rows(tmp_path, item):
    joins = shop(tmp_path)
    made = convert(toml(tmp_path, joins, user="who", item=item, repeats="keep"))
    own = [("bob", "x"), ("ann", "y"), ("bob", "z")]
    assert taken(made) == (
        own if item == "p" else [("bob", "shop 3"), ("ann", "-"), ("bob", "shop 3")]
    )
    missing = finding(made, "join_orders_missing")
    assert (missing.count, missing.warning) == (1, True)
    assert str(missing).startswith("rows whose order is not in orders")
    assert finding(made, "user_empty").count == 1


def test_a_key_that_stands_for_several_rows_is_said(tmp_path):
    columns = {"id": ["1", "3", "3", "3"], "customer": ["c1", "c2", "c2", "c1"], "p": ["-"] * 4}
    joins = shop(tmp_path, **columns)
    made = convert(toml(tmp_path, joins, user="who", item="p"))
    repeated = finding(made, "join_orders_repeated")
    assert (repeated.count, repeated.example, repeated.warning) == (1, "'3'", True)
    assert taken(made)[0] == ("bob", "x")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("on", "ordr", r"lines.csv has no column 'ordr' \(join.on\)"),
        ("key", "ids", r"orders.parquet has no column 'ids' \(join.key\)"),
        ("files", "order.parquet", "no such file"),
    ],
)
def test_a_join_that_names_what_is_not_there_is_refused(tmp_path, key, value, said):
    joins = shop(tmp_path)
    joins[0][key] = value
    with pytest.raises(DataError, match=said) as error:
        convert(toml(tmp_path, joins, user="who", item="p"))
    assert error.value.hint


def test_a_join_by_another_key_says_why_nothing_is_left(tmp_path):
    joins = [{"files": "orders.parquet", "on": "p", "key": "id"}]
    shop(tmp_path)
    with pytest.raises(DataError, match=r"none of 4 .*p is not in orders.*: 4"):
        convert(toml(tmp_path, joins, user="customer", item="p"))


@pytest.mark.parametrize("key", ["explode", "unpivot"])
def test_a_shape_of_a_missing_column_is_refused(tmp_path, key):
    write(tmp_path / "rows.csv", {"u": ["a"], "i": ["x"]})
    with pytest.raises(DataError, match=rf"rows.csv has no column 'x' \({key}\)"):
        converted(tmp_path, "rows.csv", user="u", item="i", **{key: ["x"]})


@pytest.mark.parametrize(
    "cells", [pa.array([[("x", 1)]], pa.map_(pa.string(), pa.int64())), [b"\xff"]]
)
def test_cells_that_hold_no_values_are_refused(tmp_path, cells):
    write(tmp_path / "rows.parquet", {"u": ["a"], "i": cells})
    with pytest.raises(DataError, match="explode: expected text, numbers, dates or lists"):
        converted(tmp_path, "rows.parquet", user="u", item="i", explode=["i"])


def test_a_sample_is_shaped_as_the_files_are():
    table = pa.table({"o": ["1", "2"], "lines": ["x y", "z"]})
    spec = InteractionsSpec(
        files="f", user="who", item="lines", explode=("lines",), separator=" ",
        join=SourceSpec.from_dict({"join": {"files": "d/o.csv.gz", "on": "o"}}).join,
    )  # fmt: skip
    other = pa.table({"o": [2.0, 1.0], "who": ["b", "a"], "lines": [7, 8]})
    assert shape_table(table, spec, [other]).to_pylist() == [
        {"o": "1", "lines": "x", "who": "a", "o.lines": 8},
        {"o": "1", "lines": "y", "who": "a", "o.lines": 8},
        {"o": "2", "lines": "z", "who": "b", "o.lines": 7},
    ]


@quick
@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=4)), max_size=20))
def test_explode_agrees_with_pandas(rows):
    frame = pd.DataFrame({"u": [u for u, _ in rows], "i": [i for _, i in rows]}, dtype=object)
    table = pa.table(
        {
            "u": pa.array(frame["u"].tolist(), pa.string()),
            "i": pa.array(frame["i"].tolist(), pa.list_(pa.string())),
        }
    )
    wanted = frame.explode("i").dropna(subset="i")
    made = explode(table, ["i"], ",")[0].to_pylist()
    assert made == wanted.to_dict("records")


@quick
@given(st.lists(st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=3, max_size=3)))
def test_unpivot_agrees_with_pandas(rows):
    frame = pd.DataFrame(rows, columns=["a", "b", "c"], dtype="Int64")
    frame.insert(1, "u", [f"u{n}" for n in range(len(rows))])
    wanted = frame.melt("u", var_name="column").dropna().sort_values(["u", "column"])
    made = unpivot(pa.Table.from_pandas(frame, preserve_index=False), ["u"])
    made = made.sort_by([("u", "ascending"), ("column", "ascending")])
    assert made.to_pylist() == wanted.to_dict("records")


@quick
@given(st.lists(WORDS, max_size=30), st.lists(WORDS, max_size=10))
def test_join_agrees_with_pandas(left, right):
    rows = pd.DataFrame({"k": left, "n": np.arange(len(left))}).astype({"k": "string"})
    others = pd.DataFrame({"key": right, "v": np.arange(len(right))}).astype({"key": "string"})
    firsts = others.dropna(subset="key").drop_duplicates("key")
    wanted = rows.merge(firsts, "left", left_on="k", right_on="key")
    lookup = Lookup.of(pa.table({"key": pa.array(right, pa.string()), "v": others["v"]}), "key")
    table = pa.table({"k": pa.array(left, pa.string()), "n": rows["n"]})
    made, missed = join(table, "k", lookup, {"v": "v"})
    assert made["n"].to_pylist() == wanted["n"].tolist()
    assert made["v"].to_pylist() == [None if math.isnan(v) else v for v in wanted["v"]]
    assert missed.tolist() == wanted["v"].isna().tolist()
    repeated = [key for key in set(right) - {None} if right.count(key) > 1]
    assert lookup.differing == len(repeated)


def test_keys_that_have_run_together_are_refused():
    exact = pa.array([float(2**53 - 1), None, 7.0])
    assert key_texts(exact, "k").to_pylist() == [str(2**53 - 1), None, "7"]
    with pytest.raises(DataError, match="floats of 9,007,199,254,740,992 and more"):
        key_texts(pa.array([float(2**60)]), "k")
