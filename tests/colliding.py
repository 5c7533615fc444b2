"""A folder of files whose columns are called like the words of answers and tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from export_folders import write_csv

NUMBERS = ("score", "rank", "stars", "ratings", "row")
TEXTS = ("reason", "user", "content", "vector", "item", "title", "kind", "version", "place")
WORDS = (*NUMBERS, *TEXTS)
ITEMS = 24
_TOML = """name = "words"

[interactions]
files = "log.csv"
user = "customer"
item = "sku"
rating = "rating"
scale = [1, 5]

[users]
files = "users.csv"
id = "customer"

{users}
[items]
files = "items.csv"
id = "sku"
title = "id"

[items.fields.id]
kind = "text"

{items}"""


def content(item: int) -> dict[str, float | str]:
    """What the items' table says of an item, its title left out."""
    numbers = {name: float(item + place) for place, name in enumerate(NUMBERS)}
    return numbers | {name: f"{name} {item % 3}" for name in TEXTS}


def title(item: int) -> str:
    """What people know an item by; it stands in the column ``id``."""
    return f"Thing {item} of amber"


def words(folder: Path) -> None:
    """Users c0 to c19 and items s0 to s23. Columns of users are called like those of items."""
    rng = np.random.default_rng(0)
    rated = [(f"c{u}", f"s{i}", int(rng.integers(1, 6)))
             for u in range(20) for i in range(ITEMS) if (u + i) % 3]  # fmt: skip
    write_csv(folder / "log.csv", ["customer", "sku", "rating"], rated)
    people = [(f"c{u}", u, ["k", "l"][u % 2]) for u in range(20)]
    write_csv(folder / "users.csv", ["customer", "score", "item"], people)
    things = [(f"s{i}", title(i), *content(i).values()) for i in range(ITEMS)]
    write_csv(folder / "items.csv", ["sku", "id", *WORDS], things)
    users = "".join(
        f'[users.fields.user_{name}]\nkind = "{kind}"\ncolumn = "{name}"\n\n'
        for name, kind in (("score", "number"), ("item", "category"))
    )
    kinds = {name: "number" if name in NUMBERS else "category" for name in WORDS}
    items = "".join(
        f'[items.fields.{name}]\nkind = "{kind}"\nfilter = true\n\n' for name, kind in kinds.items()
    )
    (folder / "fusionrec.toml").write_text(_TOML.format(users=users, items=items))
