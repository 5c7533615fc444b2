"""What a ``fusionrec.toml`` or a table gets wrong: what is said of it, and what is hinted at."""

from __future__ import annotations

import pytest
from tabular_files import describe, write

from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import ConfigError, DataError
from fusionrec.workspace import Workspace

TAKEN = '[interactions]\nfiles = "r.csv"\nuser = "u"\nitem = "i"\n'
ITEMS = '[items]\nfiles = "i.csv"\nid = "id"\n'
USERS = '[users]\nfiles = "u.csv"\nid = "id"\n'


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("", r"\[interactions\] is missing", 'files = "ratings.csv"'),
        (f'{TAKEN}[user]\nid = "x"', r"unknown table \[user\]", "did you mean [users]?"),
        (f"{TAKEN}rating = \n", "cannot be read as TOML.*line 5", "mend that line"),
        (
            f'{TAKEN}ratings = "r"',
            r"unknown setting 'interactions\.ratings'",
            "interactions.rating?",
        ),
        (f'{TAKEN}rating = "r"', "scale is missing", "scale = [1, 5]"),
        (TAKEN.replace('"i"', '"u"'), "the same column, 'u'", ""),
        (
            f'{TAKEN}{ITEMS}[items.fields.maker]\nkind = "categry"',
            r"items\.fields\.maker.*kind must be one of category",
            'did you mean "category"?',
        ),
        (
            f'{TAKEN}{ITEMS}title = "titel"\n[items.fields.notes]\nkind = "text"\n'
            '[items.fields.title]\nkind = "text"\n[items.fields.title2]\nkind = "number"',
            r"one of its text fields \(title, notes\), got 'titel'",
            'did you mean "title"?',
        ),
        (
            f"{TAKEN}{USERS}[users.fields.city]\n{ITEMS}[items.fields.city]",
            r"users\.fields\.city and items\.fields\.city have one name",
            'column = "city"',
        ),
        (f"{TAKEN}{USERS}[users.fields.city]\nfilter = true", "only items are filtered", ""),
        (f"{TAKEN}[items]\nfields = 3", r"items\.fields must be tables", ""),
        (f"{TAKEN}[items]\nfields = [1]", r"items\.fields must be tables", ""),
        (f"{TAKEN}{ITEMS}fields = {{ a = 1 }}", r"items\.fields\.a must be a table", ""),
        (f"{TAKEN}[[items]]\nid = 'x'", "items must be a table of its own", ""),
        (f"{TAKEN}[items]\nfiles = 'x'\nid = 3", r"items\.id must be text, got 3", ""),
        (f'{TAKEN}event = "e"\nevents = ["view"]', r"events must be a table of its own", ""),
        (f'{TAKEN}event = "e"\nevents = {{ view = 2 }}', r"events\.view must be a number", ""),
    ],
)
def test_a_wrong_toml_is_refused(tmp_path, text, said, hint):
    (tmp_path / "fusionrec.toml").write_text(text)
    with pytest.raises(ConfigError, match=said) as error:
        read_spec(tmp_path)
    assert hint in (error.value.hint or "")


def test_a_column_of_a_file_without_a_header_is_not_looked_for_by_its_name(tmp_path):
    (tmp_path / "rows.csv").write_text("u1,17,5\n1,2,3\n")
    with pytest.raises(DataError, match="no column 'u'") as error:
        convert(read_spec(describe(tmp_path, "rows.csv")))
    assert "no header line" in error.value.hint


@pytest.mark.parametrize(("column", "share"), [("title", "none of 20"), ("id", "")])
def test_a_table_without_the_named_ids_is_the_first_finding(tmp_path, fusionrec, column, share):
    rows = {"u": [n % 9 for n in range(90)], "i": [n % 20 for n in range(90)]}
    write(tmp_path / "rows.csv", rows | {"r": [n % 6 for n in range(90)]})
    write(tmp_path / "items.csv", {"id": range(20), "title": [f"Title {n}" for n in range(20)]})
    describe(tmp_path, "rows.csv", tables=f'[items]\nfiles = "items.csv"\nid = "{column}"')
    first = convert(read_spec(tmp_path)).findings[0]
    err = fusionrec(Workspace(tmp_path / "home"), "check", str(tmp_path)).err
    notes = [line for line in err.splitlines() if line.startswith(("note", "warning"))]
    if share:
        assert (first.name, first.count, first.left_out) == ("items_unmatched", 20, False)
        assert f"{share} are there" in first.example
        assert notes[0].startswith("warning: items of the interactions that are not in items.csv")
    else:
        assert not [note for note in notes if note.startswith("warning")]
    assert "fetching" not in err
