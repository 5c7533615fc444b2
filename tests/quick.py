"""``pytest --quick``: skips what needs Paddle, a server, a browser or the real data, when it asks.

No test is marked for this. A test, a fixture or a whole module is skipped at the moment it imports
Paddle or calls ``leave_out``, which everything does that starts one of the others.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder

import pytest

REASON = "left out by --quick"


class _WithoutPaddle(MetaPathFinder):
    """Skips whoever imports Paddle: a test, or at its top a module."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == "paddle":
            leave_out("Paddle")


_FINDER = _WithoutPaddle()


def begin() -> None:
    """From now on ``leave_out`` skips."""
    sys.meta_path.insert(0, _FINDER)


def leave_out(part: str) -> None:
    """To be called before a part is started that takes long; skips under ``--quick``."""
    if _FINDER in sys.meta_path:
        pytest.skip(f"{REASON}: {part}", allow_module_level=True)
