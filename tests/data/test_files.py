"""Files that are missing, damaged, cut off, of another kind or too large."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusionrec.data.movielens import files as files_module
from fusionrec.data.movielens.readers import read
from fusionrec.errors import DataError


@pytest.mark.parametrize("file", ["users_dat", "movies_dat", "ratings_dat"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[:0], "empty"),
        (lambda text: text[:0] + b"\r\n\n", "empty"),
        (lambda text: text.decode("latin-1").encode("utf-8-sig"), "UTF-8 with a byte order mark"),
        (lambda text: text.decode("latin-1").encode("utf-16"), "UTF-16"),
        (lambda text: text.decode("latin-1").encode("utf-16-le"), "line 1: expected text, got a N"),
        (lambda text: text + b"1::\0::1", "NUL"),
    ],
)
def test_files_of_another_kind_are_named(files, file, change, said):
    text = files.contents("ml-1m")[file.replace("_", ".")]
    files.fails(files.folder(**{file: change(text)}), file.replace("_", "."), said)


def test_a_missing_file_is_named(files):
    folder = files.folder()
    (folder / "users.dat").unlink()
    files.fails(folder, str(folder), "users.dat is missing")


def test_no_data_set_or_several(files, tmp_path):
    files.fails(tmp_path, "expected ratings.dat (ml-1m)")
    files.fails(tmp_path / "nowhere", "no such file")
    files.folder(at="a")
    files.folder("ml-100k", at="b")
    files.fails(tmp_path, "several", str(tmp_path / "a"), str(tmp_path / "b"))


def test_not_a_zip_or_a_cut_off_one(files, tmp_path):
    text = tmp_path / "text.zip"
    text.write_text("<html>not found</html>")
    files.fails(text, "expected a zip archive or a folder")
    whole = files.zip()
    cut = tmp_path / "cut.zip"
    cut.write_bytes(whole.read_bytes()[:-30])
    files.fails(cut, "cut.zip", "cut off")


def test_a_zip_that_would_unpack_to_too_much(files, monkeypatch):
    monkeypatch.setattr(files_module, "LARGEST", 1000)
    path = files.zip(ratings_dat="1::1::3::9\n" * 160)
    files.fails(path, "ratings.dat", "unpacks to", "at most 1,000")


def test_paths_in_a_zip_lead_nowhere(files, tmp_path):
    path = files.zip(inside="../../evil")
    assert len(read(path)) == 4
    assert sorted(p.name for p in tmp_path.parent.rglob("evil")) == []


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_zip_is_a_data_error_or_no_matter(files, data):
    """Bytes changed anywhere give an error of ours, or the same rows; never a traceback."""
    whole = files.root / "whole.zip"
    if not whole.exists():
        files.zip(at="whole.zip")
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = files.root / "damaged.zip"
    damaged.write_bytes(content)
    try:
        dataset = read(damaged)
    except DataError:
        return
    assert dataset.fingerprint() == read(whole).fingerprint()
