"""The article's three commands, run as people run them."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from builders import Ended
from fusionrec.data.movielens.readers import read_films
from fusionrec.features.encoder import Encoder
from fusionrec.index import MilvusStore
from fusionrec.registry import Artifact

ARTICLE = Path(__file__).parent.parent / "article"
MODEL = "recommender_system.inference.model"
MILVUS = ".fusionrec/article/milvus.db"
TINY = (
    *("training.epochs=1", "training.threads=1", "training.batch=512", "model.dim=16"),
    *("model.id_width=8", "model.word_width=8", "model.filters=8", "model.categories_width=8"),
)


@dataclass(frozen=True)
class Ran(Ended):
    """How a script ended."""

    @property
    def rows(self) -> list[list[str]]:
        """The printed table under its header."""
        return [line.split("\t") for line in self.out.splitlines()[1:]]

    def refused(self, *texts: str, code: int = 1) -> None:
        """Checks that it failed and said this."""
        assert self.code == code, self.err
        for text in texts:
            assert text in self.err


def run(where: Path, script: str, *arguments: str) -> Ran:
    """Runs a script in a directory, within this process, which has loaded all libraries; whatever
    happens, it must show no traceback.
    """
    code, out, err = 0, io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch, contextlib.chdir(where),
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
    ):  # fmt: skip
        for name in set(os.environ) - set(_clean()):
            patch.delenv(name)
        patch.setattr(sys, "argv", [script, *arguments])
        patch.syspath_prepend(ARTICLE)
        try:
            runpy.run_path(str(ARTICLE / script), run_name="__main__")
        except SystemExit as stop:
            code = int(stop.code or 0)
    return _ran(code, out.getvalue(), err.getvalue())


def process(where: Path, script: str, *arguments: str, **variables: str) -> Ran:
    """The same in a process of its own, as people run it."""
    done = subprocess.run(
        [sys.executable, str(ARTICLE / script), *arguments],
        cwd=where, env=_clean() | variables, capture_output=True, text=True, check=False,
        timeout=300,
    )  # fmt: skip
    return _ran(done.returncode, done.stdout, done.stderr)


def _clean() -> dict[str, str]:
    return {n: v for n, v in os.environ.items() if not n.startswith("FUSIONREC_")}


def _ran(code: int, out: str, err: str) -> Ran:
    assert "Traceback" not in err
    assert "defect" not in err
    return Ran(code, out, err)


def train(where: Path, *arguments: str, **variables: str) -> Ran:
    settings = [part for setting in TINY for part in ("--set", setting)]
    done = process(where, "train.py", *settings, *arguments, **variables)
    assert done.code == 0, done.err
    return done


def prepare(where: Path) -> Ran:
    return run(where, "get_movies_data.py", "-f", "movies_origin.txt")


def infer(where: Path, *arguments: str) -> Ran:
    return run(where, "infer_milvus.py", *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory after ``train.py`` and ``get_movies_data.py``; not to be changed."""
    where = tmp_path_factory.mktemp("trained")
    done = train(where, "--data", "synthetic")
    assert done.out.split() == [MODEL, "movies_origin.txt"]
    assert "synthetic sample: 30,000 ratings" in done.err
    assert "epoch  1/1" in done.err
    made = process(where, "get_movies_data.py", "-f", "movies_origin.txt")
    assert made.out == "movies_data.txt\n"
    return where


