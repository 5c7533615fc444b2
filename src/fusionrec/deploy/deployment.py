"""What is deployed: a version, and the place of its index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fusionrec.index import MilvusIndex, Place
from fusionrec.ledger import Activation, Ledger
from fusionrec.recommend.catalog import Catalog
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace


@dataclass(frozen=True)
class Deployment:
    """A version and where its index is, looked up once for whoever builds or opens it.

    Attributes:
        workspace, ledger: the workspace's.
        artifact: the version.
        place: the Milvus where its index is looked for: the one that was asked for, else where the
            active version was indexed, else the workspace's embedded one.
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
    def active(self) -> Activation | None:
        """The last activation of any version."""
        return self.activations[-1] if self.activations else None

    @property
    def last(self) -> Activation | None:
        """The version's last activation, in any place."""
        mine = [a for a in self.activations if a.version == self.artifact.version]
        return mine[-1] if mine else None

    @property
    def built(self) -> Activation | None:
        """The version's last activation in the place."""
        for built in reversed(self.activations):
            if built.version == self.artifact.version:
                where = Place.of(built.place or self.workspace.milvus).name
                if where == self.place.name:
                    return built
        return None

    def open_index(self, built: Activation) -> tuple[MilvusIndex, Catalog]:
        """A collection that was built before, verified, and the items that it was built from.

        Raises:
            StoreError: as of ``MilvusIndex.open``.
        """
        changes = [c for c in self.ledger.item_changes() if c.number <= built.changes]
        then = Catalog.of(self.artifact, changes)
        index = MilvusIndex.open(
            self.place,
            self.artifact.schema,
            then.items,
            then.vectors,
            built.collection,
            self.artifact.checksum,
            available=then.available,
        )
        return index, then

    @property
    def is_own(self) -> bool:
        """Whether the version is the active one, and the place the one where it was indexed."""
        active = self.active
        if active is None or active.version != self.artifact.version:
            return False
        return Place.of(active.place or self.workspace.milvus).name == self.place.name


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
    ledger = ledger or Ledger(workspace.ledger)
    artifact = load(workspace, version, ledger)
    return deployment_of(workspace, artifact, place, ledger, named=version is not None)


def deployment_of(
    workspace: Workspace,
    artifact: Artifact,
    place: Place | str,
    ledger: Ledger,
    *,
    named: bool = True,
) -> Deployment:
    """The same of a version that is loaded already."""
    activations, wanted = ledger.activations(), Place.of(place)
    usual = (activations[-1].place if activations else "") or workspace.milvus
    return Deployment(
        workspace, ledger, artifact, wanted.at(usual), wanted, activations, named=named
    )


def place_of(workspace: Workspace, place: Place | str) -> Place:
    """A place as it is; where it has no URI, the one that the active version was indexed in, before
    the first activation the workspace's embedded Milvus.
    """
    active = Ledger(workspace.ledger).active()
    return Place.of(place).at((active.place if active else "") or workspace.milvus)
