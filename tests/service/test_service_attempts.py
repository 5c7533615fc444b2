"""How often a key may be tried, and how often the ledger is asked whether there is such a key."""

from __future__ import annotations

import asyncio
import string

import pytest

from fusionrec.ledger import Key
from fusionrec.service.middleware import RequestGuard
from fusionrec.service.rate_limits import TokenBuckets
from fusionrec.service.recent import Recent
from fusionrec.service.settings import ServiceSettings

BURST = 3
MALFORMED = ["x", "frk_", "frk_" + "a" * 42, "frk_" + "a" * 44, "frk_" + "a" * 42 + "/",
             "frk_" + "é" * 43, "FRK_" + "a" * 43, "frk_" + "a" * 43 + "\n"]  # fmt: skip


def secret(number: int) -> str:
    """A text of the form that secrets have."""
    return "frk_" + string.ascii_letters[number] * 43


class Door:
    """A guard before an app that answers 200, and a ledger that counts what it is asked."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.asked: list[str] = []
        settings = ServiceSettings(host="0.0.0.0", rate=0.001, burst=BURST)
        self.guard = RequestGuard(self._app, settings, self._key_of, lambda *_: None)

    def add(self, text: str, name: str = "shop") -> str:
        self.keys[text] = Key(name, frozenset(["read"]), 0.0)
        return text

    def _key_of(self, text: str) -> Key | None:
        self.asked.append(text)
        return self.keys.get(text)

    async def _app(self, _scope, _receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def answer(self, text: str | None, path: str = "/v1/schema", address: str = "192.0.2.1"):
        headers = [] if text is None else [(b"authorization", b"Bearer " + text.encode("latin-1"))]
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers,
                 "client": (address, 1)}  # fmt: skip
        sent = []

        async def send(message) -> None:
            sent.append(message)

        async def receive():
            return {"type": "http.request", "body": b""}

        await self.guard(scope, receive, send)
        return sent

    def try_(self, text: str | None, *more: str) -> int:
        return asyncio.run(self.answer(text, *more))[0]["status"]


@pytest.fixture
def door():
    return Door()


def test_wrong_keys_are_counted_before_the_ledger_is_asked(door):
    codes = [door.try_(secret(number)) for number in range(8)]
    assert codes == [401] * BURST + [429] * 5
    assert len(door.asked) == BURST
    assert door.try_(secret(9), "/v1/schema", "192.0.2.2") == 401  # of another address


def test_wrong_keys_at_the_same_time_are_counted_too(door):
    async def together():
        return await asyncio.gather(*(door.answer(secret(number)) for number in range(20)))

    codes = sorted(sent[0]["status"] for sent in asyncio.run(together()))
    assert codes == [401] * BURST + [429] * 17
    assert len(door.asked) == BURST


@pytest.mark.parametrize("text", MALFORMED[:-1])
def test_what_cannot_be_a_key_is_not_looked_for_and_is_limited(door, text):
    assert [door.try_(text) for _ in range(BURST + 1)] == [401] * BURST + [429]
    assert door.asked == []


def test_only_secrets_of_keys_have_their_form(tmp_path):
    from fusionrec.ledger import Ledger, is_secret

    assert is_secret(Ledger(tmp_path / "ledger.db").add_key("shop", ["read"]))
    assert [text for text in MALFORMED if is_secret(text)] == []


def test_where_no_key_is_needed_none_is_looked_for(door):
    for path in ("/", "/static/page.js", "/healthz", "/readyz", "/healthz", "/readyz"):
        assert door.try_(door.add(secret(0)), path) == 200
        assert door.try_(secret(1), "/healthz") == 200
    assert door.asked == []


def test_a_known_key_takes_tokens_of_its_own_alone(door):
    known = door.add(secret(0))
    assert [door.try_(known) for _ in range(BURST + 1)] == [200] * BURST + [429]
    # None of the attempts of its address is used up.
    assert [door.try_(secret(n)) for n in range(1, BURST + 2)] == [401] * BURST + [429]


def test_a_key_that_is_over_its_limit_does_not_ask_the_ledger(door):
    known = door.add(secret(0))
    for _ in range(20):
        door.try_(known)
    assert len(door.asked) == BURST


def test_wrong_keys_of_one_address_do_not_lock_out_a_known_one_behind_it(door):
    known = door.add(secret(0))
    assert door.try_(known) == 200
    for number in range(1, 20):
        door.try_(secret(number))
    assert door.try_(known) == 200
    # One that this process has not seen yet has to wait.
    assert door.try_(door.add(secret(30), "new")) == 429


def test_a_key_that_is_removed_is_refused_at_once_and_then_counted_as_wrong(door):
    known = door.add(secret(0))
    assert door.try_(known) == 200
    del door.keys[known]
    assert door.try_(known) == 401
    assert [door.try_(known) for _ in range(BURST + 1)] == [401] * BURST + [429]


def test_a_removed_key_and_one_that_never_was_are_told_the_same(door):
    removed = door.add(secret(0))
    door.try_(removed)
    del door.keys[removed]
    told = [asyncio.run(door.answer(text)) for text in (removed, secret(1), "frk_wrong")]
    assert told[0] == told[1] == told[2]


def test_what_is_remembered_of_keys_is_bounded_and_not_the_secret(door):
    known = door.add(secret(0))
    door.try_(known)
    assert len(door.guard._verified) == 1
    assert known not in repr(door.guard._verified)
    recent: Recent[int, int] = Recent(1_000)
    recent[0] = recent[1] = 0
    for number in [*range(2, 1_000), 0, 1_000]:
        recent[number] = number
    assert len(recent) == 1_000
    assert 0 in recent, "it was set again"
    assert 1 not in recent


def test_a_token_that_is_given_back_can_be_taken_again():
    buckets = TokenBuckets(1.0, 2, lambda: 0.0)
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1.0]
    buckets.give_back("a")
    assert [buckets.take("a") for _ in range(2)] == [0, 1.0]
    for _ in range(5):
        buckets.give_back("a")  # never more than the burst
    assert [buckets.take("a") for _ in range(3)] == [0, 0, 1.0]
    buckets.give_back("nobody")
    assert buckets.take("nobody") == 0
