"""The ledger itself: each call is one transaction, and what it wrote is on disk when it returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fusionrec.errors import UsageError
from fusionrec.ledger import feedback, items, keys, users
from fusionrec.ledger.database import Database
from fusionrec.ledger.location import WAIT
from fusionrec.ledger.records import (
    Activation,
    Event,
    Impression,
    ItemChange,
    Key,
    Outcome,
    Recent,
    Revision,
    UserState,
    check_id,
    check_scopes,
)


class Ledger:
    """The ledger of a workspace: a SQLite file, or a database of PostgreSQL. Any number of them, in
    any number of processes, may be open on one place. Any other database that SQLAlchemy has a
    driver for is taken, but none is tested.

    Every write is on disk before the call returns; a server must not have ``synchronous_commit``
    switched off. Where there is no ledger yet, reads find nothing and make nothing; the first
    write makes it. Every method raises LedgerError where the database cannot be used, and then
    nothing was written.

    Args:
        place: the SQLite file, or a URL as SQLAlchemy reads it.
        wait: seconds that a call waits for another writer at most, or for a server's first word.

    Raises:
        LedgerError: the URL is of no known form, or its driver is not installed.
    """

    def __init__(self, place: Path | str, wait: float = WAIT) -> None:
        self._database = Database(place, wait)
        self._pulse: tuple[tuple[int, int] | None, Revision] = (None, Revision())
        self._stamp: tuple[tuple[int, int] | None, tuple[int, int]] = (None, (0, 0))

    def close(self) -> None:
        """Closes the connections, as the end of the object does; the next use opens them again."""
        self._database.close()

    @property
    def is_file(self) -> bool:
        """Whether it is a file, which is read in microseconds, and not a server's."""
        return self._database.is_file

    @property
    def file(self) -> Path | None:
        """The SQLite file, absolute; None where it is a server's."""
        return self._database.file

    def check(self) -> None:
        """Looks through all of a file for damage, and writes nothing.

        Raises:
            LedgerError: it is damaged, or no ledger.
        """
        self._database.check()

    def upgrade(self) -> None:
        """Brings an older program's ledger up to date, which any write does too; until then every
        read takes a copy of it.

        Raises:
            LedgerError: it cannot be written, or is a newer program's.
        """
        self._database.write(lambda _: None)

    def check_writable(self) -> None:
        """Writes through to the disk what changes nothing.

        Raises:
            LedgerError: nothing can be written.
        """
        self._database.write(users.write_nothing)

    def revision(self) -> Revision:
        """What moves with every event, profile and forgotten user, in one question, or none where
        nothing was written since the last one.
        """
        mark = self._database.mark()  # first: what is written meanwhile counts next time
        before, revision = self._pulse
        if mark is None or mark != before:
            revision = self._database.read(users.revision, Revision())
            self._pulse = mark, revision
        return revision  # not the one that is held: another thread may have put an older one there

    def activate(self, version: str, place: str, changes: int = 0, collection: str = "") -> None:
        """Makes a version the active one; the arguments are those of ``Activation``."""
        self._database.write(lambda c: items.activate(c, version, place, changes, collection))

    def active(self) -> Activation | None:
        """The active version, or None before the first activation."""
        return self._database.read(items.last_activation, None)

    def activations(self) -> list[Activation]:
        """Every activation, the oldest first."""
        return self._database.read(items.all_activations, [])

    def stamp(self) -> tuple[int, int]:
        """Numbers of the last activation and the last change: they move when an answer may. Asked
        for only where anything was written since the last time.
        """
        mark = self._database.mark()  # first: what is written meanwhile counts next time
        before, stamp = self._stamp
        if mark is None or mark != before:
            stamp = self._database.read(items.stamp, (0, 0))
            self._stamp = mark, stamp
        return stamp

    def change_items(
        self,
        contents: Mapping[str, items.Content],
        *,
        given: Mapping[str, frozenset[str]] | None = None,
        since: int | None = None,
        restore: bool = False,
    ) -> int:
        """Writes changes of items, all or none of them; what changes nothing is left out. An item
        that is withdrawn stays so, whatever content it is given, until it is restored.

        Args:
            contents: outside item id -> its content as JSON values, or None to withdraw it.
            given: outside item id -> the attributes that this change is about; the others are as
                they were at ``since``. Without an entry, it is about none.
            since: number of the last change that ``contents`` was made from. Where an item was
                given content behind it, that content's values stand in for all attributes that
                this change is not about. None: contents are written as they are.
            restore: whether the items are not withdrawn any more.

        Returns:
            How many changes were written.

        Raises:
            UsageError: an id is not one that every database can hold.
        """
        for item in contents:
            check_id("item", item)
        about = given or {}
        return self._database.write(
            lambda c: items.change_items(c, contents, about, since, restore=restore)
        )

    def withdrawn(self, ids: Sequence[str]) -> frozenset[str]:
        """Those of some items, by outside id, that are withdrawn."""
        return self._database.read(lambda c: items.withdrawn(c, ids), frozenset())

    def item_changes(self, after: int = 0) -> list[ItemChange]:
        """The changes of items behind a number, in their order."""
        return self._database.read(lambda c: items.changes_after(c, after), [])

    def record(self, events: Iterable[Event]) -> list[Outcome]:
        """Writes events, all that are new or none of them.

        Returns:
            What became of each, in the same order: "new", it was written; "known", its id was there
            and tells the same, whatever the time; "other", its id tells something else, and nothing
            was written for it. Ids that come twice in one call are treated alike.
        """
        given = list(events)
        return self._database.write(lambda c: feedback.record(c, given)) if given else []

    def last_event(self) -> int:
        """Number of the last event, 0 for none. It falls when that event's user is forgotten."""
        return self._database.read(feedback.last_event, 0)

    def events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """Events and their numbers behind a number, rising; the first ``limit`` of them.

        No event ever appears at or below a number that was seen, and no number is given twice.
        """
        _check_limit(limit)
        return self._database.read(lambda c: feedback.events_after(c, after, limit), [])

    def event_count(self) -> int:
        """How many events there are."""
        return self._database.read(feedback.event_count, 0)

    def show(self, impressions: Iterable[Impression]) -> None:
        """Writes what was shown, all or nothing, but for users who were forgotten after it was:
        another process may have held it back until then.
        """
        given = list(impressions)
        if given:
            self._database.write(lambda c: feedback.show(c, users.not_forgotten_since(c, given)))

    def impressions(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Impression]]:
        """What was shown, with numbers as those of ``events``."""
        _check_limit(limit)
        return self._database.read(lambda c: feedback.impressions_after(c, after, limit), [])

    def shown_counts(self, user: str, since: float = 0.0) -> dict[str, int]:
        """Outside item id -> how often it was shown to a user, at ``since`` (seconds since 1970,
        UTC) or later.
        """
        check_id("user", user)
        return self._database.read(lambda c: feedback.shown_counts(c, user, since), {})

    def set_profile(self, user: str, profile: Mapping[str, str] | None) -> None:
        """Writes a user's profile, attribute -> value, in place of the one before; None removes it.

        Raises:
            UsageError: the id cannot be held, or the profile is not texts alone.
        """
        check_id("user", user)
        for pair in (profile or {}).items():
            if not all(isinstance(text, str) for text in pair):
                raise UsageError(f"a profile is texts by name, got {pair!r}")
        self._database.write(lambda c: users.set_profile(c, user, profile))

    def profile(self, user: str) -> dict[str, str] | None:
        """A user's profile; None where there is none."""
        check_id("user", user)
        return self._database.read(lambda c: users.profile(c, user), None)

    def profiles(self) -> dict[str, dict[str, str]]:
        """Every profile, by user."""
        return self._database.read(users.all_profiles, {})

    def heard(self, event: int = 0, profile: int = -1) -> frozenset[str]:
        """Users of whom there is an event behind one number, or a profile behind another."""
        return self._database.read(lambda c: users.heard(c, event, profile), frozenset())

    def told_by(self, user: str) -> UserState:
        """What is kept of a user."""
        check_id("user", user)
        return self._database.read(lambda c: users.told_by(c, user), UserState())

    def recent(self, since: float, until: float, like: float, least: int) -> Recent:
        """What users took from ``since`` to ``until`` (seconds since 1970, UTC): liked, or rated
        ``like`` or more (infinite: ratings mean nothing), and did not take back by a later
        opinion. A view costs nothing to invent: views count only where nobody rated or liked
        anything in that time. Of the items, those that ``least`` users or more took.
        """
        return self._database.read(
            lambda c: feedback.recent(c, since, until, like, least), Recent()
        )

    def forget(self, user: str) -> int:
        """Deletes a user's events, impressions and profile, and keeps a salted hash of the id, and
        when this was: who holds the ledger can still try whether an id is among the forgotten ones.

        Returns:
            How many rows went.
        """
        check_id("user", user)
        gone = self._database.write(lambda c: users.forget(c, user))
        self._database.clear()
        return gone

    def is_forgotten(self, user: str) -> bool:
        """Whether ``forget`` was ever called for a user: what was trained before may still know
        that user. New events of the user change nothing about it.
        """
        check_id("user", user)
        return self._database.read(lambda c: users.is_forgotten(c, user), False)

    def forgotten(self, ids: Iterable[str]) -> frozenset[str]:
        """Those of some users for whom ``is_forgotten`` is true."""
        asked = list(ids)
        return self._database.read(lambda c: users.forgotten_of(c, asked), frozenset())

    def add_key(self, name: str, scopes: Iterable[str]) -> str:
        """Makes a key to the service.

        Args:
            name: of no other key.
            scopes: one or more of ``read``, ``feedback``, ``admin``.

        Returns:
            The secret, ``frk_`` and 43 characters. It is shown this once: its SHA-256 is kept.

        Raises:
            UsageError: the name is taken, or a scope is unknown.
        """
        check_id("a key's name", name)
        known = check_scopes(scopes)
        return self._database.write(lambda c: keys.add_key(c, name, known))

    def keys(self) -> list[Key]:
        """The keys, by name."""
        return self._database.read(keys.all_keys, [])

    def remove_key(self, name: str) -> None:
        """Removes a key.

        Raises:
            UsageError: there is none of this name.
        """
        check_id("a key's name", name)
        self._database.write(lambda c: keys.remove_key(c, name))

    def key_of(self, secret: str) -> Key | None:
        """The key with a secret; None where there is none."""
        return self._database.read(lambda c: keys.key_of(c, secret), None)


def _check_limit(limit: int | None) -> None:
    if limit is not None and limit < 0:
        raise UsageError(f"limit must be 0 or more, got {limit}")
