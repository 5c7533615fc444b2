"""The word index: what is found and in which order, whatever is typed, and kept in step."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builders import LIBRARY, library
from fusionrec.data.dataset import Table
from fusionrec.data.movielens import MOVIELENS
from fusionrec.data.schema import Field, Schema
from fusionrec.recommend.fulltext import FulltextIndex
from fusionrec.recommend.item_words import MAX_WORDS, item_words, search_words

FILMS: dict[str, tuple[str, tuple[str, ...], float]] = {
    "1": ("Toy Story", ("Animation", "Children's", "Comedy"), 1995.0),
    "260": ("Star Wars: Episode IV - A New Hope", ("Action", "Sci-Fi"), 1977.0),
    "5": ("Spider-Man", ("Action",), 2002.0),
    "6": ("Amélie", ("Comedy", "Romance"), 2001.0),
    "7": ("Cat from Outer Space, The", ("Children's", "Comedy", "Sci-Fi"), 1978.0),
    "8": ("Phantom of the Opera, The", ("Drama", "Thriller"), 1943.0),
    "9": ("Schindler’s List", ("Drama", "War"), 1993.0),
    "10": ("Sabrina", ("Comedy", "Romance"), math.nan),
    "11": ("羅生門", ("Crime", "Drama"), 1950.0),
    "12": ("", (), math.inf),
}


def table(films: dict[str, tuple[str, tuple[str, ...], float]] = FILMS) -> Table:
    names = ("title", "genres", "year")
    columns = {name: [film[n] for film in films.values()] for n, name in enumerate(names)}
    return Table(list(films), columns)


def content(id_: str) -> dict[str, object]:
    return dict(zip(("title", "genres", "year"), FILMS[id_], strict=True))


def titled(*titles: str) -> FulltextIndex:
    """An index of items 0, 1, … that have titles alone."""
    return FulltextIndex(
        MOVIELENS, table({str(n): (t, (), math.nan) for n, t in enumerate(titles)})
    )


@pytest.fixture
def index() -> FulltextIndex:
    return FulltextIndex(MOVIELENS, table())


def ids(index: FulltextIndex, text: str, **options: object) -> list[str]:
    return [hit.id for hit in index.search(text, **options)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("toy story", "1"),
        ("STORY, Toy!", "1"),
        ("star wars", "260"),
        ("spider-man", "5"),
        ("spider man", "5"),
        ("spiderman", "5"),
        ("spider‐man", "5"),
        ("amelie", "6"),
        ("AMÉLIE", "6"),
        ("Ame\u0301lie", "6"),
        ("schindler's list", "9"),
        ("schindlers", "9"),
        ("children", "1"),
        ("childrens story", "1"),
        ("羅生門", "11"),
        ("space opera 1970s", "7"),
        ("1950s", "11"),
        ("50s", "11"),
        ("1943", "8"),
        ("crime", "11"),
    ],
)
def test_what_is_meant_stands_first(index, text, first):
    assert ids(index, text)[0] == first


def test_labels_of_categories_are_words_too():
    kind = Field("kind", "item", "category", True, {"b": "Book", "d": "Disc"})
    schema = Schema("s", (Field("u", "user", "id"), Field("i", "item", "id"), kind), (0.0, 1.0))
    index = FulltextIndex(schema, Table(["1", "2"], {"kind": ["b", "d"]}))
    assert (ids(index, "disc"), ids(index, "b")) == (["2"], ["1"])


def test_an_item_is_found_by_any_word_and_one_with_more_of_them_stands_higher(index):
    found = index.search("comedy romance 2001")
    assert {hit.id for hit in found} == {"1", "6", "7", "10"}
    assert [hit.id for hit in found][:2] == ["6", "10"]
    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0
    assert index.search("comedy romance 2001", limit=2) == found[:2]
    assert index.search("comedy", limit=0) == []
    many = " ".join(f"w{n}" for n in range(MAX_WORDS - 1))
    assert (ids(index, f"{many} toy"), ids(index, f"{many} more toy")) == (["1"], [])


def test_years_and_decades_are_words_and_other_numbers_are_not():
    assert item_words(MOVIELENS, content("260"))[-3:] == ["1977", "1970s", "70s"]
    for value in (math.nan, math.inf, -math.inf, None, 0.0, 999.0, 3000.0, 1977.5, -1977.0):
        words = item_words(MOVIELENS, {"title": "x", "genres": (), "year": value})
        assert words == ["x"]
    assert item_words(MOVIELENS, {"title": "", "genres": None, "year": 2003.0}) == [
        *("2003", "2000s", "00s")
    ]


def test_a_field_that_filters_nothing_adds_no_numbers():
    data = library()
    index = FulltextIndex(LIBRARY, data.items)
    assert ids(index, "ზღვა") == [data.items.ids[n] for n in range(1, 24, 3)]
    assert ids(index, "წიგნი 7")[0] == data.items.ids[7]
    assert len(ids(index, "მარჯვენა")) == 12
    index.change({"new": data.items.row(0) | {"pages": 1200.0, "rank": 1977.0}})
    assert ids(index, "1200s 1970s 1977") == ["new"]
    assert index.matched("1200s 1970s 1977", "new") == {"1200s"}  # nobody filters by rank


def test_the_last_word_may_be_the_beginning_of_one(index):
    assert ids(index, "toy sto") == ["1"]
    assert ids(index, "sto") == []
    assert ids(index, "sto", prefix=True) == ["1"]
    assert ids(index, "st", prefix=True)[0] in ("1", "260")
    assert set(ids(index, "st", prefix=True)) == {"1", "260"}
    assert ids(index, "sto toy", prefix=True) == ["1"]
    assert ids(index, "sto nothing", prefix=True) == []
    assert ids(index, "ame", prefix=True) == ["6"]
    assert index.matched("toy sto", "1", prefix=True) == {"toy", "sto"}
    assert index.matched("toy sto", "1") == {"toy"}
    assert index.matched("toy", "gone") == frozenset()


def test_those_that_hold_all_words(index):
    assert index.holding_all("space outer") == ["7"]
    assert index.holding_all("outer comedy 1970s") == ["7"]
    assert index.holding_all("outer toy") == []
    assert index.holding_all("drama") == ["8", "9", "11"]
    assert index.holding_all(" -- ") == []


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("spcae", "space"),
        ("toy stroy", "toy story"),
        ("toy story", ""),
        ("xyzzy toy", ""),
        ("!", ""),
    ],
)
def test_a_word_that_nobody_holds_is_put_right(index, text, better):
    assert index.suggest(text) == better


def test_the_commoner_of_near_words_and_those_beside_words_of_unbroken_scripts_are_put_right():
    assert titled("Space", "Space", "Spice").suggest("spce") == "space"
    assert titled("地剑心月 Story").suggest("地剑 stroy") == "地剑 story"


def test_changed_item_by_item_it_answers_like_one_that_is_made_anew():
    grown = FulltextIndex(MOVIELENS, table({"1": FILMS["1"]}))
    grown.change({"5": content("1") | {"title": "Office Party"}})
    assert ids(grown, "office") == ["5"]
    for id_ in ("5", "6", *FILMS):
        grown.change({id_: content(id_)})
    grown.change({"gone": content("5"), "never there": None})
    grown.change({"gone": None})
    grown.change({"gone": None})
    new = FulltextIndex(MOVIELENS, table())
    assert len(grown) == len(new) == len(FILMS)
    assert grown.suggest("ofice") == ""
    for text in ("comedy", "drama space 1970s", "the", "action 2002 spiderman"):
        assert grown.search(text) == new.search(text)


def test_scores_are_bm25(index):
    """By hand: Robertson and Zaragoza's formula with SQLite's k1 = 1.2 and b = .75."""
    documents = {id_: item_words(MOVIELENS, content(id_)) for id_ in FILMS}
    mean = np.mean([len(words) for words in documents.values()])
    asked = ["comedy", "story", "the"]
    for hit in index.search(" ".join(asked)):
        words, score = documents[hit.id], 0.0
        for word in asked:
            holding = sum(word in held for held in documents.values())
            weight = math.log((len(FILMS) - holding + 0.5) / (holding + 0.5))
            often = words.count(word)
            long = 1.2 * (0.25 + 0.75 * len(words) / mean)
            score += max(weight, 1e-6) * often * 2.2 / (often + long)
        assert hit.score == pytest.approx(score, rel=1e-6)


HOSTILE = (
    *('"', '""', '"toy', "toy*", "*", "toy AND story", "toy NOT story", "NEAR(toy story)", "^toy"),
    *("words : toy", "-toy", "+toy", "{words} : toy", "toy OR", "(", ")", "'; DROP TABLE held; --"),
    *("\x00", "toy\x00story", "\ud800", "toy\udfffstory", "\u0301", "\u2028", "%", "_", "\\", "٣"),
    *("\ufeff", "a\u200db", "𝕏", "ß", "İ", "ﬁ", "Σς", "'", "-", "--", "a-'b", "a" * 10_000),
    *("toy " * 10_000, '"' * 10_000, " ".join(f"w{n}" for n in range(5_000))),
)
TEXT = st.text(st.characters(), max_size=40)


@settings(max_examples=300, deadline=None)
@given(TEXT | st.lists(st.sampled_from(HOSTILE) | TEXT, max_size=4).map(" ".join), st.booleans())
@example("\u0301", True)
def test_no_text_breaks_the_search_or_means_more_than_its_words(text, prefix):
    found = {hit.id for hit in HELD.search(text, prefix=prefix)}
    words = list(dict.fromkeys(search_words(text)))[:MAX_WORDS]
    for id_, held in HELD_WORDS.items():
        wanted = bool(set(words) & held)
        assert id_ in found or not wanted
        assert prefix or (id_ in found) == wanted
        assert (len(HELD.matched(text, id_, prefix=prefix)) > 0) == (id_ in found)
    assert isinstance(HELD.suggest(text), str)
    assert set(HELD.holding_all(text)) <= found or prefix or len(words) == MAX_WORDS


HELD = FulltextIndex(MOVIELENS, table())
HELD_WORDS = {id_: set(item_words(MOVIELENS, content(id_))) for id_ in FILMS}


@settings(deadline=None)
@given(TEXT.filter(lambda text: bool(search_words(text))), TEXT)
def test_a_title_is_found_by_itself(title, other):
    films = {"it": (title, (), math.nan), "other": (other, ("War",), 1990.0)}
    assert "it" in ids(FulltextIndex(MOVIELENS, table(films)), title)


@pytest.mark.parametrize(
    ("title", "part"),
    [
        ("地剑心月", "地剑"),
        ("地剑心月", "心月"),
        ("ひらがな", "らが"),
        ("ラーメン", "ーメ"),
        ("สวัสดีชาวโลก", "ชาวโลก"),
        ("ສະບາຍດີ", "ບາຍ"),
        ("សួស្តីពិភពលោក", "ពិភព"),
        ("မင်္ဂလာပါ", "လာပါ"),
        ("新地剑心月abc 2", "abc"),
    ],
)
def test_a_part_of_a_title_without_blanks_finds_it(title, part):
    index = titled("Other", title)
    assert ids(index, part) == ["1"]
    assert index.matched(part, "1")
    assert index.suggest(part) == ""
    assert index.holding_all(part) == ["1"]


def test_other_scripts_and_digits_are_not_cut():
    for word in ("서울특별시", "წიგნი", "книга", "हिन्दी", "٣٤", "๒๕๖๐", "spiderman"):
        assert len(search_words(word)) == 1
        assert ids(titled("Other", word), word[:1]) == []
    assert search_words("กี่ปี") == ["กี่", "ปี"]  # marks stay with their letters


def test_characters_next_to_each_other_stand_before_those_apart():
    long = "地剑" + "春夏秋冬东南西北" * 9
    index = titled("剑地", "地心剑", "剑地剑剑", "Other", long, "剑与地", "More")
    found = index.search("地剑")
    assert [hit.id for hit in found][:2] == ["2", "4"]
    assert {hit.id for hit in found} == {"0", "1", "2", "4", "5"}
    scores = [hit.score for hit in found]
    assert scores == sorted(scores, reverse=True)
    assert index.search("地剑", limit=1) == found[:1]
    assert index.matched("地剑", "4") != index.matched("地剑", "0")
    assert sorted(index.holding_all("地剑")) == ["2", "4"]
    assert index.nearness("地剑") == {"4": 0, "2": 1, "0": 2, "1": 2, "5": 2}
