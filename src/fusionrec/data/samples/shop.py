"""A synthetic shop with planted tastes, as files, for trying out ``fusionrec init``."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from fusionrec.errors import UsageError
from fusionrec.workspace import writing

FILES = ("customers.csv", "products.jsonl", "events.csv.gz")
# Department -> product nouns, and words of descriptions. Customers move from one department to the
# next in this cycle.
_DEPARTMENTS = {
    "Coffee": ("Grinder Kettle Press Mug Filter", "roast brew aroma"),
    "Baking": ("Whisk Oven Tin Scale Apron", "dough crust flour"),
    "Kitchen": ("Knife Pan Board Ladle Pot", "steel slice simmer"),
    "Garden": ("Spade Trowel Hose Seeds Pruner", "soil bloom hedge"),
    "Woodwork": ("Chisel Plane Saw Clamp Vise", "oak grain joint"),
    "Painting": ("Easel Brush Canvas Palette Gouache", "pigment wash sketch"),
    "Knitting": ("Needles Yarn Hook Loom Pattern", "wool stitch cosy"),
    "Running": ("Shoes Vest Watch Socks Headband", "stride pace light"),
    "Cycling": ("Helmet Pump Saddle Pannier Bell", "gear pedal gravel"),
    "Camping": ("Tent Stove Lantern Hammock Mat", "trail fire shelter"),
    "Climbing": ("Rope Harness Carabiner Chalk Crampon", "ridge grip summit"),
    "Astronomy": ("Telescope Tripod Eyepiece Chart Binoculars", "night comet orbit"),
}
_NAMES = tuple(_DEPARTMENTS)
_FIRST = "Alder Birch Cobalt Drift Ember Flint Grove Heron Ivory Juniper Kestrel Linden"
_TOWNS = ("Ashford", "Brenwick", "Caldmere", "Dunholt", "Eastlow", "Farrowby")
_MEMBERSHIPS = ("none", "basic", "plus")
_BRANDS = "Amberly Borrow Corvid Dapple Elmstone Fennick Gable Hollin Inkwell Jessop"
_SHARES = {"view": 1.0, "cart": 0.35, "buy": 0.6}  # share that goes on to each step
_START = datetime(2025, 1, 1, tzinfo=UTC)
_YEAR = 365 * 86_400.0  # seconds
_ZONE = timezone(timedelta(hours=1))


@dataclass(frozen=True)
class Shop:
    """The rows of the three files, by column names; events are sorted by time."""

    customers: list[dict[str, Any]]
    products: list[dict[str, Any]]
    events: list[dict[str, Any]]


def shop(seed: int = 0, customers: int = 800, products: int = 500, events: int = 40_000) -> Shop:
    """Customers who view, put into the cart and buy products by planted tastes.

    Departments and prices that a customer likes depend partly on age, town and membership, more on
    chance; a visit to one department is followed by the next in the cycle. The same seed and sizes
    give the same rows in every process.

    Raises:
        UsageError: a size is below 12.
    """
    if min(customers, products, events) < len(_NAMES):
        raise UsageError(f"a shop has at least {len(_NAMES)} customers, products and events")
    rng = np.random.default_rng(seed)
    product_rows, department, price = _products(rng, products)
    customer_rows, taste, budget = _customers(rng, customers)
    brands = _BRANDS.split()
    brand = np.array([brands.index(row["brand"]) for row in product_rows])
    loyalty = rng.normal(0, 1, (customers, len(brands)))
    appeal = -0.5 * np.log(1 + rng.permutation(products))  # some sell better
    rows: list[tuple[float, int, int, str]] = []
    activity = rng.lognormal(0, 0.5, customers)
    each = np.maximum(1, np.rint(activity / activity.sum() * events * 1.2)).astype(int)
    for n in range(customers):
        weights = appeal + (loyalty[n, brand] - np.abs(np.log(price) - budget[n]))
        rows += _customer_events(rng, n, int(each[n]), taste[n], department, weights)
    picked = np.sort(rng.choice(len(rows), size=min(events, len(rows)), replace=False))
    event_rows = [
        {
            "customer": customer_rows[customer]["customer_id"],
            "product": product_rows[product]["sku"],
            "action": action,
            "time": (_START + timedelta(seconds=round(second))).astimezone(_ZONE).isoformat(),
        }
        for second, customer, product, action in sorted(rows[row] for row in picked)
    ]
    return Shop(customer_rows, product_rows, event_rows)


def _products(
    rng: np.random.Generator, count: int
) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """The products, their first departments (int [count]), and prices (float [count])."""
    department = np.arange(count) % len(_NAMES)
    price = np.exp(rng.normal(3.2, 0.5, count) + rng.choice([0, 1.6], count, p=[0.85, 0.15]))
    price = np.maximum(1, np.rint(price * 100) / 100)
    first, brands = _FIRST.split(), _BRANDS.split()
    rows: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for row in range(count):
        own = _NAMES[department[row]]
        nouns, words = (text.split() for text in _DEPARTMENTS[own])
        name = f"{rng.choice(first)} {rng.choice(nouns)}"
        seen[name] = seen.get(name, 0) + 1
        others = [_NAMES[(department[row] + 1) % len(_NAMES)]] if rng.random() < 0.3 else []
        rows.append(
            {
                "sku": f"{own[:3].upper()}-{1000 + row}",
                "name": name if seen[name] == 1 else f"{name} Mark {seen[name]}",
                "departments": [own, *others],
                "price": float(price[row]),
                "brand": brands[(department[row] + int(rng.integers(3))) % len(brands)],
                "description": f"{words[0].capitalize()} and {words[1]}, "
                f"{rng.choice(words)} of {rng.choice(first).lower()}",
            }
        )
    return rows, department, price


def _customers(
    rng: np.random.Generator, count: int
) -> tuple[list[dict[str, Any]], np.ndarray, np.ndarray]:
    """The customers, their taste for each department (float [count, departments]), and the
    logarithm of the price that suits each (float [count]).
    """
    age = rng.integers(18, 80, count)
    town = rng.integers(len(_TOWNS), size=count)
    member = rng.choice(len(_MEMBERSHIPS), size=count, p=[0.5, 0.3, 0.2])
    decades = rng.normal(0, 1.8, (len(_NAMES), 7))
    taste = rng.normal(0, 0.9, (count, len(_NAMES)))
    taste += decades[:, (age - 10) // 10].T
    taste += rng.normal(0, 1.2, (len(_TOWNS), len(_NAMES)))[town]
    rows = [
        {
            "customer_id": f"c{rng.integers(16**5):05x}-{number}",
            "email": f"customer{number}@example.org",
            "town": _TOWNS[town[number]],
            "age": None if rng.random() < 0.12 else int(age[number]),
            "membership": _MEMBERSHIPS[member[number]],
        }
        for number in range(count)
    ]
    return rows, taste, 2.8 + 0.8 * member


def _customer_events(
    rng: np.random.Generator,
    customer: int,
    count: int,
    taste: np.ndarray,
    department: np.ndarray,
    weights: np.ndarray,
) -> Iterator[tuple[float, int, int, str]]:
    """About ``count`` events of one customer: second of the year, customer, product, action.

    They come in visits to one department each; half of them to the next in the cycle.

    Args:
        taste: float [departments], how much the customer likes each.
        department: int [products], the first of each.
        weights: float [products], preference within the department.
    """
    liked = np.exp(taste) / np.exp(taste).sum()
    now = int(rng.choice(len(liked), p=liked))
    second = float(rng.uniform(0, 30 * 86_400))
    pause = (_YEAR - second) / max(1.0, count / 6)
    done = 0
    while done < count and second < _YEAR:
        on_offer = np.flatnonzero(department == now)
        order = np.argsort(-(weights[on_offer] + rng.gumbel(size=len(on_offer))))
        for product in on_offer[order[: int(rng.integers(2, 6))]]:
            for action, share in _SHARES.items():
                if rng.random() > share:
                    break
                second += float(rng.exponential(90))
                done += 1
                yield second, customer, int(product), action
        follows = rng.random() < 0.5
        now = (now + 1) % len(liked) if follows else int(rng.choice(len(liked), p=liked))
        second += float(rng.uniform(0.3, 1.0)) * pause


def write_shop(folder: Path, seed: int = 0) -> None:
    """Writes ``shop(seed)`` as ``customers.csv``, ``products.jsonl`` and ``events.csv.gz``, the
    same bytes for the same seed; creates the folder.

    Raises:
        UsageError: one of the files exists.
        FusionrecError: they cannot be written; see ``workspace.writing``.
    """
    if existing := [name for name in FILES if (folder / name).exists()]:
        raise UsageError(f"{folder / existing[0]} is there already", "name another folder")
    made = shop(seed)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made.products)
    events = gzip.compress(_csv(made.events).encode(), mtime=0)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        contents = (_csv(made.customers).encode(), lines.encode(), events)
        for name, content in zip(FILES, contents, strict=True):
            (folder / name).write_bytes(content)


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
