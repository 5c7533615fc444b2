"""Memory for copies of vectors: used again when nobody holds a copy, and never before."""

from __future__ import annotations

import numpy as np

from fusionrec.index.memory import Memory

VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_a_copy_is_a_copy_with_room_behind():
    copy = Memory().copied(VECTORS, 6)
    assert copy.shape == (6, 3)
    assert copy.dtype == np.float32
    assert np.array_equal(copy[:4], VECTORS)
    copy[:] = 0
    assert VECTORS[3].tolist() == [9, 10, 11]


def test_what_somebody_holds_is_not_written_again():
    memory = Memory()
    first = memory.copied(VECTORS, 4)
    part = first[1:]  # a part holds all of it
    del first
    second = memory.copied(VECTORS + 100, 5)
    assert np.array_equal(part, VECTORS[1:])
    assert np.array_equal(second[:4], VECTORS + 100)


def test_what_nobody_holds_is_used_again():
    memory = Memory()
    kept = memory.copied(VECTORS, 4)
    before = [memory.copied(kept, 4).__array_interface__["data"][0] for _ in range(10)]
    assert len(set(before)) == 1
    assert len(memory._held) == 2
    assert np.array_equal(kept, VECTORS)


def test_what_has_become_too_small_goes():
    memory = Memory()
    memory.copied(VECTORS, 4)
    grown = memory.copied(VECTORS, 100)
    assert len(grown) == 100
    assert len(memory._held) == 1
