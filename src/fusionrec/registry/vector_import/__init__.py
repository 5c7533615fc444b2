"""Imports another model's vectors: a file of items becomes a version without towers."""

from fusionrec.registry.vector_import.publish import publish_vectors

__all__ = ["publish_vectors"]
