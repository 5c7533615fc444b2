"""Events: each is written once, whoever reports it how often, and followers miss none."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from fusionrec.errors import UsageError
from fusionrec.ledger import Event, Impression, Ledger

RATING = Event("1", "u", "i", "rating", 4.0, 5.0)


def test_every_kind_comes_back_as_it_was(location):
    ledger = Ledger(location)
    events = [
        Event("1", "u", "i", "rating", 4, 1.5),
        Event("2", "u", "i", "rating", 0.1 + 0.2, 1e9 + 1e-6),
        *(Event(kind, "u", "i", kind) for kind in ("like", "dislike", "view", "hide")),
    ]
    assert ledger.record(events) == ["new"] * 6
    found = ledger.events()
    assert [event for _, event in found] == events
    numbers = [number for number, _ in found]
    assert numbers == sorted(set(numbers))
    assert ledger.revision().event == numbers[-1] > 0
    assert len(ledger.events()) == 6
    assert ledger.events(after=numbers[1], limit=2) == found[2:4]
    assert ledger.events(limit=0) == ledger.events(after=numbers[-1]) == []
    with pytest.raises(UsageError, match="limit"):
        ledger.events(limit=-1)


@pytest.mark.parametrize(
    ("again", "outcome"),
    [
        (RATING, "known"),
        (Event("1", "u", "i", "rating", 4.0, 99.0), "known"),  # made again, later
        (Event("1", "v", "i", "rating", 4.0, 5.0), "other"),
        (Event("1", "u", "j", "rating", 4.0, 5.0), "other"),
        (Event("1", "u", "i", "rating", 5.0, 5.0), "other"),
        (Event("1", "u", "i", "like", None, 5.0), "other"),
    ],
)
def test_a_repeated_id_writes_nothing(location, again, outcome):
    ledger = Ledger(location)
    assert ledger.record([RATING]) == ["new"]
    before = ledger.events()
    assert ledger.record([again]) == [outcome]
    assert ledger.record([again, Event("2", "u", "i", "view"), again]) == [outcome, "new", outcome]
    assert ledger.events()[:1] == before
    assert len(ledger.events()) == 2
    # And within one call, where the first one is yet to be written.
    other = Ledger(location)
    first = Event("3", RATING.user, RATING.item, RATING.kind, RATING.rating, RATING.time)
    later = Event("3", again.user, again.item, again.kind, again.rating, again.time)
    assert other.record([first, later, first]) == ["new", outcome, "known"]
    assert len(ledger.events()) == 3


_events = st.builds(
    Event,
    id=st.sampled_from("abcd"),
    user=st.sampled_from("uv"),
    item=st.sampled_from("ij"),
    kind=st.sampled_from(["like", "view"]),
)


@settings(max_examples=60, deadline=None)
@given(calls=st.lists(st.lists(_events, max_size=5), max_size=5))
def test_calls_are_as_a_dictionary_would_answer(tmp_path_factory, calls):
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "ledger.sqlite")
    recorded: dict[str, Event] = {}
    for call in calls:
        wanted = []
        for event in call:
            new = event.id not in recorded
            same = recorded.setdefault(event.id, event) == event
            wanted.append("new" if new else "known" if same else "other")
        assert ledger.record(call) == wanted
    assert [event for _, event in ledger.events()] == list(recorded.values())


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "rated"},
        {"kind": None},
        {"rating": None},
        {"kind": "like"},
        {"rating": float("nan")},
        {"rating": float("inf")},
        {"rating": "4"},
        {"rating": True},
        {"time": float("nan")},
        {"time": -1.0},
        {"time": "now"},
        {"id": "x" * 65},
        {"user": 7},
    ],
)
def test_events_that_cannot_be(values):
    good = {"id": "1", "user": "u", "item": "i", "kind": "rating", "rating": 4.0}
    assert Event(**good)
    with pytest.raises(UsageError):
        Event(**good | values)


def test_a_call_is_written_as_a_whole_or_not_at_all(location, monkeypatch):
    from fusionrec.ledger import feedback

    ledger = Ledger(location)
    ledger.record([RATING])
    write = feedback.record

    def fails(connection, events):
        write(connection, events)
        raise RuntimeError("in the midst")

    monkeypatch.setattr(feedback, "record", fails)
    with pytest.raises(RuntimeError):
        ledger.record([Event(str(n), "u", "i", "view") for n in range(2, 9)])
    assert len(ledger.events()) == 1


_WRITER = """
import pathlib, sys
from concurrent.futures import ThreadPoolExecutor
from fusionrec.ledger import Event, Ledger
place, name, threads, calls = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
ledger = Ledger(place if "://" in place else pathlib.Path(place))
def write(thread):
    out = []
    for call in range(calls):
        own = [Event(f"{name}-{thread}-{call}-{n}", "u", "i", "view") for n in range(2)]
        shared = Event(f"shared-{call}", "u", "i", "like")
        out += [*ledger.record([*own, shared])]
    return out
