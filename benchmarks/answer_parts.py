"""What the parts of an answer take by themselves.

    python benchmarks/answer_parts.py --home .fusionrec

On the active version and its store, which nothing else may use meanwhile: the store's own search
for one vector, at once again and with rests, and for four in one request, as the index asks it; the
whole answer to a known user; the ledger asked for news by a question, and by SQLite's count of
commits; Python's search for garbage over all that is held; and for how many users the index's first
request is deep enough. Milliseconds by the clock and of this process's processor time, medians.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.deploy.open import open_version
from fusionrec.index import MilvusIndex, OverlayIndex
from fusionrec.index.milvus_index import DROPPED_FACTOR, SLACK
from fusionrec.ledger import Ledger, Revision
from fusionrec.ledger.users import revision
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.workspace import Workspace
from shared import take_turns

K = 11  # as the service asks for ten, to know whether there are more


def taken(call: Callable[[], object], runs: int, pause: float = 0.0) -> dict[str, float]:
    """Milliseconds of a call, after one that is not counted, with seconds of rest between two."""
    spans = take_turns({"call": lambda _: call()}, runs, warm=1, pause=pause)["call"]
    clock, processor = (1000 * np.median(spans, axis=0)).round(3).tolist()
    return {"ms": clock, "processor_ms": processor}


def searches(recommender: Recommender, runs: int) -> dict[str, Any]:
    """The store's own search; nothing where the version answers from memory."""
    index = recommender.index
    store = index._base if isinstance(index, OverlayIndex) else index
    if not isinstance(store, MilvusIndex):
        return {}
    vectors = list(recommender.artifact.user_vectors[:4])
    return {
        "store": f"{store.store.server.title}, {store.kind}",
        "one vector, 15 hits": taken(lambda: store._search_batch(vectors[:1], K + SLACK, ""), runs),
        "the same, every 10 ms": taken(
            lambda: store._search_batch(vectors[:1], K + SLACK, ""), runs, pause=0.007
        ),
        "four vectors, 120 hits": taken(lambda: store._search_batch(vectors, 120, ""), runs),
    }


def deep_enough(recommender: Recommender) -> float:
    """The share of users of whose best rows those that the index asks for first hold K that they
    have not rated.
    """
    artifact, enough = recommender.artifact, []
    for user, vector in enumerate(artifact.user_vectors):
        seen = artifact.histories.of(user).items
        order = np.argsort(-(artifact.item_vectors @ vector), kind="stable")
        first = order[: K + math.ceil(DROPPED_FACTOR * math.sqrt(len(seen))) + SLACK]
        enough.append(np.count_nonzero(~np.isin(first, seen)) >= K)
    return round(float(np.mean(enough)), 4)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".fusionrec"))
    parser.add_argument("--runs", type=int, default=300)
    given = parser.parse_args()
    workspace = Workspace(given.home)
    ledger = Ledger(workspace.ledger)
    with open_version(workspace).recommender as recommender:
        users = iter(np.resize(recommender.artifact.users.ids, given.runs + 1).tolist())
        found: dict[str, Any] = {
            "place": recommender.index.place,
            "items": len(recommender.catalog),
        }
        found |= searches(recommender, given.runs)
        answer = taken(lambda: recommender.recommend(Query(user=next(users), k=K)), given.runs)
        found["answer"] = answer
        question = taken(lambda: ledger._database.read(revision, (Revision(), "")), given.runs)
        found["ledger, a question"] = question
        found["ledger, nothing new"] = taken(ledger.revision, given.runs)
        found["search for garbage"] = taken(gc.collect, 5)
        found["first request deep enough"] = deep_enough(recommender)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
