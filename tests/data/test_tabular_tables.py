from __future__ import annotations

import math

import pytest
from tabular_files import FILES, describe, finding, write

from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.readers import delimited
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import DataError

ROWS = {"u": ["a", "b"], "i": ["x", "new"], "r": ["1", "2"]}
FIELDS = """
[items]
files = "items*"
id = "id"
title = "name"
[items.fields.name]
kind = "text"
[items.fields.kinds]
kind = "categories"
missing = ["none"]
[items.fields.maker]
kind = "category"
missing = ["-"]
[items.fields.pages]
kind = "number"
column = "number of pages"
missing = ["-1"]
"""
ITEMS = {
    "number of pages": ["10", "-1", "1,500 or so on", "2.5"],
    "id": ["x", "y", "z", "w"],
    "name": ["One", None, " Three\x1b[2J ", "Four"],
    "kinds": [["a", "b"], None, ["b", "b", "none", " c "], []],
    "maker": ["M", "-", None, " N "],
}


def converted(folder, items, name="items.csv", tables=FIELDS):
    write(folder / "rows.csv", ROWS)
    write(folder / name, items)
    return convert(read_spec(describe(folder, "rows.csv", tables=tables)))


@pytest.mark.parametrize("name", FILES)
def test_attributes_of_every_kind_and_format(tmp_path, name):
    made = converted(tmp_path, ITEMS, f"items.{name}")
    assert made.items.ids == ["x", "y", "z", "w", "new"]
    columns = made.items.columns
    assert columns["name"] == ["One", "", "Three [2J", "Four", ""]
    assert columns["kinds"] == [("a", "b"), (), ("b", "c"), (), ()]
    assert columns["maker"] == ["M", "", "", "N", ""]
    assert [None if math.isnan(n) else n for n in columns["pages"]] == [10, None, None, 2.5, None]
    assert made.item.tolist() == [0, 4]
    unfit = finding(made, "items_pages_unfit")
    assert (unfit.count, unfit.example) == (1, f"items.{name}, '1,500 or so on'")
    strange = finding(made, "items_strange")
    assert (strange.count, strange.example) == (1, "'new'")


@pytest.mark.parametrize("name", ["items.parquet", "items.jsonl"])
def test_numbers_of_a_typed_column(tmp_path, name):
    made = converted(tmp_path, ITEMS | {"number of pages": [10, -1, None, 12]}, name)
    pages = made.items.columns["pages"]
    assert [None if math.isnan(n) else n for n in pages] == [10, None, None, 12, None]


def test_repeated_ids_are_one_and_the_last_known_value_counts(tmp_path):
    items = {
        "id": ["x", "y", "x", "x", "y", "x"],
        "name": ["One", "Two", "One", "Uno", "Two", ""],
        "kinds": ["a", "", "a", "a", "b", "a"],
        "maker": ["M"] * 6,
        "number of pages": ["1", "2", "1", "1", "2", "1"],
    }
    made = converted(tmp_path, items)
    assert made.items.ids == ["x", "y", "new"]
    assert made.items.columns["name"] == ["Uno", "Two", ""]
    assert made.items.columns["kinds"] == [("a",), ("b",), ()]
    assert finding(made, "items_folded").count == 4
    assert finding(made, "items_changed").count == 1  # y was only completed


def test_categories_of_all_rows_of_an_id_come_together(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 60)
    pairs = [
        ("x", "Grill"),
        ("x", "Thai"),
        ("y", ""),
        ("x", "Grill"),
        ("y", "Bar|none"),
        ("x", "Bar"),
    ]
    ids, kinds = zip(*pairs, *pairs[:3], strict=True)
    tables = FIELDS[: FIELDS.index("[items.fields.maker]")]
    made = converted(tmp_path, {"id": ids, "kinds": kinds, "name": ids}, tables=tables)
    assert made.items.columns["kinds"] == [("Grill", "Thai", "Bar"), ("Bar",), ()]
    assert "items_changed" not in {one.name for one in made.findings}
    assert finding(made, "items_folded").count == len(ids) - 2


