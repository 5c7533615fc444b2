from __future__ import annotations

import json
import os

import numpy as np
import pytest
from tabular_files import RATED, describe, write

from fusionrec.data.catalog import load
from fusionrec.data.load import read
from fusionrec.data.parquet_dataset import save_dataset
from fusionrec.data.tabular import cache
from fusionrec.data.tabular.cache import cached_tables as cached
from fusionrec.data.tabular.cache import read_from_spec
from fusionrec.data.tabular.report import report_on_tables
from fusionrec.errors import DataError

COLUMNS = {
    "u": ["a", "b", "a", "c"],
    "i": ["x", "x", "y", "y"],
    "r": ["1", "5", "4", "9"],
    "t": ["3", "1", "2", "4"],
}
TABLES = """
[items]
files = "items.csv"
id = "i"
[items.fields.kinds]
kind = "categories"
[items.fields.pages]
kind = "number"
"""


@pytest.fixture
def toml(tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    write(folder / "rows.csv", COLUMNS)
    write(folder / "items.csv", {"i": ["x", "y"], "kinds": ["a|b", ""], "pages": ["7", ""]})
    return describe(folder, "rows.csv", tables=TABLES, **RATED)


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def conversions(monkeypatch):
    """How often files were converted, as the length of a list."""
    made = []
    plain = cache.convert

    def counted(*arguments):
        made.append(arguments)
        return plain(*arguments)

    monkeypatch.setattr(cache, "convert", counted)
    return made


def folders(data):
    return sorted((data / "tables").iterdir())


def test_files_are_converted_once_and_mapped(toml, data, conversions):
    first, second = read_from_spec(toml, data), read_from_spec(toml.parent, data)
    assert len(conversions) == 1
    assert first.fingerprint() == second.fingerprint()
    assert first.repairs == second.repairs
    assert second.repairs == (
        "rows left out for a rating that is no number of 1 to 5: 1 (rows.csv, row 4, '9')",
        "times in 1970: 3 (of a wrong unit, or written where the time is not known?)",
    )
    assert second.items.columns["kinds"] == [("a", "b"), ()]
    assert second.items.columns["pages"][0] == 7.0
    assert np.isnan(second.items.columns["pages"][1])
    for column in (second.user, second.item, second.rating, second.time):
        assert isinstance(column.base, np.memmap)
        assert not column.flags.writeable
    [folder] = folders(data)
    assert {path.name for path in folder.iterdir()} == {
        "about.json", "user.npy", "item.npy", "rating.npy", "time.npy", "users.parquet",
        "items.parquet",
    }  # fmt: skip


def test_a_change_of_a_file_or_of_the_toml_is_seen_and_the_old_state_removed(
    toml, data, conversions
):
    before = read_from_spec(toml, data)
    [old] = folders(data)
    write(toml.parent / "rows.csv", COLUMNS | {"r": ["1", "5", "4", "2"]})
    assert len(read_from_spec(toml, data)) == len(before) + 1
    [new] = folders(data)
    assert new != old
    toml.write_text(toml.read_text().replace("[1, 5]", "[1, 4]"))
    assert len(read_from_spec(toml, data)) == len(before)
    assert len(conversions) == 3
    assert len(folders(data)) == 1


def test_a_change_of_a_joined_file_is_seen(toml, data, conversions):
    write(toml.parent / "names.csv", {"u": ["a", "b", "c"], "name": ["Ann", "Bob", "Cyd"]})
    text = toml.read_text().replace('user = "u"', 'user = "name"')
    join = 'join = { files = "names.csv", on = "u" }\n[items]'
    toml.write_text(text.replace("[items]", join, 1))
    assert read_from_spec(toml, data).users.ids == ["Ann", "Bob"]
    write(toml.parent / "names.csv", {"u": ["a", "b", "c"], "name": ["Eve", "Bob", "Cyd"]})
    assert read_from_spec(toml, data).users.ids == ["Eve", "Bob"]
    assert len(conversions) == 2
    assert "file_unread" not in {one.name for one in report_on_tables(cached(toml, data)).findings}


def test_data_sets_of_other_places_are_left_alone(toml, data, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    write(other / "rows.csv", COLUMNS)
    read_from_spec(describe(other, "rows.csv"), data)
    read_from_spec(toml, data)
    assert len(folders(data)) == 2


@pytest.mark.parametrize("name", ["user.npy", "items.parquet", "about.json"])
@pytest.mark.parametrize("how", ["cut", "flip", "gone"])
def test_a_damaged_state_is_made_anew(toml, data, conversions, name, how):
    before = read_from_spec(toml, data).fingerprint()
    [folder] = folders(data)
    path, content = folder / name, (folder / name).read_bytes()
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[:-3])
    else:
        middle = content.index(b"sums") if name == "about.json" else len(content) - 2
        path.write_bytes(content[:middle] + b"~" + content[middle + 1 :])
    assert read_from_spec(toml, data).fingerprint() == before
    assert len(conversions) == 2
    assert json.loads((folder / "about.json").read_text())["key"] == folder.name


def test_a_state_that_was_never_moved_in_is_not_read_and_removed_after_a_day(toml, data):
    begun = data / "tables" / ".new-begun"
    begun.mkdir(parents=True)
    read_from_spec(toml, data)
    assert begun.exists()
    os.utime(begun, (1, 1))
    write(toml.parent / "rows.csv", {name: column[:2] for name, column in COLUMNS.items()})
    read_from_spec(toml, data)
    assert not begun.exists()


def test_a_file_that_changes_while_it_is_read_is_not_kept(toml, data, monkeypatch):
    plain = cache.convert

    def slow(*arguments):
        made = plain(*arguments)
        write(toml.parent / "rows.csv", COLUMNS | {"u": ["a", "b", "cc", "c"]})
        return made

    monkeypatch.setattr(cache, "convert", slow)
    with pytest.raises(DataError, match="changed while it was read"):
        read_from_spec(toml, data)


def test_another_process_may_be_as_fast(toml, data, monkeypatch):
    plain = cache.convert

    def beaten(*arguments):
        monkeypatch.setattr(cache, "convert", plain)
        read_from_spec(toml, data)
        return plain(*arguments)

    monkeypatch.setattr(cache, "convert", beaten)
    assert read_from_spec(toml, data).fingerprint() == read_from_spec(toml, data).fingerprint()
    [folder] = folders(data)
    assert len(list(folder.iterdir())) == 7


def test_an_unwritable_cache_is_an_error(toml, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written") as error:
        read_from_spec(toml, tmp_path / "file")
    assert "--home" in error.value.hint


def test_a_path_is_read_by_whoever_wrote_it(toml, data, tmp_path, monkeypatch):
    described = read(toml, workspace_data=data)
    assert read(toml.parent, workspace_data=data).fingerprint() == described.fingerprint()
    save_dataset(tmp_path / "saved", described)
    assert read(tmp_path / "saved").fingerprint() == described.fingerprint()
    monkeypatch.setenv("FUSIONREC_HOME", str(tmp_path / "home"))
    read(toml)
    assert (tmp_path / "home" / "data" / "tables").is_dir()


def test_a_path_to_tables_is_loaded_and_reports_progress_up_to_the_whole(toml, data):
    steps = []
    assert load(str(toml.parent), data, lambda *step: steps.append(step)).name == "mine"
    total = sum((toml.parent / name).stat().st_size for name in ("rows.csv", "items.csv"))
    assert steps[-1] == ("reading", total, total)


def test_a_lone_ratings_dat_may_be_anyones(tmp_path):
    (tmp_path / "ratings.dat").write_text("u1::i1::5::978300760\n" * 9)
    with pytest.raises(DataError, match="nobody has described"):
        read(tmp_path)


@pytest.mark.parametrize(("name", "key"), [("rows.csv", "table"), ("rows.parquet", "query")])
def test_a_file_of_one_table_has_no_name_for_it(tmp_path, name, key):
    write(tmp_path / name, {"u": ["1"], "i": ["1"]})
    path = describe(tmp_path, name, user="u", item="i", **{key: "x"})
    with pytest.raises(DataError) as error:
        read(path)
    assert error.value.hint == "leave table and query out of the fusionrec.toml"


@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv.gz", "rows.jsonl.zst", "rows.parquet", ""])
def test_tables_that_nobody_described_and_folders_without_any_hint_at_init(tmp_path, name):
    path = write(tmp_path / name, {"a": ["1"]}) if name else tmp_path
    for given in (path, tmp_path):
        said = "nobody has described" if name else r"ratings\.dat"
        with pytest.raises(DataError, match=said) as error:
            read(given)
        assert f"fusionrec init {tmp_path}" in error.value.hint
        assert ("needs no more than this" in error.value.hint) is bool(name)
