"""Answers for all users as a folder of Parquet files, each for a range of users: resumable, and
made by whatever engine runs them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.engine import Engine
from fusionrec.errors import ArtifactError, EngineError, Log, Progress, UsageError, reason
from fusionrec.ledger import ItemChange
from fusionrec.recommend.batch import BatchRecommender, Share, check_named_as_parquet, write_some
from fusionrec.recommend.catalog import Catalog
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.workspace import Workspace, make_folder, write_text, writing

MANIFEST = "_manifest.json"  # a name that readers of Parquet folders pass over
USERS = 65_536  # of a shard, by default
_MOST = 100_000  # shards


@dataclass(frozen=True)
class Question:
    """What a folder answers, as its manifest says.

    Attributes:
        version, checksum: of the version, and its vectors'.
        k, goal, seen, where: of the query; the conditions in words of the program.
        items: number of the last change of items.
        feedback: the ledger's revision: removals, last event, last profile.
        users, shards: how many.
        now: time as of which is answered, in seconds since 1970; a run that goes on keeps it.
    """

    version: str
    checksum: str
    k: int
    goal: str | None
    seen: bool
    where: Sequence[str]
    items: int
    feedback: Sequence[int]
    users: int
    shards: int
    now: float = field(compare=False)

    @classmethod
    def of(cls, everyone: BatchRecommender, shards: int | None) -> Question:
        """What all users are asked for, in so many shards; by default of 65,536 users each.

        Raises:
            UsageError: there are more shards than users, or than 100,000.
        """
        query, catalog, users = everyone.query, everyone.recommender.catalog, len(everyone)
        count = -(-users // USERS) if shards is None else shards
        if not 1 <= count <= min(users, _MOST):
            most = min(users, _MOST)
            raise UsageError(f"shards must be 1 to {most:,} for {users:,} users, got {count:,}")
        return cls(
            catalog.artifact.version,
            catalog.artifact.checksum,
            query.k,
            query.goal,
            query.seen,
            [repr(condition) for condition in query.where],
            catalog.number,
            list(everyone.revision),
            users,
            count,
            query.now or 0.0,
        )

    def key(self) -> str:
        """A short name of all this."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()[:16]

    def bounds(self, shard: int) -> tuple[int, int]:
        """The first position of a shard's users, and the one after its last."""
        return shard * self.users // self.shards, (shard + 1) * self.users // self.shards

    def file(self, shard: int) -> str:
        """The name of a shard's file."""
        return f"part-{shard:05}-of-{self.shards:05}.parquet"


def question_in(folder: Path) -> Question | None:
    """What a folder was begun for; None where nothing was.

    Raises:
        UsageError: its manifest is damaged or that of another program.
    """
    try:
        held = json.loads((folder / MANIFEST).read_bytes())
        return Question(**{**held, "now": float(held["now"])})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"{folder / MANIFEST} cannot be read: {reason(error)}",
            "name another folder; or remove this one, to begin anew",
        ) from error


@dataclass(frozen=True)
class Shard:
    """The users of one file, with what the feedback says of them."""

    number: int
    share: Share


@dataclass(frozen=True)
class Finished:
    """A shard that is there.

    Attributes:
        number: of the shard.
        rows: of its file.
        kept: whether it was there before.
        damage: what was wrong with the file that was there before; empty where nothing was.
    """

    number: int
    rows: int
    kept: bool
    damage: str = ""


@dataclass(frozen=True)
class Answers:
    """What any process needs to answer shards; called with one, it sees to its file.

    Attributes:
        home: the workspace's folder.
        folder: the shards' folder.
        question: what is answered.
        query: the same, for the program.
        changes: of items, all that count.
        everyone: who answers in this process; other processes open the version once.
    """

    home: Path
    folder: Path
    question: Question = field(hash=False)
    query: Query = field(compare=False)
    changes: Sequence[ItemChange] = field(compare=False)
    everyone: BatchRecommender | None = field(default=None, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "everyone": None}

    def __call__(self, shard: Shard) -> Finished:
        """Checks a shard's file, and makes it where it is missing or damaged.

        Raises:
            EngineError: this process does not see the workspace or the folder.
            FusionrecError: as of ``write_some``.
        """
        question, path = self.question, self.folder / self.question.file(shard.number)
        if question_in(self.folder) != question:
            raise _unseen(self.folder, "the folder of the answers")
        about = {
            "version": question.version,
            "k": question.k,
            "goal": question.goal,
            "shard": shard.number,
            "question": question.key(),
        }
        rows, damage = _check(path, about)
        if rows is not None:
            return Finished(shard.number, rows, kept=True)
        everyone = (self.everyone or _opened(self)).with_share(shard.share)
        begin, end = question.bounds(shard.number)
        rows = write_some(path, everyone, np.arange(begin, end), about)
        return Finished(shard.number, rows, kept=False, damage=damage)


