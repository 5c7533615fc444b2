"""Ends workers with the process that started them, however and whenever that ends: else they would
hold the address and the store for ever.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
_LOOK = 0.5  # seconds
_PATIENCE = 20.0  # seconds in which a worker must have ended in order


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
