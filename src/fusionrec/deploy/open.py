"""Opens a version for answering, from Milvus or from the artifact, with all changes of items."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from fusionrec.deploy.build import rebuild
from fusionrec.deploy.deployment import COPIED, Deployment, resolve
from fusionrec.errors import (
    DataError,
    Log,
    StoreDamagedError,
    StoreError,
    StoreMissingError,
    UsageError,
)
from fusionrec.index import ExactIndex, Index, Place
from fusionrec.ledger import Ledger
from fusionrec.recommend.catalog import Catalog, current
from fusionrec.recommend.followed_index import FollowedIndex
from fusionrec.recommend.recommender import Recommender
from fusionrec.workspace import Workspace


@dataclass(eq=False)
class SharedIndex:
    """An open index; reference-counted, closed on the last release.

    Attributes:
        index: Milvus', or an exact one in its place.
        catalog: the items as they were when it was built.
        folder: the workspace's.
    """

    index: Index
    catalog: Catalog
    folder: Path
    _references: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._followed = FollowedIndex(self.index, self.catalog)

    def opened(
        self, ledger: Ledger, problem: StoreError | None = None, before: Recommender | None = None
    ) -> OpenVersion:
        """Its version with all changes of items until now; takes a reference.

        Args:
            ledger: holds the changes.
            problem: as of ``OpenVersion``.
            before: an earlier recommender of the same version, which is updated instead of making a
                new one.
        """
        with self._lock:
            self._references += 1
        notes = (f"answered exactly from the artifact: {problem}",) if problem else ()
        try:
            if before is None:
                recommender = Recommender(
                    current(self.catalog.artifact, ledger), None, notes, self.folder
                )
            else:
                recommender = before.after(before.catalog.until_now(ledger))
            index = self._followed.after(recommender.catalog)
            return OpenVersion(recommender.over(index, notes), self, problem)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Gives a reference back."""
        with self._lock:
            self._references -= 1
            last = self._references == 0
        if last:
            self.index.close()


@dataclass(frozen=True, eq=False)
class OpenVersion:
    """A version that is open for answering.

    Attributes:
        recommender: with all changes of items.
        base: its index, without the changes since it was built.
        problem: why the artifact answers instead of the index; None where the index does.
    """

    recommender: Recommender
    base: SharedIndex
    problem: StoreError | None = None

    @property
    def version(self) -> str:
        """Its name."""
        return self.recommender.artifact.version

    @property
    def away(self) -> bool:
        """Whether the index is there, but failed: it may be worth another try."""
        return self.problem is not None and self.problem.code != "not_indexed"

    def close(self) -> None:
        """Releases the index."""
        self.base.release()


def open_version(
    workspace: Workspace,
    version: str | None = None,
    place: Place | str = "",
    log: Log = lambda _: None,
) -> OpenVersion:
    """Opens a version for answering; see ``resolve`` and ``open_deployment``. Closing its
    recommender closes the index.
    """
    return open_deployment(resolve(workspace, version, place), log)


def open_deployment(
    deployed: Deployment, log: Log = lambda _: None, before: Recommender | None = None
) -> OpenVersion:
    """Opens a version for answering: from Milvus, else exactly from the artifact, with a note.

    The active version's own index is rebuilt where it is damaged or missing. Any other store is
    only read.

    Args:
        deployed: the version and where its index is.
        log: takes messages on what takes long.
        before: as of ``SharedIndex.opened``.
    """
    version = deployed.artifact.version
    try:
        return _open(deployed, before)
    except (StoreDamagedError, StoreMissingError) as error:
        if deployed.ledger.active() != deployed.active:
            # Another version took over and dropped the collection while it was opened.
            named = version if deployed.named else None
            again = resolve(deployed.workspace, named, deployed.wanted, deployed.ledger)
            same = again.artifact.version == version
            return open_deployment(again, log, before if same else None)
        if not deployed.is_own:
            return _exact(deployed, _not_indexed(deployed, error), before)
        lost = f"{error}; rebuilding it from"
        if not (deployed.active and deployed.active.collection):
            lost = f"{deployed.place.name}: indexing"
        log(f"{lost} {version}")
        problem: StoreError = error
    except StoreError as error:
        return _exact(deployed, error, before)
    try:
        rebuild(deployed)
        again = resolve(deployed.workspace, version, deployed.wanted, deployed.ledger)
        return _open(again, before)
    except (StoreError, DataError, UsageError) as error:
        return _exact(deployed, type(problem)(f"{problem}; {error}", code="store_failed"), before)


def open_exactly(workspace: Workspace, ledger: Ledger, version: str | None = None) -> OpenVersion:
    """A version, the active one by default, answering from the artifact alone: while another
    process has the store, or to look at it.

    Raises:
        ArtifactError, UsageError: as of ``resolve``.
    """
    return _exact(resolve(workspace, version, ledger=ledger), None, None)


def open_copy(deployed: Deployment, before: Recommender | None = None) -> OpenVersion | None:
    """A version that answers from an exact copy of its embedded index, for one answer: to import
    and open Milvus Lite takes longer than all else. None where the index must be opened: it has
    more than ``COPIED`` items, is a server's, or its files changed since it was verified.
    """
    if len(deployed.artifact.items) > COPIED or not deployed.is_verified:
        return None
    return _exact(deployed, None, before, f"exact copy of {deployed.place.name}")


def with_changes(opened: OpenVersion, ledger: Ledger) -> OpenVersion:
    """The same version over the same index, with the changes of items until now; both must be
    closed.
    """
    return opened.base.opened(ledger, problem=opened.problem, before=opened.recommender)


def sharing(opened: OpenVersion, before: OpenVersion, ledger: Ledger) -> OpenVersion:
    """The opened version, updated from an earlier opening of the same version; another version is
    given back as it is.
    """
    recommender = before.recommender
    if opened.recommender.artifact.manifest != recommender.artifact.manifest:
        return opened
    try:
        return opened.base.opened(ledger, problem=opened.problem, before=recommender)
    finally:
        opened.close()


def _open(deployed: Deployment, before: Recommender | None) -> OpenVersion:
    # One that was built elsewhere is not found here, but a damaged store is noticed.
    built = deployed.built or deployed.last
    if built is None:
        message = f"{deployed.artifact.version} was never indexed"
        raise StoreMissingError(message, code="not_indexed")
    index, then = deployed.open_index(built)
    return SharedIndex(index, then, deployed.workspace.home).opened(deployed.ledger, before=before)


def _exact(
    deployed: Deployment,
    problem: StoreError | None,
    before: Recommender | None,
    place: str = "exact",
) -> OpenVersion:
    then = current(deployed.artifact, deployed.ledger).solid
    items = (deployed.artifact.schema, then.items, then.matrix)
    index = ExactIndex(*items, place, available=then.available, columns=then.columns)
    return SharedIndex(index, then, deployed.workspace.home).opened(
        deployed.ledger, problem=problem, before=before
    )


def _not_indexed(deployed: Deployment, error: StoreError) -> StoreError:
    """The error that a version has no index in a place."""
    version, place = deployed.artifact.version, deployed.wanted.uri and deployed.place.name
    damage = f", {error}" if isinstance(error, StoreDamagedError) else ""
    message = f"{version} has no index{f' in {place}' if place else ''}{damage}"
    return StoreMissingError(message, code="not_indexed", version=version, place=place)
