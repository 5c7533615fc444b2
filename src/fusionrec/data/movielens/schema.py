"""The schema of MovieLens, and its codes."""

from __future__ import annotations

from fusionrec.data.schema import Field, Schema

AGES = {
    "1": "under 18",
    "18": "18-24",
    "25": "25-34",
    "35": "35-44",
    "45": "45-49",
    "50": "50-55",
    "56": "56 and over",
}
_OCCUPATIONS = """other, academic/educator, artist, clerical/admin, college/grad student,
customer service, doctor/health care, executive/managerial, farmer, homemaker, K-12 student, lawyer,
programmer, retired, sales/marketing, scientist, self-employed, technician/engineer,
tradesman/craftsman, unemployed, writer"""
OCCUPATIONS = {str(code): name.strip() for code, name in enumerate(_OCCUPATIONS.split(","))}
_GENRES = """Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir
Horror Musical Mystery Romance Sci-Fi Thriller War Western"""
GENRES = tuple(_GENRES.split())

MOVIELENS = Schema(
    name="movielens",
    fields=(
        Field("user_id", "user", "id"),
        Field("gender", "user", "category", choices={"F": "female", "M": "male"}),
        Field("age", "user", "category", choices=AGES),
        Field("occupation", "user", "category", choices=OCCUPATIONS),
        Field("movie_id", "item", "id"),
        Field(
            "genres",
            "item",
            "categories",
            filterable=True,
            choices={genre: genre for genre in GENRES},
            option="genre",
        ),
        Field("title", "item", "text"),
        Field("year", "item", "number", filterable=True),
    ),
    rating_range=(1.0, 5.0),
    title="title",
)
