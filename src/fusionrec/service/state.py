"""What one process of the service holds: the live version, the ledger and its writer."""

from __future__ import annotations

import gc
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from weakref import WeakKeyDictionary

from fusionrec.deploy.hot_reload import LiveRecommender
from fusionrec.errors import ArtifactError, LedgerError, Log, StoreError
from fusionrec.index import Place
from fusionrec.index.compressed import is_compressed
from fusionrec.ledger import Ledger
from fusionrec.recommend.feedback import Feedback
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.service.copies import Copies
from fusionrec.service.event_writer import EventWriter
from fusionrec.service.folders import Folders
from fusionrec.service.images import Images
from fusionrec.service.impressions import ImpressionCounts
from fusionrec.service.neighbourhoods import ItemMaps
from fusionrec.service.settings import ServiceSettings
from fusionrec.service.telemetry import Metrics
from fusionrec.service.traffic import TrafficWriter
from fusionrec.service.view import VersionView
from fusionrec.workspace import Workspace

T = TypeVar("T")

_DAMAGED = 30.0  # seconds after an answer that a damaged model could not give


class ServiceState:
    """Opens a workspace for answering; to be closed.

    Args:
        workspace: the workspace.
        place: the store, or its URI; empty for the one that the version was indexed in.
        settings: of the service.
        log: takes messages on what goes wrong.
        exact: leave the store to another process; see ``open_exactly``.

    Raises:
        FusionrecError: there is no version to answer from, the ledger cannot be read, or it holds
            no key although others can reach the service.
    """

    def __init__(
        self,
        workspace: Workspace,
        place: Place | str,
        settings: ServiceSettings,
        log: Log,
        *,
        exact: bool = False,
    ) -> None:
        self.workspace, self.place, self.settings = workspace, place, settings
        self.reserve = exact
        self.ledger = Ledger.of(workspace, settings.write_seconds, settings.ledger_seconds)
        check_keys(self.ledger, settings)
        self.images = Images.of(workspace.home, settings.images)
        self.folders = Folders(workspace.home)
        self.metrics = Metrics()
        self._damage = -math.inf, ""  # when a part of the model could not be read, and why
        self.feedback, self.shown = (
            Feedback(self.ledger, optional=True),
            ImpressionCounts(self.ledger),
        )
        self._copies, self._viewing = Copies(workspace, log, self._search_copy), threading.Lock()
        self.maps = ItemMaps(workspace, log, wanted=settings.neighbourhoods)
        self._views: WeakKeyDictionary[Recommender, VersionView] = WeakKeyDictionary()
        self.live = LiveRecommender(
            workspace, place, log, exact=exact, prepare=self._prepare, ledger=self.ledger
        )
        with suppress(LedgerError):  # on a read-only disk answers go on
            self.ledger.upgrade()
        self.recorder = EventWriter(
            self.ledger, self.metrics, log, settings.write_seconds, settings.impression_days
        )
        self.traffic = TrafficWriter(self.metrics.tally, self.recorder, self.ledger)
        self.feedback.prepare()  # read now: the first answer would wait for it

    def close(self) -> None:
        """Writes what waits, and closes the version."""
        self.traffic.close()
        self.recorder.close()
        self.live.close()

    def answer(self, ask: Callable[[VersionView], T]) -> T:
        """What ``ask`` makes of the view of the live version. If the store fails, it is called once
        more: with the version that has taken over, else with the same one searched exactly.

        Raises:
            StoreError: this was closed.
        """
        while True:
            view, stood_in = None, False
            try:
                with self.live.answering() as recommender:
                    view = self._views[recommender]
                    stood_in = bool(view.failed)
                    if stood_in:
                        self.metrics.reserve.inc()
                    return self._noting_damage(ask, view)
            except StoreError as error:
                # Not ``view.failed``: another answer may have set it before this one began.
                if view is None or stood_in:
                    raise
                view.failed = self.folders.hide(str(error))

    def answer_at_once(self, ask: Callable[[VersionView], T], user: str) -> T | None:
        """The same for the event loop, where handing an answer to a thread takes longer than the
        answer. None if the answer may wait for more than the ledger's file and a server's search,
        or takes longer, since the user said much; or if the store has just failed.

        Raises:
            StoreError: this was closed.
        """
        if not self._reads_file:
            return None
        view = None
        try:
            with self.live.answering() as recommender:
                view = self._views[recommender]
                try:
                    quick = view.is_quick and self.feedback.is_short(user, view.catalog)
                except LedgerError:  # a thread may wait for it
                    return None
                return self._noting_damage(ask, view) if quick else None
        except StoreError as error:
            if view is None:
                raise
            view.failed = self.folders.hide(str(error))
            return None

    @property
    def waits_for_server(self) -> bool:
        """Whether ``answer_at_once`` waits for the search of a Milvus server, and for nothing else.

        Raises:
            StoreError: this was closed.
        """
        with self.live.answering() as recommender:
            return self._reads_file and self._views[recommender].asks_server

    @property
    def _reads_file(self) -> bool:
        return self.ledger.file is not None and not self.ledger.failing

    def _noting_damage(self, ask: Callable[[VersionView], T], view: VersionView) -> T:
        try:
            return ask(view)
        except ArtifactError as error:  # a part of the model that is read when it is needed
            self._damage = time.monotonic(), error.message
            raise

    def troubles(self) -> list[str]:
        """Why the service is not ready; empty if it is."""
        known = (self.live.lacking, self.live.trouble, self.recorder.trouble)
        found = [trouble for trouble in known if trouble]
        when, damage = self._damage
        if time.monotonic() - when < _DAMAGED:
            found.append(damage)
        try:
            self.ledger.active()
        except LedgerError as error:
            found.append(error.message)
        return list(map(self.folders.hide, found))

    def notes(self) -> list[str]:
        """What is amiss although the service is ready: the active version cannot be opened, or not
        be fetched, and the one before answers.
        """
        return [self.folders.hide(self.live.behind)] if self.live.behind else []

    def follow(self) -> None:
        """Waits until answers follow what was just written to the ledger.

        Raises:
            LedgerError: they do not yet, although it is written.
        """
        if not self.live.refresh(self.settings.write_seconds):
            raise LedgerError(
                "this is written, but the answers do not follow it yet",
                hint="ask again in a moment; doing it twice changes nothing",
            )

    def _prepare(self, recommender: Recommender, before: Recommender | None) -> None:
        """Makes the next view, in the thread that follows the ledger: of a new version all that the
        first answers would wait for, of changed items these alone.
        """
        with self._viewing:
            same_version = None if before is None else self._views[before]
            if same_version is not None and same_version.artifact is not recommender.artifact:
                same_version = None
            if same_version is None:
                self._note_folders()
            view = self._view(recommender, same_version)
            if same_version is None:
                view.warm()
                _freeze_for_gc()
            self._show(recommender, view)

    def _view(self, recommender: Recommender, before: VersionView | None) -> VersionView:
        """A version as requests see it, searched in a copy where there is one."""
        catalog, compressed = recommender.catalog, None
        # "exact" is no place of a store; as a stand-in for one that is away it stays exact.
        server = "://" in recommender.index.place
        copied = self.settings.copies(len(catalog), server=server) and not recommender.notes
        if copied and is_compressed(*catalog.vectors.shape):
            copied, compressed = self._copies.of(recommender)
        return VersionView(
            recommender,
            self.metrics,
            copied=copied,
            compressed=compressed,
            before=before,
            hide=self.folders.hide,
        )

    def _show(self, recommender: Recommender, view: VersionView) -> None:
        self._views[recommender] = view
        place = self.folders.hide(view.place)
        self.metrics.answering(view.artifact.version, view.index, place)

    def _search_copy(self, artifact: Artifact) -> None:
        """Lets the copy of a version answer, which has just been made."""
        with self._viewing:
            for recommender, view in list(self._views.items()):
                if view.artifact is artifact:
                    self._show(recommender, self._view(recommender, view))

    def _note_folders(self) -> None:
        """Notes the folders that messages may name from now on."""
        files = [self.ledger.file] if self.ledger.file else []
        shared = self.workspace.shared_versions.removeprefix("file://")
        if shared and "://" not in shared:
            files.append(Path(shared, "manifest"))
        with suppress(LedgerError):
            noted = {activation.place for activation in self.ledger.activations()}
            places = [Place.of(one) for one in (self.place, *noted) if one]
            files += [Path(one.uri) for one in places if one.uri and not one.is_server]
        self.folders.add(file.parent for file in files)


def check_keys(ledger: Ledger, settings: ServiceSettings) -> None:
    """Raises LedgerError where others can reach the service, and the ledger holds no key."""
    if not settings.loopback and not ledger.keys():
        raise LedgerError(
            f"at {settings.host} others can reach the service"
            f"{' through a proxy' if settings.proxies else ''}, and the ledger holds no key",
            code="no_key",
        )


def _freeze_for_gc() -> None:
    """Freezes live objects, so that the cyclic GC does not rescan the model: a 100 ms pause every
    few seconds. Cyclic garbage among them is freed at the next version.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
