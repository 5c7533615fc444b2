"""Recommends five films to a person of some age, gender and occupation, searched in Milvus."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from films import (
    DATA,
    MODEL,
    Film,
    check_origin,
    features_of,
    kept,
    load_model,
    move_in,
    numbered,
    read_numbered,
)

from fusionrec.cli import run
from fusionrec.cli.output import ProgressLines, say, show_rows
from fusionrec.data.dataset import Table
from fusionrec.data.movielens import AGES, MOVIELENS, OCCUPATIONS
from fusionrec.data.movielens.readers import read_films
from fusionrec.data.schema import Schema
from fusionrec.errors import (
    ArtifactError,
    DataError,
    StoreDamagedError,
    StoreError,
    StoreMissingError,
    StoreUnavailableError,
)
from fusionrec.features.score_scale import SCALE
from fusionrec.index import ExactIndex, Hits, MilvusIndex, collection_name, move_aside
from fusionrec.registry import Artifact
from fusionrec.registry.manifest import sha256
from fusionrec.registry.tables import read_array, read_table, write_table

GENDERS = {"M": "male", "F": "female"}  # the article's 0 and 1
INSERT = "insert them with: python infer_milvus.py -i"


@dataclass(frozen=True)
class Inserted:
    """The films that stand in Milvus, kept beside it: Milvus is a copy, checked against them.

    Attributes:
        films: their ids, titles, years and genres.
        vectors: float32 [n, dim], of length 1.
        model: SHA-256 of the manifest of the model that made the vectors.
    """

    films: Table
    vectors: np.ndarray
    model: str

    @property
    def collection(self) -> tuple[Schema, Table, np.ndarray, str, str]:
        """What ``MilvusIndex`` builds or opens; its name has the SHA-256 of films and vectors."""
        digest = hashlib.sha256("\x1f".join([self.model, *self.films.ids]).encode())
        digest.update(np.ascontiguousarray(self.vectors, dtype="<f4").tobytes())
        checksum = digest.hexdigest()
        name = collection_name("article", checksum)
        return MOVIELENS, self.films, self.vectors, name, checksum

    def save(self, folder: Path) -> None:
        """Replaces what was saved before.

        Raises:
            StoreError: they cannot be written; what was saved before still is.
        """
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".films.", dir=folder.parent) as beside:
                fresh = Path(beside) / folder.name
                fresh.mkdir()
                write_table(fresh / "items.parquet", self.films)
                np.save(fresh / "vectors.npy", self.vectors, allow_pickle=False)
                (fresh / "model.txt").write_text(self.model, encoding="ascii")
                move_in(fresh, folder)
        except OSError as error:
            raise StoreError(f"{folder} cannot be written: {error.strerror or error}") from error

    @classmethod
    def load(cls, folder: Path) -> Inserted:
        """The films inserted last.

        Raises:
            StoreMissingError: there are none.
            StoreDamagedError: they cannot be read.
        """
        if not folder.is_dir():
            raise StoreMissingError("Insert vectors is none!", INSERT)
        try:
            model = (folder / "model.txt").read_text(encoding="ascii")
            films = read_table(folder / "items.parquet", MOVIELENS, "item")
            return cls(films, read_array(folder / "vectors.npy"), model)
        except (ArtifactError, OSError, ValueError) as error:
            raise StoreDamagedError(f"{folder} cannot be read: {error}", INSERT) from error


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-a", "--age", type=click.IntRange(0, len(AGES) - 1), default=0, show_default=True,
    help="Age group: " + ", ".join(f"{n} {label}" for n, label in enumerate(AGES.values())),
)  # fmt: skip
@click.option(
    "-g", "--gender", type=click.IntRange(0, 1), default=0, show_default=True,
    help="0 male, 1 female.",
)  # fmt: skip
@click.option(
    "-j", "--job", type=click.IntRange(0, len(OCCUPATIONS) - 1), default=10, show_default=True,
    help="Occupation: " + ", ".join(f"{n} {label}" for n, label in OCCUPATIONS.items()),
)  # fmt: skip
@click.option("-i", "--insert", is_flag=True, help="Put the films of movies_data.txt into Milvus.")
def main(age: int, gender: int, job: int, insert: bool) -> None:
    """Print the five films that suit a person best."""
    artifact = load_model()
    if insert:
        insert_films(artifact)
    inserted = Inserted.load(kept() / "films")
    if inserted.model != fingerprint(artifact):
        raise StoreError(
            f"the films in Milvus were inserted with another model than {MODEL}", INSERT
        )
    person = {"gender": list(GENDERS)[gender], "age": list(AGES)[age], "occupation": str(job)}
    say(f"{list(GENDERS.values())[gender]}, {AGES[person['age']]}, {OCCUPATIONS[str(job)]}:")
    profile = {name: [value] for name, value in artifact.encoder.profile(person).items()}
    hits = search(inserted, artifact.vectors_of([None], profile)[0], 5)
    films = inserted.films
    rows = [
        [str(top), films.ids[row], films.columns["title"][row], f"{SCALE * score:.3f}"]
        for top, (row, score) in enumerate(zip(hits.rows, hits.scores, strict=True), 1)
    ]
    show_rows(["Top", "Ids", "Title", "Score"], rows)


def insert_films(artifact: Artifact) -> None:
    """Computes the vectors of exactly the films in movies_data.txt and puts them into Milvus.

    Raises:
        DataError: the file is missing, damaged or of another model.
        StoreError: Milvus cannot be written; what stood there before may still stand.
    """
    origin = check_origin(artifact)
    films = read_numbered(DATA, artifact.encoder)
    vectors = artifact.item_tower.vectors(features_of(films, artifact.encoder))
    genres = ("", *artifact.encoder.vocabularies["genres"].values)
    columns: dict[str, list[object]] = {
        "title": list(titles(films, artifact, origin)),
        "year": [float(film.year or "nan") for film in films],
        "genres": [tuple(genres[g] for g in film.genres if g) for film in films],
    }
    table = Table([film.id for film in films], columns)
    inserted = Inserted(table, vectors, fingerprint(artifact))
    try:
        build(inserted)
    except StoreDamagedError:
        if move_aside(milvus()) is None:  # moved aside, never deleted
            raise
        build(inserted)
    say(f"{len(films):,} films are in {milvus()}")


def build(inserted: Inserted) -> None:
    """Makes these films the only ones in the scripts' own Milvus."""
    progress = ProgressLines("the films", "items")
    with MilvusIndex.build(milvus(), *inserted.collection, progress=progress) as index:
        inserted.save(kept() / "films")
        index.activate()
        for collection in index.store.collections():
            if not collection.active:
                index.store.drop(collection.name)


