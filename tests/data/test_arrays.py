"""Arrays on a disk that is full before their end."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from fusionrec.data.arrays import save_array


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
