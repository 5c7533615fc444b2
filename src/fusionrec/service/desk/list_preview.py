"""Twenty users' lists by two versions, side by side."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from fusionrec.deploy.open import open_exactly
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.query_builder import QueryRequest, build_query
from fusionrec.recommend.recommender import Recommender
from fusionrec.service.state import ServiceState

USERS, K = 20, 10
_LOOKED_AT = 50 * USERS  # users among whom those are looked for that both versions know

_opening = threading.Lock()  # one preview at a time: it holds two whole versions


@dataclass(frozen=True)
class Listed:
    """An item of a list; ``new`` if the other list does not have it."""

    id: str
    title: str
    new: bool


@dataclass(frozen=True)
class Pair:
    """A user's lists by the first and the second version."""

    user: str
    before: list[Listed]
    after: list[Listed]

    @property
    def new(self) -> int:
        """How many items of the second list are new."""
        return sum(one.new for one in self.after)


@dataclass(frozen=True)
class Preview:
    """The lists of some users."""

    pairs: list[Pair]

    @property
    def sentence(self) -> str:
        """What changes, in a sentence."""
        if not self.pairs:
            return "No user is known to both versions, so there are no lists to compare."
        n, new = len(self.pairs), sum(pair.new for pair in self.pairs)
        of, same = sum(len(pair.after) for pair in self.pairs), sum(not p.new for p in self.pairs)
        users = f"{n} users'" if n > 1 else "one user's"
        said = f"In {users} lists {new} of {of} items are new"
        return f"{said}; {same} of the lists keep all their items." if of else f"{said}."


def preview(state: ServiceState, before: str, after: str) -> Preview:
    """Users' lists by two versions, with the items and the feedback of now.

    Raises:
        ArtifactError, UsageError: a version cannot be opened, or there is none of that name.
    """
    feedback = Feedback(state.ledger, optional=True)
    with _opening, _opened(state, before) as one, _opened(state, after) as other:
        users = _users(state, one, other)
        first, second = (
            [_ids(recommender, feedback, user) for user in users] for recommender in (one, other)
        )
        pairs = [
            Pair(user, _listed(one, mine, theirs), _listed(other, theirs, mine))
            for user, mine, theirs in zip(users, first, second, strict=True)
        ]
    return Preview(pairs)


@contextmanager
def _opened(state: ServiceState, version: str) -> Iterator[Recommender]:
    opened = open_exactly(state.workspace, state.ledger, version)
    try:
        yield opened.recommender
    finally:
        opened.close()


def _users(state: ServiceState, one: Recommender, other: Recommender) -> list[str]:
    """Users whom both know, evenly from the whole table of the first."""
    if not (one.artifact.has_towers and other.artifact.has_towers):
        return []
    ids, known = one.artifact.users.ids, other.artifact.user_positions
    step = max(len(ids) // _LOOKED_AT, 1)
    looked_at = [ids[n] for n in range(0, len(ids), step)]
    gone = state.ledger.forgotten(looked_at)
    both = [id for id in looked_at if id in known and id not in gone]
    return both[:: max(len(both) // USERS, 1)][:USERS]


def _ids(recommender: Recommender, feedback: Feedback, user: str) -> list[str]:
    asked = QueryRequest(user=user, k=K, titles=False, visitors=True)
    query, _ = build_query(asked, recommender.finder, feedback)
    return [item.id for item in recommender.recommend(query).items]


def _listed(recommender: Recommender, ids: Sequence[str], others: Sequence[str]) -> list[Listed]:
    there = set(others)
    return [Listed(id, recommender.finder.title(id) or id, id not in there) for id in ids]
