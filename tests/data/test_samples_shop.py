"""The made-up shop: its files, and that the tastes that are planted in it can be seen."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from builders import tree
from fusionrec.data.samples.shop import Shop, shop, write_shop
from fusionrec.errors import UsageError
from fusionrec.workspace import Workspace


@pytest.fixture(scope="module")
def made() -> Shop:
    return shop()


def department(made: Shop) -> dict[str, str]:
    return {row["sku"]: row["departments"][0] for row in made.products}


def test_sizes_and_columns(made):
    assert (len(made.customers), len(made.products), len(made.events)) == (800, 500, 40_000)
    assert set(made.customers[0]) == {"customer_id", "email", "town", "age", "membership"}
    assert 50 < sum(row["age"] is None for row in made.customers) < 160
    assert {row["action"] for row in made.events} == {"view", "cart", "buy"}
    times = [row["time"] for row in made.events]
    assert times == sorted(times)
    assert times[0].endswith("+01:00")
    assert all(len({row[key] for row in made.products}) == 500 for key in ("sku", "name"))
    assert {row["customer"] for row in made.events} <= {r["customer_id"] for r in made.customers}


def test_the_seed_gives_the_rows():
    small = {"customers": 20, "products": 24, "events": 200}
    assert shop(3, **small) == shop(3, **small)
    assert shop(3, **small) != shop(4, **small)
    with pytest.raises(UsageError):
        shop(products=11)


def test_who_somebody_is_says_what_they_like(made):
    """Guessing the department from the decade is right more often than the most frequent one."""
    of = department(made)
    age = {row["customer_id"]: row["age"] for row in made.customers if row["age"]}
    events = [
        (row["customer"], of[row["product"]]) for row in made.events if row["customer"] in age
    ]

    def guessed(group: Callable[[str], object]) -> int:
        groups: dict[object, Counter[str]] = defaultdict(Counter)
        for customer, where in events:
            groups[group(customer)][where] += 1
        return sum(counts.most_common(1)[0][1] for counts in groups.values())

    overall = guessed(lambda _: None)
    assert guessed(lambda customer: age[customer] // 10) > 1.3 * overall
    assert guessed(lambda customer: customer) > 2 * overall


def test_the_next_department_follows_from_the_last(made):
    of = department(made)
    names = list(dict.fromkeys(of.values()))
    last: dict[str, str] = {}
    moves, next_in_line = 0, 0
    for row in made.events:
        now = of[row["product"]]
        before = last.get(row["customer"], now)
        if before != now:
            moves += 1
            next_in_line += names.index(now) == (names.index(before) + 1) % len(names)
        last[row["customer"]] = now
    assert next_in_line / moves > 0.4, "by chance it would be one in eleven"


def test_members_buy_what_is_dear(made):
    price = {row["sku"]: row["price"] for row in made.products}
    member = {row["customer_id"]: row["membership"] for row in made.customers}
    paid: dict[str, list[float]] = defaultdict(list)
    for row in made.events:
        paid[member[row["customer"]]].append(price[row["product"]])
    middle = {name: sorted(values)[len(values) // 2] for name, values in paid.items()}
    assert middle["none"] < middle["basic"] < middle["plus"]


def test_the_files(tmp_path: Path, fusionrec):
    ended = fusionrec(Workspace(tmp_path), "sample", str(tmp_path / "a"), "--seed", "5")
    assert (ended.code, ended.out) == (0, f"{tmp_path / 'a'}\n")
    write_shop(tmp_path / "b", seed=5)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    with (tmp_path / "a" / "customers.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 800
    lines = (tmp_path / "a" / "products.jsonl").read_text().splitlines()
    assert isinstance(json.loads(lines[0])["departments"], list)
    assert len(gzip.decompress((tmp_path / "a" / "events.csv.gz").read_bytes()).splitlines()) > 4e4
    with pytest.raises(UsageError, match="is there already"):
        write_shop(tmp_path / "a")
