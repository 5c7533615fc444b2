"""A folder of shards holds what one file does, whatever ended the runs that wrote it."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from fusionrec import Recommender
from fusionrec.engine import engine
from fusionrec.errors import EngineError, FusionrecError, UsageError
from fusionrec.ledger import Event, Ledger
from fusionrec.recommend import batch as room
from fusionrec.recommend.catalog import current, withdraw
from fusionrec.recommend.shards import MANIFEST, Answers, Question, Shard, question_in, write_shards
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace

SHARDS = 4


@pytest.fixture
def ledger(workspace: Workspace) -> Ledger:
    """With feedback of two users, a user who is to be forgotten, and a withdrawn item."""
    made = Ledger(workspace.ledger)
    made.record(
        [Event("1", "5", "7", "rating", 5.0, 1.7e9), Event("2", "50", "8", "hide", None, 2)]
    )
    made.forget("20")
    withdraw(made, current(load(workspace), made), ["2"])
    return made


@pytest.fixture
def answers(workspace: Workspace, ledger: Ledger, tmp_path: Path) -> Answers:
    return asked(workspace, ledger, tmp_path / "recs")


def asked(workspace: Workspace, ledger: Ledger, folder: Path, k: int = 5) -> Answers:
    held = question_in(folder)
    batch = Recommender(workspace).batch(k=k, now=held.now if held else None)
    question = Question.of(batch, SHARDS)
    return Answers(workspace.home, folder, question, batch.query, ledger.item_changes(), batch)


def write(answers: Answers, **given: object) -> list[str]:
    """Writes the shards; what was logged."""
    told: list[str] = []
    with engine("process") as made:
        write_shards(answers, made, log=told.append, **given)
    return told


def held(folder: Path) -> pa.Table:
    """All rows, as other programs read the folder."""
    return ds.dataset(folder).to_table()


def same(folder: Path, answers: Answers, file: Path) -> bool:
    assert answers.everyone is not None
    room.write_answers(file, answers.everyone)
    return held(folder).to_pylist() == pq.read_table(file).to_pylist()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_shards_hold_what_the_file_does(answers, tmp_path):
    done: list[int] = []
    assert write(answers, progress=lambda *now: done.append(now[1])) == []
    assert done == [15, 30, 45, 60]
    assert same(answers.folder, answers, tmp_path / "one.parquet")
    parts = [f"part-0000{n}-of-00004.parquet" for n in range(SHARDS)]
    assert names(answers.folder) == [MANIFEST, *parts]
    told = json.loads((answers.folder / MANIFEST).read_text())
    assert (told["version"], told["k"], told["goal"], told["shards"]) == ("v1", 5, None, SHARDS)
    assert told["feedback"][1] == 2
    before = {path: path.stat().st_mtime_ns for path in answers.folder.iterdir()}
    assert write(answers) == ["4 of 4 shards were there, whole"]
    assert before == {path: path.stat().st_mtime_ns for path in answers.folder.iterdir()}


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("kill_at", [0, 2, 3])
def test_a_run_that_was_killed_goes_on(workspace, ledger, answers, tmp_path, kill_at, moved):
    if not (child := os.fork()):
        count, move = iter(range(SHARDS)), room.move_in

        def killed(fresh: Path, target: Path) -> None:
            last = next(count) == kill_at
            if moved or not last:
                move(fresh, target)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)

        room.move_in = killed
        write(answers)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    whole = kill_at + moved
    assert len(list(answers.folder.glob("part-*"))) == whole
    again = asked(workspace, ledger, answers.folder)
    assert write(again) == ([f"{whole} of 4 shards were there, whole"] if whole else [])
    assert same(answers.folder, answers, tmp_path / "one.parquet")
    assert not list(answers.folder.glob(".*"))


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF  # within a page
    path.write_bytes(data)


def shorten(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 3), path)


def exchange(path: Path) -> None:
    shutil.copy(path.with_name(path.name.replace("part-00001", "part-00002")), path)


@pytest.mark.parametrize(
    "damage", [truncate, flip, shorten, exchange, lambda path: path.write_bytes(b"")]
)
def test_a_damaged_shard_is_made_anew_and_told(answers, tmp_path, damage):
    write(answers)
    victim = answers.folder / answers.question.file(1)
    whole = victim.read_bytes()
    damage(victim)
    assert victim.read_bytes() != whole
    first, last = write(answers)
    assert first.startswith(f"note: {victim.name} was damaged and is made anew: ")
    assert last == "3 of 4 shards were there, whole"
    assert same(answers.folder, answers, tmp_path / "one.parquet")


def say_more(workspace: Workspace) -> dict[str, int]:
    Ledger(workspace.ledger).record([Event("9", "9", "9", "rating", 4.0, 1.7e9)])
    return {}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _: {"k": 3}, "k 5, not 3"),
        (lambda _: {"where": "year=1990.."}, r"where \[\], not \[.Between"),
        (lambda _: {"shards": 3}, "shards 4, not 3"),
        (lambda _: {"seen": True}, "seen False, not True"),
        (say_more, r"feedback \[1, 2, -1\], not \[1, 3, -1\]"),
    ],
)
def test_a_folder_goes_on_with_the_same_question_alone(workspace, answers, change, says):
    write(answers)
    before = held(answers.folder)
    options = {"k": 5, "shards": SHARDS} | change(workspace)
    with Recommender(workspace) as recommender, pytest.raises(UsageError, match=says):
        recommender.write_all(answers.folder, **options)
    assert held(answers.folder) == before


def occupy(folder: Path) -> None:
    folder.mkdir()
    (folder / "mine.txt").touch()


def garble(folder: Path) -> None:
    folder.mkdir()
    (folder / MANIFEST).write_text('{"now": "soon"}')


@pytest.mark.parametrize(
    ("prepare", "shards", "says"),
    [
        (occupy, None, "holds other files"),
        (garble, None, "_manifest.json cannot be read"),
        (lambda folder: folder.touch(), None, "cannot be written: File exists"),
        (lambda _: None, 61, "shards must be 1 to 60 for 60 users, got 61"),
        (lambda _: None, 0, "shards"),
    ],
)
def test_a_folder_that_does_not_suit_stays_as_it_is(workspace, tmp_path, prepare, shards, says):
    folder = tmp_path / "recs"
    prepare(folder)
    with Recommender(workspace) as recommender, pytest.raises(FusionrecError, match=says):
        recommender.write_all(folder, shards=shards)
    assert not list(folder.glob("part*"))


def test_two_do_not_write_one_folder(answers):
    write(answers)
    other = os.open(answers.folder, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="another process is writing"):
        write(answers)
    os.close(other)
    write(answers)


def test_another_process_opens_the_version_itself(answers, ledger):
    """And what is said after the beginning is not in some of the shards alone."""
    write(answers)
    shard = Shard(0, answers.everyone.share(*answers.question.bounds(0)))
    path = answers.folder / answers.question.file(0)
    wanted = pq.read_table(path)
    path.unlink()
    ledger.record([Event("9", "6", "9", "hide", None, 1.7e9)])
    sent = pickle.loads(pickle.dumps((answers, shard)))
    assert sent[0].everyone is None
    made = sent[0](sent[1])
    assert (made.rows, made.kept) == (len(wanted), False)
    assert pq.read_table(path) == wanted


def elsewhere(answers: Answers, _: Path) -> Answers:
    return replace(answers, home=Path("/nowhere"), everyone=None)


def other_version(answers: Answers, home: Path) -> Answers:
    shutil.copytree(answers.home, home)
    manifest = home / "models/v1/manifest.json"
    manifest.write_text(manifest.read_text().replace("item_vectors", "item_vectorz", 1))
    return replace(answers, home=home, everyone=None)


def no_folder(answers: Answers, _: Path) -> Answers:
    return replace(answers, folder=Path("/nowhere"))


@pytest.mark.parametrize("where", [elsewhere, other_version, no_folder])
def test_a_worker_that_does_not_see_the_files_says_so(
    answers, tmp_path, where: Callable[[Answers, Path], Answers]
):
    write(answers)
    (answers.folder / answers.question.file(1)).unlink()
    shard = Shard(1, answers.everyone.share(*answers.question.bounds(1)))
    with pytest.raises(EngineError, match=r"does not see the .*, /") as raised:
        where(answers, tmp_path / "other")(shard)
    assert raised.value.code == "not_shared"


def test_some_users_are_answered_as_all_are(workspace, answers):
    batch = Recommender(workspace).batch(k=5, now=answers.question.now)
    write(answers)
    some = batch.table(["50", "3", "5", "20"]).to_pylist()
    assert some == [
        row for row in held(answers.folder).to_pylist() if row["user"] in ("3", "5", "50")
    ]
    with pytest.raises(UsageError, match="v1 knows no user 'nobody'"):
        batch.table(["3", "nobody"])


def test_the_command(workspace, fusionrec, tmp_path, answers):
    folder = answers.folder
    words = ("recommend", "--all", "-o", str(folder), "-k", "5", "--shards", "4")
    done = fusionrec(workspace, *words)
    assert (done.code, done.out) == (0, f"{folder}\n")
    assert same(folder, answers, tmp_path / "one.parquet")
    again = fusionrec(workspace, *words)
    assert (again.code, "4 of 4 shards were there" in again.err) == (0, True)
    asked_else = fusionrec(workspace, *words, "--only", "3")
    assert (asked_else.code, "another question" in asked_else.err) == (2, True)
    one = fusionrec(workspace, "recommend", "--all", "-o", "x.parquet", "--engine", "ray")
    assert (one.code, "writes a folder" in one.err) == (2, True)
