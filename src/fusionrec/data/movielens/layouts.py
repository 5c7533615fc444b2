"""The layouts of MovieLens' editions: file names, separators and parsers of lines."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from fusionrec.data.movielens.schema import AGES, GENRES, OCCUPATIONS

# Occupations of ml-100k -> the nearest code of ml-1m: entertainers join the artists, librarians the
# educators, and "none" is unemployed. A student below 18 is a "K-12 student"; see _person_100k.
_CODES_100K = """administrator=3 artist=2 doctor=6 educator=1 engineer=17 entertainment=2
executive=7 healthcare=6 homemaker=9 lawyer=11 librarian=1 marketing=14 none=19 other=0
programmer=12 retired=13 salesman=14 scientist=15 student=4 technician=17 writer=20"""
_OCCUPATIONS_100K = dict(pair.split("=") for pair in _CODES_100K.split())
_YEAR = re.compile(r"\(((?:18|19|20)\d\d)\)")
# Marks for video and television of the film database behind MovieLens, not part of the title.
_MEDIUM = re.compile(r"\((?:V|TV)\)")
_DIGITS4 = re.compile("[0-9]{4}")

Parser = Callable[[list[str]], dict[str, Any]]  # fields of a line -> attributes of a user or item


class BadValueError(Exception):
    """A bad value: what was expected and what was found; the reader adds file and line."""


@dataclass(frozen=True)
class File:
    """One file of a layout: lines of ``width`` fields, the first of which is the id."""

    name: str
    separator: str
    width: int
    parse: Parser = lambda fields: {}  # noqa: ARG005 (ratings are read as numbers)
    header: str = ""


@dataclass(frozen=True)
class Layout:
    """The layout of one edition of MovieLens."""

    name: str
    ratings: File
    users: File
    items: File


def split_title(text: str) -> tuple[str, float]:
    """Splits the year off a title: ``Toy Story (1995)`` -> ``Toy Story``, 1995.0; else NaN."""
    text = " ".join(html.unescape(text).split())
    years = list(_YEAR.finditer(text))
    if not years:
        return text, math.nan
    # The last year: in "Novecento (1900) (1976)" the first belongs to the title.
    before, after = text[: years[-1].start()], text[years[-1].end() :]
    title = " ".join((before + " " + _MEDIUM.sub("", after)).split())
    return title or text, float(years[-1][1])


def _one_of(value: str, allowed: Collection[str], expected: str) -> str:
    if value not in allowed:
        raise BadValueError(expected, repr(value))
    return value


def _genres(names: Sequence[str]) -> tuple[str, ...]:
    expected = "genres of MovieLens, such as Drama or Children's"
    return tuple(_one_of(name, GENRES, expected) for name in names)


def _person_1m(fields: list[str]) -> dict[str, Any]:
    _, gender, age, occupation, _ = fields
    return {
        "gender": _one_of(gender, ("F", "M"), "gender F or M"),
        "age": _one_of(age, AGES, f"an age group of {', '.join(AGES)}"),
        "occupation": _one_of(occupation, OCCUPATIONS, "an occupation 0..20"),
    }


def _person_100k(fields: list[str]) -> dict[str, Any]:
    _, years, gender, occupation, _ = fields
    if not (years.isascii() and years.isdigit() and 0 < int(years) < 130):
        raise BadValueError("an age in years", repr(years))
    group = max((int(age) for age in AGES if int(age) <= int(years)), default=1)
    known = _one_of(occupation, _OCCUPATIONS_100K, "an occupation of ml-100k's u.occupation")
    code = "10" if known == "student" and group == 1 else _OCCUPATIONS_100K[known]
    return {
        "gender": _one_of(gender, ("F", "M"), "gender F or M"),
        "age": str(group),
        "occupation": code,
    }


def _movie_1m(fields: list[str]) -> dict[str, Any]:
    title, year = split_title(fields[1])
    genres = _genres(fields[2].split("|") if fields[2] else [])
    return {"title": title, "year": year, "genres": genres}


def _movie_100k(fields: list[str]) -> dict[str, Any]:
    title, year = split_title(fields[1])
    released = fields[2][-4:]
    if math.isnan(year) and _DIGITS4.fullmatch(released):
        year = float(released)
    flags = fields[5:]
    if any(flag not in ("0", "1") for flag in flags):
        raise BadValueError("19 genre flags 0 or 1", "|".join(flags))
    # The first flag means "unknown", which is no genre; the others follow the order of GENRES.
    genres = tuple(genre for genre, flag in zip(GENRES, flags[1:], strict=True) if flag == "1")
    return {"title": title, "year": year, "genres": genres}


def _movie_mirror(fields: list[str]) -> dict[str, Any]:
    title, year = split_title(fields[1])
    if _DIGITS4.fullmatch(fields[2]):
        year = float(fields[2])
    # The mirror dropped the last bracket of every title as the year, and misspelt one word.
    title = "unknown" if title == "unkonwn" else title
    genres = _genres([name for name in fields[3].split() if name != "unknown"])
    return {"title": title, "year": year, "genres": genres}


_HEADERS = (  # of the mirror's files
    "user_id:token\titem_id:token\trating:float\ttimestamp:float",
    "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token",
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq",
)
ML_1M = Layout(
    "ml-1m",
    ratings=File("ratings.dat", "::", 4),
    users=File("users.dat", "::", 5, _person_1m),
    items=File("movies.dat", "::", 3, _movie_1m),
)
LAYOUTS = (
    ML_1M,
    Layout(
        "ml-100k",
        ratings=File("u.data", "\t", 4),
        users=File("u.user", "|", 5, _person_100k),
        items=File("u.item", "|", 24, _movie_100k),
    ),
    Layout(
        "ml-100k",
        ratings=File("ml-100k.inter", "\t", 4, header=_HEADERS[0]),
        users=File("ml-100k.user", "\t", 5, _person_100k, _HEADERS[1]),
        items=File("ml-100k.item", "\t", 4, _movie_mirror, _HEADERS[2]),
    ),
)
