"""Fixtures for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def movielens_dir() -> Path:
    """The folder that holds ``ml-1m.zip`` and ``ml-100k.zip``; skips where there is none."""
    folder = os.environ.get("FUSIONREC_DATA")
    if not folder:
        pytest.skip("FUSIONREC_DATA is not set: it names the folder with ml-1m.zip, ml-100k.zip")
    missing = [n for n in ("ml-1m.zip", "ml-100k.zip") if not (Path(folder) / n).is_file()]
    if missing:
        pytest.skip(f"FUSIONREC_DATA={folder} lacks {', '.join(missing)}")
    return Path(folder)
