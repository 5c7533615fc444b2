"""Spreadsheets, Feather, JSON in lists, packed files; damaged files of every format."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
import subprocess
import sys
import zipfile
from datetime import date, datetime

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest
from tabular_files import write

from fusionrec.data.tabular.readers import json_text
from fusionrec.data.tabular.readers.files import is_table, open_source, sample, tables_of
from fusionrec.data.tabular.source_spec import ReadSpec
from fusionrec.errors import ConfigError, DataError, FusionrecError

ROWS = {"user": ["u1", "u2", "u3"], "item": ["i1", "i1", "i2"], "n": ["1", "2", "3"]}
LINES = [dict(zip(ROWS, row, strict=True)) for row in zip(*ROWS.values(), strict=True)]
ORDERS = [
    {
        "user": {"id": "u1", "at": {"town": "X"}},
        "items": [{"id": "a", "q": 1}, {"id": "b", "q": 2}],
    },
    {"user": {"id": "u2"}, "items": []},
    {"user": None, "items": [{"id": "c", "tags": ["x", "y"]}, None]},
]  # fmt: skip
FLAT = {
    "user.id": ["u1", "u2", None],
    "user.at.town": ["X", None, None],
    "items.id": [["a", "b"], [], ["c", None]],
    "items.q": [["1", "2"], [], [None, None]],
}


def workbook(path, **sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def ods(path, rows):
    content = ""
    for row in rows:
        content += "<table:table-row>"
        for value in row:
            said = f'float" office:value="{value}' if isinstance(value, int | float) else "string"
            content += f'<table:table-cell office:value-type="{said}">'
            content += f"<text:p>{value}</text:p></table:table-cell>"
        content += '<table:table-cell table:number-columns-repeated="16380"/></table:table-row>'
    content += '<table:table-row table:number-rows-repeated="1048000"><table:table-cell/>'
    content = f'<table:table table:name="S">{content}</table:table-row></table:table>'
    for tag in ("spreadsheet", "body"):
        content = f"<office:{tag}>{content}</office:{tag}>"
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    spaces = " ".join(f'xmlns:{n}="{oasis}:{n}:1.0"' for n in ("office", "table", "text"))
    manifest = f'<m:manifest xmlns:m="{oasis}:manifest:1.0"><m:file-entry m:full-path="/"/>'
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", f"{manifest}</m:manifest>")
        begin = f"<office:document-content {spaces}>{content}"
        archive.writestr("content.xml", f"{begin}</office:document-content>")
    return path


def test_a_sheet_is_read_with_its_types(tmp_path):
    rows = [
        [None],
        ["Our visits, 2024"],
        [None, "user", "n", "share", "when", "on", "code", None],
        [None, "u1", 1, 1.5, datetime(2024, 5, 1, 12, 30), True, 7, None],
        [None],
        [None, "u2", 2.0, None, date(2024, 5, 2), False, "x7", "note"],
    ]
    path = workbook(tmp_path / "visits.xlsx", Visits=rows, Empty=[])
    found = sample(path.rename(tmp_path / "any"))
    assert found.source.types == {
        "user": "string", "n": "int64", "share": "double", "when": "timestamp[us]", "on": "bool",
        "code": "string", "column_8": "string",
    }  # fmt: skip
    assert found.columns["n"] == ["1", "2"]
    assert found.columns["code"] == ["7", "x7"]
    assert found.columns["when"][0].startswith("2024-05-01 12:30:00")
    assert tables_of(tmp_path / "any") == []


def test_one_of_several_sheets_must_be_named(tmp_path):
    path = workbook(tmp_path / "b.xlsx", A=[["user"], ["u1"]], B=[["item", "n"], ["i1", 2]])
    assert tables_of(path) == ["A", "B"]
    with pytest.raises(DataError, match="several sheets: A, B") as error:
        open_source(path)
    assert error.value.hint == 'say which one is meant: table = "A"'
    assert sample(path, table="B").columns == {"item": ["i1"], "n": ["2"]}
    with pytest.raises(DataError, match="no 'C'; its sheets are: A, B"):
        open_source(path, ReadSpec(table="C"))


def test_a_sheet_without_a_header_may_be_given_names(tmp_path):
    path = workbook(tmp_path / "b.xlsx", A=[["u1", "i1", 3], ["u2", "i2", 4], ["u3", "i2", 5]])
    assert open_source(path).headerless
    assert sample(path, 9, ReadSpec(names=("u", "i", "n"))).columns["n"] == ["3", "4", "5"]
    with pytest.raises(ConfigError, match="expected names for 3 columns"):
        open_source(path, ReadSpec(names=("u",)))


def test_an_open_document_is_read(tmp_path):
    path = ods(tmp_path / "x.ods", [["user", "n"], ["u1", 1], ["u2", 2.5]])
    assert sample(path).columns == {"user": ["u1", "u2"], "n": ["1", "2.5"]}


def test_a_sheet_that_would_fill_the_memory_is_refused(tmp_path):
    book = openpyxl.Workbook()
    book.active["A1"], book.active["XFD1048576"] = "user", 1
    book.save(tmp_path / "b.xlsx")
    with pytest.raises(DataError, match="expected 10,000,000 cells at most"):
        open_source(tmp_path / "b.xlsx")


def lists(rows):
    return {
        "plain": json.dumps(rows),
        "pretty": json.dumps(rows, indent=2),
        "inside": json.dumps({"count": 3, "of": [1, 2], "rows": rows, "more": {"a": [3]}}),
        "inside, pretty": "\ufeff" + json.dumps({"rows": rows}, indent=1),
        "one after the other": "\n".join(json.dumps(row, indent=1) for row in rows),
        "lines": "\n".join(map(json.dumps, rows)),
        "python": "\n".join(map(repr, rows)),
    }


@pytest.mark.parametrize("form", lists([]))
@pytest.mark.parametrize("piece", [3, 1 << 20])
def test_objects_in_json_are_found_however_they_stand(tmp_path, monkeypatch, form, piece):
    monkeypatch.setattr(json_text, "_PIECE", piece)
    (tmp_path / "t.json").write_text(lists(ORDERS)[form])
    found = sample(tmp_path / "t.json").columns
    if form == "python":  # line by line an empty list has no columns
        assert found["items.id"] == [["a", "b"], None, ["c", None]]
    else:
        assert {name: found[name] for name in FLAT} == FLAT
    awkward = [{"a": 'x"[,\\', "b": n} for n in range(4)]
    (tmp_path / "t.json").write_text(lists(awkward)[form])
    assert sample(tmp_path / "t.json").columns["a"] == ['x"[,\\'] * 4


def test_one_of_several_lists_must_be_named(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps({"users": [{"id": 1}], "films": [{"id": 7}]}))
    assert tables_of(tmp_path / "t.json") == ["users", "films"]
    assert sample(tmp_path / "t.json", table="films").columns == {"id": ["7"]}
    with pytest.raises(DataError, match="several lists: users, films"):
        open_source(tmp_path / "t.json")


@pytest.mark.parametrize("orient", ["columns", "index", "split", "records", "table"])
def test_what_pandas_writes_as_json_is_read(tmp_path, orient):
    path, frame = tmp_path / "t.json", pd.DataFrame(ROWS | {"price": [1.5, None, 2.0]})
    frame.to_json(path, orient=orient, **({"index": False} if orient == "table" else {}))
    assert sample(path).columns == ROWS | {"price": ["1.5", None, "2"]}
    assert tables_of(path) == []


def test_objects_that_are_no_tables_are_rows(tmp_path):
    rows = [{"a": {"0": 1, "1": 2}}, {"a": {"0": 3}}]
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert sample(tmp_path / "t.jsonl").columns == {"a.0": ["1", "3"], "a.1": ["2", None]}


@pytest.mark.parametrize("form", ["parquet", "feather", "arrow", "stream", "jsonl"])
def test_objects_in_columns_become_columns(tmp_path, form):
    table, path = pa.Table.from_pylist(ORDERS), tmp_path / f"t.{form}"
    if form == "parquet":
        pq.write_table(table, path)
    elif form == "feather":
        pf.write_feather(table, path)
    elif form == "jsonl":
        path.write_text("\n".join(map(json.dumps, ORDERS)))
    else:
        new = pa.ipc.new_file if form == "arrow" else pa.ipc.new_stream
        with new(str(path), table.schema) as sink:
            sink.write_table(table)
    found = sample(path).columns
    assert {name: found[name] for name in FLAT} == FLAT
    (batch,) = open_source(path).batches(["items.id", "user.at.town"])
    assert batch.schema.names == ["items.id", "user.at.town"]


PACK = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}


@pytest.mark.parametrize("pack", [*PACK, "zip"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_packed_files_are_read(tmp_path, pack, form):
    plain, path = write(tmp_path / f"t.{form}", ROWS), tmp_path / "packed"
    if pack == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, f"in/t.{form}")
            archive.writestr("in/README.txt", "words")
            archive.writestr("__MACOSX/x", "junk")
    else:
        path.write_bytes(PACK[pack](plain.read_bytes()))
    assert sample(path).columns == ROWS
    assert is_table(path)


def test_a_zip_of_several_tables_must_be_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.csv", "a\n1\n")
        archive.writestr("b.csv", "a\n1\n")
    with pytest.raises(DataError, match="one table, it holds 2 files: a") as error:
        open_source(tmp_path / "x.zip")
    assert "unpack it" in error.value.hint


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl", "json"])
def test_more_columns_than_can_be_used_are_refused(tmp_path, form):
    names = [f"c{n}" for n in range(50_000)]
    path = tmp_path / f"t.{form}"
    if form == "parquet":
        pq.write_table(pa.table({name: [1] for name in names}), path)
    elif form == "csv":
        path.write_text(f"{','.join(names)}\n" * 2)
    else:
        row = json.dumps(dict.fromkeys(names, 1))
        path.write_text(row if form == "jsonl" else f"[{row}]")
    with pytest.raises(DataError, match="expected 10,000 columns at most, got 50,000"):
        sample(path)


def test_rows_that_would_fill_the_memory_are_refused(tmp_path):
    long = pa.table({"user": ["x" * 1_000_000] * 100, "item": ["i"] * 100})
    pq.write_table(long, tmp_path / "t.parquet", compression="zstd")
    with pytest.raises(DataError, match=r"rows of 500,000 bytes at most, the first have 1,000,"):
        open_source(tmp_path / "t.parquet")


def test_objects_without_common_keys_are_refused(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(f'{{"k{n}": 1}}\n' for n in range(100_000)))
    with pytest.raises(DataError, match="expected objects with the same keys"):
        sample(path)


# Not ru_maxrss, which is at least that of the process that started it.
LIMITED = """
import re, sys
from pathlib import Path
from fusionrec.data.tabular.readers.files import sample
from fusionrec.errors import FusionrecError
for name in sys.argv[1:]:
    try:
        print(sample(Path(name), 100_000).rows)
    except FusionrecError as error:
        print(error.message.partition(": ")[2])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_a_sample_of_a_file_that_unpacks_to_a_hundredfold_is_bounded(tmp_path):
    constant = pa.table({"n": pa.repeat(pa.scalar(1, pa.int8()), 63_000_000)})
    pq.write_table(constant, tmp_path / "constant.parquet")
    lines = {"rows": b"u1,i1,5\n", "empty": b",,\n", "letters": b"a"}
    for name, line in lines.items():
        with (tmp_path / name).open("wb") as file:
            file.write(gzip.compress(b"u,i,r\nu1,i1,3\n" if name != "letters" else b""))
            file.write(gzip.compress(line * (30_000_000 // len(line)), 1) * 10)
    paths = [str(tmp_path / name) for name in ("constant.parquet", *lines)]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, *paths],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    *found, most = done.stdout.splitlines()
    assert found[0].startswith("holds 63,000,000 rows in ")
    assert found[1:3] == ["100000", "1"]
    assert found[3].startswith("expected lines")
    assert int(most) < 1 << 20  # KiB


def small_files(folder):
    """A small valid file of every format."""
    many = {name: values * 20 for name, values in ROWS.items()}
    files = [write(folder / f"t.{form}", many) for form in ("csv", "tsv", "jsonl", "parquet")]
    files += [folder / f"t.csv.{name}" for name in PACK]
    for path, pack in zip(files[-len(PACK) :], PACK.values(), strict=True):
        path.write_bytes(pack(files[0].read_bytes()))
    rows = [list(ROWS), *zip(*many.values(), strict=True)]
    files += [workbook(folder / "t.xlsx", A=rows), ods(folder / "t.ods", rows)]
    nested = pa.Table.from_pylist(ORDERS * 9)
    for name, compression in (("t.feather", "lz4"), ("plain.feather", "uncompressed")):
        pf.write_feather(nested, folder / name, compression)
        files.append(folder / name)
    pq.write_table(nested, folder / "nested.parquet")
    with pa.ipc.new_stream(str(folder / "t.arrows"), nested.schema) as sink:
        sink.write_table(nested)
    with zipfile.ZipFile(folder / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(files[0], "t.csv")
    texts = {
        "t.json": json.dumps(ORDERS), "in.json": json.dumps({"rows": ORDERS}, indent=1),
        "py.txt": "\n".join(map(repr, LINES)), "t.dat": "1::2::3\n4::5::6\n" * 9,
        "ragged.txt": "u1 1 2 3\nu2 4\nu3 5 6\n" * 9, "quoted.csv": 'a,b\n"x\ny","z"\n' * 9,
    }  # fmt: skip
    for name, content in texts.items():
        (folder / name).write_text(content)
    (folder / "u16.csv").write_text(files[0].read_text(), encoding="utf-16")
    (folder / "gbk.csv").write_text("用户,商品\n1,红色连衣裙\n2,蓝色牛仔裤\n" * 9, encoding="gbk")
    return sorted(folder.iterdir())


def mutated(content: bytes, chance: random.Random) -> bytes:
    letters = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 8])):
        place = chance.randrange(len(letters) + 1)
        kind = chance.randrange(4)
        if kind == 0:
            letters[place:] = b""
        elif kind == 1:
            letters[place : place + 1] = bytes([chance.randrange(256)])
        elif kind == 2:
            letters[place:place] = chance.choice([b"\0", b'"', b"\n", b",", b"[{", b"\x80"])
        else:
            end = place + chance.randrange(40)
            letters[place:place] = letters[place:end]
    return bytes(letters)


def test_damaged_files_of_every_format_are_refused_or_read(tmp_path):
    (tmp_path / "valid").mkdir()
    chance, refused, read = random.Random(7), 0, 0
    for path in small_files(tmp_path / "valid"):
        content, damaged = path.read_bytes(), tmp_path / path.name
        assert sample(path).rows
        for _ in range(60):
            damaged.write_bytes(mutated(content, chance))
            try:
                tables_of(damaged)
                read += bool(sample(damaged).columns)
            except FusionrecError:
                refused += 1
    assert refused > 200
    assert read > 200
