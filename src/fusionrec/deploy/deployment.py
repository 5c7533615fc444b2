"""What is deployed: a version, and the place of its index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fusionrec.index import MilvusIndex, Place
from fusionrec.ledger import Activation, Ledger
from fusionrec.recommend.catalog import Catalog
from fusionrec.registry import Artifact
from fusionrec.registry.verified import VerifiedFiles
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace

COPIED = 50_000  # items of an embedded store of which a copy is searched by default


@dataclass(frozen=True)
class Deployment:
    """A version and where its index is, looked up once for whoever builds or opens it.

    Attributes:
        workspace, ledger: the workspace's.
        artifact: the version.
        place: where its index is looked for: the place that was asked for, else that of the active
            version's index, else the workspace's embedded Milvus.
        wanted: the place that was asked for; without a URI where none was.
        activations: the ledger's, the oldest first.
        named: whether the version was asked for by its name.
    """

    workspace: Workspace
    ledger: Ledger
    artifact: Artifact
    place: Place
    wanted: Place
    activations: Sequence[Activation]
    named: bool = False

    @property
    def noted_place(self) -> str:
        """The place as the ledger keeps it: empty for the workspace's own embedded Milvus."""
        own = Place(self.workspace.milvus).uri == self.place.uri
        return "" if own else self.place.name

    @property
    def active(self) -> Activation | None:
        """The last activation of any version."""
        return self.activations[-1] if self.activations else None

    @property
    def last(self) -> Activation | None:
        """The version's last activation, in any place."""
        return next(iter(self._of_version), None)

    @property
    def built(self) -> Activation | None:
        """The version's last activation in the place."""
        return next(filter(self._is_at, self._of_version), None)

    @property
    def _of_version(self) -> list[Activation]:
        """The version's activations, the last one first."""
        return [a for a in reversed(self.activations) if a.version == self.artifact.version]

    def open_index(self, built: Activation) -> tuple[MilvusIndex, Catalog]:
        """A collection that was built before, verified, and the items that it was built from.

        Raises:
            StoreError: as of ``MilvusIndex.open``.
        """
        then = self.catalog_of(built)
        items = (self.artifact.schema, then.items, then.matrix)
        names = (built.collection, self.artifact.checksum)
        if self.place.is_server:
            return MilvusIndex.open(self.place, *items, *names, available=then.available), then
        folder, verified = Path(self.place.uri), VerifiedFiles(self.workspace.verified)
        before = verified.state(folder)
        index = MilvusIndex.open(self.place, *items, *names, available=then.available)
        verified.note(folder, self._identity(built), before)
        return index, then

    @property
    def is_verified(self) -> bool:
        """Whether the version's index is in an embedded Milvus whose files were verified, and have
        not changed since.
        """
        if self.place.is_server or self.built is None:
            return False
        verified = VerifiedFiles(self.workspace.verified)
        return verified.holds(Path(self.place.uri), self._identity(self.built))

    def _identity(self, built: Activation) -> str:
        """What a collection is verified against."""
        return f"{built.collection} {self.artifact.checksum} {built.changes}"

    def catalog_of(self, built: Activation) -> Catalog:
        """The items that the index of an activation was built from."""
        changes = [c for c in self.ledger.item_changes() if c.number <= built.changes]
        return Catalog.of(self.artifact, changes)

    @property
    def is_own(self) -> bool:
        """Whether the version is the active one, and the place the one where it was indexed."""
        active = self.active
        return (
            active is not None and active.version == self.artifact.version and self._is_at(active)
        )

    def _is_at(self, activation: Activation) -> bool:
        """Whether an activation is of an index in this place."""
        return Place.of(activation.place or self.workspace.milvus).name == self.place.name


def resolve(
    workspace: Workspace,
    version: str | None = None,
    place: Place | str = "",
    ledger: Ledger | None = None,
) -> Deployment:
    """Looks up a version and the place of its index.

    Args:
        workspace: the workspace.
        version: such as ``v3``; the active one by default, else the newest.
        place: the Milvus, or its URI; see ``Deployment.place``.
        ledger: the workspace's, where it is open.

    Raises:
        ArtifactError, UsageError: as of ``load``.
        LedgerError: the ledger cannot be read.
    """
    ledger = ledger or Ledger.of(workspace)
    artifact = load(workspace, version, ledger)
    return deployment_of(workspace, artifact, place, ledger, version is not None)


def deployment_of(
    workspace: Workspace, artifact: Artifact, place: Place | str, ledger: Ledger, named: bool = True
) -> Deployment:
    """The deployment of a version that is loaded already; see ``resolve``."""
    activations, wanted = ledger.activations(), Place.of(place)
    usual = (activations[-1].place if activations else "") or workspace.milvus
    return Deployment(workspace, ledger, artifact, wanted.at(usual), wanted, activations, named)


def place_of(workspace: Workspace, place: Place | str) -> Place:
    """The place; where it has no URI, that of the active version's index, else the workspace's
    embedded Milvus.
    """
    active = Ledger.of(workspace).active()
    return Place.of(place).at((active.place if active else "") or workspace.milvus)
