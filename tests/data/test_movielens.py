"""Reading MovieLens: all layouts, damaged files, and bad lines named by file and line."""

from __future__ import annotations

import logging
import math
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusionrec.data.movielens import MOVIELENS
from fusionrec.data.movielens import files as files_module
from fusionrec.data.movielens.layouts import split_title
from fusionrec.data.movielens.readers import read
from fusionrec.errors import DataError


def test_ml_1m_keeps_all_users_and_items_and_the_files_order(files):
    dataset = read(files.folder())
    assert (dataset.schema, dataset.name) == (MOVIELENS, "ml-1m")
    assert (dataset.users.ids, dataset.items.ids) == (["1", "2", "3"], ["1", "5", "7"])
    assert dataset.user.tolist() == [2, 0, 0, 1]
    assert dataset.item.tolist() == [2, 0, 2, 0]
    assert dataset.rating.tolist() == [5, 3, 4, 1]
    assert dataset.time.tolist() == [978300760, 978302109, 978301968, 978300275]
    kinds = [column.dtype for column in (dataset.user, dataset.item, dataset.rating, dataset.time)]
    assert kinds == [np.int32, np.int32, np.float32, np.int64]
    assert dataset.users.row(1) == {"gender": "M", "age": "56", "occupation": "16"}
    film = {"genres": ("Drama",), "title": "Quiet Harbour, The", "year": 1961.0}
    assert dataset.items.row(1) == film
    assert dataset.items.row(2)["title"] == "Café Noir"
    assert dataset.repairs == ()


@pytest.mark.parametrize("layout", ["ml-100k", "mirror"])
def test_ml_100k_speaks_the_words_of_ml_1m(files, layout):
    dataset = read(files.folder(layout))
    assert dataset.name == "ml-100k"
    assert dataset.users.columns == {
        "gender": ["M", "F", "F"],
        "age": ["18", "1", "56"],
        "occupation": ["17", "10", "1"],  # a student of 17 goes to school
    }
    genres = [("Animation", "Children's", "Comedy"), (), ("Crime", "Film-Noir")]
    assert dataset.items.columns["genres"] == genres
    assert dataset.items.columns["title"] == ["Toy Story", "unknown", "Café Noir"]
    years = dataset.items.columns["year"]
    assert (years[0], years[2]) == (1995.0, 1958.0)  # of the title, and of the release date
    assert math.isnan(years[1])
    assert dataset.user.tolist() == [2, 0, 1]


def test_ages_in_years_fall_into_groups(files):
    groups = {7: "1", 17: "1", 18: "18", 24: "18", 25: "25", 49: "45", 50: "50", 73: "56"}
    lines = [f"{user}|{age}|M|other|0" for user, age in enumerate(groups, start=1)]
    dataset = read(files.folder("ml-100k", u_user="\n".join(lines)))
    assert dataset.users.columns["age"] == list(groups.values())


@pytest.mark.parametrize("layout", ["ml-1m", "ml-100k", "mirror"])
def test_folder_subfolder_and_zip_give_the_same(files, layout):
    plain = files.folder(layout, at="outer/inner")
    prints = {read(p).fingerprint() for p in (plain, plain.parent, files.zip(layout))}
    assert len(prints) == 1
    wheel = files.zip(layout, at="x.whl", inside="recbole/dataset_example/ml-100k")
    assert read(wheel).name == read(plain).name


def test_windows_line_ends_blank_last_lines_and_utf8_are_accepted(files):
    changed = {
        name.replace(".", "_"): text.replace(b"\n", b"\r\n") + b"\r\n\r\n"
        for name, text in files.contents("ml-1m").items()
    }
    changed["movies_dat"] = changed["movies_dat"].decode("latin-1").encode()
    assert len(read(files.folder(at="cut", ratings_dat="1::1::3::9\n2::1::4::9"))) == 2
    dataset = read(files.folder(**changed))
    assert dataset.fingerprint() == read(files.folder(at="plain")).fingerprint()
    assert dataset.items.columns["title"][2] == "Café Noir"


