"""Arrays on a disk that is full before their end, and arrays that are too large for memory."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from fusionrec.data import arrays
from fusionrec.data.arrays import ranges_of, save_array, scratch, take


@pytest.mark.parametrize("count", [50, 100, 100_000])
def test_an_array_that_is_not_written_whole_is_an_error(tmp_path, count):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))  # bytes: the head fits, the rows do not
    try:
        with pytest.raises(OSError, match="File too large"):
            save_array(tmp_path / "a.npy", np.zeros(count))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_array_is_read_back_equal(tmp_path):
    array = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::2]
    save_array(tmp_path / "a.npy", array)
    assert np.array_equal(np.load(tmp_path / "a.npy", allow_pickle=False), array)


def test_a_large_array_is_mapped_from_a_file_that_goes_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "LARGE", 1000)
    monkeypatch.setattr(arrays.tempfile, "tempdir", str(tmp_path))
    small, large = scratch((10, 5), np.float32), scratch((100, 5), np.float32)
    assert small.base is None
    assert isinstance(large.base, np.memmap)
    assert not large.any()
    large[7] = 3
    assert large.sum() == 15
    assert not list(tmp_path.iterdir())


def test_rows_are_taken_block_by_block(monkeypatch):
    monkeypatch.setattr(arrays, "ROWS_AT_ONCE", 3)
    column, rows = np.arange(10) ** 2, np.array([9, 0, 0, 5, 2, 7, 1])
    assert np.array_equal(take(column, rows), column[rows])


@pytest.mark.parametrize(
    ("counts", "ranges"),
    [
        ([], []),
        ([2, 2, 2], [(0, 2), (2, 3)]),
        ([9, 1, 1], [(0, 1), (1, 3)]),
        ([0, 0, 4, 0, 5], [(0, 4), (4, 5)]),
    ],
)
def test_ranges_have_few_rows_or_are_one_alone(counts, ranges):
    assert list(ranges_of(np.array(counts, dtype=int), 4)) == ranges
