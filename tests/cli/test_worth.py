"""What a version is worth stands at the end of its training, and wherever versions are told of."""

from __future__ import annotations

import json
import re
import shutil
import sys

import pytest

from builders import as_options, auto_recipe, carousel
from fusionrec.data import catalog
from fusionrec.data.samples.movielens import synthetic
from fusionrec.evaluation.report.document import version_page
from fusionrec.registry import Artifact
from fusionrec.registry.worth import compared, in_short
from fusionrec.workspace import Workspace


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Artifact]:
    """A workspace with a version whose lists are better than those of simple methods."""
    from fusionrec.training.train import train

    home = Workspace(tmp_path_factory.mktemp("worth") / "home")
    return home, train(carousel(), auto_recipe(), home)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "load", lambda *_, **__: carousel())


def test_training_ends_in_a_table_and_a_sentence(small, fusionrec, tmp_path):
    done = fusionrec(Workspace(tmp_path), "train", *as_options(auto_recipe()))
    assert (done.code, done.out) == (0, "v1\n"), done.err
    version = Artifact.load(tmp_path / "models" / "v1")
    worth, parts = version.worth, len(version.blend.weights[version.goals[0]])
    _, _, end = done.err.partition("saved v1 after")
    _, heading, *table, sentence, last = end.splitlines()
    assert heading == f"NDCG@10 of {worth['users']} users on what was held out, for the goal later:"
    rows = [line.split() for line in table]
    assert rows[0] == ["model", "auto", f"{worth['ndcg@10']:.4f}"]
    assert [row[0] for row in rows[1:]] == parts * ["part"] + 4 * ["baseline"]
    figures = {row[1]: float(row[2]) for row in rows if row[0] == "baseline"}
    assert figures == pytest.approx(worth["baselines"], abs=1e-4)
    assert list(figures) == sorted(figures, key=lambda name: -figures[name])
    assert sentence == worth["sentence"]
    assert done.err.count(sentence) == 1
    assert last.startswith("put it into Milvus")


def test_with_too_little_data_the_sentence_stands_alone(fusionrec, tmp_path, monkeypatch):
    few = synthetic(seed=1, users=6, items=5, interactions=20)
    monkeypatch.setattr(catalog, "load", lambda *_, **__: few)
    done = fusionrec(Workspace(tmp_path), "train", *as_options(auto_recipe()))
    assert done.code == 0, done.err
    assert "too little data to hold anything out: answers are what is popular\n" in done.err
    assert "NDCG@10 of" not in done.err.partition("saved v1")[2]


def test_models_and_doctor_tell_it(ended, fusionrec, published, tmp_path):
    _, artifact = ended
    both = Workspace(tmp_path / "both")
    shutil.copytree(published.folder, both.models / "v1")
    shutil.copytree(artifact.folder, both.models / "v2")
    header, *rows = [line.split("\t") for line in fusionrec(both, "models").out.splitlines()]
    assert [row[header.index("Gain")] for row in rows] == ["", in_short(artifact.worth)]
    assert rows[1][header.index("Validation")] == f"{artifact.worth['ndcg@10']:.4f} NDCG@10"
    told = json.loads(fusionrec(both, "models", "--json").out)
    assert [one["worth"] for one in told] == [None, artifact.worth]
    said = [line for line in fusionrec(both, "doctor").out.splitlines() if " is whole" in line]
    assert said[0].endswith("v1 is whole: 40 items")
    assert said[1].endswith(f"v2 is whole: 30 items; {artifact.worth['sentence']}")


def test_the_table_of_models_fits_100_columns(ended, fusionrec, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    shown = re.sub(r"\x1b\[[0-9;]*m", "", fusionrec(ended[0], "models").out)
    lines = [line for line in shown.splitlines() if line.strip()]
    assert len(lines) == 3  # no cell is folded
    assert max(map(len, lines)) <= 100
    assert in_short(ended[1].worth) in lines[-1]


def test_the_report_opens_with_it(ended, published):
    page = version_page(ended[1])
    section = page.partition('id="worth"')[2].partition("</section>")[0]
    for row in compared(ended[1].manifest):
        assert row.name in section
        assert f"{row.figure:.4f}" in section
    verdict = page.partition('class="verdict"')[2].partition("</p>")[0]
    assert ended[1].worth["sentence"][1:] in verdict
    assert "are worth is not known" in version_page(published)


@pytest.mark.parametrize(
    ("change", "short"),
    [
        ({"gain": 0.144, "sure": True}, "+14%"),
        ({"gain": -0.051, "sure": True}, "-5%"),
        ({"gain": 0.144, "sure": False}, "level"),
        ({"gain": None, "sure": True}, "level"),
        ({"best": None}, "none"),
    ],
)
def test_in_short(change, short):
    assert in_short({"best": "ease", "gain": 0.0, "sure": True} | change) == short