@pytest.mark.parametrize(
    ("text", "title", "year"),
    [
        ("Toy Story (1995)", "Toy Story", 1995),
        ("Associate, The (L'Associe)(1982)", "Associate, The (L'Associe)", 1982),
        ("Land Before Time III (1995) (V)", "Land Before Time III", 1995),
        ("Twice (1901) (1976)", "Twice (1901)", 1976),
        ("Some Film (1982) restored", "Some Film restored", 1982),
        ("Dieu&#8230;Cr (1956)", "Dieu…Cr", 1956),
        ("unknown", "unknown", None),
        ("Room (3021)", "Room (3021)", None),
        ("(1995)", "(1995)", 1995),
    ],
)
def test_year_is_taken_off_the_title(text, title, year):
    got, when = split_title(text)
    assert got == title
    assert when == year if year else math.isnan(when)


@pytest.mark.parametrize(
    ("second", "got"),
    [
        ("2::1::4", "'2::1::4'"),
        ("2::1::::9", "'2::1::::9'"),
        ("2:7:1::4::9", "'2:7:1::4::9'"),
        ("2::1::4::99999999999999999999", "9999"),
        ("2::1::0::9", "got 0"),
        ("2::1::6::9", "got 6"),
        ("9::1::4::9", "user 9"),
        ("999999999999::1::4::9", "user 999999999999"),
        ("0::1::4::9", "user 0"),
        ("2::9::4::9", "movie 9"),
    ],
)
def test_a_bad_rating_is_named_by_its_line(files, second, got):
    path = files.folder(ratings_dat=f"1::1::3::9\n{second}\n1::7::3::9\n")
    files.fails(path, "ratings.dat, line 2: expected", got)


@pytest.mark.parametrize(
    ("layout", "changes", "parts"),
    [
        ("ml-1m", {"users_dat": "1::F::1::10::0\n2::X::1::10::0"}, "users.dat, line 2:|'X'"),
        ("ml-1m", {"users_dat": "1::F::1::10::0\n2::::1::10::0"}, "users.dat, line 2:|gender"),
        ("ml-1m", {"users_dat": "1::F::24::10::0"}, "users.dat, line 1:|'24'"),
        ("ml-1m", {"users_dat": "1::F::25::21::0"}, "users.dat, line 1:|0..20|'21'"),
        ("ml-1m", {"users_dat": "1::F::25::2"}, "users.dat, line 1:|5 fields"),
        ("ml-1m", {"users_dat": "01::F::25::2::0"}, "users.dat, line 1:|user id|'01'"),
        ("ml-1m", {"users_dat": "1::F::1::1::0\n1::F::1::1::0"}, "line 2:|distinct|as on line 1"),
        ("ml-1m", {"movies_dat": "1::A (1990)::Drama\n2::B::Dramma"}, "movies.dat, line 2:|Dramma"),
        ("ml-1m", {"movies_dat": "1::A::Drama\n\n2::B::Drama"}, "movies.dat, line 2:|3 fields"),
        ("ml-100k", {"u_user": "1|x|M|other|0"}, "u.user, line 1:|age|'x'"),
        ("ml-100k", {"u_user": "1|20|M|other|0\n2|20|M|jester|0"}, "u.user, line 2:|jester"),
        ("ml-100k", {"u_item": "1|A|||x|" + "|".join("2" * 19)}, "u.item, line 1:|flags"),
        ("ml-100k", {"u_item": "1|A|||x|0"}, "u.item, line 1:|24 fields"),
        ("ml-100k", {"u_data": "1\t1\t5\t9\n1\t1\t5\n"}, "u.data, line 2:|a tab"),
        ("mirror", {"ml_100k_inter": "user\titem\n1\t1\t5\t9"}, "ml-100k.inter, line 1:|header"),
        ("mirror", {"ml_100k_user": "user\titem\n1\t1\t5\t9"}, "ml-100k.user, line 1:|header"),
    ],
)
def test_a_bad_line_is_named(files, layout, changes, parts):
    files.fails(files.folder(layout, **changes), *parts.split("|"))


def test_lines_below_a_header_are_counted_from_the_top(files):
    text = files.contents("mirror")["ml-100k.inter"]
    files.fails(files.folder("mirror", "a", ml_100k_inter=text + b"1\t1\t7\t9"), "line 5:", "got 7")
    files.fails(files.folder("mirror", "b", ml_100k_inter=text + b"1\t1\t7"), "line 5:", "4 whole")
    header = text.split(b"\n")[0]
    files.fails(files.folder("mirror", "c", ml_100k_inter=header), "line 2:", "got ''")


