"""The ledger: each call is one transaction, which is on disk when the call returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self, get_args

from fusionrec.errors import UsageError
from fusionrec.ledger import activity, desk, feedback, items, keys, traffic, users
from fusionrec.ledger.database import Database
from fusionrec.ledger.location import WAIT
from fusionrec.ledger.records import (
    Activation,
    Event,
    EventCount,
    Impression,
    ItemChange,
    Key,
    ListsShown,
    LogEntry,
    MissedSearch,
    Outcome,
    RecentActivity,
    Retraction,
    Revision,
    Scope,
    Traffic,
    UserState,
    check_id,
)
from fusionrec.workspace import Workspace


class Ledger:
    """The ledger of a workspace: a SQLite file or a PostgreSQL database, which any number of
    processes may open, any number of times. ``Ledger.of`` opens a workspace's.

    Every write is on disk before the call returns; a server must not have ``synchronous_commit``
    switched off. The first write creates the ledger; until then reads find nothing. Every method
    raises LedgerError if the database cannot be used, and then nothing was written.

    Args:
        location: the SQLite file, or a URL as SQLAlchemy reads it.
        wait: most seconds that a call waits for another writer, or for a server to answer.
        brief: the same for reads of little; ``wait`` by default. A server that has let one of
            them wait is asked again after a second; until then reads fail at once.
        home: of the workspace that uses it; see ``of``.

    Attributes:
        file: the SQLite file, absolute, which is read in microseconds; None for a server.
        name: for messages; nothing secret.

    Raises:
        LedgerError: the URL has no known form, or its driver is not installed.
    """

    def __init__(
        self,
        location: Path | str,
        wait: float = WAIT,
        brief: float | None = None,
        home: Path | None = None,
    ) -> None:
        self._database = Database(location, wait, home, brief)
        self.file, self.name = self._database.file, self._database.name

    @classmethod
    def of(cls, workspace: Workspace, wait: float = WAIT, brief: float | None = None) -> Self:
        """The ledger that a workspace uses. The first write notes in the workspace which one that
        is; from then on another one at that location, or none, is an error in all calls.

        Raises:
            ConfigError: the settings cannot be read.
        """
        return cls(workspace.ledger, wait, brief, workspace.home)

    @property
    def failing(self) -> bool:
        """Whether the last read has waited in vain; then another may wait, too."""
        return self._database.failing

    def close(self) -> None:
        """Closes the connections; the next use opens new ones."""
        self._database.close()

    def check(self) -> None:
        """Checks all of a SQLite file for damage, and which tables either database has; writes
        nothing. Another program's file is an error, too.
        """
        self._database.check()

    def upgrade(self) -> None:
        """Migrates an older program's ledger, as any write does; until then reads copy it."""
        self._database.write(lambda _: None)

    def check_writable(self) -> None:
        """Tests whether the ledger can be written, by a write that changes nothing."""
        self._database.write(users.write_nothing)

    def revision(self) -> Revision:
        """Numbers that change with every event, profile and forgotten user."""
        revision, id = self._database.read_after_write(users.revision, (Revision(), ""))
        self._database.check_id(id)
        return revision

    def activate(self, version: str, place: str, changes: int = 0, collection: str = "") -> None:
        """Activates a version; the arguments are those of ``Activation``."""
        self._database.write(lambda c: items.activate(c, version, place, changes, collection))

    def active(self) -> Activation | None:
        """The active version, or None before the first activation."""
        return self._database.read(items.last_activation, None, brief=True)

    def activations(self) -> list[Activation]:
        """Every activation, the oldest first."""
        return self._database.read(items.all_activations, [])

    def stamp(self) -> tuple[int, int]:
        """Numbers of the last activation and the last item change."""
        return self._database.read_after_write(items.stamp, (0, 0))

    def change_items(
        self,
        contents: Mapping[str, items.Content],
        *,
        changed: Mapping[str, frozenset[str]] | None = None,
        since: int | None = None,
        restore: bool = False,
    ) -> int:
        """Writes changes of items, all or none; skips those that change nothing. A withdrawn item
        stays withdrawn, whatever its new content, until it is restored.

        Args:
            contents: outside item id -> its content as JSON values, or None to withdraw it.
            changed: outside item id -> the attributes that this change sets; the others are as they
                were at ``since``. Without an entry, it sets none.
            since: number of the last change that ``contents`` was made from. If an item has newer
                content, its values replace those of all attributes that this change does not
                set. None: contents are written as they are.
            restore: whether withdrawn items become available again.

        Returns:
            The number of changes written.

        Raises:
            UsageError: an id cannot be stored.
        """
        for item in contents:
            check_id("item", item)
        return self._database.write(
            lambda c: items.change_items(c, contents, changed or {}, since, restore=restore)
        )

    def withdrawn(self, ids: Sequence[str]) -> frozenset[str]:
        """The withdrawn ones of these outside item ids."""
        return self._database.read(lambda c: items.withdrawn(c, ids), frozenset(), brief=True)

    def item_changes(self, after: int = 0) -> list[ItemChange]:
        """The changes of items after a number, in order."""
        return self._database.read(lambda c: items.changes_after(c, after), [])

    def record(self, events: Iterable[Event]) -> list[Outcome]:
        """Writes the new events, all or none.

        Returns:
            The outcome of each, in the same order: "new", written; "known", an event with the same
            id and content exists, whatever its time; "retracted", the same, but it was taken back;
            "other", the id belongs to another event. But for "new" nothing was written. Repeated
            ids within one call are treated alike.
        """
        reported = list(events)
        return self._database.write(lambda c: feedback.record(c, reported)) if reported else []

    def retract(self, user: str, event: str) -> bool:
        """Takes back an event of a user, by its id: a retraction is added, and from then on the
        event counts nowhere, as if it had never been. Doing it again changes nothing.

        Returns:
            Whether the user has such an event, taken back before or not.
        """
        check_id("user", user)
        check_id("an event's id", event)
        return self._database.write(lambda c: feedback.retract(c, user, event))

    def retractions(self) -> list[tuple[int, Retraction]]:
        """Every retraction, with its number, rising; events and these share their numbers."""
        return self._database.read(feedback.all_retractions, [])

    def events(self, after: int = 0, limit: int | None = None) -> list[tuple[int, Event]]:
        """The first ``limit`` events after a number, with their numbers, rising; with those that
        were taken back, see ``retractions``.

        No event ever appears at or below a number that was read, and no number is used twice.
        """
        if limit is not None and limit < 0:
            raise UsageError(f"limit must be 0 or more, got {limit}")
        return self._database.read(lambda c: feedback.events_after(c, after, limit), [])

    def record_impressions(self, impressions: Iterable[Impression]) -> None:
        """Writes impressions, all or none, but for users who were forgotten after them: another
        process may write them late.
        """
        shown = list(impressions)
        if shown:
            self._database.write(
                lambda c: feedback.record_impressions(c, users.without_forgotten(c, shown))
            )

    def prune_impressions(self, before: float, most: int) -> int:
        """Deletes up to ``most`` impressions from before a time (seconds since 1970, UTC); returns
        how many. A SQLite file uses their space again, and does not shrink.
        """
        return self._database.write(lambda c: feedback.prune_impressions(c, before, most))

    def impressions(self) -> list[tuple[int, Impression]]:
        """Every impression, with its number, rising."""
        return self._database.read(feedback.all_impressions, [])

    def impression_counts(self, user: str, since: float = 0.0) -> dict[str, int]:
        """Outside item id -> how often a user was shown it, at ``since`` (seconds since 1970, UTC)
        or later; in the newest 1,000 impressions.
        """
        check_id("user", user)
        return self._database.read(
            lambda c: feedback.impression_counts(c, user, since), {}, brief=True
        )

    def set_profile(self, user: str, profile: Mapping[str, str] | None) -> None:
        """Replaces a user's profile, attribute -> value; None removes it.

        Raises:
            UsageError: the id cannot be stored, or the profile does not map texts to texts.
        """
        check_id("user", user)
        for pair in (profile or {}).items():
            if not all(isinstance(text, str) for text in pair):
                raise UsageError(f"a profile is texts by name, got {pair!r}")
        self._database.write(lambda c: users.set_profile(c, user, profile))

    def profile(self, user: str) -> dict[str, str] | None:
        """A user's profile, or None."""
        check_id("user", user)
        return self._database.read(lambda c: users.profile(c, user), None, brief=True)

    def profiles(self) -> dict[str, dict[str, str]]:
        """Every profile, by user."""
        return self._database.read(users.all_profiles, {})

    def users_changed_since(
        self, event: int = 0, profile: int = -1, until: tuple[int, int] | None = None
    ) -> frozenset[str]:
        """Ids of users with an event after ``event`` or a profile change after ``profile``; with
        ``until``, only up to that event and that profile.
        """
        return self._database.read(
            lambda c: users.users_changed_since(c, event, profile, until), frozenset(), brief=True
        )

    def user_state(self, user: str, after: int = 0, limit: int | None = None) -> UserState:
        """A user's events and profile, and whether the user was forgotten.

        Args:
            user: outside user id.
            after: number of the last of the user's events that the caller has, 0 for none; only
                later ones are read. If it is gone, since the user was forgotten, all are.
            limit: most events that are read, the oldest of them; all by default.
        """
        check_id("user", user)
        return self._database.read(
            lambda c: users.user_state(c, user, after, limit), UserState(), brief=True
        )

    def newest_events(
        self, user: str, limit: int, offset: int = 0, items: Sequence[str] | None = None
    ) -> list[Event]:
        """A user's events that count, those that arrived last first; ``offset`` of them are
        skipped.

        Args:
            items: outside ids, of at most 1,000 items; the events of others are left out.
        """
        check_id("user", user)
        return self._database.read(
            lambda c: feedback.newest_events(c, user, limit, offset, items), []
        )

    def event_kinds(self, user: str) -> dict[str, int]:
        """How many events of each kind count of a user."""
        check_id("user", user)
        return self._database.read(lambda c: feedback.event_kinds(c, user), {})

    def recent_activity(
        self, since: float, until: float, like: float, least: int
    ) -> RecentActivity:
        """Items that ``least`` or more users liked from ``since`` to ``until`` (seconds since 1970,
        UTC): by a like, or a rating of ``like`` or more (infinite: ratings do not count), without
        a later opinion that takes it back. Views are easy to fake: they count only if nobody liked
        or rated anything in that time.
        """
        return self._database.read(
            lambda c: feedback.recent_activity(c, since, until, like, least), RecentActivity()
        )

    def events_by_day(self, since: float, starts: Sequence[float] = ()) -> list[EventCount]:
        """How many events there are of each day and kind, from ``since`` on; and by which of
        ``starts``, rising, came last before them. All times are in seconds since 1970, UTC.
        """
        return self._database.read(lambda c: activity.events_by_day(c, since, starts), [])

    def lists_by_day(self, since: float) -> list[tuple[int, str, int]]:
        """How many lists a version has shown users on a day: when that began, the version, and the
        count; times as of ``events_by_day``.
        """
        return self._database.read(lambda c: activity.lists_by_day(c, since), [])

    def people_since(self, since: float, limit: int) -> dict[str, float]:
        """Ids of users who said something or were shown a list, and when they last did or were, the
        last first; times as of ``events_by_day``.
        """
        return self._database.read(lambda c: activity.people_since(c, since, limit), {})

    def items_shown(self, since: float, limit: int) -> ListsShown:
        """What is in the newest ``limit`` lists that users were shown; time as of
        ``events_by_day``.
        """
        return self._database.read(lambda c: activity.items_shown(c, since, limit), ListsShown())

    def add_traffic(
        self, minutes: Iterable[Traffic], now: float, missed: Mapping[str, int] | None = None
    ) -> None:
        """Adds what was counted in some minutes to what other workers have counted, and deletes
        minutes older than a day, and hours older than 35 days.

        Args:
            minutes: of which each begins at a full one.
            now: seconds since 1970, UTC.
            missed: searches that found nothing, words -> how often they were asked. The first 100
                letters of each are kept for a month, of at most 1,000 searches, and nothing beside
                them.
        """
        counted, searches = list(minutes), dict(missed or {})
        for words in searches:
            check_id("words", words, traffic.MOST_LETTERS)
        self._database.write(lambda c: traffic.add_traffic(c, counted, searches, now))

    def traffic(self, width: int, since: float) -> list[Traffic]:
        """What was counted from ``since`` (seconds since 1970, UTC) on, by ``width``: 60 seconds,
        or 3,600; the oldest first.
        """
        return self._database.read(lambda c: traffic.traffic_since(c, width, int(since)), [])

    def missed_searches(self, since: float, least: int, limit: int) -> list[MissedSearch]:
        """Searches that found nothing, asked ``least`` times or more, and last at ``since`` or
        later; those asked most first.
        """
        return self._database.read(lambda c: traffic.missed_often(c, since, least, limit), [])

    def forget(self, user: str) -> int:
        """Deletes a user's events, impressions and profile; returns the number of deleted rows. A
        salted hash of the id and the time stay: whoever has the ledger can still test whether an id
        was forgotten.
        """
        check_id("user", user)
        deleted = self._database.write(lambda c: users.forget(c, user))
        self._database.clear()
        return deleted

    def is_forgotten(self, user: str) -> bool:
        """Whether ``forget`` was ever called for a user, who may have new events since: a model
        that was trained before may still contain that user.
        """
        check_id("user", user)
        return self._database.read(lambda c: users.is_forgotten(c, user), False, brief=True)

    def forgotten(self, ids: Iterable[str]) -> frozenset[str]:
        """The forgotten ones of these user ids; see ``is_forgotten``."""
        asked = list(ids)
        return self._database.read(lambda c: users.forgotten_of(c, asked), frozenset())

    def add_key(self, name: str, scopes: Iterable[str]) -> str:
        """Creates a key to the service, with one or more of the scopes ``read``, ``feedback``,
        ``admin``. Returns its secret, ``frk_`` and 43 characters; only its SHA-256 is stored.

        Raises:
            UsageError: the name is taken, there is no scope, or one is unknown.
        """
        check_id("a key's name", name)
        unique, known = frozenset(scopes), get_args(Scope)
        if not unique or not unique <= frozenset(known):
            raise UsageError(
                f"a key's scopes must be one or more of {', '.join(known)}, "
                f"got {', '.join(sorted(map(str, unique))) or 'none'}"
            )
        return self._database.write(lambda c: keys.add_key(c, name, unique))

    def keys(self) -> list[Key]:
        """The keys, by name."""
        return self._database.read(keys.all_keys, [], brief=True)

    def remove_key(self, name: str) -> None:
        """Removes a key; raises UsageError where there is none of this name."""
        check_id("a key's name", name)
        self._database.write(lambda c: keys.remove_key(c, name))

    def key_of(self, secret: str) -> Key | None:
        """The key with a secret, or None."""
        return self._database.read(lambda c: keys.key_of(c, secret), None, brief=True)

    def open_session(self, secret: str, at: float, until: float) -> str | None:
        """Begins a session with the key that has a secret; returns the session's own secret, or
        None where there is no such key. Times are seconds since 1970, UTC.
        """
        return self._database.write(lambda c: desk.open_session(c, secret, at, until))

    def session_key(self, session: str, at: float) -> Key | None:
        """The key of a session; None where there is no such session, it has ended, or its key was
        removed.
        """
        return self._database.read(lambda c: desk.session_key(c, session, at), None, brief=True)

    def close_session(self, session: str) -> None:
        """Ends a session; without one does nothing."""
        self._database.write(lambda c: desk.close_session(c, session))

    def log(self, who: str, action: str, what: str) -> None:
        """Adds to the log of what those who run the service did; see ``LogEntry``."""
        check_id("who", who)
        self._database.write(lambda c: desk.log(c, who, action, what))

    def log_entries(self, limit: int = 100, offset: int = 0) -> list[LogEntry]:
        """The log's entries, the newest first."""
        return self._database.read(lambda c: desk.log_entries(c, limit, offset), [])
