"""Data sets of what people did, made up: things taken once, and a basket that is filled weekly."""

from __future__ import annotations

from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import EVENTS, Field, Schema
from fusionrec.ledger import Event, Ledger

WEEK = 7 * 86_400


def schema(*more: Field, repeats: bool = False) -> Schema:
    """Of events: two ids, and whatever else is known."""
    fields = (Field("who", "user", "id"), Field("what", "item", "id"), *more)
    return Schema("doings", fields, EVENTS, like=0.0, events=True, repeats=repeats)


def data_set(of: Schema, user: Any, item: Any, **more: Any) -> Dataset:
    """Events of users u0, u1, … with items i0, i1, …, whose weights are 1 unless told."""
    user, item = np.asarray(user, np.int32), np.asarray(item, np.int32)
    people = Table([f"u{n}" for n in range(int(user.max()) + 1)], more.pop("users", {}))
    things = Table([f"i{n}" for n in range(int(item.max()) + 1)], more.pop("items", {}))
    weight = np.asarray(more.pop("weight", np.ones(len(user))), np.float32)
    return Dataset(of, "doings", people, things, user, item, weight, **more)


def groups(users: int = 60, items: int = 40, times: bool = False) -> Dataset:
    """Two groups of users, each of which takes half of the items of its own group and no other; a
    user's or an item's group is the parity of its number.
    """
    rng = np.random.default_rng(0)
    user, item = np.divmod(np.arange(users * items), items)
    kept = (user % 2 == item % 2) & (rng.random(len(user)) < 0.5)
    order = rng.permutation(np.flatnonzero(kept))
    time = np.arange(len(order), dtype=np.int64) if times else None
    return data_set(schema(), user[order], item[order], time=time)


def baskets(users: int = 40, weeks: int = 16, items: int = 30) -> Dataset:
    """Every week each user buys one thing: mostly their own staple, item 0 to 3, again and again,
    else something that they buy once.
    """
    rng = np.random.default_rng(0)
    rows = []
    for user in range(users):
        others = rng.permutation(np.arange(4, items))[:weeks]
        again = rng.random(weeks) < 0.6
        bought = np.where(again, user % 4, others)
        rows += [(user, item, week * WEEK) for week, item in enumerate(bought)]
    user, item, time = np.array(rows).T
    return data_set(schema(repeats=True), user, item, time=time.astype(np.int64))


def tell(ledger: Ledger, user: str, *said: tuple, since: float = 100.0) -> None:
    """Events of a user: item and kind, and the rating where there is one; a second apart."""
    number = ledger.revision().event
    ledger.record(
        Event(f"{user}-{number + n}", user, item, kind, *more, time=since + number + n)
        for n, (item, kind, *more) in enumerate(said)
    )
