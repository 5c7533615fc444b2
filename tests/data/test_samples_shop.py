"""The made-up shop: its files, and that the tastes that are planted in it can be seen."""

from __future__ import annotations

import csv
import gzip
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from fusionrec.data.movielens import GENRES
from fusionrec.data.samples.shop import FILES, Shop, shop, write_shop
from fusionrec.errors import UsageError


@pytest.fixture(scope="module")
def made() -> Shop:
    return shop()


def department(made: Shop) -> dict[str, str]:
    return {row["sku"]: row["departments"][0] for row in made.products}


def test_sizes_and_columns(made):
    assert (len(made.customers), len(made.products), len(made.events)) == (800, 500, 40_000)
    assert set(made.customers[0]) == {"customer_id", "email", "town", "age", "membership"}
    gaps = sum(row["age"] is None for row in made.customers)
    assert 50 < gaps < 160
    assert {row["action"] for row in made.events} == {"view", "cart", "buy"}
    times = [row["time"] for row in made.events]
    assert times == sorted(times)
    assert times[0].endswith("+01:00")
    assert len({row["sku"] for row in made.products}) == 500
    assert len({row["name"] for row in made.products}) == 500
    known = {row["customer_id"] for row in made.customers}
    assert {row["customer"] for row in made.events} <= known


def test_the_seed_gives_the_rows():
    small = {"customers": 20, "products": 24, "events": 200}
    assert shop(3, **small) == shop(3, **small)
    assert shop(3, **small) != shop(4, **small)
    with pytest.raises(UsageError):
        shop(products=11)


def test_it_is_no_film_shop(made):
    text = json.dumps([made.products, made.customers[:50]]).casefold()
    assert not any(word.casefold() in text for word in ("movie", "film", *GENRES))


def share_of_the_most_frequent(groups: dict[object, Counter[str]]) -> float:
    return sum(g.most_common(1)[0][1] for g in groups.values()) / sum(
        g.total() for g in groups.values()
    )


def test_who_somebody_is_says_what_they_like(made):
    """Guessing the department from decade and town is right more often than the most frequent."""
    of = department(made)
    people = {row["customer_id"]: row for row in made.customers if row["age"]}
    by_profile: dict[object, Counter[str]] = defaultdict(Counter)
    by_person: dict[object, Counter[str]] = defaultdict(Counter)
    overall: dict[object, Counter[str]] = defaultdict(Counter)
    for row in made.events:
        if (person := people.get(row["customer"])) is not None:
            where = of[row["product"]]
            by_profile[person["age"] // 10].update([where])
            by_person[row["customer"]].update([where])
            overall[None].update([where])
    assert share_of_the_most_frequent(by_profile) > 1.3 * share_of_the_most_frequent(overall)
    assert share_of_the_most_frequent(by_person) > 2 * share_of_the_most_frequent(overall)


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


def test_the_files(tmp_path: Path, fusionrec, workspace):
    ended = fusionrec(workspace, "sample", str(tmp_path / "a"), "--seed", "5")
    assert (ended.code, ended.out) == (0, f"{tmp_path / 'a'}\n")
    write_shop(tmp_path / "b", seed=5)
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with (tmp_path / "a" / "customers.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 800
    lines = (tmp_path / "a" / "products.jsonl").read_text().splitlines()
    assert isinstance(json.loads(lines[0])["departments"], list)
    assert len(gzip.decompress((tmp_path / "a" / "events.csv.gz").read_bytes()).splitlines()) > 4e4
    with pytest.raises(UsageError, match="is there already"):
        write_shop(tmp_path / "a")
