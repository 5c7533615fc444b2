"""Ends workers with the process that started them, however and whenever that ends: else they would
hold the address and the store for ever. A parent may be killed while a worker still imports, so
this module imports nothing that takes long.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
_LOOK = 0.5  # seconds
_PATIENCE = 20.0  # seconds in which a worker must have ended in order


class _ParentWatch:
    """Once unpickled in a new process, ties it to the one that pickled this."""

    def __reduce__(self) -> tuple[Callable[[int], None], tuple[int]]:
        return tie_to, (os.getpid(),)


def tie_workers() -> None:
    """Ties every process that ``multiprocessing`` spawns from now on to this one. Call it in the
    thread that starts them: Linux takes the end of that thread for the parent's.
    """
    # A new process unpickles this before anything else that it is given.
    multiprocessing.current_process()._config["fusionrec"] = _ParentWatch()  # type: ignore[attr-defined]


def tie_to(parent: int) -> None:
    """Ends this process in order when its parent (a process id) ends; at once if it has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_PATIENCE)
        os._exit(1)

    threading.Thread(target=watch, name="fusionrec-parent", daemon=True).start()
