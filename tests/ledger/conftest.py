"""Fixtures for the tests of the ledger: a real PostgreSQL, and ledgers on either database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import CannotStartError, Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, the same for all tests, which leave it running; skips without one."""
    try:
        started = Postgres()
    except CannotStartError as why:
        pytest.skip(f"no PostgreSQL: {why}")
    with started:
        yield started


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a ledger may be made: a file, and a schema of a server."""
    if request.param == "sqlite":
        return tmp_path / "home" / "ledger.sqlite"
    return request.getfixturevalue("postgres").new_schema()
