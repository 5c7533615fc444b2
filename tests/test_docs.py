"""Every command in the README and the docs runs, and every path they link to is there."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from builders import as_options, recipe, small_options
from fusionrec.cli import main
from fusionrec.data.tabular.source_spec import JoinSpec
from fusionrec.data.tabular.spec import FieldSpec, InteractionsSpec, ItemsSpec, read_spec
from fusionrec.workspace import Workspace

ROOT = Path(__file__).parent.parent
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
PAGES = [
    ROOT / "README.md",
    CONTRIBUTING,
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
]


def commands(page: Path) -> list[list[str]]:
    """The ``$ fusionrec`` lines of a page's console blocks, as words without that one, and its
    ``$ echo`` lines, whole; in their order.
    """
    blocks = re.findall(r"^```console\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return [
        [line[2:]] if line.startswith("$ echo") else shlex.split(line[2:], comments=True)[1:]
        for line in lines
        if line.startswith(("$ fusionrec", "$ echo"))
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with an indexed model of the synthetic sample, whose ids the docs' ids are."""
    made = Workspace(tmp_path_factory.mktemp("docs"))
    small = as_options(recipe(epochs=1, batch=3000))
    for command in (["train", "--data", "synthetic", *small], ["index"]):
        assert run(made, command) == 0
    return made


def run(workspace: Workspace, command: list[str]) -> int:
    """A command's exit code, in a workspace."""
    with pytest.raises(SystemExit) as stop:
        main(["--home", str(workspace.home), *command])
    return int(stop.value.code or 0)


# Tutorials begin in a workspace of their own: tests/test_tutorials.py.
RUN = [page for page in PAGES if not page.name.startswith("tutorial-")]


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_commands_of_the_docs_run(
    page: Path,
    home: Workspace,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for command in commands(page):
        if command[0].startswith("echo"):  # a file that the next command reads
            subprocess.run(command[0], shell=True, check=True)
            continue
        # Real data takes minutes, so the same command is run on the sample and small settings.
        words = ["synthetic" if word in ("ml-1m", "ml-100k") else word for word in command]
        if words[0] in ("train", "evaluate"):
            words += small_options(words)
        assert run(home, words) == 0, f"{shlex.join(command)}: {capsys.readouterr().err}"


def test_the_readme_shows_commands() -> None:
    shown = {command[0] for command in commands(ROOT / "README.md")}

    assert {"recommend", "similar", "train", "index", "models", "doctor"} <= shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text("utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_files_that_contributors_are_sent_to_are_there() -> None:
    named = re.findall(r"`((?:src|tests|docs|benchmarks)/[^`]*)`", CONTRIBUTING.read_text("utf-8"))

    assert named
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []


def test_the_page_on_fusionrec_toml_names_every_key_and_shows_what_can_be_read(tmp_path: Path):
    page = (ROOT / "docs" / "fusionrec-toml.md").read_text("utf-8")

    keys = [
        key.name for t in (InteractionsSpec, ItemsSpec, FieldSpec, JoinSpec) for key in fields(t)
    ]
    assert [key for key in keys if f"`{key}`" not in page and f".{key}." not in page] == []
    for block in re.findall(r"^```toml\n(.*?)^```", page, re.M | re.S):
        (tmp_path / "fusionrec.toml").write_text(block, encoding="utf-8")
        assert read_spec(tmp_path).interactions.files


def test_makefile_has_the_two_commands() -> None:
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M)

    assert {"quickstart", "test"} <= set(targets)


def test_no_lock_file_names_an_index() -> None:
    lock = (ROOT / "requirements.lock").read_text()

    assert "--hash=sha256:" in lock
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", lock)


def faults() -> list[list[str]]:
    """The commands of the tables in docs/reliability.md, as words."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    return [shlex.split(row) for row in re.findall(r"^\|.*\| `([^`]+)` \|$", page, re.M)]


def test_sixty_faults_have_a_command_each():
    assert len({shlex.join(command) for command in faults()}) >= 60


@pytest.mark.parametrize("command", faults(), ids=" ".join)
def test_the_command_of_a_fault_is_there(command):
    program, file, *options = command
    text = (ROOT / file).read_text("utf-8")
    if program == "python":
        known = re.findall(r"add_argument\(\s*\"(--[\w-]+)", text)
        assert {option for option in options if option.startswith("--")} <= set(known)
        return
    # Of tests, or of their cases: a function or a text.
    names = re.findall(r"(?:def|class) (\w+)|\"(\w+)\"", text)
    for words in options[1:]:
        for part in words.split(" or "):
            assert any(part in name for pair in names for name in pair), part
