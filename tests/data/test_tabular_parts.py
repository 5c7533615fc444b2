"""Files that are read each by itself, in other processes, give what one process reads."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusionrec.data.tabular.convert import Converted, convert
from fusionrec.data.tabular.spec import read_spec
from fusionrec.errors import DataError

NOW = 1_790_000_000


class Sent:
    """An engine whose tasks and results go through a pickle, as between processes."""

    def map(self, function: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        for task in tasks:
            run, given = pickle.loads(pickle.dumps((function, task)))
            yield pickle.loads(pickle.dumps(run(given)))


HEAD = "user,item,stars,kind,at\n"
RATINGS = {
    "1.csv": HEAD + "b,x,5,view,1700000000\na,y,4,buy,1700000001\n",
    "2.csv": HEAD,
    "3.csv": HEAD + "c,x,9,view,1\n,y,2,view,1700000003\na,,1,buy,5\nd,z,3,nap,9\n",
    "4.csv": HEAD + "a,y,1,view,1700000009\ne,w,2,buy,1900000000\nf,x,3,buy,x\n",
    "5.csv": HEAD + "g,x,3,view,-5\n c,x,\"3\",buy,1600000000\nb,v,1,,1500000000\n",
}  # fmt: skip
SPECS = {
    "ratings": 'rating = "stars"\nscale = [1, 5]',
    "counts": 'count = "stars"',
    "events": 'event = "kind"\nevents = {view = 0.2, buy = 1.0}\nrepeats = "keep"',
}


@pytest.fixture(params=SPECS)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    for name, text in RATINGS.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "users.csv").write_text("user,age\nc,30\nb,31\nb,32\n")
    time = 'time = "at"\ntime_unit = "s"\n'
    (tmp_path / "fusionrec.toml").write_text(
        '[interactions]\nfiles = "[0-9].csv"\nuser = "user"\nitem = "item"\n'
        f"{time}{SPECS[request.param]}\n"
        '[users]\nfiles = "users.csv"\nid = "user"\nfields.age.kind = "number"\n'
    )
    return tmp_path


def same(one: Converted, other: Converted) -> None:
    assert (one.users, one.items) == (other.users, other.items)
    for name in ("user", "item", "rating", "time"):
        ours, theirs = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype
    assert (one.rows, list(one.kinds.items())) == (other.rows, list(other.kinds.items()))
    assert one.findings == other.findings


def test_parts_come_to_what_is_read_at_once(folder):
    spec, done = read_spec(folder), list[int]()
    whole = convert(spec, now=NOW)
    parts = convert(spec, lambda *read: done.append(read[1]), NOW, engine=Sent())
    same(whole, parts)
    assert len(whole.user) > 3
    assert len(whole.findings) > 3
    assert done[-1] == sum(path.stat().st_size for path in folder.glob("*.csv"))


def test_a_damaged_file_is_named_as_ever(folder):
    (folder / "4.csv").write_text("user,thing\na,b\n")
    said = []
    for engine in (None, Sent()):
        with pytest.raises(DataError, match=r"4\.csv") as raised:
            convert(read_spec(folder), now=NOW, engine=engine)
        said.append((raised.value.message, raised.value.hint))
    assert said[0] == said[1]
