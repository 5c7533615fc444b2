"""The tutorials run from their first command to their last, in a workspace of their own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

import export_folders
from builders import Ended, as_options, sequence_recipe
from fusionrec.workspace import Workspace

DOCS = Path(__file__).parent.parent / "docs"


def blocks(page: str, kind: str) -> list[str]:
    """The contents of a page's blocks of a kind, such as ``toml``."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.M | re.S)


def commands(page: str) -> list[list[str]]:
    """The ``$ fusionrec`` lines of a page, as words without that one."""
    lines = [line for block in blocks(page, "console") for line in block.splitlines()]
    return [shlex.split(line[2:])[1:] for line in lines if line.startswith("$ fusionrec")]


def follow(page: str, folder: Path, fusionrec: Callable[..., Ended]) -> dict[str, Ended]:
    """Runs all commands of a page; how each ended, by its words. Models are trained more shortly
    than there, and ``sequence`` is a small one.
    """
    home, ended = Workspace(folder / ".fusionrec"), {}
    for words in commands(page):
        small = []
        if "sequence" in words:
            small = as_options(sequence_recipe(epochs=1))
        elif words[0] in ("train", "evaluate") and "linear" not in words:
            small = ["--set", "training.passes=1", "--set", "small.training.threads=1"]
        done = fusionrec(home, *words, *small)
        assert done.code == 0, f"{shlex.join(words)}: {done.err}"
        ended[shlex.join(words)] = done
    return ended


def written(toml: Path, comments: bool) -> list[str]:
    """The lines of a file that say something."""
    lines = [line for line in toml.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [line for line in lines if comments or not line.startswith("#")]


def figure(ended: Ended, name: str, column: str) -> float:
    """A figure of a model or baseline in what ``evaluate`` printed."""
    header, *rows = (line.split("\t") for line in ended.out.splitlines())
    row = next(row for row in rows if row[0] == name)
    return float(row[header.index(column)])


def test_the_shop(tmp_path: Path, fusionrec, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    ended = follow("tutorial-shop.md", tmp_path, fusionrec)

    lines = written(tmp_path / "shop" / "fusionrec.toml", comments=True)
    shown = [line for block in blocks("tutorial-shop.md", "toml") for line in block.splitlines()]
    assert [line for line in shown if line.strip() and line not in lines] == []
    page = (DOCS / "tutorial-shop.md").read_text(encoding="utf-8")
    said = [line for line in ended["init shop"].err.splitlines() if "fusionrec " not in line]
    assert [line for line in said if line not in page] == []
    for line in ended["check shop"].out.splitlines():
        cells = map(re.escape, line.split("\t"))
        assert re.search(r"\s+".join(cells), page), f"the page should show {line!r}"

    measured = ended["evaluate --protocol next-item --data shop --preset quick"]
    auto, popular = (figure(measured, name, "ndcg@10") for name in ("auto", "popular"))
    assert auto > 1.3 * popular

    asked = next(done for words, done in ended.items() if "--where" in words)
    header, *rows = (line.split("\t") for line in asked.out.splitlines())
    assert rows
    for row in rows:
        assert "Camping" in row[header.index("Departments")]
        assert float(row[header.index("Price")]) <= 40


def test_movielens_files(tmp_path: Path, fusionrec, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    export_folders.movielens(tmp_path / "ml-latest-small")
    ended = follow("tutorial-movielens-csv.md", tmp_path, fusionrec)

    lines = written(tmp_path / "ml-latest-small" / "fusionrec.toml", comments=False)
    (shown,) = blocks("tutorial-movielens-csv.md", "toml")
    assert [line for line in shown.splitlines() if line.strip() and line not in lines] == []
    asked = ended["recommend --user 1 -k 5"]
    header, *rows = (line.split("\t") for line in asked.out.splitlines())
    assert len(rows) == 5
    scores = [float(row[header.index("Score")]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]
    assert all("no genres listed" not in " ".join(row) for row in rows)
