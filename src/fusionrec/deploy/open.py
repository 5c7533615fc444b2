"""Opens a version for answering, from Milvus or from the artifact, with all changes of items."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from fusionrec.deploy.build import built_at, open_built, place_of, rebuild
from fusionrec.errors import (
    DataError,
    Log,
    StoreDamagedError,
    StoreError,
    StoreMissingError,
    UsageError,
)
from fusionrec.index import ExactIndex, Index, OverlayIndex, Place
from fusionrec.ledger import Ledger
from fusionrec.recommend.catalog import Catalog, current
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace


@dataclass(eq=False)
class SharedIndex:
    """An open index, and what it was built from; closed when the last one lets go of it.

    Attributes:
        index: Milvus', or an exact one in its place.
        catalog: the items as they were when it was built.
    """

    index: Index
    catalog: Catalog
    _holders: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def opened(
        self,
        ledger: Ledger,
        notes: tuple[str, ...],
        *,
        away: bool,
        before: Recommender | None = None,
    ) -> OpenVersion:
        """Its version with all changes of items until now; one more that holds this.

        Args:
            ledger: holds the changes.
            notes: of the recommender.
            away: see ``OpenVersion``.
            before: of the same version, with some of the changes; what it has made of the items is
                updated for the others, instead of being made anew.
        """
        with self._lock:
            self._holders += 1
        try:
            now = (self if before is None else before).catalog.until_now(ledger)
            index = _laid_over(self, now)
            if before is None:
                return OpenVersion(Recommender(now, index, notes), self, away)
            return OpenVersion(before.after(now).over(index, notes), self, away)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """One less."""
        with self._lock:
            self._holders -= 1
            last = self._holders == 0
        if last:
            self.index.close()


@dataclass(frozen=True, eq=False)
class OpenVersion:
    """A version that is open for answering.

    Attributes:
        recommender: answers from it, with all changes of items.
        base: the index below.
        away: whether its store could not be reached, and the artifact answers instead.
    """

    recommender: Recommender
    base: SharedIndex
    away: bool = False

    @property
    def version(self) -> str:
        """Its name."""
        return self.recommender.artifact.version

    def close(self) -> None:
        """Lets go of the index."""
        self.base.release()


def open_version(
    workspace: Workspace,
    *,
    version: str | None = None,
    place: Place | str = "",
    log: Log = lambda _: None,
) -> OpenVersion:
    """Opens a version for answering: from Milvus, or exactly from the artifact, which is said.

    The store that the active version was indexed in is rebuilt from the artifact where it is
    damaged or has lost that version's collection. Any other store is read and never written.

    Args:
        workspace: the workspace.
        version: its name; the active one by default.
        place: the store, or its URI; the one that the active version was indexed in where there is
            no URI.
        talk: told what takes long.

    Raises:
        ArtifactError, UsageError: as in ``load``.
    """
    artifact = load(workspace, version)
    ledger = Ledger(workspace.ledger)
    active = ledger.active()
    is_active = active is not None and active.version == artifact.version
    at = place_of(workspace, place)
    try:
        return _open(workspace, artifact, at)
    except (StoreDamagedError, StoreMissingError) as error:
        if ledger.active() != active:
            # It was dropped while it was opened, since others took over.
            return open_version(workspace, version=version, place=place, log=log)
        ours = is_active and at.name == place_of(workspace, "").name
        if active is None or not ours:
            why = _no_index(artifact, at, error, Place.of(place).uri != "")
            return _exact(workspace, artifact, why, away=False)
        lost = f"{error}; rebuilding it from" if active.collection else f"{at.name}: indexing"
        log(f"{lost} {artifact.version}")
        problem: StoreError = error
    except StoreError as error:
        return _exact(workspace, artifact, str(error), away=True)
    try:
        rebuild(workspace, artifact, at, active)
        return _open(workspace, artifact, at)
    except (StoreError, DataError, UsageError) as error:
        return _exact(workspace, artifact, f"{problem}; {error}", away=True)


def open_exactly(workspace: Workspace, version: str | None = None) -> OpenVersion:
    """A version, the active one by default, answering from the artifact: for a process that leaves
    the store to another one on purpose, or needs none.

    Raises:
        ArtifactError, UsageError: as in ``load``.
    """
    return _exact(workspace, load(workspace, version), "", away=False)


def open_recommender(
    workspace: Workspace,
    *,
    version: str | None = None,
    place: Place | str = "",
    log: Log = lambda _: None,
) -> Recommender:
    """A version's recommender, which closes its index itself; see ``open_version``."""
    return open_version(workspace, version=version, place=place, log=log).recommender


def with_changes(opened: OpenVersion, ledger: Ledger) -> OpenVersion:
    """The same version over the same index, with the changes of items until now. Both are to be
    closed; the one given must not have been.
    """
    before = opened.recommender
    return opened.base.opened(ledger, before.notes, away=opened.away, before=before)


def sharing(opened: OpenVersion, before: OpenVersion, ledger: Ledger) -> OpenVersion:
    """What was opened, in the place of which one is given that shares what an earlier one has made
    of the same version's items; of another version, itself.
    """
    recommender = before.recommender
    if opened.recommender.artifact.manifest != recommender.artifact.manifest:
        return opened
    try:
        notes = opened.recommender.notes
        return opened.base.opened(ledger, notes, away=opened.away, before=recommender)
    finally:
        opened.close()


def _open(workspace: Workspace, artifact: Artifact, place: Place) -> OpenVersion:
    ledger = Ledger(workspace.ledger)
    # One that was built elsewhere is not there, but whether the place is whole is seen.
    mine = [a for a in ledger.activations() if a.version == artifact.version]
    built = built_at(workspace, artifact.version, place) or (mine[-1] if mine else None)
    if built is None:
        raise StoreMissingError(f"{artifact.version} was never indexed", "fusionrec index")
    index, then = open_built(artifact, ledger, built, place)
    return SharedIndex(index, then).opened(ledger, (), away=False)


def _laid_over(base: SharedIndex, now: Catalog) -> Index:
    """The index of a catalog's items as they are now."""
    changed = now.changed_since(base.catalog.number)
    if not len(changed):
        return base.index
    return OverlayIndex(
        base.index,
        len(base.catalog),
        now.columns,
        now.vectors,
        now.available,
        changed,
    )


def _exact(workspace: Workspace, artifact: Artifact, why: str, *, away: bool) -> OpenVersion:
    now = current(artifact, Ledger(workspace.ledger))
    index = ExactIndex(
        artifact.schema, now.items, now.vectors, "exact", now.available, columns=now.columns
    )
    notes = (f"answered exactly from the artifact: {why}",) if why else ()
    return SharedIndex(index, now).opened(Ledger(workspace.ledger), notes, away=away)


def _no_index(artifact: Artifact, place: Place, error: StoreError, named: bool) -> str:
    """Why a place that is not the active version's own has no answer, and how it would."""
    there = f" --milvus {place.name}" if named else ""
    hint = f"fusionrec index{there} --version {artifact.version}"
    damage = f", {error}" if isinstance(error, StoreDamagedError) else ""
    return f"{artifact.version} has no index{f' in {place.name}' if named else ''}{damage} ({hint})"
