from __future__ import annotations

import gzip
from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tabular_files import FILES, write

from fusionrec.data.tabular.casting import as_text
from fusionrec.data.tabular.readers import compression, delimited, stray_quotes
from fusionrec.data.tabular.readers.files import find_files, open_source, sample
from fusionrec.errors import DataError

AWKWARD = {
    "id": ["1", "two", "3, or three", 'a "quoted" one', "two\nlines", " spaces "],
    "said": ["ü", None, "x;y", "z|z", "漢字", "last"],
}


def refused(path, content: bytes) -> DataError:
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        for _ in open_source(path).batches():
            pass
    return error.value


@pytest.mark.parametrize("name", FILES)
def test_what_was_written_is_read_whatever_the_name(tmp_path, name):
    path = write(tmp_path / f"table.{name}", AWKWARD)
    found = sample(path)
    assert found.columns == AWKWARD
    assert (found.source.format, found.rows, found.complete) == (name.split(".")[0], 6, True)
    assert found.source.compression == {"gz": "gzip", "zst": "zstd"}.get(name.split(".")[-1], "")
    assert sample(path.rename(tmp_path / "table")).columns == AWKWARD


@pytest.mark.parametrize("name", FILES)
def test_a_sample_of_a_longer_file_says_so(tmp_path, name):
    path = write(tmp_path / f"table.{name}", {"n": [str(n) for n in range(50)]})
    found = sample(path, 20)
    assert found.columns == {"n": [str(n) for n in range(20)]}
    assert not found.complete
    assert sample(path, 50).complete


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (
            b'\xef\xbb\xbfuser;item\r\n1;"a;b"\r\n\r\n2;c\r\n',
            {"user": ["1", "2"], "item": ["a;b", "c"]},
        ),
        (b'\xef\xbb\xbf{"user": 1}\r\n\r\n{"user": 2}', {"user": ["1", "2"]}),
        *((header, {"a": [], "b": []}) for header in (b"a,b\n", b"a,b", b"a,b\r\n\r\n")),
    ],
)
def test_marks_windows_line_ends_semicolons_and_a_header_alone(tmp_path, content, columns):
    (tmp_path / "table").write_bytes(content)
    assert sample(tmp_path / "table").columns == columns


UTF_8, ROW = "as UTF-8", "mend or remove that line"
DEEP = b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}\n"  # pyarrow's parser would crash


@pytest.mark.parametrize(
    ("content", "said", "hint"),
    [
        (b"", "empty", "a header"),
        (b"\n\n", "empty", "a header"),
        (b"\xef\xbb\xbf", "empty", "a header"),
        (gzip.compress(b"", mtime=0), "empty", "a header"),
        (b'a,b\n1,2\n"x\ny",2\n3\n1,2\n', "line 5: expected 2 values as in the header, got 1", ROW),
        (b"a,b\n1,2\n1,2,3\n", "line 3: expected 2 values as in the header, got 3", ROW),
        ("a,b\n1,äöü\n".encode() + b"1,\xff\n", "line 3: not UTF-8 from byte 3", UTF_8),
        ("ä,ö,ü".encode() + b",\xff\n1,2,3,4\n", "line 1: not UTF-8", UTF_8),
        (b"a\0,b\n", "neither text nor a table", "damaged?"),
        (b"PK\x03\x04....", "not a zip file", "a fresh copy"),
        (b"PAR1........", "cannot be read", "a fresh copy"),
        (b'[{"a": 1}', "the JSON text breaks off", "a fresh copy"),
        (b"[[1, 2], [3, 4]]", "expected a JSON object, got [1, 2]", "one JSON object per line"),
        (b'{"a": 1}\n{"a":\n', "line 2: not JSON", ROW),
        (b'{"a": 1}\n\n[1]\n', "line 3: expected a JSON object", "one JSON object per line"),
        ('{"a": "äöü"}\n'.encode() + b'{"a": "\xff"}\n', "line 2: not UTF-8", UTF_8),
        (DEEP, "recursion", ROW),
    ],
)
def test_damage_is_reported_with_its_line_and_a_hint(tmp_path, content, said, hint):
    error = refused(tmp_path / "table", content)
    assert said in error.message
    assert hint in error.hint


