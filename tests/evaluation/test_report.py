"""The report of a version: one file, whole, safe, and refused for the wrong data."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pages import Page, words_of

from builders import carousel, library, recipe, sequence_recipe
from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.samples.movielens import synthetic
from fusionrec.errors import UsageError
from fusionrec.evaluation.report.blocks import number
from fusionrec.evaluation.report.document import version_page
from fusionrec.evaluation.report.holdout import Holdout, find_holdout
from fusionrec.evaluation.report.quality import Quality, measure
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.features.score_scale import SCALE
from fusionrec.metrics import rmse
from fusionrec.models.presets import Recipe, SequenceRecipe
from fusionrec.registry import Artifact
from fusionrec.registry.manifest import sha256
from fusionrec.registry.tables import Histories, write_table
from fusionrec.training.train import train
from fusionrec.workspace import Workspace


def made(fusionrec, workspace: Workspace, *options: str) -> Path:
    """Makes a report and returns where it says that it is."""
    ended = fusionrec(workspace, "report", *options)
    assert ended.code == 0, ended.err
    return Path(ended.out.strip())


@pytest.fixture(scope="module")
def sample_home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A version trained on the synthetic sample, which ``--data synthetic`` names."""
    home = Workspace(tmp_path_factory.mktemp("sample"))
    train(synthetic(), recipe(epochs=2, batch=3000), home)
    return home


def test_a_report_is_one_whole_file(fusionrec, sample_home):
    path = made(fusionrec, sample_home, "--data", "synthetic")
    page = Page(path.read_text("utf-8"))
    assert page.open == []
    assert page.fetched == []
    for wanted in ("What this model is", "Learning curves", "How good the lists are", "Scores"):
        assert wanted in page.headings
    assert path == sample_home.home / "reports" / "v1.html"


def test_a_report_finds_its_data_and_is_the_same_again(fusionrec, sample_home, tmp_path):
    named = made(fusionrec, sample_home, "--data", "synthetic").read_text("utf-8")
    assert made(fusionrec, sample_home, "-o", str(tmp_path / "a.html")).read_text("utf-8") == named


def test_other_data_is_refused(fusionrec, workspace):
    ended = fusionrec(workspace, "report", "--data", "synthetic")
    assert ended.code in (1, 2)
    assert "hint:" in ended.err
    assert not (workspace.home / "reports").exists()


def test_titles_are_no_markup(published, tmp_path):
    folder = shutil.copytree(published.folder, tmp_path / "v1")
    hostile = ["<script>alert(1)</script>"] * len(published.items)
    columns = {**published.items.columns, "title": hostile}
    write_table(folder / "items.parquet", Table(published.items.ids, columns))
    manifest, fresh = (folder / "manifest.json"), sha256(folder / "items.parquet")
    old = published.manifest["files"]["items.parquet"]
    manifest.write_text(manifest.read_text().replace(old, fresh))
    text = version_page(Artifact.load(folder))
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_a_report_of_another_schema(made_of):
    assert "Example users" in Page(version_page(made_of(library(), recipe(epochs=1)))).headings


# --- versions that only rank, read histories, or have a rating head -------------------------------

# What only a version that predicts ratings may say.
PREDICTED = re.compile(
    r"RMSE|MAE|error in stars|stars =|Predicted \(stars\)|Mean stars|rating head"
)


@pytest.fixture(scope="module")
def made_of(tmp_path_factory: pytest.TempPathFactory):
    """Trains a version of a data set in a workspace of its own."""

    def make(data: Dataset, made: Recipe | SequenceRecipe) -> Artifact:
        return train(data, made, Workspace(tmp_path_factory.mktemp("kind")))

    return make


@pytest.fixture(scope="module")
def walks() -> Dataset:
    """Histories whose next item their last one tells."""
    return carousel()


@pytest.fixture(scope="module")
def reader(walks: Dataset, made_of) -> Artifact:
    """A version that reads histories; half of the users' latest ratings are its holdout."""
    return made_of(walks, sequence_recipe(epochs=8, validation=0.5))


def with_measured(artifact: Artifact, data: Dataset) -> tuple[Holdout, Quality]:
    """What a version's report measures."""
    holdout = find_holdout(artifact, data)
    return holdout, measure(Scorer(artifact, holdout), holdout)


