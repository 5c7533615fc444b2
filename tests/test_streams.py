"""Streams that cannot be written: messages are lost, and data is not lost in silence."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from builders import as_options, command, python, recipe
from fusionrec.errors import unfailing
from fusionrec.registry.versions import versions
from fusionrec.workspace import Workspace

BROKEN = ["full", "closed pipe", "closed"]


def run(how: str, number: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command whose stream of this number cannot be written; the other one is read."""
    read, write = os.pipe()
    os.close(read)
    full = os.open("/dev/full", os.O_WRONLY)
    streams = {1: subprocess.PIPE, 2: subprocess.PIPE, number: write if how != "full" else full}
    closing = ["sh", "-c", f'exec "$@" {number}>&-', "sh"] if how == "closed" else []
    try:
        return subprocess.run(
            [*closing, *arguments], stdout=streams[1], stderr=streams[2],
            text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        os.close(write)
        os.close(full)


def test_work_goes_on_where_stderr_cannot_be_written(tmp_path):
    made = Workspace(tmp_path / "home")
    options = as_options(recipe(epochs=1, batch=3000))
    ended = run("full", 2, *command(made, "train", "--data", "synthetic", *options))
    assert (ended.returncode, ended.stdout) == (0, "v1\n")
    assert [one.name for one in versions(made)] == ["v1"]
    assert run("full", 2, *command(made, "index")).returncode == 0


@pytest.mark.parametrize("how", BROKEN)
def test_answers_and_exit_codes_come_where_stderr_cannot_be_written(workspace, tmp_path, how):
    ended = run(how, 2, *command(workspace, "recommend", "--json", "-k", "2"))
    assert ended.returncode == 0
    assert len(json.loads(ended.stdout)["items"]) == 2  # no word of what was said is in it
    # The exit code tells what went wrong, also where no message can.
    assert run(how, 2, *command(workspace, "recommend", "--no-such-option")).returncode == 2
    assert run(how, 2, *command(Workspace(tmp_path / "empty"), "index")).returncode == 1


@pytest.mark.parametrize("how", ["full", "closed"])
@pytest.mark.parametrize(
    "asked", [["--help"], ["recommend", "-k", "40"], ["keys", "list", "--json"]]
)
def test_data_that_cannot_be_written_is_an_error(workspace, how, asked):
    ended = run(how, 1, *command(workspace, *asked))
    assert ended.returncode == 1
    assert "error: the output cannot be written: " in ended.stderr
    assert "hint: " in ended.stderr
    assert "defect" not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("asked", [["--help"], ["recommend", "--user", "10", "-k", "40"]])
def test_a_pipe_whose_reader_has_gone_is_no_error(workspace, asked, both):
    read, write = os.pipe()
    os.close(read)
    stderr = write if both else subprocess.PIPE
    process = subprocess.Popen(command(workspace, *asked), stdout=write, stderr=stderr, text=True)
    os.close(write)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert all(line.startswith("note: answered exactly") for line in (err or "").splitlines()), err


def test_a_closed_stderr_lends_its_number_to_no_other_file(tmp_path):
    code = """
import os, sys
from fusionrec.errors import keep_stderr
os.close(2)
sys.stderr = None
keep_stderr()
with open(sys.argv[1], "w") as file:
    assert file.fileno() > 2
print("talk", file=sys.stderr, flush=True)
os.write(2, b"a library's talk")
"""
    assert python(code, tmp_path / "file") == ""
    assert Path(tmp_path / "file").read_text() == ""


def test_a_talk_that_fails_raises_nothing():
    told: list[str] = []

    def log(text: str) -> None:
        told.append(text)
        raise OSError("no space left")

    unfailing(log)("something")
    assert told == ["something"]