@pytest.mark.parametrize(
    ("lines", "ratings", "said"),
    [
        # The later one stays; of equal times the later in the file.
        (
            "1::1::3::9\n2::1::4::9\n1::1::5::8\n2::1::1::9\n",
            [3, 1],
            "2 of 4 ratings left out: the s",
        ),
        (
            "1::1::3::1300\n2::1::4::1301\n1::5::5::4000\n",
            [3],
            "2 of 3 ratings left out: their time is in",
        ),
    ],
)
def test_what_is_left_out_is_said(files, caplog, monkeypatch, lines, ratings, said):
    monkeypatch.setattr("time.time", lambda: 1000.0)  # and a clock may be 300 s ahead
    with caplog.at_level(logging.WARNING, "fusionrec"):
        dataset = read(files.folder(ratings_dat=lines))
    assert dataset.rating.tolist() == ratings
    assert dataset.repairs[0].startswith(said)
    assert f"ratings.dat: {said}" in caplog.text


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(line=st.text(alphabet="0123459:. -\tnaex\r", max_size=16))
def test_the_pattern_agrees_with_reading_line_by_line(files, line):
    """A line is taken exactly if split at ``::`` it is four numbers that are allowed."""
    shutil.rmtree(files.root / "set", ignore_errors=True)
    path = files.folder(ratings_dat=f"1::5::3::9\n{line}\n3::7::3::9\n".encode())
    fields = line.removesuffix("\r").split("::")
    good = len(fields) == 4 and all(f.isdigit() for f in fields)
    if good:
        user, item, rating, _ = map(int, fields)
        good = user in {1, 2, 3} and item in {1, 5, 7} and 1 <= rating <= 5
    if good:
        assert read(path).rating[1] == rating or len(read(path)) == 2
    else:
        files.fails(path, "ratings.dat, line 2:")


@pytest.mark.parametrize("file", ["users_dat", "ratings_dat"])
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


def test_no_data_set_several_or_a_part_of_one(files, tmp_path):
    files.fails(tmp_path, "expected ratings.dat (ml-1m)")
    files.fails(tmp_path / "nowhere", "no such file")
    folder = files.folder(at="a")
    files.folder("ml-100k", at="b")
    files.fails(tmp_path, "several", str(tmp_path / "a"), str(tmp_path / "b"))
    (folder / "users.dat").unlink()
    files.fails(folder, str(folder), "users.dat is missing")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(files.zip().read_bytes()[:-30])
    files.fails(cut, "cut.zip", "expected a zip archive or a folder", "cut off")


def test_a_zip_that_would_unpack_to_too_much(files, monkeypatch):
    monkeypatch.setattr(files_module, "LARGEST", 1000)
    path = files.zip(ratings_dat="1::1::3::9\n" * 160)
    files.fails(path, "ratings.dat", "unpacks to", "at most 1,000")


def test_paths_in_a_zip_lead_nowhere(files, tmp_path):
    assert len(read(files.zip(inside="../../evil"))) == 4
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


@pytest.mark.real_data
def test_real_ml_1m_is_whole(movielens_dir, tmp_path):
    with zipfile.ZipFile(movielens_dir / "ml-1m.zip") as archive:
        archive.extractall(tmp_path)
    dataset = read(tmp_path)
    assert (len(dataset), len(dataset.users), len(dataset.items)) == (1_000_209, 6_040, 3_883)
    assert len(np.unique(dataset.item)) == 3_706
    assert dataset.repairs == ()
    assert not np.isnan(dataset.items.columns["year"]).any()
    row = dataset.items.row(dataset.items.positions()["1193"])
    assert row["title"] == "One Flew Over the Cuckoo's Nest"
    assert read(movielens_dir / "ml-1m.zip").fingerprint() == dataset.fingerprint()


@pytest.mark.real_data
def test_real_ml_100k(movielens_dir):
    dataset = read(movielens_dir / "ml-100k.zip")
    assert (len(dataset), len(dataset.users), len(dataset.items)) == (100_000, 943, 1_682)
    assert np.isnan(dataset.items.columns["year"]).sum() == 1  # "unknown"
    assert not any("(19" in title for title in dataset.items.columns["title"])