@lru_cache(maxsize=1)
def _opened(answers: Answers) -> BatchRecommender:
    """The version, opened once in a process that answers many shards."""
    workspace, question = Workspace(answers.home), answers.question
    try:
        artifact = Artifact.load(workspace.models / question.version)
    except (ArtifactError, OSError) as error:
        raise _unseen(answers.home, "the workspace", f" ({error})") from error
    if artifact.checksum != question.checksum:
        raise _unseen(answers.home, "the workspace", f" (another {question.version} is there)")
    recommender = Recommender(Catalog.of(artifact, answers.changes), None)
    return BatchRecommender(recommender, None, answers.query)


def _unseen(path: Path, what: str, why: str = "") -> EngineError:
    return EngineError(
        f"the worker on {platform.node()} does not see {what}, {path}{why}",
        "put workspace and answers where all machines see them under the same path",
        code="not_shared",
    )


def _check(path: Path, about: Mapping[str, Any]) -> tuple[int | None, str]:
    """The number of rows of a shard's file that is whole; else None, and what is wrong with it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return None, ""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            held = file.metadata.metadata or {}
            if json.loads(held[b"fusionrec"]) != about:
                return None, "it answers something else"
            rows, wanted = sum(len(b) for b in file.iter_batches()), int(held[b"fusionrec.rows"])
    except (OSError, pa.ArrowException, KeyError, ValueError) as error:
        return None, reason(error).partition("\n")[0]
    return (rows, "") if rows == wanted else (None, f"it has {rows:,} of {wanted:,} rows")


def write_shards(
    answers: Answers,
    engine: Engine,
    progress: Progress = lambda *_: None,
    log: Log = lambda _: None,
) -> int:
    """Writes everybody's answers into a folder, a Parquet file for each range of users, and a
    manifest, ``Question``. A run that was ended at any point goes on where it was: finished files
    are read and checked, and stay.

    Args:
        answers: of this process, with ``everyone``.
        engine: that runs the shards.
        progress: called after each shard with the number of users done, and of all.
        log: told of damaged files.

    Returns:
        The number of rows.

    Raises:
        UsageError: the folder is another question's, in use, or holds other files.
        EngineError: as of ``Engine.map``.
        FusionrecError: something cannot be written; see ``workspace.writing``.
    """
    folder, question, everyone = answers.folder, answers.question, answers.everyone
    assert everyone is not None
    check_named_as_parquet(folder)
    with writing(folder):
        make_folder(folder)
    with _alone(folder):
        _begin(folder, question)
        shards = (Shard(n, everyone.share(*question.bounds(n))) for n in range(question.shards))
        rows = kept = 0
        for made in engine.map(answers, shards):
            if made.damage:
                name = question.file(made.number)
                log(f"note: {name} was damaged and is made anew: {made.damage}")
            rows, kept = rows + made.rows, kept + made.kept
            progress("answering", question.bounds(made.number)[1], question.users)
        if kept:
            log(f"{kept:,} of {question.shards:,} shards were there, whole")
    return rows


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keeps a folder for this process, and free of what others left half written."""

    def clean() -> None:
        for left in folder.glob(".part-*.new"):
            with suppress(OSError):
                left.unlink()

    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another process is writing answers into {folder}",
                "wait until it ends, or name another folder",
            ) from error
        except OSError:
            pass  # some network file systems have no locks
        clean()
        yield
        clean()
    finally:
        os.close(held)


def _begin(folder: Path, question: Question) -> None:
    """Writes the manifest, or checks the one that is there."""
    held = question_in(folder)
    if held is None:
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            raise UsageError(
                f"{folder} holds other files, and no answers that were begun",
                "name a folder that is new or empty",
            )
        write_text(folder / MANIFEST, json.dumps(asdict(question), indent=1) + "\n")
        return
    if held != question:
        was, asked = asdict(held), asdict(question)
        differ = [name for name in asked if name != "now" and was[name] != asked[name]]
        told = ", ".join(
            f"{name} {_short(was[name])}, not {_short(asked[name])}" for name in differ
        )
        raise UsageError(
            f"{folder} was begun for another question: {told}",
            "name another folder, or remove this one; feedback and items that came since change "
            "the question",
            code="other_question",
        )
    if held.now != question.now:
        raise UsageError(f"another process began {folder} at this moment", "run the same once more")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
