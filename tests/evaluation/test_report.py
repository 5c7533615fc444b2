"""The report of a version: one file, whole, safe, and refused for the wrong data."""

from __future__ import annotations

import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from builders import library, recipe
from fusionrec.config import Workspace
from fusionrec.data.sample import synthetic
from fusionrec.training.run import train

VOID = {"meta", "img", "br", "hr", "link", "input", "col", "wbr", "path", "use", "rect", "circle"}


class Page(HTMLParser):
    """Collects headings, what is fetched from elsewhere, and tags left open."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.fetched: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        given = dict(attrs)
        for name in ("src", "href"):
            value = given.get(name) or ""
            if value and not value.startswith(("#", "data:")):
                self.fetched.append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data.strip())


def parsed(path: Path) -> Page:
    """The page, read to its end."""
    page = Page()
    page.feed(path.read_text("utf-8"))
    page.close()
    return page


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
    page = parsed(path)
    assert page.open == []
    assert page.fetched == []
    for wanted in ("What this model is", "Learning curves", "How good the lists are", "Scores"):
        assert wanted in page.headings
    assert path == sample_home.home / "reports" / "v1.html"


def test_a_report_without_data_says_what_is_missing(fusionrec, sample_home, tmp_path):
    path = made(fusionrec, sample_home, "-o", str(tmp_path / "short.html"))
    text = path.read_text("utf-8")
    assert parsed(path).fetched == []
    assert "--data" in text


def test_the_same_version_gives_the_same_report(fusionrec, sample_home, tmp_path):
    one, two = (made(fusionrec, sample_home, "-o", str(tmp_path / f"{n}.html")) for n in "12")
    assert one.read_bytes() == two.read_bytes()


def test_other_data_is_refused(fusionrec, workspace):
    ended = fusionrec(workspace, "report", "--data", "synthetic")
    assert ended.code in (1, 2)
    assert "hint:" in ended.err
    assert not (workspace.home / "reports").exists()


def test_titles_are_no_markup(fusionrec, published, tmp_path):
    from fusionrec.artifact.model import sha256
    from fusionrec.artifact.tables import write_table
    from fusionrec.data.dataset import Table

    workspace = Workspace(tmp_path / "hostile")
    folder = workspace.models / "v1"
    shutil.copytree(published.folder, folder)
    items = published.items
    hostile = ["<script>alert(1)</script>"] * len(items)
    write_table(folder / "items.parquet", Table(items.ids, {**items.columns, "title": hostile}))
    manifest = (folder / "manifest.json").read_text()
    old = published.manifest["files"]["items.parquet"]
    fresh = sha256(folder / "items.parquet")
    (folder / "manifest.json").write_text(manifest.replace(old, fresh))
    text = made(fusionrec, workspace).read_text("utf-8")
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_a_report_of_another_schema(fusionrec, tmp_path):
    workspace = Workspace(tmp_path)
    train(library(), recipe(epochs=1), workspace)
    page = parsed(made(fusionrec, workspace))
    assert "Example users" in page.headings