def test_rows_are_folded_across_batches_and_files(tmp_path, monkeypatch):
    monkeypatch.setattr(delimited, "BLOCK", 200)
    ids = [f"i{n % 7}" for n in range(500)]
    items = {"id": ids, "kinds": ["a"] * 500, "maker": ["M"] * 499 + ["N"]}
    items |= {"name": ids, "number of pages": ["1"] * 500}
    write(tmp_path / "items2.csv", items)
    made = converted(tmp_path, items)
    assert made.items.ids[:7] == [f"i{n}" for n in range(7)]
    assert made.items.columns["maker"][:7] == ["M"] * 2 + ["N"] + ["M"] * 4
    assert (finding(made, "items_folded").count, finding(made, "items_changed").count) == (993, 1)


def test_the_interactions_may_be_the_table_as_well(tmp_path):
    tables = '[items]\nfiles = "rows.csv"\nid = "i"\n[items.fields.r]\nkind = "number"'
    made = converted(tmp_path, ITEMS, tables=tables)
    assert made.items.columns == {"r": [1.0, 2.0]}
    assert made.findings == ()


def test_ids_that_are_none_are_left_out_of_the_table(tmp_path):
    items = {name: [value] * 3 for name, (value, *_) in ITEMS.items()} | {"id": ["x", "", "y\n"]}
    made = converted(tmp_path, items)
    assert made.items.ids == ["x", "new"]
    assert finding(made, "items_empty").example == "items.csv, row 2"
    assert finding(made, "items_unfit").count == 1


def test_long_values_are_cut(tmp_path):
    items = {name: values[:1] for name, values in ITEMS.items()}
    items |= {"name": ["n" * 20_000], "maker": ["m" * 2_000]}
    made = converted(tmp_path, items)
    assert made.items.columns["name"] == ["n" * 10_000, ""]
    assert made.items.columns["maker"] == ["", ""]
    assert finding(made, "items_name_long").count == finding(made, "items_maker_long").count == 1


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("makers", "M", r"no column 'maker' \(items.fields.maker\)"),
        ("maker", {"x": 1}, r"no column 'maker' \(items.fields.maker\); it has .*, maker\.x"),
    ],
)
def test_a_column_that_is_missing_or_of_objects_is_refused(tmp_path, column, value, said):
    items = {name: values for name, values in ITEMS.items() if name != "maker"}
    with pytest.raises(DataError, match=said) as error:
        converted(tmp_path, items | {column: [value] * 4}, "items.jsonl")
    assert error.value.hint == f"did you mean '{column if column != 'maker' else 'maker.x'}'?"


def test_users_have_a_table_of_their_own(tmp_path):
    write(tmp_path / "users.tsv", {"who": ["b", "c"], "lang": ["de", "ka"]})
    tables = '[users]\nfiles = "users.tsv"\nid = "who"\n[users.fields.lang]\nkind = "category"'
    made = converted(tmp_path, ITEMS, tables=tables)
    assert made.users.ids == ["b", "c", "a"]
    assert made.users.columns == {"lang": ["de", "ka", ""]}
    assert made.user.tolist() == [2, 0]
    assert finding(made, "users_strange").count == 1


@pytest.mark.parametrize("value", [3, 1.5])
@pytest.mark.parametrize("kind", ["category", "categories", "text"])
def test_numbers_of_parquet_may_be_categories_and_text(tmp_path, value, kind):
    tables = f'[items]\nfiles = "items.parquet"\nid = "id"\n[items.fields.code]\nkind = "{kind}"'
    made = converted(tmp_path, {"id": ["x"], "code": [value]}, "items.parquet", tables)
    assert made.items.columns["code"][0] == ((str(value),) if kind == "categories" else str(value))
