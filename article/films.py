"""What the three scripts share: their files, and the lines of ``movies_data.txt``."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from fusionrec.data.dataset import Table
from fusionrec.data.movielens import MOVIELENS
from fusionrec.data.movielens.files import single
from fusionrec.errors import ArtifactError, DataError
from fusionrec.features.encoder import Encoder, Features
from fusionrec.registry import Artifact
from fusionrec.registry.manifest import sha256
from fusionrec.workspace import Workspace, write_text

MODEL = Path("recommender_system.inference.model")
ORIGIN = Path("movies_origin.txt")
DATA = Path("movies_data.txt")

MAKE_MODEL = "make it with: python train.py"
MAKE_DATA = f"make it with: python get_movies_data.py -f {ORIGIN}"

_LINE = re.compile(r"([1-9][0-9]{0,6})::([0-9 ]*)(?:,\(([0-9]{4})\))?::([0-9 ]*)")


@dataclass(frozen=True)
class Film:
    """One line of ``movies_data.txt``: ``id::word ids,(year)::genre ids``.

    Attributes:
        id: the film's id outside.
        words: rows of the title's words in order, as the encoder numbers them; 1 is any word that
            the model does not know.
        year: four digits; empty where it is not known.
        genres: columns of the genres, ascending; 0 is any genre that the model does not know.
    """

    id: str
    words: tuple[int, ...]
    year: str
    genres: tuple[int, ...]

    def __str__(self) -> str:
        words, genres = (" ".join(map(str, rows)) for rows in (self.words, self.genres))
        return f"{self.id}::{words}{f',({self.year})' if self.year else ''}::{genres}"


def kept() -> Path:
    """The folder in the workspace for what the scripts keep between two commands."""
    return Workspace.find().home / "article"


def load_model() -> Artifact:
    """The model in the current directory.

    Raises:
        ArtifactError: there is none, it is damaged, or it is not one of MovieLens' films.
    """
    if not MODEL.is_dir():
        raise ArtifactError(f"there is no folder {MODEL} here", MAKE_MODEL)
    try:
        artifact = Artifact.load(MODEL)
    except ArtifactError as error:
        raise ArtifactError(error.message, MAKE_MODEL) from error
    if artifact.schema != MOVIELENS:
        raise ArtifactError(
            f"{MODEL} is a model of {artifact.schema.name}, expected {MOVIELENS.name}", MAKE_MODEL
        )
    return artifact


def numbered(encoder: Encoder, table: Table) -> list[Film]:
    """A table's films as the model's own encoder numbers them."""
    features = encoder.encode_table("item", table)
    return [
        Film(
            film,
            tuple(int(row) for row in words if row),
            f"{year:.0f}" if np.isfinite(year) else "",
            tuple(np.flatnonzero(genres).tolist()),
        )
        for film, words, year, genres in zip(
            table.ids, features["title"], table.columns["year"], features["genres"], strict=True
        )
    ]


def read_numbered(path: Path, encoder: Encoder) -> list[Film]:
    """The films that ``numbered`` gave and ``write_lines`` wrote.

    Raises:
        DataError: a line is not a film of this encoder's numbers, or the file cannot be read.
    """
    words, genres = encoder.schema.title, "genres"
    most = encoder.vocabularies[words].length
    highest = {f.name: encoder.width(f) - 1 for f in encoder.schema.side("item")}
    films: dict[str, Film] = {}
    for number, line in enumerate(single(path).lines(path.name), 1):
        if not (found := _LINE.fullmatch(line)):
            _fail(path, number, "id::word ids,(year)::genre ids", repr(line[:120]))
        film = Film(found[1], _rows(found[2]), found[3] or "", _rows(found[4]))
        if len(film.words) > most or not all(1 <= w <= highest[words] for w in film.words):
            _fail(path, number, f"at most {most} word ids 1..{highest[words]}", found[2])
        if not all(g <= highest[genres] for g in film.genres):
            _fail(path, number, f"genre ids 0..{highest[genres]}", found[4])
        if film.id in films:
            _fail(path, number, "every film once", f"{film.id} again")
        films[film.id] = film
    return list(films.values())


def _rows(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split())


def _fail(path: Path, line: int, expected: str, got: str) -> NoReturn:
    raise DataError(f"{path}, line {line}: expected {expected}, got {got}", MAKE_DATA)


def features_of(films: Sequence[Film], encoder: Encoder) -> Features:
    """The item tower's inputs, from the numbers alone."""
    years = [float(film.year or "nan") for film in films]
    features = encoder.encode("item", [film.id for film in films], {"year": years})
    for row, film in enumerate(films):
        features["title"][row, : len(film.words)] = film.words
        features["genres"][row, list(film.genres)] = 1.0
    return features


def note_origin(artifact: Artifact, origin: Path) -> None:
    """Saves which model and which file ``movies_data.txt`` was made with."""
    note = {
        "sha256": sha256(DATA),
        "vocabularies": artifact.manifest["vocabularies"],
        "origin": str(origin.absolute()),
    }
    write_lines(kept() / "movies_data.json", [json.dumps(note)])


def check_origin(artifact: Artifact) -> Path:
    """The file with the titles of ``movies_data.txt``, which may be missing.

    Raises:
        DataError: ``movies_data.txt`` is missing, or made with another model, whose numbers mean
            other words; no range check would notice that.
    """
    if not DATA.is_file():
        raise DataError(f"there is no file {DATA} here", MAKE_DATA)
    try:
        note = json.loads((kept() / "movies_data.json").read_text(encoding="utf-8"))
        made, vocabularies, origin = note["sha256"], note["vocabularies"], Path(note["origin"])
    except (OSError, ValueError, KeyError, TypeError):
        return ORIGIN  # made elsewhere or by hand
    if made == sha256(DATA) and vocabularies != artifact.manifest["vocabularies"]:
        raise DataError(f"{DATA} holds the numbers of another model than {MODEL}", MAKE_DATA)
    return origin


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Writes a text file in one step; see ``workspace.write_text``."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def move_in(fresh: Path, target: Path) -> None:
    """Replaces a folder by a finished one; the older one stays if that fails."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    try:
        fresh.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)
