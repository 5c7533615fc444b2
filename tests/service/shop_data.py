"""Made-up data sets that have nothing of MovieLens: a bazaar where people take things, and puzzles
that they rate from 1 to 10 and of which nothing but the ids is known.
"""

from __future__ import annotations

import numpy as np

from fusionrec.data.dataset import Dataset, Table
from fusionrec.data.schema import EVENTS, Field, Schema

BAZAAR = Schema(
    "bazaar",
    (
        Field("visitor", "user", "id"),
        Field("membership", "user", "category", choices={"b": "Basic", "p": "Plus"}),
        Field("hobbies", "user", "categories", choices={"cook": "Cooking", "paint": "Painting"}),
        Field("town", "user", "category"),
        Field("about", "user", "text", label="In their own words"),
        Field("age", "user", "number"),
        Field("ware_id", "item", "id"),
        Field("kind", "item", "category", filterable=True, label="Kind of thing"),
        Field("tags", "item", "categories", filterable=True, option="tag", label="Tagged"),
        Field("name", "item", "text"),
        Field("price", "item", "number", filterable=True, label="Price, €"),
        Field("made", "item", "number", filterable=True, label="Made in"),
        Field("maker", "item", "category", label="By"),
        Field("description", "item", "text"),
        Field("grams", "item", "number"),
    ),
    EVENTS,
    title="name",
    like=0.0,
    events=True,
)
PUZZLES = Schema(
    "puzzles",
    (Field("player", "user", "id"), Field("puzzle", "item", "id")),
    rating_range=(1.0, 10.0),
    like=7.0,
)
KINDS = ("Τσαγιέρα", "Χαλί", "Φανάρι")
MARKUP = "<img src=x onerror=\"document.title='run'\">"


def ware(n: int) -> str:
    """The id of a thing: Greek letters, a space, a slash and quotes."""
    return f'είδος {n}/"{"αβγ"[n % 3]}"'


def bazaar(visitors: int = 60, things: int = 48) -> Dataset:
    """Visitors take things of the kind of their number modulo three; there are 60 tags."""
    rng = np.random.default_rng(0)
    number = np.arange(things)
    people = Table(
        [f"επισκέπτης {n}" for n in range(visitors)],
        {
            "membership": [("b", "p")[n % 2] for n in range(visitors)],
            "hobbies": [("cook",) if n % 2 else ("cook", "paint") for n in range(visitors)],
            "town": [f"Town {n % 7}" if n else "The only one here" for n in range(visitors)],
            "about": [f"likes {KINDS[n % 3]}" for n in range(visitors)],
            "age": [20.0 + n if n % 4 else float("nan") for n in range(visitors)],
        },
    )
    wares = Table(
        [ware(n) for n in range(things)],
        {
            "kind": [KINDS[n % 3] for n in range(things)],
            "tags": [(f"tag {n % 60}", f"tag {(7 * n) % 60}", "handmade") for n in range(things)],
            "name": [f"{KINDS[n % 3]} {MARKUP if n == 5 else n}" for n in range(things)],
            "price": list(np.round(np.geomspace(0.5, 3000, things), 2)),
            "made": [float(1890 + (n * 17) % 130) for n in range(things)],
            "maker": [f"Maker {n % 5}" for n in range(things)],
            "description": [f"A {KINDS[n % 3]} for every day. " * 5 for n in range(things)],
            "grams": [100.0 * n if n % 3 else float("nan") for n in range(things)],
        },
    )
    user, item = np.divmod(rng.permutation(visitors * things), things)
    kept = (user % 3 == item % 3) & (rng.random(len(user)) < 0.6)
    assert number[-1] in item[kept]
    user, item = user[kept].astype(np.int32), item[kept].astype(np.int32)
    weight = np.ones(len(user), np.float32)
    return Dataset(BAZAAR, "bazaar", people, wares, user, item, weight)


def puzzles(players: int = 30, count: int = 20) -> Dataset:
    """Players rate puzzles of their own parity 8 to 10 and the others 1 to 3."""
    rng = np.random.default_rng(0)
    user, item = np.divmod(rng.permutation(players * count)[: players * count // 2], count)
    rating = np.where(user % 2 == item % 2, 8.0, 1.0) + rng.integers(0, 3, len(user))
    people = Table([f"играч {n}" for n in range(players)], {})
    things = Table([f"пъзел {n}" for n in range(count)], {})
    columns = (user.astype(np.int32), item.astype(np.int32), rating.astype(np.float32))
    return Dataset(PUZZLES, "puzzles", people, things, *columns)
