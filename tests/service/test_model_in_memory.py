"""The service against a plain dictionary: items, feedback, forgetting, versions, in any order.

FUSIONREC_EXAMPLES sets how many sequences of steps are tried, always the same ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, ClassVar

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fusionrec.api import Recommender
from fusionrec.deploy.build import build_index
from fusionrec.ledger import Ledger
from fusionrec.recommend import catalog as items_of
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.query import Query
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from serving import Shop, opened
from swap_stress import exact, second

EXAMPLES = int(os.environ.get("FUSIONREC_EXAMPLES", "7"))
KNOWN = 20  # position of a user whom the version knows
USERS, ITEMS = ("a", "b", "known"), ("3", "5", "7", "x", "y")  # x and y are added
KINDS = ("rating", "like", "dislike", "view", "hide")
NOW = int(time.time()) - 1_000  # after all that training knows

users, items = st.sampled_from(USERS), st.sampled_from(ITEMS)
said = st.tuples(
    st.sampled_from(["1", "2", "3", None]), users, items, st.sampled_from(KINDS), st.integers(0, 3)
)


@pytest.fixture(scope="module")
def two_versions(copy_home: Callable[..., Workspace]) -> Iterator[Shop]:
    workspace = copy_home()
    build_index(workspace, second(workspace))
    with opened(workspace, copy=1_000) as made:
        yield made


class Service(RuleBasedStateMachine):
    """Each sequence has users, added items and event ids of its own in one service.

    The model: ``available``, item -> whether; ``events``, in the order of their arrival;
    ``retracted``, those that were taken back; and ``forgotten``, whom training does not know any
    more.
    """

    shop: ClassVar[Shop]
    client: ClassVar[httpx.Client]  # keeps its connection, unlike the shop's
    runs: ClassVar[Iterator[int]] = count()

    @initialize()
    def begin(self) -> None:
        self.run = next(self.runs)
        self.artifact = load(self.shop.workspace)
        self.known = self.artifact.users.ids[KNOWN + self.run % 30]  # forgotten at most once
        stored = self.artifact.histories.of(KNOWN + self.run % 30)
        self.stored = {self.artifact.items.ids[row] for row in stored.items}
        self.available = dict.fromkeys(self.artifact.items.ids, True)
        self.events: list[dict[str, Any]] = []
        self.retracted: list[dict[str, Any]] = []
        self.forgotten = {self.known} if self.shop.ledger.is_forgotten(self.known) else set[str]()
        self.arrived, self.turns = count(), count()

    def user(self, name: str) -> str:
        return self.known if name == "known" else f"{self.run}-{name}"

    def item(self, name: str) -> str:
        return f"{self.run}-{name}" if name in "xy" else name

    def asked(self, method: str, path: str, **given: Any) -> Any:
        return self.client.request(method, path, headers=self.shop.admin, **given)

    @rule(name=items, year=st.integers(1990, 1999))
    def put(self, name: str, year: int) -> None:
        item = self.item(name)
        shown = self.asked("PUT", f"/v1/items/{item}", json={"title": item, "year": year})
        assert shown.status_code == 200, shown.text
        assert shown.json()["content"]["year"] == year
        self.available.setdefault(item, True)

    @rule(name=items)
    def withdraw(self, name: str) -> None:
        self._set_available(name, "DELETE", "", False)

    @rule(name=items)
    def restore(self, name: str) -> None:
        self._set_available(name, "POST", "/restore", True)

    def _set_available(self, name: str, method: str, path: str, available: bool) -> None:
        item = self.item(name)
        answer = self.asked(method, f"/v1/items/{item}{path}")
        assert answer.status_code == (200 if item in self.available else 404), answer.text
        if item in self.available:
            self.available[item] = available

    @rule(told=st.lists(said, min_size=1, max_size=3))
    def tell(self, told: list[tuple[str | None, str, str, str, int]]) -> None:
        events = []
        for id, user, item, kind, second_ in told:
            event = {"id": f"{self.run}-{id or 'n' + str(next(self.arrived))}",
                     "user": self.user(user), "item": self.item(item), "kind": kind}  # fmt: skip
            event |= {"rating": 2.0} if kind == "rating" else {}
            events.append(event | {"time": float(NOW + second_)})
        answer = self.asked("POST", "/v1/feedback", json={"events": events})
        outcomes = [self._taken(event) for event in events]
        refused = outcomes.count("other") + outcomes.count("retracted")
        if refused:
            assert answer.status_code == 409, answer.text
            assert len(answer.json()["errors"]) == refused
        else:
            assert answer.status_code == 201, answer.text
            assert [one["outcome"] for one in answer.json()["events"]] == outcomes

    def _taken(self, event: dict[str, Any]) -> str:
        for before in (*self.events, *self.retracted):
            if before["id"] == event["id"]:
                same = all(before[name] == event[name] for name in event if name != "time")
                known = "retracted" if before in self.retracted else "known"
                return known if same and before.keys() == event.keys() else "other"
        self.events.append(event)
        return "new"

    @rule(name=users, id=st.sampled_from(["1", "2", "3", "n0", "n1"]))
    def retract(self, name: str, id: str) -> None:
        user, id = self.user(name), f"{self.run}-{id}"
        own = {one["id"] for one in (*self.events, *self.retracted) if one["user"] == user}
        answer = self.asked("DELETE", f"/v1/users/{user}/feedback/{id}")
        assert answer.status_code == (204 if id in own else 404), answer.text
        if id in own:
            self.retracted += [event for event in self.events if event["id"] == id]
            self.events = [event for event in self.events if event["id"] != id]

    @rule(name=users)
    def forget(self, name: str) -> None:
        user = self.user(name)
        assert self.asked("DELETE", f"/v1/users/{user}").status_code == 204
        self.events = [event for event in self.events if event["user"] != user]
        self.retracted = [event for event in self.retracted if event["user"] != user]
        self.forgotten.add(user)

    @rule(version=st.sampled_from(["v1", "v2"]))
    def activate(self, version: str) -> None:
        answer = self.asked("POST", f"/v1/versions/{version}/activate")
        assert answer.status_code == 200, answer.text

    @rule()
    def index(self) -> None:
        version = load(self.shop.workspace, self.shop.ledger.active().version)
        build_index(self.shop.workspace, version, self.shop.state.place)
        self.shop.state.follow()

    def excluded(self, user: str) -> set[str]:
        """What must not be in a user's answers."""
        out = set() if user != self.known or user in self.forgotten else set(self.stored)
        latest: dict[str, str] = {}
        for event in sorted(self.events, key=lambda event: event["time"]):  # stable
            if event["user"] == user and event["kind"] != "view":
                out |= {event["item"]} if event["kind"] != "hide" else set()
                latest[event["item"]] = event["kind"]
        return out | {item for item, kind in latest.items() if kind == "hide"}

    def wanted(self, user: str) -> set[str]:
        here = {item for item, available in self.available.items() if available}
        return here - self.excluded(user)

    @invariant()
    def items_are_as_in_the_model(self) -> None:
        now = self.shop.state.answer(lambda view: view.catalog)
        for name in ITEMS:
            row = now.positions.get(self.item(name))
            known = self.available.get(self.item(name))
            assert (None if row is None else bool(now.available[row])) == known

    @invariant()
    def answers_hold_what_is_here_and_not_excluded(self) -> None:
        self.turn = next(self.turns)
        for name in USERS:
            user = self.user(name)
            asked = {"user": user, "k": 100}
            if name == USERS[self.turn % 3]:  # made in a thread, the others in the event loop
                asked["explain"] = "true"
            answer = self.asked("GET", "/v1/recommendations", params=asked).json()
            ids = [item["id"] for item in answer["items"]]
            assert sorted(ids) == sorted(self.wanted(user))

    @invariant()
    def events_are_listed(self) -> None:
        user = self.user(USERS[self.turn % 3])
        told = [event for event in self.events if event["user"] == user][::-1]
        page = self.asked("GET", f"/v1/users/{user}/feedback", params={"k": 2}).json()
        assert page["more"] == (len(told) > 2)
        shown = [{k: v for k, v in one.items() if k != "title"} for one in page["events"]]
        assert shown == [{k: v for k, v in one.items() if k != "user"} for one in told[:2]]
        about = self.asked("GET", f"/v1/users/{user}").json()
        assert sum(about["events"].values()) == len(told)
        assert about["known"] == (user == self.known and user not in self.forgotten)

    @invariant()
    def another_process_agrees(self) -> None:
        """As one that opens the ledger now: from the artifact, by exact search."""
        ledger = Ledger(self.shop.workspace.ledger)
        here = items_of.current(self.artifact, ledger)
        feedback = Feedback(ledger)
        for name in USERS:
            query, _ = feedback.enrich(Query(self.user(name), k=100), here, visitors=True)
            answer = exact(self.artifact, here).recommend(query)
            assert {item.id for item in answer.items} == self.wanted(self.user(name))
        ledger.close()

    def teardown(self) -> None:
        """A fresh start agrees; then the items are as they were before."""
        with Recommender(self.shop.workspace) as fresh:
            for name in USERS:
                user = self.user(name)
                told = any(event["user"] == user for event in self.events)
                if told or user == self.known:
                    answer = fresh.recommend(user, k=100)
                    assert {item.id for item in answer.items} == self.wanted(user)
        ledger = self.shop.ledger
        now = items_of.current(self.artifact, ledger)
        items_of.withdraw(ledger, now, [item for item in self.available if "-" in item])
        items_of.restore(ledger, now, [item for item in self.available if "-" not in item])
        self.shop.state.follow()


def test_any_order_of_steps_is_as_in_the_model(two_versions):
    Service.shop = two_versions
    Service.TestCase.settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=14,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # a sequence cannot be repeated: the service goes on
    )
    with httpx.Client(base_url=two_versions.client.base_url) as Service.client:
        Service.TestCase().runTest()
