"""A user with any number of events: what counts is the same, and an event more is little work."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import numpy as np
import pytest

from event_data import baskets, groups, schema
from fusionrec.ledger import Event, Ledger
from fusionrec.recommend import user_feedback
from fusionrec.recommend.catalog import Catalog, current, put
from fusionrec.recommend.event_semantics import UserOpinions
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.query import Query
from fusionrec.registry.versions import load
from swap_stress import exact

KINDS = ("rating", "like", "dislike", "view", "hide")
SCHEMAS = {
    "ratings": replace(schema(), events=False, rating_range=(1.0, 5.0), like=4.0),
    "ratings again": replace(schema(repeats=True), events=False, rating_range=(1.0, 5.0), like=4.0),
    "events": groups().schema,
    "events again": baskets().schema,
}


def made(chance: random.Random, count: int, items: int, first: int = 0) -> list[Event]:
    """Events of one user at few moments, so that many are late and some at the same time."""
    return [
        Event(f"e{n}", "hot", str(chance.randrange(items)), kind,
              3.0 if kind == "rating" else None, time=float(chance.randrange(40)))
        for n in range(first, first + count) for kind in [chance.choice(KINDS)]
    ]  # fmt: skip


def naive(events, of):
    """Opinions and refusals by going through all events in the order of time, as documented."""
    opinions, refused = [], {}
    for number, event in sorted(events, key=lambda one: (one[1].time, one[0])):
        item = event.item
        if event.kind == "view" or (event.kind == "rating" and of.events):
            continue
        no = event.kind in ("hide", "dislike")
        if event.kind == "hide" or (no and (of.events or of.repeats)):
            refused[item] = event.time
        else:
            refused.pop(item, None)
        if (no and of.events) or (event.kind != "hide" and not of.repeats):
            opinions = [one for one in opinions if one[2].item != item]
        if event.kind != "hide" and not (no and of.events):
            opinions.append((event.time, number, event))
    return opinions, refused


@pytest.mark.parametrize("name", SCHEMAS)
def test_event_by_event_is_as_all_in_order(name):
    of = SCHEMAS[name]
    for seed in range(30):
        chance = random.Random(seed)
        events = list(enumerate(made(chance, 120, 6), 1))
        chance.shuffle(events)
        opinions = UserOpinions(of)
        for count, (number, event) in enumerate(events, 1):
            opinions.add(number, event)
            if count % 17 and count < 120:
                continue
            said, refused = naive(events[:count], of)
            assert opinions.opinions == said
            since = {str(n): opinions.refused_since(str(n)) for n in range(6)}
            assert {item: at for item, at in since.items() if at is not None} == refused


@pytest.fixture
def catalog(workspace):
    return Catalog.of(load(workspace))


@pytest.mark.parametrize("known", [True, False])
def test_all_that_was_ever_taken_stays_out_and_the_newest_count(
    workspace, catalog, monkeypatch, known
):
    monkeypatch.setattr(user_feedback, "MOST_READ", 5)
    artifact, ledger = catalog.artifact, Ledger(workspace.ledger)
    user = artifact.users.ids[20] if known else "hot"
    stored = artifact.histories.of(20) if known else artifact.histories.of(20).take(slice(0))
    begin = float(np.max(stored.times, initial=1e9))
    feedback, chance = Feedback(ledger), random.Random(1)
    position = {id: row for row, id in enumerate(artifact.items.ids)}
    for turn in range(25):
        events = [replace(one, user=user, time=begin + turn * 2 + one.time)
                  for one in made(chance, 3, 45, first=3 * turn)]  # fmt: skip
        ledger.record(events)
        said = feedback.of(user, catalog)
        opinions, refused = naive(ledger.user_state(user).events, artifact.schema)
        opinions = [one for one in opinions if one[2].item in position]
        assert [(one.item, one.time) for one in said.history] == [
            (event.item, event.time) for _, _, event in opinions[-5:]
        ]
        assert said.taken.tolist() == sorted({position[event.item] for *_, event in opinions})
        assert said.hidden == refused.keys() & position.keys()
        assert said == Feedback(ledger).of(user, catalog), "as one that read all at once"
        query = feedback.enrich(Query(user=user, k=40), catalog)[0]
        answer = [item.id for item in exact(artifact).recommend(query).items]
        out = {artifact.items.ids[row] for row in stored.items}
        out |= {event.item for *_, event in opinions} | refused.keys()
        assert set(answer) == set(artifact.items.ids) - out


def test_what_was_said_of_an_item_counts_once_it_is_there(workspace, catalog, monkeypatch):
    from fusionrec.data.item_files import item_of

    ledger = Ledger(workspace.ledger)
    feedback = Feedback(ledger)
    ledger.record([Event("a", "v", "new", "like"), Event("b", "v", "3", "like")])
    assert feedback.of("v", catalog).taken.tolist() == [catalog.positions["3"]]
    put(ledger, catalog, [item_of(catalog.artifact.schema, "new", {"title": "New"})])
    then = current(catalog.artifact, ledger)
    rows = sorted([then.positions["3"], then.positions["new"]])
    assert feedback.of("v", then).taken.tolist() == rows
    assert len(feedback.of("v", then).history) == 2


def test_an_event_of_a_hot_id_costs_its_own_length(workspace, catalog, monkeypatch):
    ledger = Ledger(workspace.ledger)
    feedback = Feedback(ledger)
    ledger.record(
        Event(f"e{n}", "hot", str(n % 40), ("like", "dislike")[n // 40 % 2], time=n)
        for n in range(4_000)
    )
    feedback.of("hot", catalog)
    read, real = [], UserOpinions.add

    def add(self, number, event):
        read.append(number)
        real(self, number, event)

    monkeypatch.setattr(UserOpinions, "add", add)
    for turn in range(3):
        ledger.record([Event(f"more-{turn}", "hot", "3", "like", time=5_000 + turn)])
        said = feedback.of("hot", catalog)
        assert said.history[-1].time == 5_000 + turn
        assert feedback.of("hot", catalog) is said, "made once"
    assert read == [4_001, 4_002, 4_003]
    assert feedback.reacted("hot", ["3", "39", "41"], catalog) == {"3", "39"}


def test_what_is_popular_is_counted_in_time_whoever_said_it(ledger_of_one):
    """Of each opinion its user's later ones are looked for, of which there may be thousands."""
    began = time.process_time()
    now = time.time()
    found = ledger_of_one.recent_activity(now - 86_400, now + 60, 4.0, 1)
    assert found.users == 1
    assert len(found.takers) == 50
    assert time.process_time() - began < 1


@pytest.fixture
def ledger_of_one(tmp_path) -> Ledger:
    made, now = Ledger(tmp_path / "ledger.sqlite"), time.time()
    made.record(
        Event(f"{n}", "hot", str(n % 100), ("like", "hide")[n % 2], time=now - 8_000 + n)
        for n in range(8_000)
    )
    return made


def test_while_popularity_is_counted_others_get_the_last_count(ledger_of_one, catalog, monkeypatch):
    feedback, clock, asked = Feedback(ledger_of_one), time.monotonic, []
    first, real = feedback.recent(4.0), Ledger.recent_activity
    assert feedback.is_short("stranger", catalog)
    monkeypatch.setattr(time, "monotonic", lambda: clock() + 3_600)

    def recent_activity(self, *between):
        asked.append(feedback.recent(4.0) is first)
        return real(self, *between)

    monkeypatch.setattr(Ledger, "recent_activity", recent_activity)
    assert not feedback.is_short("stranger", catalog), "it is counted elsewhere"
    assert feedback.recent(4.0) is not first
    assert asked == [True]
    assert feedback.is_short("stranger", catalog)
