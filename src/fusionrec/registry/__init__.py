"""A model, or the vectors of one, as a directory that needs nothing else: save, check, load."""

from fusionrec.registry.artifact import VECTORS, Artifact, read_manifest, version_numbers

__all__ = ["VECTORS", "Artifact", "read_manifest", "version_numbers"]
