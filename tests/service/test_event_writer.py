"""The thread that writes: nothing that is raised ends it, and nobody waits for ever."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest

from fusionrec.errors import FusionrecError, LedgerError, UsageError
from fusionrec.ledger import Event, Impression
from fusionrec.service import event_writer as module
from fusionrec.service.event_writer import EventWriter
from swap_stress import eventually


class SpeechlessError(Exception):
    """One that cannot even be told."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


RAISED = [OSError("io"), LedgerError("locked"), SystemExit(1), SpeechlessError(), UsageError("bad")]


class Parts:
    """A ledger, metrics and a talk of which each call can be made to fail, or to wait."""

    def __init__(self) -> None:
        self.written: list[str] = []
        self.pruned: list[tuple[float, int]] = []
        self.turns = 0
        self.told: list[str] = []
        self.failing: dict[str, BaseException] = {}
        self.gate = threading.Event()
        self.gate.set()

    def _call(self, name: str) -> None:
        assert self.gate.wait(20)
        if name in self.failing:
            raise self.failing[name]

    def record(self, events: list[Event]) -> list[str]:
        self._call("record")
        self.turns += 1
        if any(event.id == "bad" for event in events):
            raise ValueError("one is wrong")
        self.written += [event.id for event in events]
        return ["new"] * len(events)

    def record_impressions(self, impressions: list[Impression]) -> None:
        self._call("show")
        self.written += [one.answer for one in impressions]

    def prune_impressions(self, before: float, most: int) -> int:
        self._call("prune")
        self.pruned.append((before, most))
        return most if len(self.pruned) < 3 else 0

    def check_writable(self) -> None:
        self._call("check_writable")

    @property
    def events(self) -> Mock:
        self._call("events")
        return Mock()

    @property
    def shown(self) -> Mock:
        self._call("shown")
        return Mock()

    def log(self, text: str) -> None:
        self.told.append(text)
        self._call("talk")


@pytest.fixture
def parts(monkeypatch) -> Parts:
    monkeypatch.setattr(module, "_RETRY", 0.01)
    return Parts()


@pytest.fixture
def made(parts) -> Iterator[Callable[..., EventWriter]]:
    started: list[EventWriter] = []

    def make(seconds: float = 10.0) -> EventWriter:
        ledger: Any = parts
        started.append(EventWriter(ledger, ledger, parts.log, seconds))
        return started[-1]

    yield make
    parts.gate.set()
    for one in started:
        one.close()
        assert not one._thread.is_alive()


def event(id: str) -> Event:
    return Event(id, "u", "i", "view")


def impression(id: str) -> Impression:
    return Impression(id, "u", "popular", "v1", ("i",), 0.0)


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(
    "names",
    [["record"], ["show"], ["events"], ["shown"], ["record", "talk"], ["show", "shown", "talk"],
     ["record", "show", "check_writable", "talk", "events", "shown", "call"]],
    ids="+".join,
)  # fmt: skip
def test_whatever_is_raised_everyone_is_answered_and_it_goes_on(parts, made, names, error):
    recorder = made()
    parts.failing = dict.fromkeys(names, error)

    def call() -> str:
        parts._call("call")
        return "made"

    parts.gate.clear()  # so that all of this is one batch
    first = recorder.record([event("0")])
    recorder.show(impression("s"))
    jobs = [recorder.record([event(str(n))]) for n in range(1, 4)]
    parts.gate.set()
    for job in (first, *jobs):
        failed = job.exception(10)
        assert isinstance(failed, FusionrecError) if "record" in names else failed is None
    try:
        assert recorder.perform(call) == "made"
    except FusionrecError:
        assert "call" in names
    parts.failing = {}
    assert recorder.record([event("after")]).result(10) == ["new"]
    assert recorder.perform(call) == "made"
    recorder.show(impression("shown after"))
    eventually(lambda: "shown after" in parts.written)
    eventually(lambda: not recorder.trouble)


def test_a_ledger_that_fails_is_a_trouble_until_it_can_be_written(parts, made):
    recorder = made()
    parts.failing = {"record": LedgerError("locked"), "check_writable": LedgerError("locked")}
    with pytest.raises(LedgerError, match="locked"):
        recorder.record([event("a")]).result(10)
    eventually(lambda: recorder.trouble == "locked")
    assert len(parts.told) == 1, "it is said once"
    parts.failing = {}
    eventually(lambda: not recorder.trouble)  # though nobody tells anything
    eventually(lambda: parts.told[1:] == ["the ledger can be written again"])


