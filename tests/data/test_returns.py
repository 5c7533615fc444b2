"""Negative counts cancel earlier purchases."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from tabular_files import describe, finding, write

from fusionrec.data.tabular import returns
from fusionrec.data.tabular.convert import convert
from fusionrec.data.tabular.findings import Findings
from fusionrec.data.tabular.returns import cancel_returns
from fusionrec.data.tabular.spec import read_spec

ROWS = st.tuples(
    st.integers(0, 2), st.integers(0, 2), st.integers(-4, 6).filter(bool), st.integers(0, 5)
)


def naive(rows):
    """What is left of each row, one by one."""
    left = [count for _, _, count, _ in rows]
    for at in sorted(range(len(rows)), key=lambda at: (rows[at][3], at)):
        user, item, count, time = rows[at]
        if count > 0:
            continue
        earlier = [
            n
            for n, (u, i, c, t) in enumerate(rows)
            if (u, i) == (user, item) and c > 0 and (t, n) < (time, at)
        ]
        for n in sorted(earlier, key=lambda n: (rows[n][3], n), reverse=True):
            taken = min(left[n], -left[at])
            left[n], left[at] = left[n] - taken, left[at] + taken
    return left


@settings(max_examples=150, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=25), st.booleans(), st.sampled_from([1, 3, 1000]))
def test_returns_cancel_as_they_do_one_by_one(rows, timed, at_a_time):
    if not timed:
        rows = [(user, item, count, 0) for user, item, count, _ in rows]
    user, item, count, time = (np.array(column) for column in zip(*rows, strict=True))
    columns = user.astype(np.int32), item.astype(np.int32), count.astype(np.float32)
    findings = Findings()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(returns, "_ROWS", at_a_time)
        made = cancel_returns(*columns, time if timed else None, findings)
    left = naive(rows)
    wanted = [(u, i, n, t) for (u, i, _, t), n in zip(rows, left, strict=True) if n > 0]
    assert [part.tolist() for part in made[:3]] == [[row[n] for row in wanted] for n in range(3)]
    if timed:
        assert made[3].tolist() == [row[3] for row in wanted]
    counts = {one.name: one.count for one in findings.all}
    assert counts.get("returns_unmatched", 0) == sum(n < 0 for n in left)
    assert sum(one.count for one in findings.all if one.left_out) == len(rows) - len(wanted)


def test_a_returned_purchase_leaves_nothing_and_counts_are_lowered(tmp_path):
    rows = [("a", "x", "2"), ("a", "y", "0.3"), ("a", "x", "-2"), ("b", "x", "9")]
    rows += [
        ("a", "y", "-0.1"),
        ("a", "y", "-0.2"),
        ("b", "x", "-8"),
        ("b", "z", "1"),
        ("", "x", "-1"),
    ]
    write(tmp_path / "rows.csv", dict(zip("uin", zip(*rows, strict=True), strict=True)))
    made = convert(read_spec(describe(tmp_path, "rows.csv", user="u", item="i", count="n")))
    items, users = made.items.ids, made.users.ids
    assert [(users[u], items[i]) for u, i in zip(made.user, made.item, strict=True)] == [
        ("b", "x"),
        ("b", "z"),
    ]
    assert made.rating[0] == made.rating[1]
    assert (finding(made, "returns").count, finding(made, "returned").count) == (4, 2)
    assert finding(made, "user_empty").count == 1
    assert "returns_unmatched" not in {one.name for one in made.findings}


def test_without_a_count_every_row_is_an_event(tmp_path):
    write(tmp_path / "rows.csv", {"u": ["a", "b"], "i": ["x", "y"], "n": ["1", "-1"]})
    made = convert(read_spec(describe(tmp_path, "rows.csv", user="u", item="i")))
    assert (len(made.user), made.findings) == (2, ())
