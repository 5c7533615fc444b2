"""What a report says first, of its data, and of two versions; and that everyone can read it."""

from __future__ import annotations

import html
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import Page
from playwright.sync_api import Browser, sync_playwright

from axe import LOOKS, violations_in
from builders import recipe
from fusionrec.data.dataset import Table
from fusionrec.data.parquet_dataset import save_dataset
from fusionrec.data.samples.movielens import synthetic
from fusionrec.evaluation.report import make, render
from fusionrec.evaluation.report.blocks import number
from fusionrec.evaluation.report.comparison import comparison_page
from fusionrec.evaluation.report.document import version_page
from fusionrec.evaluation.report.quality import measure
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.evaluation.report.training_data import TrainingData, training_data
from fusionrec.evaluation.report.two_lists import compare_lists
from fusionrec.evaluation.report.two_versions import measure_both
from fusionrec.evaluation.report.verdict import of_worth
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.training.train import train
from fusionrec.workspace import Workspace
from quick import leave_out

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

TITLES = (
    "<script>document.title='run'</script><img src=x onerror=alert(1)>",
    "🎬👩‍👩‍👧 $x_1$ & 'so'",
    "مرحبا بالعالم \u202e left",
    "endless " * 60 + "x" * 500,
    "",
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """v1, v2, which learned for longer, and v3, of other rows; their data lie beside them."""
    folder = tmp_path_factory.mktemp("two")
    made, small = Workspace(folder / "home"), synthetic(3, 80, 40, 2400)
    save_dataset(folder / "data", small)
    data = replace(small, source=str(folder / "data"))
    train(data, recipe(epochs=1), made)
    train(data, recipe(epochs=6), made)
    train(data, recipe(epochs=1), made, rows=np.arange(1200))
    return made


@pytest.fixture(scope="module")
def pair(home: Workspace) -> tuple[Artifact, Artifact]:
    return load(home, "v1"), load(home, "v2")


@pytest.fixture(scope="module")
def data(home: Workspace, pair: tuple[Artifact, Artifact]) -> tuple[TrainingData, TrainingData]:
    """What ``pair`` was trained from."""
    return training_data(home, pair[0]), training_data(home, pair[1])


def verdict_of(page: str) -> str:
    """The sentence that a report opens with."""
    return html.unescape(page.split('<p class="verdict">')[1].split("</p>", maxsplit=1)[0])


def test_a_report_finds_its_data_and_opens_with_what_it_measured(home, pair, data):
    page, holdout = render(home, "v2"), data[1].holdout
    quality = measure(Scorer(pair[1], holdout), holdout)
    ours, popular = (f["ndcg@10"] for f in (quality.any.model, quality.any.popular))
    said, first = verdict_of(page), page.split("<section")[1]
    assert said.startswith("v2 makes lists ")
    assert f"NDCG@10 {number(ours)} against " in said
    assert f"of {quality.any.users} users on {quality.rows} held-out ratings" in said
    assert "95% interval" in said
    assert first.count("<svg") == first.count("<table>") == 1
    assert "<bdi>popular</bdi></th><td><bdi>baseline</bdi></td>" in first
    assert f">{number(ours, 4)}<" in first
    assert f">{number(popular, 4)}<" in first
    assert page.rindex('id="fingerprints"') > page.rindex('id="learning"')
    assert all(checksum in page for checksum in pair[1].manifest["files"].values())
    assert render(home, "v2") == page


@pytest.mark.parametrize("sure", [True, False])
def test_what_training_measured_is_told_as_sure_as_it_is(parted, sure):
    worth = {
        **{"goal": "later", "users": 200, "ndcg@10": 0.3, "parts": {}, "best": "ease"},
        **{"baselines": {"ease": 0.25, "popular": 0.1}, "gain": 0.2, "sure": sure},
        "sentence": "lists 20% better than those of the best simple method, EASE",
    }
    for margins in ({}, {"margins": {"model": 0.02, "ease": 0.03, "popular": 0.01}}):
        told = of_worth(replace(parted, manifest=parted.manifest | {"worth": worth | margins}))
        assert f"{parted.version} makes lists 20% better than those of" in told.sentence
        assert "0.300 against 0.250 of 200 users" in told.sentence
        assert ("may be chance" in told.sentence) is not sure
        assert told.table is not None
        assert [row[0] for row in told.table.rows] == ["linear", "ease", "popular"]
        assert ("0.220 to 0.280" in told.table.rows[1]) is bool(margins)


def test_data_that_are_gone_or_changed_are_said_to_be(fusionrec, home, tmp_path):
    moved = Workspace(shutil.copytree(home.home, tmp_path / "home"))
    place = Path(load(home, "v1").manifest["source"])
    shutil.move(place, place.with_name("away"))
    try:
        gone = make(moved, "v1")
        save_dataset(place, synthetic(4, 80, 40, 2400))
        changed = make(moved, "v1")
        refused = fusionrec(moved, "report", "v1", "--data", str(place))
    finally:
        shutil.rmtree(place, ignore_errors=True)
        shutil.move(place.with_name("away"), place)
    for made, said in (
        (gone, f"cannot be read from {place}"),
        (changed, f"in {place} have changed"),
    ):
        assert said in made.notes[0]
        assert "fusionrec report v1 --data PATH" in made.notes[0]
        assert html.escape(said) in made.html
        assert verdict_of(made.html) == "What the lists of v1 are worth is not known."
        assert made.name == "v1-model-only"
    assert refused.code in (1, 2)
    assert "hint:" in refused.err


def test_an_older_version_does_not_know_where_its_data_were(home, pair):
    old = {key: value for key, value in pair[0].manifest.items() if key != "source"}
    assert training_data(home, replace(pair[0], manifest=old)).holdout is None
    known = old | {"data": "synthetic sample"}
    assert "synthetic" in training_data(home, replace(pair[0], manifest=known)).trouble


def test_two_versions_are_measured_on_rows_that_neither_learned_from(pair, data):
    measured = measure_both(pair, data)
    for n, artifact in enumerate(pair):
        quality = measure(Scorer(artifact, data[n].holdout), data[n].holdout)
        ndcg, error = measured.figures[0], measured.figures[-1]
        assert (ndcg.first, ndcg.second)[n] == pytest.approx(quality.any.model["ndcg@10"])
        assert (error.first, error.second)[n] == pytest.approx(quality.by_score.rmse)
        assert measured.rows == quality.rows
    back = measure_both((pair[1], pair[0]), (data[1], data[0]))
    assert back.figures[0].apart.mean == pytest.approx(-measured.figures[0].apart.mean)
    assert {"better": "worse", "worse": "better"}.get(measured.figures[-1].mark, "unclear") == (
        back.figures[-1].mark
    )


def test_a_version_beside_itself_is_level_and_shows_the_same(pair, data):
    page = comparison_page((pair[0], pair[0]), (data[0], data[0]))
    assert "v1 makes lists level with those of v1" in verdict_of(page)
    assert "no better and no worse" in verdict_of(page)
    assert compare_lists((pair[0], pair[0])).differ.max() == 0
    assert "Both were trained with the same settings." in page


def test_versions_of_other_rows_are_compared_by_their_lists_alone(fusionrec, home):
    ended = fusionrec(home, "report", "v1", "v3")
    assert ended.code == 0, ended.err
    path = Path(ended.out.strip())
    assert path == home.home / "reports" / "v1-v3.html"
    page = path.read_text("utf-8")
    differ = compare_lists((load(home, "v1"), load(home, "v3"))).mean
    assert verdict_of(page) == (
        f"Which of v1 and v3 is better cannot be told; {differ:.1f} of the 10 items they show a "
        "person differ."
    )
    assert "they were trained on different rows, v1 on 2," in page
    assert "in v3 at" in page
    assert "training.epochs" not in page.split("Settings that differ")[-1]


def test_one_or_two_versions(fusionrec, home, tmp_path):
    there = str(tmp_path / "made.html")
    for options in (["v1"], ["--version", "v1"]):
        assert fusionrec(home, "report", *options, "-o", there).code == 0
    ended = fusionrec(home, "report", "v1", "v2", "v3")
    assert ended.code == 2
    assert "of one version or of two, got 3" in ended.err


def with_titles(artifact: Artifact) -> Artifact:
    """The version with titles that are hard to show."""
    items = artifact.items
    titles = [TITLES[n % len(TITLES)] for n in range(len(items))]
    made = replace(artifact)
    made.__dict__["items"] = Table(items.ids, {**items.columns, "title": titles})
    return made


@pytest.fixture(scope="module")
def pages(pair, data, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The report of a version and that of two, with such titles."""
    folder, hard = tmp_path_factory.mktemp("pages"), tuple(map(with_titles, pair))
    made = {"one": version_page(hard[1], data[1].holdout), "two": comparison_page(hard, data)}
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, "utf-8")
    return [folder / f"{name}.html" for name in made]


def test_hard_titles_are_text(pages):
    for path in pages:
        text = path.read_text("utf-8")
        page = Page(text)
        assert (page.open, page.fetched) == ([], [])
        assert "<script" not in text
        assert "<img" not in text
        assert any(TITLES[0] in word for word in page.words)
        assert any(TITLES[2] in word for word in page.words)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    leave_out("a browser")
    if CHROMIUM is None:
        pytest.skip("there is no chromium in PATH")
    with sync_playwright() as play:
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def test_axe_finds_nothing_and_nothing_is_wider_than_a_phone(pages, chromium):
    beyond: list[int] = []

    def ready(page: Any) -> None:
        # Lines and marks cost axe most of its time, and it judges no picture's inside but texts.
        page.evaluate("document.querySelectorAll('svg :is(path, use)').forEach((n) => n.remove())")
        beyond.append(page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    assert [violations_in(chromium, path.as_uri(), ready) for path in pages] == [[]] * len(pages)
    assert beyond == [0] * len(LOOKS) * len(pages)
