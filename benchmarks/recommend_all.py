"""How many users a second get their exact top k, where all of them are answered at once.

    OPENBLAS_NUM_THREADS=1 python benchmarks/recommend_all.py --home .fusionrec

Needs a trained version. Beside ``fusionrec recommend --all`` stand, in the same process and from
the same vectors: a loop over the users in plain NumPy, one product and one partial sort each, and a
full sort of all scores of a block of users. All leave out what a user has rated. The command has
NumPy compute in one thread, as the variable above does here. Medians of the runs; the processor's
seconds are told too, since other work on the machine counts for less in them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from fusionrec.index import ExactIndex
from fusionrec.ledger import Ledger
from fusionrec.recommend.batch import BatchRecommender, write_answers
from fusionrec.recommend.catalog import current
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from shared import take_turns


def main() -> None:
    """Prints one JSON object: users a second, and the seconds behind it, of each way."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", default=".fusionrec")
    parser.add_argument("--version")
    parser.add_argument("-k", type=int, default=10)
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    workspace = Workspace.find(arguments.home)
    artifact, ledger = load(workspace, arguments.version), Ledger(workspace.ledger)
    catalog = current(artifact, ledger)
    index = ExactIndex(catalog.artifact.schema, catalog.items, catalog.matrix)
    recommender, feedback = Recommender(catalog, index), Feedback(ledger)
    ways: dict[str, Callable[[], object]] = {}
    for threads in (1, 2):
        everyone = BatchRecommender(recommender, feedback, Query(k=arguments.k), threads)
        ways[f"all at once, threads: {threads}"] = partial(answer, everyone)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "recs.parquet"
        ways["all at once, written as Parquet"] = lambda: write_answers(file, everyone)
        ways["a loop over the users"] = lambda: by_user(artifact, arguments.k)
        ways["a full sort"] = lambda: full_sort(artifact, arguments.k)
        found = {name: measure(way, arguments.runs, len(everyone)) for name, way in ways.items()}
    size = {"users": len(everyone), "items": len(catalog), "dim": catalog.matrix.shape[1]}
    same = float((by_user(artifact, arguments.k) == listed(everyone, arguments.k)).mean())
    print(json.dumps({**size, "same as the loop": same, **found}, indent=1))


def answer(everyone: BatchRecommender) -> int:
    """How many rows the answers have, each of which is let go at once."""
    return sum(len(lists) for lists, _ in everyone.lists())


def measure(way: Callable[[], object], runs: int, users: int) -> dict[str, float]:
    """Medians of a way's time by the clock and by the processor, and users a second."""
    taken = take_turns({"way": lambda _: way()}, runs, warm=1)["way"]
    seconds, processor = np.median(taken, axis=0).tolist()
    return {
        "users/s": round(users / seconds),
        "best users/s": round(users / float(taken[:, 0].min())),
        "seconds": round(seconds, 3),
        "processor seconds": round(processor, 3),
    }


def by_user(artifact: Artifact, k: int) -> np.ndarray:
    """The k best items of every user, int64 [users, k], in plain NumPy one by one."""
    best = np.empty((len(artifact.users), k), dtype=np.int64)
    for user, vector in enumerate(artifact.user_vectors):
        scores = artifact.item_vectors @ vector
        scores[artifact.histories.of(user).items] = -np.inf
        top = np.argpartition(-scores, k)[:k]
        best[user] = top[np.argsort(-scores[top])]
    return best


def full_sort(artifact: Artifact, k: int, block: int = 1024) -> np.ndarray:
    """The same by sorting all items of a block of users."""
    held, best = artifact.histories, []
    for begin in range(0, len(artifact.users), block):
        vectors = artifact.user_vectors[begin : begin + block]
        scores = vectors @ artifact.item_vectors.T
        offsets = held.offsets[begin : begin + len(vectors) + 1]
        user = np.repeat(np.arange(len(vectors)), np.diff(offsets))
        scores[user, held.item[offsets[0] : offsets[-1]]] = -np.inf
        best.append(np.argsort(-scores, axis=1)[:, :k])
    return np.concatenate(best)


def listed(everyone: BatchRecommender, k: int) -> np.ndarray:
    """What ``BatchRecommender`` answers, int64 [users, k]; −1 where there is no item."""
    best = np.full((len(everyone), k), -1, dtype=np.int64)
    for rows, _ in everyone.lists():
        best[rows["user"], rows["rank"] - 1] = rows["item"]
    return best


if __name__ == "__main__":
    main()
