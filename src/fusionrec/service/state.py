"""What one process of the service holds: the live version, the ledger, and who follows them."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np

from fusionrec.answer import Answer
from fusionrec.config import Workspace
from fusionrec.errors import LedgerError, StoreError
from fusionrec.feedback import Feedback, Said, add
from fusionrec.index import Condition, ExactIndex, Hits, Index, Place
from fusionrec.ledger import Ledger
from fusionrec.live import Live
from fusionrec.query import Query
from fusionrec.recommender import Recommender
from fusionrec.service.chart import Chart, chart_of
from fusionrec.service.choices import Choices
from fusionrec.service.form import form_of, scale_of
from fusionrec.service.metrics import Metrics
from fusionrec.service.recorder import Recorder
from fusionrec.service.settings import ServiceSettings
from fusionrec.service.shown import Shown
from fusionrec.service.wording import note_for_http
from fusionrec.streams import Talk

T = TypeVar("T")

_QUICK = 50_000  # items that NumPy searches in half a millisecond


class _Timed:
    """An index whose searches are measured."""

    def __init__(self, index: Index, metrics: Metrics) -> None:
        self._index, self._metrics = index, metrics
        self.place, self.name = index.place, index.name

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Sequence[Condition] = (),
        exclude: np.ndarray | Sequence[int] = (),
    ) -> Hits:
        """See ``Index.search``."""
        with self._metrics.stage("search"):
            return self._index.search(vector, k, where, exclude)

    def close(self) -> None:
        """See ``Index.close``."""
        self._index.close()


class View:
    """One version with its items as they are at a time, and what is made of it once.

    Args:
        recommender: of the version.
        metrics: what is counted.
        copied: whether a copy in memory answers in the store's place.
        before: of the same version, with fewer changes of items; what was made of it at requests is
            made of this one at once, as far as it is another.
    """

    def __init__(
        self,
        recommender: Recommender,
        metrics: Metrics,
        *,
        copied: bool,
        before: View | None = None,
    ) -> None:
        self._metrics = metrics
        self.catalogue, self.artifact = recommender.catalogue, recommender.artifact
        self.index = recommender.index.name
        self.failed = ""  # how the store failed; from then on NumPy searches the same vectors
        index = recommender.index
        if index.name == "exact":
            index = self._exactly(index.place)  # changes, too, in one index
        elif copied:
            index = self._exactly(f"exact copy of {index.place}")
        self._in_memory = isinstance(index, ExactIndex)
        timed = _Timed(index, metrics)
        notes = [note_for_http(note) for note in recommender.notes]
        self._recommender = recommender.over(timed, notes)
        if before is not None:
            self._take_over(before)

    def _take_over(self, before: View) -> None:
        if "choices" in vars(before):
            self.choices = before.choices.after(self.catalogue)
        if "form" in vars(before):
            self.scale = before.scale
            self.form = form_of(self.catalogue, self.choices, self.scale)
        if "chart" in vars(before):
            self.chart = before.chart.after(self.catalogue)

    @property
    def is_quick(self) -> bool:
        """Whether a search takes well below a millisecond, and waits for nothing."""
        return self._in_memory and not self.failed and len(self.catalogue) <= _QUICK

    @property
    def recommender(self) -> Recommender:
        """Answers from the store, or exactly since that has failed."""
        return self._reserve if self.failed else self._recommender

    @cached_property
    def _reserve(self) -> Recommender:
        index = self._exactly("exact")
        note = f"answered exactly from the artifact: {note_for_http(self.failed)}"
        return self._recommender.over(_Timed(index, self._metrics), (note,))

    def _exactly(self, place: str) -> Index:
        now, schema = self.catalogue, self.artifact.schema
        return ExactIndex(
            schema,
            now.items,
            now.vectors,
            place,
            now.available,
            columns=now.columns,
            checked=True,  # by the index that was opened
        )

    @cached_property
    def form(self) -> dict[str, Any]:
        """What the page draws its forms from; see ``form_of``."""
        return form_of(self.catalogue, self.choices, self.scale)

    @cached_property
    def scale(self) -> dict[str, float] | None:
        """The ratings that can be given; None where interactions are events."""
        return None if self.artifact.schema.events else scale_of(self.artifact)

    @cached_property
    def choices(self) -> Choices:
        """The values that its fields hold."""
        return Choices(self.catalogue)

    @cached_property
    def chart(self) -> Chart:
        """The map of the best known items."""
        return chart_of(self.catalogue)

    def recommend(self, query: Query) -> Answer:
        """See ``Recommender.recommend``."""
        recommender = self.recommender
        with self._metrics.stage("person"):
            person = recommender.people.find(query)
        return recommender.recommend_to(person, query)


class State:
    """Opens a workspace for answering; to be closed.

    Args:
        workspace: the workspace.
        place: the store, or its URI; the one that the version was indexed in by default.
        settings: of the service.
        talk: told what goes wrong.
        exact: leave the store to another process; see ``open_exactly``.

    Raises:
        FusionrecError: there is no version to answer from, the ledger cannot be read, or it holds
            no key, which a service that others can reach needs.
    """

    def __init__(
        self,
        workspace: Workspace,
        place: Place | str,
        settings: ServiceSettings,
        talk: Talk,
        *,
        exact: bool = False,
    ) -> None:
        self.workspace, self.place, self.settings = workspace, place, settings
        self.reserve = exact
        self.ledger = Ledger(workspace.ledger, settings.write_seconds)
        if not settings.loopback and not self.ledger.keys():
            raise LedgerError(
                f"at {settings.host} others can reach the service"
                f"{' through a proxy' if settings.proxies else ''}, and the ledger holds no key",
                hint="make one: fusionrec keys add NAME; or listen at 127.0.0.1 without 'proxies'",
            )
        self.metrics = Metrics()
        self.feedback, self.shown = Feedback(self.ledger), Shown(self.ledger)
        self._views: WeakKeyDictionary[Recommender, View] = WeakKeyDictionary()
        self.live = Live(workspace, place, talk, exact=exact, prepare=self._prepare)
        with suppress(LedgerError):  # on a read-only disk answers go on
            self.ledger.upgrade()
        self.recorder = Recorder(self.ledger, self.metrics, talk, settings.write_seconds)
        self.feedback.heard()  # for which the first answer would wait

    def close(self) -> None:
        """Writes what waits and lets go of the version."""
        self.recorder.close()
        self.live.close()

    def answer(self, ask: Callable[[View], T]) -> T:
        """One answer. Where its store fails it, it is made anew: from the version that has taken
        over, else exactly from the same one's vectors.

        Args:
            ask: makes the answer, all of it from the view that it is given.

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
                        self.metrics.reserve()
                    return ask(view)
            except StoreError as error:
                # Not whether it has failed by now: others may have been told so before this one.
                if view is None or stood_in:
                    raise
                view.failed = str(error)

    def answer_at_once(self, ask: Callable[[View], T]) -> T | None:
        """One answer, where it waits for nothing but the ledger's file, so that the event loop can
        make it: handing it to a thread takes longer than the answer. None where it may wait.

        Args:
            ask: makes the answer from the view that it is given; what it gives is not None.

        Raises:
            StoreError: this was closed.
        """
        if not self.ledger.is_file:
            return None
        with self.live.answering() as recommender:
            view = self._views[recommender]
            return ask(view) if view.is_quick else None

    def known(self, query: Query, view: View) -> tuple[Query, Said]:
        """The query with what the ledger holds of its user. A user whom the version does not know
        is nobody to it: their feedback and profile count, and without these the popular items.
        Where the ledger knows nothing of them either, but the query says more than the user, the
        user stays in it, so that the answer says that they are not known.
        """
        said = Said()
        if query.user is not None:
            said = self.feedback.said(query.user, view.catalogue)
            query = add(query, said)
        if query.user is not None and not view.recommender.people.knows(query.user):
            told = bool(query.profile or query.history) and view.artifact.has_towers
            if said != Said() or not told:
                query = replace(query, user=None)
        return self.feedback.popular(query, view.catalogue), said

    def troubles(self) -> list[str]:
        """Why this should not be asked now; empty where it can be."""
        known = (self.live.lacking, self.live.trouble, self.recorder.trouble)
        found = [trouble for trouble in known if trouble]
        try:
            self.ledger.last_event()
        except LedgerError as error:
            found.append(error.message)
        return found

    def follow(self) -> None:
        """Has the answers follow what was just written to the ledger.

        Raises:
            LedgerError: they do not yet; it is written all the same.
        """
        if not self.live.refresh(self.settings.write_seconds):
            raise LedgerError(
                "this is written, but the answers do not follow it yet",
                hint="ask again in a moment; doing it twice changes nothing",
            )

    def _prepare(self, recommender: Recommender, before: Recommender | None) -> None:
        """Makes the view of what is to answer next, in the thread that follows the ledger: of a
        version that is new all that first answers would wait for, of changed items only these.
        """
        held = None if before is None else self._views[before]
        if held is not None and held.artifact is not recommender.artifact:
            held = None
        copied = len(recommender.catalogue) <= self.settings.copy
        view = View(recommender, self.metrics, copied=copied, before=held)
        if held is None:
            _warm(view)
            _spare()
        self._views[recommender] = view
        self.metrics.answering(view.artifact.version, view.index)


def _spare() -> None:
    """Spares what is held now from the search for garbage, which takes a tenth of a second for it,
    every few seconds, in which nobody is answered. What of it has become garbage goes with the next
    version; what was held of items that are changed is freed without a search.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _warm(view: View) -> None:
    """Makes what the first answers would have to wait for."""
    view.recommender.finder.prepare()
    with suppress(StoreError):  # the first answer that meets it says so
        if view.artifact.has_towers and len(view.artifact.users):
            view.recommend(Query(user=view.artifact.users.ids[0], k=1))
        view.recommend(Query(k=1))