@pytest.fixture(scope="module")
def inserted(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same after ``infer_milvus.py -i``; not to be changed."""
    where = tmp_path_factory.mktemp("inserted") / "article"
    shutil.copytree(trained, where)
    done = process(where, "infer_milvus.py", "-a", "2", "-g", "1", "-j", "12", "-i")
    assert done.code == 0, done.err
    (where / "printed.txt").write_text(done.out, encoding="utf-8")
    return where


@pytest.fixture
def here(trained: Path, tmp_path: Path) -> Path:
    """A copy of ``trained`` to change."""
    return shutil.copytree(trained, tmp_path / "article")


@pytest.fixture
def filled(inserted: Path, tmp_path: Path) -> Path:
    """A copy of ``inserted`` to change."""
    return shutil.copytree(inserted, tmp_path / "article")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder of data sets that holds one, of three users and four films: ``ml-1m``."""
    folder = tmp_path / "data" / "ml-1m"
    folder.mkdir(parents=True)
    (folder / "users.dat").write_text("1::F::1::10::0\n2::M::56::16::0\n3::M::25::15::0\n")
    (folder / "movies.dat").write_text(
        "1::Toy Story (1995)::Animation|Comedy\n5::Café Story (1958)::Crime\n"
        "7::Untold::\n9::Toy Café (1960)::Drama\n",
        encoding="latin-1",
    )
    (folder / "ratings.dat").write_text(
        "".join(f"{u}::{f}::{1 + (u * f) % 5}::{u + f}\n" for u in (1, 2, 3) for f in (1, 5, 7))
    )
    return folder.parent


def test_the_model_is_a_published_artifact_and_the_films_are_its_own(trained: Path) -> None:
    artifact = Artifact.load(trained / MODEL)
    films = read_films(trained / "movies_origin.txt")
    assert films.ids == artifact.items.ids
    assert films.columns["title"] == artifact.items.columns["title"]
    assert films.columns["year"] == artifact.items.columns["year"]
    assert [set(g) for g in films.columns["genres"]] == [
        set(g) for g in artifact.items.columns["genres"]
    ]
    assert {p.name for p in trained.iterdir()} == {
        MODEL, "movies_origin.txt", "movies_data.txt", ".fusionrec",
    }  # fmt: skip


def test_numbers_are_the_encoders(trained: Path) -> None:
    encoder = Encoder.load(trained / MODEL / "encoder.json")
    films = read_films(trained / "movies_origin.txt")
    features = encoder.encode_table("item", films)
    lines = (trained / "movies_data.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(films)
    for row, line in enumerate(lines):
        outside, title, genres = line.split("::")
        words, _, year = title.partition(",")
        assert outside == films.ids[row]
        assert year == f"({films.columns['year'][row]:.0f})"
        padded = [int(word) for word in words.split()] + [0] * 12
        assert padded[: features["title"].shape[1]] == features["title"][row].tolist()
        assert [int(g) for g in genres.split()] == np.flatnonzero(features["genres"][row]).tolist()


def test_the_answer_is_the_top_five_by_five_times_the_cosine(inserted: Path) -> None:
    printed = (inserted / "printed.txt").read_text(encoding="utf-8")
    header, *rows = [line.split("\t") for line in printed.splitlines()]
    assert header == ["Top", "Ids", "Title", "Score"]
    artifact = Artifact.load(inserted / MODEL)
    person = {"gender": ["F"], "age": ["25"], "occupation": ["12"]}
    vector = artifact.user_tower.vectors(artifact.encoder.encode("user", [None], person))[0]
    scores = 5 * artifact.item_vectors @ vector
    best = np.argsort(-scores, kind="stable")[:5]
    assert [row[0] for row in rows] == ["1", "2", "3", "4", "5"]
    assert [row[1] for row in rows] == [artifact.items.ids[b] for b in best]
    assert [row[2] for row in rows] == [artifact.items.columns["title"][b] for b in best]
    assert np.allclose([float(row[3]) for row in rows], scores[best], atol=6e-4)


def test_without_i_the_standing_collection_answers(filled: Path) -> None:
    (filled / "movies_data.txt").unlink()
    again = infer(filled, "-a", "2", "-g", "1", "-j", "12")
    assert again.out == (filled / "printed.txt").read_text(encoding="utf-8")
    assert "female, 25-34, programmer" in again.err


def test_age_gender_and_occupation_change_the_answer(inserted: Path) -> None:
    printed = (inserted / "printed.txt").read_text(encoding="utf-8")  # of -a 2 -g 1 -j 12
    asked = [("2", "0", "12"), ("2", "1", "3"), ("6", "1", "12")]
    answers = [infer(inserted, "-a", a, "-g", g, "-j", j).out for a, g, j in asked]
    assert len({printed, *answers}) == 4


def test_exactly_the_films_of_the_file_are_searched(filled: Path) -> None:
    lines = (filled / "movies_data.txt").read_text(encoding="utf-8").splitlines()
    (filled / "mine.txt").write_text(
        "3::Quite Another (1999)::Horror\n99999::Velvet Kingdom (1999)::Fantasy|Horror\n",
        encoding="utf-8",
    )
    assert run(filled, "get_movies_data.py", "-f", "mine.txt").code == 0
    with (filled / "movies_data.txt").open("a", encoding="utf-8") as file:
        file.write(f"{lines[1]}\n88888::1 {lines[0].split('::')[1]}::\n")
    done = infer(filled, "-i")
    titles = {row[1]: row[2] for row in done.rows}
    films = read_films(filled / "movies_origin.txt")
    first = films.columns["title"][0].casefold()
    assert titles == {
        "3": "Quite Another", "99999": "Velvet Kingdom", films.ids[1]: films.columns["title"][1],
        "88888": f"? {first}",
    }  # fmt: skip
    scores = [float(row[3]) for row in done.rows]
    assert scores == sorted(scores, reverse=True)
    assert infer(filled).out == done.out
    with MilvusStore(str(filled / MILVUS), create=False) as store:
        assert [c.rows for c in store.collections()] == [4]


@pytest.mark.parametrize("given", ["-a 7", "-a -1", "-g 2", "-j 21", "-j writer"])
def test_values_out_of_range_are_wrong_use(tmp_path: Path, given: str) -> None:
    option, value = given.split()
    infer(tmp_path, option, value).refused(f"'{option}'", value, code=2)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--data synthetic --set model.dims=3", "did you mean model.dim?"),
        ("--data nowhere", "'nowhere' is no data set"),
        ("--preset best", "has the presets quick, full, got 'best'"),
    ],
)
def test_wrong_settings_and_data_are_wrong_use(tmp_path: Path, given: str, said: str) -> None:
    run(tmp_path, "train.py", *given.split()).refused(said, code=2)


