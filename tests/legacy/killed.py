"""Brings a ledger up to date again and again, killed one SQL statement later each time.

    python killed.py LEDGER FOLDER

Leaves what each kill left in FOLDER/1, FOLDER/2, …, and prints how many there are: with the next
statement's number, the migration ran to its end.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from itertools import count
from pathlib import Path
from typing import Any

from fusionrec.ledger import Ledger


def kill_at(statement: int) -> None:
    """Ends this process with SIGKILL when its n-th SQL statement begins, of whatever connection."""
    connect, counted = sqlite3.connect, count(1)

    def traced(*args: Any, **options: Any) -> sqlite3.Connection:
        made = connect(*args, **options)
        made.set_trace_callback(lambda _: next(counted) == statement and _die())
        return made

    sqlite3.connect = sqlite3.dbapi2.connect = traced  # type: ignore[assignment]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def main(ledger: Path, folder: Path) -> None:
    for number in count(1):
        held = folder / str(number) / ledger.name
        held.parent.mkdir()
        shutil.copyfile(ledger, held)
        child = os.fork()
        if not child:
            kill_at(number)
            Ledger(held).upgrade()
            os._exit(0)
        status = os.waitpid(child, 0)[1]
        if not status:
            shutil.rmtree(held.parent)
            print(number - 1)
            return
        assert os.WIFSIGNALED(status), status
        assert os.WTERMSIG(status) == signal.SIGKILL, status


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
