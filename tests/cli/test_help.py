"""The help: nothing is cut off, commands stand in sections, and every example runs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest

from builders import Ended, auto_recipe, small_options
from fusionrec.cli import cli, quickstart
from fusionrec.cli.command import Command
from fusionrec.data import catalog
from fusionrec.ledger import Event, Ledger
from fusionrec.workspace import Workspace

Run = Callable[..., Ended]


def commands(
    group: click.Group, above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Every command with the words that call it, in the help's order."""
    for name, command in group.commands.items():
        assert isinstance(command, Command)
        yield (*above, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))


COMMANDS = dict(commands(cli))
EXAMPLES = [line for command in COMMANDS.values() for line in command.examples]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, fusionrec: Run, tmp_path: Path) -> Callable[..., str]:
    """The help of a command on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")

    def call(*words: str) -> str:
        ended = fusionrec(Workspace(tmp_path), *words, "--help")
        assert (ended.code, ended.err) == (0, "")
        return ended.out

    return call


@pytest.mark.parametrize("path", [(), *COMMANDS], ids=" ".join)
def test_help_is_whole_at_80_columns(path, shown):
    text = shown(*path)
    for line in text.splitlines():
        assert len(line) <= 80
    below_usage = text.partition("\n\n")[2]
    assert not re.search(r"(\.\.\.|…)\s*$", below_usage, re.M)
    assert "--home DIR" in text
    if path:
        command = COMMANDS[path]
        assert 1 <= len(command.examples) <= 2
        last = text.partition("\nExamples:\n")[2].splitlines()
        assert [line.strip() for line in last] == list(command.examples)
        assert command.get_short_help_str(limit=1000) in " ".join(text.split())
        for line in command.examples:
            assert tuple(shlex.split(line)[1 : len(path) + 1]) == path


def test_commands_stand_in_sections_with_an_example_each(shown):
    text = shown()
    sections = dict(re.findall(r"^([A-Z][a-z ]+):\n((?:  .*\n?)+)", text, re.M))
    del sections["Options"]
    assert list(sections) == [
        "Start", "Data", "Train", "Ask", "Evaluate", "Items", "Serve", "Look after",
    ]  # fmt: skip
    named = [n for part in sections.values() for n in re.findall(r"^  (\w+)", part, re.M)]
    assert named == list(cli.commands)
    for part in sections.values():
        (example,) = re.findall(r"^ +e\.g\. (fusionrec .*)$", part, re.M)
        assert example in EXAMPLES


def test_every_example_runs(fusionrec, files, tmp_path, monkeypatch):
    """In the help's order, in one workspace, on the sample and with small settings."""
    home = Workspace(tmp_path / "home")
    sample = catalog.load("synthetic", home.data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(quickstart.AUTO, "quick", auto_recipe())
    monkeypatch.setattr(catalog, "first_available", lambda *_: (sample, "It is the sample."))
    monkeypatch.setattr("fusionrec.service.server.serve", lambda *_: None)
    item = {"id": "4001", "title": "Dune", "genres": ["Sci-Fi"], "year": 2021}
    Path("new.jsonl").write_text(json.dumps(item), encoding="utf-8")
    Path("new.csv").write_text("sku,title\n4002,Dune II\n", encoding="utf-8")
    Ledger(home.ledger).record([Event("1", "visitor", sample.items.ids[0], "like", time=1.0)])
    Path("shared").mkdir()
    home.settings.write_text(f"[versions]\nurl = '{tmp_path / 'shared'}'\n", encoding="utf-8")
    assert fusionrec(home, "sample", "shop").code == 0  # which init looks at
    monkeypatch.setenv("FUSIONREC_DATA", str(files.folder("ml-1m", at="data/ml-1m").parent))
    for line in EXAMPLES:
        words = shlex.split(line)[1:]
        if words[0] != "fetch":
            words = ["synthetic" if word == "ml-1m" else word for word in words]
        if words[0] == "sample":
            words[1] = "another"
        if words[0] == "init":
            words.append("--force")  # the quickstart has written one
        if words[0] in ("train", "evaluate"):
            words += small_options(words)
        ended = fusionrec(home, *words)
        assert ended.code == 0, f"{line}: {ended.err}"