def search(inserted: Inserted, vector: np.ndarray, k: int) -> Hits:
    """The k best films, from Milvus; exactly where another process has it open, which is said."""
    try:
        with MilvusIndex.open(milvus(), *inserted.collection) as index:
            return index.search(vector, k)
    except StoreUnavailableError as error:
        say(f"note: answered exactly, without Milvus: {error.message}")
        return ExactIndex(MOVIELENS, inserted.films, inserted.vectors).search(vector, k)
    except StoreMissingError as error:
        raise StoreMissingError("Insert vectors is none!", INSERT) from error
    except StoreDamagedError as error:
        raise StoreDamagedError(error.message, INSERT) from error


def titles(films: list[Film], artifact: Artifact, origin: Path) -> list[str]:
    """Titles from the file that the numbers were made from or from the model's own table, if their
    words have the film's numbers; else the words that the numbers stand for.
    """
    known: dict[tuple[str, tuple[int, ...]], str] = {}
    tables = [artifact.items]
    with suppress(DataError):  # films that cannot be read any more only lack a title
        tables.append(read_films(origin))
    for table in tables:
        numbers = numbered(artifact.encoder, table)
        for film, title in zip(numbers, table.columns["title"], strict=True):
            known[film.id, film.words] = title
    words = ("?", *artifact.encoder.vocabularies["title"].values)  # from row 1, an unknown word
    return [
        known.get((film.id, film.words)) or " ".join(words[w - 1] for w in film.words) or film.id
        for film in films
    ]


def fingerprint(artifact: Artifact) -> str:
    """The SHA-256 of the model's manifest."""
    return sha256(artifact.folder / "manifest.json")


def milvus() -> str:
    """The scripts' own embedded Milvus."""
    return str(kept() / "milvus.db")


if __name__ == "__main__":
    sys.exit(run(lambda: main.main(standalone_mode=False)))