@pytest.mark.parametrize("packed", [gzip.compress, lambda b: pa.compress(b, "zstd", asbytes=True)])
def test_a_packed_file_that_was_cut_off_is_refused(tmp_path, packed):
    content = packed(b"a,b\n" + b"".join(b"%d,%d\n" % (n, n * n) for n in range(9_999)))
    error = refused(tmp_path / "t.csv", content[: len(content) // 2])
    assert "cannot be read" in error.message
    assert "a fresh copy" in error.hint


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n" + b"x" * 9_999,
        b'a,b\n1,2\n"x\n' + b"y\n" * 9_999,
        b'{"a": 1}\n' + b"x" * 9_999,
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_line_without_an_end_is_refused_early(tmp_path, monkeypatch, content, pack):
    for module in (delimited, stray_quotes, compression):
        monkeypatch.setattr(module, "BLOCK", 1_000)
    error = refused(tmp_path / "table", pack(content))
    assert "expected lines of 1,000 bytes at most" in error.message


def test_lines_of_json_may_differ(tmp_path, monkeypatch):
    monkeypatch.setattr(compression, "BLOCK", 60)  # several blocks
    lines = [
        '{"id": 1, "day": "2024-05-01"}',
        '{"id": "b", "day": 7}',
        '{"id": 12345678901234567890, "kinds": ["x", 2, null]}',
        '{"id": 2.0, "day": "2024-05-02", "kinds": "alone"}',
        '{"id": 2.5, "kinds": null}',
        '{"id": true, "kinds": [["deep"]]}',
    ]
    (tmp_path / "t").write_text("\n".join(lines))
    found = list(open_source(tmp_path / "t").batches(["id", "day"]))
    read = {
        n: [v for b in found for v in as_text(b.column(n), "").to_pylist()] for n in ("id", "day")
    }
    assert read == {
        "id": ["1", "b", "12345678901234567890", "2", "2.5", "true"],
        "day": ["2024-05-01", "7", None, "2024-05-02", None, None],
    }


def test_types_of_parquet_are_read_as_their_text(tmp_path):
    day = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)
    table = pa.table(
        {
            "whole": pa.array([1, None, 3], pa.int16()),
            "float": pa.array([1.0, 2.5, float("nan")]),
            "kinds": pa.array([["a", "b"], None, []], pa.large_list(pa.string())),
            "numbers": pa.array([[1, None], [2], None]),
            "coded": pa.array(["x", "y", "x"]).dictionary_encode(),
            "flag": [True, False, None],
            "day": [date(2024, 5, 1)] * 3,
            "at": pa.array([day] * 3, pa.timestamp("ms", "Asia/Tokyo")),
            "bytes": [b"1", b"\xff", b"3"],
            "texts": [b"1", None, "ä".encode()],
            "table": [{"x": 1}] * 3,
        }
    )
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    found = sample(tmp_path / "t.parquet").columns
    assert found.pop("at")[0].startswith("2024-05-01 ")
    assert found == {
        "whole": ["1", None, "3"],
        "float": ["1", "2.5", None],
        "kinds": [["a", "b"], None, []],
        "numbers": [["1", None], ["2"], None],
        "coded": ["x", "y", "x"],
        "flag": ["true", "false", None],
        "day": ["2024-05-01"] * 3,
        "texts": ["1", None, "ä"],
        "table.x": ["1", "1", "1"],
    }


def test_files_are_found_by_name_and_by_pattern(tmp_path):
    for name in ("events-2.csv", "events-1.csv", "items.csv"):
        write(tmp_path / name, {"a": ["1"]})
    (tmp_path / "events-3.csv").mkdir()
    write(tmp_path / "odd[1].csv", {"a": ["1"]})
    names = [path.name for path in find_files(tmp_path, "events-*.csv")]
    assert names == ["events-1.csv", "events-2.csv"]
    assert find_files(tmp_path, "odd[1].csv") == [tmp_path / "odd[1].csv"]
    with pytest.raises(DataError) as error:
        find_files(tmp_path, "event-1.csv")
    assert error.value.hint == "did you mean events-1.csv?"


@pytest.mark.parametrize("name", FILES)
def test_progress_reaches_the_whole_file(tmp_path, name):
    path = write(tmp_path / f"t.{name}", {"n": [str(n) for n in range(5_000)]})
    steps: list[int] = []
    for _ in open_source(path).batches(on_bytes=steps.append):
        pass
    assert steps == sorted(steps)
    assert steps[-1] == path.stat().st_size


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    with pytest.raises(DataError, match=r"aaa…: File name too long") as error:
        find_files(tmp_path, "a" * 5_000)
    assert error.value.hint == "name a shorter path"
