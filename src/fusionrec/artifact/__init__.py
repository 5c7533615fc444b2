"""A trained model as a directory that needs nothing else: save, check, load."""

from fusionrec.artifact.model import Artifact, read_manifest, version_numbers

__all__ = ["Artifact", "read_manifest", "version_numbers"]
