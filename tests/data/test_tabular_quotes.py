"""A quote that stands in a CSV by mistake: no row is lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from tabular_files import describe

from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.readers import delimited, stray_quotes
from fusionrec.data.tabular.readers.files import open_source, sample
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import DataError


def table(path: Path, notes: dict[int, str], rows: int = 1_500) -> Path:
    """A file of ratings; the row in line n has the note ``notes[n]``, others a plain one."""
    lines = [f"u{n % 40},i{n % 70},{n % 5 + 1},{notes.get(n, 'fine')}" for n in range(2, rows + 2)]
    path.write_text("\n".join(["u,i,r,note", *lines, ""]))
    return path


@pytest.mark.parametrize("line", [2, 701, 1_500, 1_501])
@pytest.mark.parametrize("columns", [None, ["u", "i"]])
def test_a_quote_that_never_ends_is_refused_with_its_line(tmp_path, line, columns):
    path = table(tmp_path / "r.csv", {line: '"oops'})
    with pytest.raises(DataError, match=f"line {line}: a quote opens there") as error:
        list(open_source(path).batches(columns))
    assert "mend that line" in error.value.hint


def test_the_line_is_that_of_the_quote_and_not_of_its_row(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text('a,b,c\n1,2,3\n"x\ny\nz",2,"oops\n1,2,3')
    with pytest.raises(DataError, match="line 5: a quote opens there"):
        sample(path)


def test_a_quote_that_swallows_more_than_a_block_is_refused_with_its_line(tmp_path, monkeypatch):
    for module in (delimited, stray_quotes):
        monkeypatch.setattr(module, "BLOCK", 2_000)
    with pytest.raises(DataError, match=r"line 701: .*a quote that does not end"):
        sample(table(tmp_path / "r.csv", {701: '"oops'}), 9_999)


def test_values_of_many_lines_are_counted_once_and_the_first_is_shown(tmp_path):
    # Line 100 is swallowed up to the quote of line 400, behind which the row goes on as it should.
    table(tmp_path / "r.csv", {100: '"oops', 400: '"', 900: '"twenty' + "\n" * 21 + 'lines"'})
    fields = '[items]\nfiles = "r.csv"\nid = "i"\n[items.fields.note]\nkind = "text"'
    describe(tmp_path, "r.csv", tables=fields)
    found = convert(read_spec(tmp_path))
    assert found.rows == 1_200
    (long,) = [one for one in found.findings if one.name.startswith("lines_")]
    assert (long.count, long.example[:14]) == (2, "line 100, 'oop")


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_values_of_a_few_lines_are_fine(tmp_path, end):
    path = tmp_path / "r.csv"
    path.write_text('a,b\n1,"x\ny"\n2,"the ""end\nthe end"' + end)
    on_finding: list[tuple] = []
    (batch,) = open_source(path).batches(on_finding=lambda *found: on_finding.append(found))
    assert batch.column("b").to_pylist() == ["x\ny", 'the "end\nthe end']
    assert [count for _, count, *_ in on_finding] == [0]


def test_a_column_that_nobody_asks_for_need_not_be_utf_8(tmp_path):
    path = tmp_path / "r.csv"
    path.write_bytes(b"a,b\n1,\xff\n2,fine\n")
    (batch,) = open_source(path).batches(["a"])
    assert batch.to_pydict() == {"a": ["1", "2"]}
