"""Fixtures for the tests of the command line."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def files(tmp_path: Path):
    """The writer of small data sets that the tests of the readers use."""
    spec = importlib.util.spec_from_file_location(
        "data_builders", Path(__file__).parents[1] / "data" / "conftest.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Files(tmp_path)