def test_nobody_waits_longer_than_one_may(parts, made):
    recorder = made(0.05)
    parts.gate.clear()
    begun = recorder.record([event("begun")])
    eventually(begun.running)

    with pytest.raises(LedgerError, match=r"not written within 0\.05 s") as caught:
        asyncio.run(recorder.written([event("late")]))
    assert "with the same id" in str(caught.value.hint)
    called: list[int] = []
    with pytest.raises(LedgerError, match=r"not written within 0\.05 s") as caught:
        recorder.perform(lambda: called.append(1))
    assert "ask again" in str(caught.value.hint)
    assert "has been waiting" in recorder.trouble
    parts.gate.set()
    assert begun.result(10) == ["new"]
    assert recorder.record([event("next")]).result(10) == ["new"]
    # What was refused before it was begun is not written later.
    assert parts.written == ["begun", "next"]
    assert not called
    eventually(lambda: not recorder.trouble)


def test_what_may_still_be_written_is_said_to_be_so(parts, made):
    recorder = made(0.05)
    parts.gate.clear()
    with pytest.raises(LedgerError, match="and may still be") as caught:
        asyncio.run(recorder.written([event("begun")]))
    assert caught.value.code == "outcome_unknown"
    with pytest.raises(LedgerError) as caught:
        asyncio.run(recorder.written([event("waits")]))
    assert caught.value.code == "ledger_failed"
    parts.gate.set()
    assert recorder.record([event("next")]).result(10) == ["new"]
    assert parts.written == ["begun", "next"]
    parts.gate.clear()
    with pytest.raises(LedgerError, match="and may still be") as caught:
        recorder.perform(lambda: parts.gate.wait(20))
    assert caught.value.code == "outcome_unknown"
    parts.gate.set()


def test_a_thread_that_has_ended_is_a_trouble(made):
    recorder = made()
    recorder.close()
    assert "has ended" in recorder.trouble


def test_what_waits_together_is_one_transaction(parts, made):
    recorder = made()
    parts.gate.clear()
    first = recorder.record([event("first")])
    eventually(first.running)
    jobs = [recorder.record([event(f"{n}a"), event(f"{n}b")]) for n in range(64)]
    parts.gate.set()
    assert all(job.result(10) == ["new", "new"] for job in jobs)
    assert parts.turns == 2
    assert parts.written == ["first", *(f"{n}{x}" for n in range(64) for x in "ab")]


def test_one_wrong_request_spoils_no_other(parts, made):
    recorder = made()
    parts.gate.clear()  # so that they are one batch
    recorder.record([event("first")])
    jobs = {id: recorder.record([event(id)]) for id in ("a", "bad", "b")}
    parts.gate.set()
    assert jobs["a"].result(10) == jobs["b"].result(10) == ["new"]
    with pytest.raises(LedgerError):
        jobs["bad"].result(10)


def test_nothing_that_waits_is_lost_at_the_end(parts, made):
    recorder = made()
    jobs = [recorder.record([event(str(n))]) for n in range(50)]
    for n in range(50):
        recorder.show(impression(f"shown {n}"))
    recorder.close()
    assert all(job.done() for job in jobs)
    assert len(parts.written) == 100
    with pytest.raises(LedgerError, match="stopped"):
        recorder.record([event("late")])


def test_too_many_that_wait_are_refused(parts, made):
    recorder, many = made(), [event(str(n)) for n in range(15_000)]
    parts.gate.clear()
    first = recorder.record(many)
    with pytest.raises(LedgerError, match="waiting"):
        recorder.record(many)
    parts.gate.set()
    assert len(first.result(10)) == 15_000
    assert len(recorder.record(many).result(10)) == 15_000


@pytest.mark.parametrize("days", [90.0, 0.0])
def test_old_impressions_are_deleted_bit_by_bit_and_events_come_first(days):
    parts = Parts()
    parts.failing["prune"] = LedgerError("locked")
    writer = EventWriter(parts, Mock(), parts.told.append, 10.0, days)
    try:
        assert writer.record([Event("a", "u", "i", "view")]).result(5) == ["new"]
        if not days:
            return
        eventually(lambda: writer.trouble == "locked")
        parts.failing.clear()
        writer._prune_at = 0.0
        began = time.monotonic()
        assert writer.record([Event("b", "u", "i", "view")]).result(5) == ["new"]
        eventually(lambda: len(parts.pruned) == 3, 5)
        assert time.monotonic() - began > 2 * module._LINGER, "others have their turn between"
        assert all(abs(time.time() - 90 * 86_400 - before) < 60 for before, _ in parts.pruned)
    finally:
        writer.close()
    assert len(parts.pruned) == (3 if days else 0)