def test_what_is_missing_says_which_command_makes_it(trained: Path, tmp_path: Path) -> None:
    for script in ("get_movies_data.py", "infer_milvus.py"):
        run(tmp_path, script).refused("hint: make it with: python train.py\n", MODEL)
    shutil.copytree(trained / MODEL, tmp_path / MODEL)
    prepare(tmp_path).refused("python train.py writes movies_origin.txt")
    infer(tmp_path, "-i").refused("python get_movies_data.py -f movies_origin.txt")
    infer(tmp_path).refused("error: Insert vectors is none!\n", "python infer_milvus.py -i")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("1::Toy Story (1995)::Comedy\n2::No genres\n", 2),
        ("1::Toy Story (1995)::Comedy\n1::Again (1995)::Comedy\n", 2),
        ("1::Toy Story (1995)::Funny\n", 1),
    ],
)
def test_a_bad_line_of_films_is_named(here: Path, content: str, line: int) -> None:
    before = (here / "movies_data.txt").read_bytes()
    (here / "films.txt").write_text(content, encoding="utf-8")
    done = run(here, "get_movies_data.py", "-f", "films.txt")
    done.refused(f"films.txt, line {line}: expected")
    assert (here / "movies_data.txt").read_bytes() == before


@pytest.mark.parametrize(
    "line",
    [
        "no film",
        "2::2 3,(1995)",
        "2::2 x,(1995)::1",
        "2::99999,(1995)::1",
        "2::0,(1995)::1",
        "2::2,(1995)::99",
        "2::2 2 2 2 2 2 2 2 2 2 2 2 2 2 2,(1995)::1",
        "1::2,(1995)::1",
    ],
)
def test_a_bad_line_of_numbers_is_named(here: Path, line: str) -> None:
    (here / "movies_data.txt").write_text(f"1::2 3,(1995)::1\n{line}\n", encoding="utf-8")
    hint = "hint: make it with: python get_movies_data.py"
    infer(here, "-i").refused("movies_data.txt, line 2: expected", hint)


def test_a_new_model_asks_for_its_own_numbers_and_vectors(filled: Path, small: Path) -> None:
    before = (filled / MODEL / "manifest.json").read_bytes()
    done = train(filled, FUSIONREC_DATA=str(small))
    assert "The data set is ml-1m, from FUSIONREC_DATA" in done.err
    assert (filled / MODEL / "manifest.json").read_bytes() != before
    assert not [p.name for p in filled.glob(".rec*")]
    assert (filled / "movies_origin.txt").read_text(encoding="utf-8") == (
        "1::Toy Story (1995)::Animation|Comedy\n5::Café Story (1958)::Crime\n"
        "7::Untold::\n9::Toy Café (1960)::Drama\n"
    )
    infer(filled).refused("inserted with another model", "python infer_milvus.py -i")
    infer(filled, "-i").refused("the numbers of another model")
    assert prepare(filled).code == 0
    assert (filled / "movies_data.txt").read_text(encoding="utf-8") == (
        # story is the one word that two rated films share, Drama a genre that no rated film has
        "1::1 2,(1995)::1 2\n5::1 2,(1958)::3\n7::1::\n9::1 1,(1960)::0\n"
    )
    done = infer(filled, "-i")
    assert {row[1]: row[2] for row in done.rows} == {
        "1": "Toy Story", "5": "Café Story", "7": "Untold", "9": "Toy Café",
    }  # fmt: skip
    with MilvusStore(str(filled / MILVUS), create=False) as store:
        assert [c.rows for c in store.collections()] == [4]  # the older films are gone


def test_damage_ends_in_a_message(filled: Path) -> None:
    vectors = filled / ".fusionrec/article/films/vectors.npy"
    vectors.write_bytes(vectors.read_bytes()[:100])
    infer(filled).refused("python infer_milvus.py -i")
    shutil.rmtree(filled / MILVUS)
    (filled / MILVUS).write_text("no store")
    assert infer(filled, "-i").code == 0
    (filled / MODEL / "encoder.json").write_text("{}")
    infer(filled).refused("hint: make it with: python train.py\n")


def test_beside_another_process_the_answer_is_exact_and_says_so(filled: Path) -> None:
    with MilvusStore(str(filled / MILVUS), create=False):
        done = process(filled, "infer_milvus.py", "-a", "2", "-g", "1", "-j", "12")
        assert process(filled, "infer_milvus.py", "-i").code == 1
    assert "note: answered exactly, without Milvus" in done.err
    assert done.out == (filled / "printed.txt").read_text(encoding="utf-8")