def test_a_version_that_reads_histories_holds_out_the_latest(reader, walks):
    holdout = find_holdout(reader, walks)
    assert 10 < len(holdout.rows) < len(walks.users)
    assert np.array_equal(np.union1d(holdout.trained, holdout.rows), np.arange(len(walks)))
    for row in holdout.rows:
        assert walks.time[row] == walks.time[walks.user == walks.user[row]].max()
    assert f"{len(holdout.rows)} held out for validation" in words_of(reader, walks)
    training = {"validation": 0.5, "seed": 1}
    manifest = reader.manifest | {"recipe": reader.manifest["recipe"] | {"training": training}}
    with pytest.raises(UsageError, match="drawn again"):
        find_holdout(replace(reader, manifest=manifest), walks)


def test_no_vector_reads_what_it_is_asked(reader, walks):
    holdout = find_holdout(reader, walks)
    found, users = Scorer(reader, holdout).vectors, np.arange(len(walks.users))
    before = Histories.build(walks, holdout.trained)
    histories = [before.of(user) for user in users]
    wanted = reader.vectors_of(walks.users.ids, walks.users.columns, histories)
    assert found == pytest.approx(wanted, abs=1e-5)
    asked = np.isin(users, walks.user[holdout.rows])
    apart = np.abs(found - reader.user_vectors).max(axis=1)
    assert (apart[asked] > 1e-3).all(), "the stored vectors read the held-out rows"
    assert (apart[~asked] == 0).all()
    assert np.array_equal(Scorer(reader).vectors, reader.user_vectors)


def test_lists_are_as_good_as_training_found_them(reader, walks):
    """Training judged an epoch by the same users, from the same histories: the figures agree."""
    holdout, found = with_measured(reader, walks)
    assert set(walks.item[holdout.trained]) == set(range(len(walks.items)))
    epochs = {e["number"]: e["validation"] for e in reader.manifest["training"]["epochs"]}
    wanted = epochs[reader.manifest["training"]["best_epoch"]]
    assert found.any.model["ndcg@10"] == pytest.approx(wanted, abs=1e-4)
    leaking = measure(Scorer(reader), holdout).any.model["ndcg@10"]
    assert abs(leaking - wanted) > 0.05, "the test could not tell a vector that read the answer"


def test_the_page_shows_figures_of_vectors_that_read_no_answer(reader, walks):
    holdout, found = with_measured(reader, walks)
    said = words_of(reader, walks)
    assert f"At 10 the model has {found.any.model['ndcg@10']:.3f}" in said
    user, item = walks.user[holdout.rows], walks.item[holdout.rows]
    medians = [
        float(np.median(s.pairs(user, item))) for s in (Scorer(reader, holdout), Scorer(reader))
    ]
    blind, leaking = (f"4 stars {number(median, 2)}," for median in medians)
    assert blind != leaking
    assert blind in said
    assert "NDCG@10: higher is better." in said


def test_a_version_that_reads_histories_says_what_it_read(reader, walks):
    said, alone = words_of(reader, walks), words_of(reader)
    assert "history without them" in said
    assert "drawn at random over time" not in said
    assert "the newest 12 ratings" in said
    assert "the latest of 50.0% of the users" in alone
    assert "the users' vectors read them" in alone


@pytest.mark.parametrize(
    "made", [sequence_recipe(), recipe(squared=0.0, validation=0.0)], ids=["reads", "ranks"]
)
def test_a_version_that_only_ranks_predicts_no_rating(dataset, made_of, made):
    artifact = made_of(dataset, made)
    for said in (words_of(artifact, dataset), words_of(artifact)):
        assert PREDICTED.findall(said) == []
        assert "predicts no rating" in said
        assert "Scores, which are cosines times 5," in said
        assert "Median" in said


def test_a_version_without_a_head_measures_its_scores(published, dataset):
    holdout, found = with_measured(published, dataset)
    user, item, rating = (x[holdout.rows] for x in (dataset.user, dataset.item, dataset.rating))
    cosine = (published.user_vectors[user] * published.item_vectors[item]).sum(axis=1)
    wanted = published.scores.rating(SCALE * cosine.astype(np.float64))
    assert found.by_score.rmse == pytest.approx(rmse(wanted, rating), abs=1e-5)
    said = words_of(published, dataset)
    assert f"{found.by_score.rmse:.4f} stars (RMSE)" in said
    assert "rating head" not in said
    assert "Predicted (stars)" in said
