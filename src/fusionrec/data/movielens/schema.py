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
OCCUPATIONS = {
    "0": "other",
    "1": "academic/educator",
    "2": "artist",
    "3": "clerical/admin",
    "4": "college/grad student",
    "5": "customer service",
    "6": "doctor/health care",
    "7": "executive/managerial",
    "8": "farmer",
    "9": "homemaker",
    "10": "K-12 student",
    "11": "lawyer",
    "12": "programmer",
    "13": "retired",
    "14": "sales/marketing",
    "15": "scientist",
    "16": "self-employed",
    "17": "technician/engineer",
    "18": "tradesman/craftsman",
    "19": "unemployed",
    "20": "writer",
}
GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)

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