print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(threads) as pool:
    counts = [o for out in pool.map(write, range(threads)) for o in out]
print(counts.count("new"), counts.count("known"), counts.count("other"))
"""


def test_threads_and_processes_record_while_someone_follows(location):
    """Two processes with eight threads each make the ledger at the same moment and fill it."""
    processes, threads, calls = 2, 8, 12
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(location), str(n), str(threads), str(calls)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(processes)
    ]
    ended, followed = threading.Event(), []

    def follow() -> None:
        ledger, seen = Ledger(location), 0
        while True:
            last_look = ended.is_set()
            found = ledger.events(after=seen, limit=7)
            followed.extend(found)
            seen = found[-1][0] if found else seen
            if last_look and not found:
                return

    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(follow)
        for writer in writers:
            writer.stdin.write("go\n")
            writer.stdin.flush()
        counts = [writer.communicate()[0].split() for writer in writers]
        ended.set()
        following.result()
    totals = [sum(int(count[n]) for count in counts) for n in range(3)]
    total = processes * threads * calls * 2 + calls
    assert totals == [total, processes * threads * calls - calls, 0]
    assert followed == Ledger(location).events(), "one was missed, or came twice"
    assert len({event.id for _, event in followed}) == len(followed) == total


def test_on_postgresql_a_later_number_waits_for_an_earlier_one(postgres):
    """A writer that is in the midst of its transaction holds up the next, so that no follower sees
    the second one's numbers first.
    """
    from fusionrec.ledger import feedback

    location = postgres.new_schema()
    ledger, midst, go_on = Ledger(location), threading.Event(), threading.Event()
    ledger.activate("v1", "")

    def slow(connection):
        feedback.record(connection, [Event("first", "u", "i", "view")])
        midst.set()
        assert go_on.wait(30)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(ledger._database.write, slow)
        assert midst.wait(30)
        second = pool.submit(Ledger(location).record, [Event("second", "u", "i", "view")])
        while not _somebody_waits(ledger):
            assert not second.done()
        assert ledger.events() == []
        go_on.set()
        first.result()
        assert second.result() == ["new"]
    assert [event.id for _, event in ledger.events()] == ["first", "second"]


def _somebody_waits(ledger: Ledger) -> bool:
    """Whether a writer waits for another one's transaction to end."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    return ledger._database.read(lambda c: c.execute(waiting).scalar_one(), 0) > 0


def test_old_impressions_are_pruned_and_their_space_is_used_again(location):
    ledger = Ledger(location)
    sizes = []
    for day in range(6):
        shown = [Impression(f"{n}", "u", "user", "v1", ("i",) * 50, float(day)) for n in range(300)]
        ledger.record_impressions(shown)
        while ledger.prune_impressions(day - 1.0, 100) == 100:
            pass
        kept = {impression.time for _, impression in ledger.impressions()}
        assert kept == {day, max(day - 1.0, 0.0)}
        if ledger.file is not None:
            ledger.close()
            sizes.append(ledger.file.stat().st_size)
    assert not sizes or max(sizes[2:]) < 1.2 * sizes[2]
