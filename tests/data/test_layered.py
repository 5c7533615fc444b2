"""Layered collections are what plain ones would be, and earlier states stay as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionrec.data import layered
from fusionrec.data.layered import LayeredMapping, LayeredRows, LayeredSequence, changed_rows

steps = st.lists(st.dictionaries(st.integers(0, 60), st.integers(0, 9), max_size=4), max_size=40)


@settings(deadline=None)
@given(base=st.dictionaries(st.integers(0, 30), st.integers(0, 9)), steps=steps)
def test_a_mapping_is_the_union_of_its_steps(base, steps):
    made, plain = LayeredMapping(base), dict(base)
    states = [(made, dict(plain))]
    for step in steps:
        for key in step:
            plain.pop(key, None)  # it then comes last
        plain |= step
        made = made.updated(step)
        states.append((made, dict(plain)))
    for state, wanted in states:
        assert list(state.items()) == list(wanted.items())
        assert len(state) == len(wanted)
        assert [state.get(key, -1) for key in range(62)] == [wanted.get(k, -1) for k in range(62)]
        assert [key in state for key in range(62)] == [key in wanted for key in range(62)]
        newest = dict[int, int]()
        for key, value in state.newest():
            newest.setdefault(key, value)
        assert newest == wanted
    with pytest.raises(KeyError):
        made[99]


@given(parts=st.lists(st.lists(st.integers(), min_size=1, max_size=5), min_size=1, max_size=20))
def test_a_sequence_is_its_parts_in_order(parts):
    made, plain = LayeredSequence(parts[0]), list(parts[0])
    for part in parts[1:]:
        before, earlier = made, list(plain)
        made, plain = made.extended(part), plain + part
        assert list(before) == earlier
    assert list(made) == plain
    assert [made[n] for n in range(len(made))] == plain
    assert (made[-1], made[1:], made[::-2]) == (plain[-1], plain[1:], plain[::-2])
    with pytest.raises(IndexError):
        made[len(plain)]


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sets(st.integers(0, 49), max_size=3), st.integers(0, 2)), max_size=30
    )
)
def test_rows_are_those_of_a_changed_array(steps):
    """Also where so many have changed that they are one array again."""
    random, states = np.random.default_rng(0), []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(layered, "SMALL", 0)
        plain = random.random((50, 3)).astype(np.float32)
        made: np.ndarray | LayeredRows = plain
        for changed, added in steps:
            n = len(plain)
            rows = [*changed, *range(n, n + added)]
            if not rows:
                continue
            plain = np.concatenate([plain, np.zeros((added, 3), np.float32)])
            values = plain[rows] = random.random((len(rows), 3)).astype(np.float32)
            made = changed_rows(made, rows, values, len(plain))
            states.append((made, plain.copy()))
    for state, wanted in states:
        n = len(wanted)
        picked = random.integers(-n, n, 20)
        assert np.array_equal(np.asarray(state), wanted)
        assert (state.shape, state.size, len(state)) == (wanted.shape, wanted.size, n)
        for key in (picked, picked[:0], n - 1, np.int64(-1), slice(2, None, 7), wanted[:, 0] > 0.5):
            assert np.array_equal(state[key], wanted[key])
        assert np.array_equal(state[picked, 1:3], wanted[picked, 1:3])
        with pytest.raises(IndexError):
            state[[n]]


def test_many_steps_cost_what_changed(monkeypatch):
    """4,000 one by one copy a few dozen entries each, and leave a handful of layers."""
    monkeypatch.setattr(layered, "SMALL", 0)
    copied = []

    def counting(name):
        first = getattr(layered, name)

        def counted(older, newer):
            copied.append(len(older) + len(newer))
            return first(older, newer)

        monkeypatch.setattr(layered, name, counted)

    counting("_joined_mappings")
    counting("_joined_patches")
    n = 100_000
    mapping, rows = LayeredMapping(dict.fromkeys(range(n))), np.zeros((n, 1), np.float32)
    for step in range(4_000):
        mapping = mapping.updated({n + step: None})
        rows = changed_rows(rows, [step * 7], np.ones((1, 1), np.float32), n)
    assert sum(copied) < 2 * 4_000 * 64
    assert len(mapping._layers) <= 8
    assert len(rows._patches) <= 8
    assert np.asarray(rows).sum() == 4_000
