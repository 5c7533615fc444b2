"""Fixtures for the tests of the ledger: places on either database."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a ledger may be made: a file, and a schema of a server."""
    if request.param == "sqlite":
        return tmp_path / "home" / "ledger.sqlite"
    return request.getfixturevalue("postgres").new_schema()
