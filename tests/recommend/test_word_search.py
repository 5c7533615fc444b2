"""Searching by words: what they stand for, years, near words, and whatever else is typed."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from search_queries import ASIDE, FORTY, missed

from fusionrec.api import read_data
from fusionrec.data.dataset import Table
from fusionrec.data.movielens import MOVIELENS
from fusionrec.data.schema import Field, Schema
from fusionrec.errors import ConfigError
from fusionrec.index import AnyOf
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.item_search import ItemSearch
from fusionrec.recommend.search_years import read_years, without_years
from fusionrec.recommend.spelling import edits, nearest
from fusionrec.recommend.synonyms import synonyms
from fusionrec.recommend.word_search import Found, Suggestion

NOBODY = np.empty(0, dtype=np.int64)
FILMS: dict[str, tuple[str, tuple[str, ...], float]] = {
    "amber": ("The Amber Engine", ("Sci-Fi", "Thriller"), 1999.0),
    "station": ("Lost Station", ("Sci-Fi",), 1977.0),
    "moon": ("Moon Alien", ("Sci-Fi", "Comedy"), 1974.0),
    "it": ("It", ("Horror",), 1990.0),
    "who": ("Who, The", ("Documentary",), 1979.0),
    "scary": ("Scary Movie Night", ("Comedy",), 2000.0),
    "crypt": ("Crypt", ("Horror",), 1983.0),
    "2001": ("2001: The Long Way", ("Sci-Fi",), 1968.0),
    "2010": ("Long Walk", ("Drama",), 2001.0),
    "1984": ("1984", ("Drama",), 1956.0),
    "dance": ("Dancing Storms", ("Romance", "Comedy"), 1984.0),
    "spider": ("Spider-Woman", ("Action",), 2002.0),
    "part": ("Harbour II", ("Action",), 1991.0),
    "none": ("Nowhere", (), math.nan),
}


def finder_of(
    schema: Schema, items: Table, counts: Any = None, folder: Path | None = None
) -> ItemSearch:
    """A finder without a model: items, and how often each was rated."""
    n = len(items)
    model = SimpleNamespace(
        schema=schema,
        items=items,
        item_vectors=np.zeros((n, 1), dtype=np.float32),
        item_counts=np.arange(n) if counts is None else counts,
        version="v1",
    )
    return ItemSearch(Catalog.of(cast(Any, model)), folder)


def films(folder: Path | None = None) -> ItemSearch:
    names = ("title", "genres", "year")
    columns = {name: [film[n] for film in FILMS.values()] for n, name in enumerate(names)}
    return finder_of(MOVIELENS, Table(list(FILMS), columns), folder=folder)


def find(finder: ItemSearch, text: str, *where: Any, prefix: bool = False) -> Found:
    return finder.hits(text, where, NOBODY, prefix=prefix, limit=20)


def ids(found: Found) -> list[str]:
    return [hit.id for hit in found.hits]


@pytest.fixture(scope="module")
def finder() -> ItemSearch:
    return films()


@pytest.mark.parametrize(
    ("text", "found", "notes"),
    [
        ("science fiction 1970s", ["station", "moon"], ["only year 1970 to 1979"]),
        ("a scifi film from the seventies", ["station", "moon"], ["only year 1970 to 1979"]),
        ("70s", ["who", "moon", "station"], ["only year 1970 to 1979"]),
        ("funny movie with aliens", ["moon"], []),
        ("frightening 1980-85", ["crypt"], ["only year 1980 to 1985"]),
        ("horror 1999-1980", ["crypt", "it"], ["only year 1980 to 1999"]),
        ("horror before 1990", ["crypt"], ["only year 1989 or earlier"]),
        ("horror since 1990", ["it"], ["only year 1990 or later"]),
        ("horror 1700", ["crypt", "it"], ["nothing of year 1700 fits: years do not count"]),
        ("horror 9999", ["crypt", "it"], []),
        ("2001 a long way", ["2001"], []),
        ("2001", ["2001"], []),
        ("2001", ["2001", "2010"], []),
        ("1984", ["1984"], []),
        ("1984", ["1984", "dance"], []),
        ("the who", ["who"], []),
        ("It", ["it"], []),
        ("scary movie", ["crypt", "scary", "it"], []),
        ("dance storm", ["dance"], []),
        ("spiderwoman", ["spider"], []),
        ("harbour 2", ["part"], []),
    ],
)
def test_what_is_typed_finds_what_is_meant(finder, text, found, notes):
    answer = find(finder, text)
    assert set(ids(answer)[: len(found)]) == set(found)
    assert list(answer.notes) == notes
    assert answer.suggestions == ()
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("abmer engine", Suggestion("The Amber Engine", "amber")),
        ("crytp", Suggestion("Crypt", "crypt")),
        ("nowehre", Suggestion("Nowhere", "none")),
        ("loststation", Suggestion("Lost Station", "station")),
        ("hrror 1980s", Suggestion("horror 1980s")),
    ],
)
def test_a_misspelt_text_finds_and_suggests_what_is_near(finder, text, meant):
    answer = find(finder, text)
    assert answer.suggestions == (meant,)
    assert answer.notes[-1].startswith("no item holds")
    assert ids(answer)[0] == meant.id or meant.id is None
    assert ids(find(finder, text, prefix=True))[0] == ids(answer)[0]


def test_conditions_hold_for_whatever_the_words_stand_for(finder):
    comedy = AnyOf("genres", ("Comedy",))
    assert ids(find(finder, "scifi", comedy)) == ["moon"]
    assert find(finder, "whodunit", comedy).hits == []
    assert "meets the conditions" in find(finder, "scary", AnyOf("genres", ("War",))).notes[0]


def test_swapped_letters_are_one_edit():
    for one, other, away in (("matrxi", "matrix", 1), ("ca", "abc", 3), ("", "ab", 2)):
        assert edits(one, other, 3) == edits(other, one, 3) == away
    assert edits("kitten", "sitting", 2) == 3  # more than was asked for
    counts = {"space": 1, "spice": 5, "spaces": 9, "1977": 1}
    assert nearest("spcae", counts) == ["space"]
    assert nearest("spxce", counts) == ["spice", "space"]
    assert nearest("1978", counts) == nearest("sp", counts) == nearest("x" * 500, counts) == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("the 1970s", "1970 to 1979"),
        ("'70s", "1970 to 1979"),
        ("the 00s", "2000 to 2009"),
        ("20s", "1920 to 1929"),
        ("between 1990 and 1995", "1990 to 1995"),
        ("the eighties to the 90s", "1980 to 1999"),
        ("1990–95", "1990 to 1995"),
        ("before the sixties", "1959 or earlier"),
        ("until 1960", "1960 or earlier"),
        ("after the 1990s", "2000 or later"),
        ("from 1994 on", "1994 or later"),
        ("1994 or later", "1994 or later"),
        ("1994 or earlier", "1994 or earlier"),
        ("1990-", "1990"),
        ("1990-2000-2010", "1990 to 2000|2010"),
        ("12345 x1990 1990x 99s 0000", ""),
        ("١٩٩٠", ""),
    ],
)
def test_years_are_read(text, read):
    assert "|".join(map(str, read_years(text, latest=2005))) == read
    assert bool(read) == (without_years(text) != text)


HOSTILE = (
    *(
        "🎬",
        "🎬 horror",
        "\u200fאימה",
        "فيلم رعب",
        "x" * 500,
        "the of with",
        "the",
        "1999-1990",
        "2999",
    ),
    *("1000s", "-1990", "1990-", "0s", "'" * 50, 'a"b OR (', "1990s " * 200, "\x00crypt", "İ", "ß"),
    *("between 1990 and", "before", "since the", "羅生門 1990s", "horror " * 500, "\ud800 crypt"),
)


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("prefix", [False, True])
def test_no_text_breaks_the_search(finder, text, prefix):
    if any(letter.isalnum() for letter in text):
        found = find(finder, text, prefix=prefix)
        assert found.hits or found.notes
        assert len(set(ids(found))) == len(found.hits)


def test_only_numbers_that_look_like_years_are_years():
    fields = (Field("u", "user", "id"), Field("i", "item", "id"), Field("name", "item", "text"))
    price = Field("price", "item", "number", filterable=True)
    since = Field("since", "item", "number", filterable=True, label="In stock since")
    schema = Schema("shop", (*fields, price, since), (0.0, 1.0), title="name")
    columns = {
        "name": ["Red tent", "Blue tent", "Lamp"],
        "price": [1980.5, 20.0, 1990.0],
        "since": [1985.0, 2020.0, math.nan],
    }
    shop = finder_of(schema, Table(["r", "b", "l"], columns))
    found = find(shop, "tents from the 80s")
    assert (ids(found), found.notes) == (["r"], ("only in stock since 1980 to 1989",))
    assert find(shop, "funny tent").suggestions == ()  # no category has such a value
    bare = Schema("shop", (*fields, price), (0.0, 1.0), title="name")
    columns.pop("since")
    found = find(finder_of(bare, Table(["r", "b", "l"], columns)), "tents 1980s")
    assert (set(ids(found)), found.notes) == ({"r", "b"}, ())


def test_a_workspace_adds_synonyms_and_stop_words(tmp_path):
    (tmp_path / "synonyms.toml").write_text(
        'stop_words = ["bitte"]\n[categories]\nhorror = ["Grusel"]\n'
        '[words]\ncrypt = ["krypta", "crypt"]\n'
    )
    finder = films(tmp_path)
    assert set(ids(find(finder, "bitte grusel"))) == set(ids(find(finder, "horror")))
    assert ids(find(finder, "Krypta")) == ["crypt"]
    assert set(ids(find(finder, "scary"))) >= {"it", "crypt"}
    (tmp_path / "synonyms.toml").write_text('language = ""\n')
    assert ids(find(films(tmp_path), "storm")) == ids(find(finder, "storms"))  # a near word
    assert find(films(tmp_path), "storm").suggestions


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[categories]\ncomedy = [", "is not TOML: .*line 2"),
        ("\n[categories]\ncomedy = 'funny'\n", r"line 3: comedy must be a list of texts .*'funny'"),
        ("[words]\nx = ['a', 7]\n", "line 2: x must be a list"),
        ("stop_words = 'the'\n", "line 1: stop_words must be a list"),
        ("words = 3\n", r"line 1: words must be a table: \[words\]"),
        ("\nlanguage = 'klingon'\n", "line 2: language must be one of .*english.*'klingon'"),
        ("[categories]\n[colours]\n", "line 2: expected one of language, .*'colours'"),
        ("\udc80", "cannot be read"),
    ],
)
def test_wrong_synonyms_are_refused_with_their_line(tmp_path, text, said):
    (tmp_path / "synonyms.toml").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=f"synonyms.toml.*{said}"):
        synonyms(tmp_path)


def test_forty_queries_for_films(movielens_dir, tmp_path):
    """The bar is 36 of 40, and 8 of the 10 that were kept aside."""
    data = read_data("ml-1m", home=tmp_path)
    finder = finder_of(data.schema, data.items, np.bincount(data.item, minlength=len(data.items)))
    for queries, least in ((FORTY, 36), (ASIDE, 8)):
        wrong = missed({text: ids(find(finder, text)) for text in queries}, queries)
        assert len(queries) - len(wrong) >= least, wrong
