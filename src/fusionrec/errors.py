"""One tree of errors. Each says what was expected and what came; its hint says what to do next."""

from __future__ import annotations


class FusionrecError(Exception):
    """Base of every error that fusionrec raises on purpose.

    Args:
        message: what was expected and what came, in one sentence.
        hint: what to do next; printed on a line of its own by the command line.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(FusionrecError):
    """A value given by the caller is not one that can be used (exit code 2)."""

    exit_code = 2


class ConfigError(UsageError):
    """A setting is unknown, of the wrong type or out of its range."""


class DataError(FusionrecError):
    """A data set is missing, damaged or not what its schema says."""


class DownloadError(DataError):
    """A data set could not be fetched from any place it is known to be at."""


class ArtifactError(FusionrecError):
    """A saved model is missing, incomplete, foreign or of another format."""


class TrainingError(FusionrecError):
    """Training could not go on: the loss is not finite, or a checkpoint does not fit."""


class StoreError(FusionrecError):
    """The vector store failed; the message names the place."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached or is locked by another process; it may be there later."""


class StoreInUseError(StoreUnavailableError):
    """An embedded store is open in another process, which alone may use it."""


class StoreDamagedError(StoreError):
    """The store is there, but not what was written to it; rebuild it from the artifact."""


class StoreMissingError(StoreError):
    """The store has nothing of this name; it has yet to be built from the artifact."""


class LedgerError(FusionrecError):
    """The ledger cannot be opened or written."""
