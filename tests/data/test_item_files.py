"""Single items as people hand them in: what is taken, and what is said of the rest."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builders import LIBRARY
from fusionrec.data.dataset import Table
from fusionrec.data.item_files import (
    MOST_TEXT,
    item_of,
    known_categories,
    new_categories,
    read_items,
)
from fusionrec.data.movielens import MOVIELENS
from fusionrec.data.values import is_id
from fusionrec.errors import DataError

FILM = {"title": "Dune", "genres": ["Sci-Fi", "drama"], "year": 2021}


def test_a_film_as_it_is_given():
    item = item_of(MOVIELENS, 4001, FILM)
    assert item.id == "4001"
    assert item.content == {"title": "Dune", "genres": ("Sci-Fi", "Drama"), "year": 2021.0}
    assert item_of(MOVIELENS, "4001", {**FILM, "genres": "Sci-Fi|Drama|Drama"}) == item


@pytest.mark.parametrize(
    "id",
    [" i1", "i1 ", "\u00a0i1", "i1\u3000", "I1", "İ1", "e\u0301", "\u00e9", "=i1", "👩\u200d🚀"],
)
def test_an_id_is_taken_exactly_as_it_is_given(tmp_path, id):
    assert item_of(MOVIELENS, id, {}).id == id
    assert is_id(id)
    lines = write(tmp_path / "a.jsonl", json.dumps({"id": "i1"}) + "\n" + json.dumps({"id": id}))
    rows = write(tmp_path / "a.csv", f"id,title\ni1,x\n{id},y\n")
    for file in (lines, rows):
        assert [item.id for item in read_items(file, MOVIELENS)] == ["i1", id]


def test_texts_are_cleaned_and_what_is_left_out_is_not_known():
    given = {
        "topics": ["a\tb", " c\x9bd "],
        "heading": "\x1b]0;owned\x07Red\u2028tea\n",
        "pages": "",
    }
    content = item_of(LIBRARY, "ტომი 99/ა", given).content
    assert content["topics"] == ("a b", "c d")
    assert content["heading"] == "]0;owned Red tea"
    assert content["shelf"] == ""
    assert math.isnan(content["pages"])
    assert math.isnan(content["rank"])
    assert item_of(LIBRARY, "x", {}).content["topics"] == ()


@pytest.mark.parametrize(
    ("id", "given", "said"),
    [
        ("", {}, "id must be"),
        (None, {}, "id must be"),
        (True, {}, "id must be"),
        ("a\tb", {}, "id must be"),
        ("\x1b[31m", {}, "id must be"),
        ("a\x9b", {}, "id must be"),
        ("a\u2028", {}, "id must be"),
        ("\ud800", {}, "id must be"),
        (" \u00a0", {}, "id must be"),
        ("x" * 501, {}, "id must be"),
        ("1", {"genre": "Drama"}, "no 'genre'"),
        ("1", {"genres": "Dramaa"}, "no value 'Dramaa'"),
        ("1", {"genres": {"Drama": 1}}, "must be a list"),
        ("1", {"genres": [["Drama"]]}, "must be a text"),
        ("1", {"year": "soon"}, "must be a number"),
        ("1", {"year": "inf"}, "must be a number"),
        ("1", {"year": 10**400}, "must be a number"),
        ("1", {"year": True}, "must be a number"),
        ("1", {"title": ["Dune"]}, "must be a text"),
        ("1", {"title": "x" * (MOST_TEXT + 1)}, "characters"),
        ("1", {"title": "\ud800"}, "surrogate"),
    ],
)
def test_what_is_none_is_said(id, given, said):
    with pytest.raises(DataError, match=said):
        item_of(MOVIELENS, id, given)


@pytest.mark.parametrize(
    ("given", "near"), [({"genre": "x"}, "genres"), ({"genres": "Dramaa"}, "Drama")]
)
def test_a_near_name_is_guessed(given, near):
    with pytest.raises(DataError) as caught:
        item_of(MOVIELENS, "1", given)
    assert f"did you mean {near!r}" in caught.value.hint


TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "shelf": TEXTS,
            "topics": st.lists(TEXTS, max_size=5),
            "heading": TEXTS,
            "pages": st.floats(allow_nan=False, allow_infinity=False) | st.none(),
        },
    )
)
def test_what_is_kept_as_json_is_read_back_equal(given):
    item = item_of(LIBRARY, "n", given)
    back = item_of(LIBRARY, "n", json.loads(json.dumps(item.to_json())))
    assert repr(back.content) == repr(item.content)


def write(path, text: str, encoding: str = "utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


LINES = (
    '{"movie_id": 4001, "title": "Dune", "genres": ["Sci-Fi"], "year": 2021}\r\n'
    '\r\n{"id": "4002", "title": "Quo, \\"vadis\\"?", "genres": []}\n'
)
ROWS = (
    'movie_id\ttitle\tgenres\tyear\r\n4001\tDune\tSci-Fi\t2021\r\n4002\t"Quo, ""vadis""?"\t\t\r\n'
)
COMMAS = ROWS.replace("\t", ",")


def test_files_of_every_kind_are_one(tmp_path):
    lines = write(tmp_path / "films.jsonl", LINES)
    rows = write(tmp_path / "films.csv", COMMAS, "utf-8-sig")
    tabs = write(tmp_path / "films.tsv", ROWS)
    found = [read_items(path, MOVIELENS) for path in (lines, rows, tabs)]
    assert [item.id for item in found[0]] == ["4001", "4002"]
    assert found[0][1].content["title"] == 'Quo, "vadis"?'
    for other in found[1:]:
        assert [i.to_json() for i in other] == [i.to_json() for i in found[0]]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", "", "holds no items"),
        ("a.jsonl", '{"id": 1}\n{"id": 2', "line 2: not JSON"),
        ("a.jsonl", "[" * 100_000, "line 1: not JSON"),
        ("a.jsonl", "[1]\n", "line 1: not an object"),
        ("a.jsonl", '{"title": "x"}\n', "line 1: no id"),
        ("a.jsonl", '{"id": 1}\n{"id": "1"}\n', "line 2: item 1 stands in it twice"),
        ("a.jsonl", '{"id": 1, "year": "x"}\n', "line 1: item 1: year"),
        ("a.csv", "id,title\n1,a,b\n", "line 2: not 2 values"),
        ("a.csv", "id,title\n1\n", "line 2: not 2 values"),
        ("a.csv", "id,titel\n1,a\n", "line 2: item 1: an item has no 'titel'"),
    ],
)
def test_a_bad_line_is_named(tmp_path, name, text, said):
    with pytest.raises(DataError, match=said):
        read_items(write(tmp_path / name, text), MOVIELENS)


def test_a_file_without_an_id_says_what_it_has_and_how_to_name_it(tmp_path):
    file = write(tmp_path / "a.csv", "title,track_id\nDune,7\n")
    with pytest.raises(DataError, match="line 2: no id; it has title, track_id") as caught:
        read_items(file, MOVIELENS)
    assert caught.value.hint == "rename track_id to movie_id or id, or say --id track_id"
    assert [item.id for item in read_items(file, MOVIELENS, "track_id")] == ["7"]
    with pytest.raises(DataError, match="line 2: no 'isbn'; it has title, track_id"):
        read_items(file, MOVIELENS, "isbn")


@pytest.mark.parametrize(
    ("cell", "topics"),
    [
        ("poetry; crime", ("poetry", "crime")),
        ("Poetry, nonsense", ("Poetry", "nonsense")),
        ("poetry|a; b", ("poetry", "a; b")),
        ("rhyme, metre", ("rhyme, metre",)),  # known as one
        ("nothing; known", ("nothing; known",)),
    ],
)
def test_a_cell_is_cut_where_that_makes_known_categories_of_it(tmp_path, cell, topics):
    shelves = Table(["1"], {"shelf": ["left"], "topics": [("poetry", "crime", "rhyme, metre")]})
    categories = known_categories(LIBRARY, shelves)
    file = write(tmp_path / "a.csv", f'id,shelf,topics\n1,left,"{cell}"\n2,right,poetry\n')
    items = read_items(file, LIBRARY, categories=categories)
    assert items[0].content["topics"] == topics
    new = [topic for topic in topics if topic not in categories["topics"]]
    assert new_categories(LIBRARY, items, categories) == {"right": 1} | dict.fromkeys(new, 1)


def test_choices_are_known_categories(tmp_path):
    file = write(tmp_path / "a.csv", "id,genres\n1,Drama; sci-fi\n")
    [item] = read_items(file, MOVIELENS)
    assert item.content["genres"] == ("Drama", "Sci-Fi")
    assert new_categories(MOVIELENS, [item], known_categories(MOVIELENS, Table([], {}))) == {}


def test_a_file_that_is_none_is_an_error(tmp_path):
    for path in (tmp_path / "no.csv", tmp_path, write(tmp_path / "l.jsonl", "é", "latin-1")):
        with pytest.raises(DataError, match="cannot be read"):
            read_items(path, MOVIELENS)
