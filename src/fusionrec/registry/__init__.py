"""Published versions: a model, or only its vectors, in a self-contained folder."""

from fusionrec.registry.artifact import Artifact
from fusionrec.registry.manifest import VECTORS, read_manifest, version_numbers
from fusionrec.registry.tables import unit

__all__ = ["VECTORS", "Artifact", "read_manifest", "unit", "version_numbers"]
