"""What signals mean for the processes of the service."""

from __future__ import annotations

import signal
from types import FrameType

_IGNORED = (signal.SIGUSR1, signal.SIGUSR2)  # whose default is to end at once


def handle_signals(*, hangup: bool) -> None:
    """Sets what SIGTERM and SIGINT, which are uvicorn's, leave open: SIGQUIT ends the service as
    SIGTERM does, with requests under way answered. So does SIGHUP in a service of one process; of
    several, uvicorn restarts one after the other.

    Args:
        hangup: whether SIGHUP is treated so; else it is left to whoever handles it.
    """
    signal.signal(signal.SIGQUIT, _end)
    if hangup and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        signal.signal(signal.SIGHUP, _end)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)


def ignore_signals() -> None:
    """For a worker: its parent takes signals that a terminal sends to both, and ends it."""
    for number in (signal.SIGHUP, signal.SIGQUIT, *_IGNORED):
        signal.signal(number, signal.SIG_IGN)


def _end(_: int, __: FrameType | None) -> None:
    signal.raise_signal(signal.SIGTERM)
