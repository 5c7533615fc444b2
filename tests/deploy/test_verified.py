"""What was verified is remembered as long as nothing can have changed it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from fusionrec.deploy.deployment import resolve
from fusionrec.deploy.open import open_copy, open_deployment
from fusionrec.errors import ArtifactError
from fusionrec.registry import verified
from fusionrec.registry.versions import load


@pytest.fixture(autouse=True)
def _without_ticks(monkeypatch):
    monkeypatch.setattr(verified, "_TICK", -1.0)  # a test's files are younger than two seconds


@pytest.fixture
def counted(monkeypatch):
    """The files that are read to be verified."""
    read: list[str] = []
    plain = verified.sha256
    monkeypatch.setattr(verified, "sha256", lambda path: read.append(path.name) or plain(path))
    return read


def _flip(file: Path) -> None:
    """Changes one byte, and puts the time of the last change back."""
    times, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1
    with file.open("r+b") as opened:
        opened.write(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def _replace(file: Path) -> None:
    fresh = file.with_name("fresh")
    fresh.write_bytes(file.read_bytes()[:-1] + b"?")
    fresh.rename(file)


def test_files_are_read_once(indexed, counted):
    indexed.verified.unlink()
    load(indexed)
    assert "item_vectors.npy" in counted
    assert indexed.verified.stat().st_mode & 0o077 == 0
    counted.clear()
    load(indexed)
    assert counted == []


@pytest.mark.parametrize("change", [_flip, _replace, lambda file: os.truncate(file, 9)])
def test_a_change_is_found_however_little_it_shows(indexed, change):
    load(indexed)
    change(indexed.models / "v1" / "item_vectors.npy")
    for _ in range(2):
        with pytest.raises(ArtifactError, match="is not what was saved"):
            load(indexed)


@pytest.mark.parametrize("text", ["", "[]", '{"a": 1}', '{"a": ["b", "c", "d"]}'])
def test_a_memory_that_cannot_be_read_is_none(indexed, counted, text):
    indexed.verified.write_text(text)
    load(indexed)
    assert "item_vectors.npy" in counted


@pytest.mark.parametrize("name", ["KEPT", "_TICK"])
def test_what_is_too_old_or_too_new_is_read_again(indexed, counted, monkeypatch, name):
    indexed.verified.unlink()
    monkeypatch.setattr(verified, name, {"KEPT": 0.0, "_TICK": 60.0}[name])
    load(indexed)
    counted.clear()
    time.sleep(0.01)
    load(indexed)
    assert "item_vectors.npy" in counted


def test_a_copy_answers_for_a_store_as_long_as_its_files_stay(indexed):
    def copied() -> bool:
        opened = open_copy(resolve(indexed))
        if opened is not None:
            assert opened.recommender.index.place == f"exact copy of {resolve(indexed).place.name}"
            assert opened.problem is None
        return opened is not None

    assert not copied()
    open_deployment(resolve(indexed)).close()
    assert copied()
    file = next(Path(indexed.milvus).rglob("*.parquet"))
    file.rename(file.with_name("away"))
    assert not copied()
    said: list[str] = []
    with open_deployment(resolve(indexed), said.append).recommender:
        assert "rebuilding it" in said[0]


def test_the_command_line_says_that_a_copy_answers(indexed, fusionrec):
    places = []
    for options in ([], [], ["--no-copy"]):
        ended = fusionrec(indexed, "recommend", "--user", "10", "--json", *options)
        answer = json.loads(ended.out)
        places.append((answer["place"], answer["notes"]))
    store = resolve(indexed).place.name
    assert places == [(store, []), (f"exact copy of {store}", []), (store, [])]
