"""Batches, losses, schedule, early stopping, checkpoints: from a Dataset to a published version."""
