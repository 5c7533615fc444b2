"""Folders of made files in the layouts that people have, for the tests of init."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

DAY = 86_400


def write_csv(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]], sep: str = ","
) -> None:
    """A file of lines; packed where its name ends in ``.gz``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=sep)
        writer.writerow(header)
        writer.writerows(rows)


def write_lines(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """A file of JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def pairs(
    count: int = 900, users: int = 40, items: int = 50, seed: int = 0
) -> list[tuple[int, int]]:
    """Distinct pairs of a user's and an item's number, by user."""
    rng = np.random.default_rng(seed)
    picked = np.sort(rng.choice(users * items, size=count, replace=False))
    return [(int(one) // items, int(one) % items) for one in picked]


def movielens(folder: Path) -> None:
    """The layout of MovieLens' CSV files, with invented titles; some items are of no kind."""
    rng = np.random.default_rng(0)
    kinds = ("Comedy", "Drama", "Film-Noir", "Sci-Fi", "War")
    rated = [
        (u + 1, 3 * i + 1, rng.integers(1, 11) / 2, 1_100_000_000 + DAY * n)
        for n, (u, i) in enumerate(pairs())
    ]
    write_csv(folder / "ratings.csv", ["userId", "movieId", "rating", "timestamp"], rated)
    films = [
        (
            3 * i + 1,
            f"{['Amber', 'Quiet', 'Iron'][i % 3]} Harbour, Part {i} ({1950 + i})",
            "(no genres listed)" if i % 9 == 0 else "|".join(sorted({kinds[i % 5], kinds[i % 3]})),
        )
        for i in range(50)
    ]
    write_csv(folder / "movies.csv", ["movieId", "title", "genres"], films)
    tagged = [(u + 1, 3 * i + 1, "slow burn", 1_200_000_000) for u, i in pairs(80)]
    write_csv(folder / "tags.csv", ["userId", "movieId", "tag", "timestamp"], tagged)
    linked = [(3 * i + 1, f"{114_000 + 31 * i:07d}", 860 + 7 * i) for i in range(50)]
    write_csv(folder / "links.csv", ["movieId", "imdbId", "tmdbId"], linked)
    (folder / "README.txt").write_text("Summary\n=======\n\nMade files, of no one.\n")


def orders(folder: Path) -> None:
    """One file for all: each line of an order, with what is known of customer and article."""
    rng = np.random.default_rng(1)
    price = np.exp(rng.normal(3, 1.4, 50)).round(2)
    rows = [
        (
            1000 + n // 3,
            f"C{u:04d}",
            f"{['Ann', 'Bo', 'Cy'][u % 3]} Doe {u}",
            ["Paris", "Lyon", "Nice"][u % 3],
            f"A-{i}",
            f"Oak {['Chair', 'Table', 'Shelf'][i % 3]} no {i}",
            ["Garden", "Kitchen"][i % 2],
            price[i],
            int(rng.integers(1, 5)),
            f"2024-{1 + n % 12:02d}-{1 + n % 28:02d}",
        )
        for n, (u, i) in enumerate(pairs())
    ]
    header = "Order No,Customer,Customer Name,City,Article,Article title,Department,Price,Quantity"
    write_csv(folder / "orders.csv", [*header.split(","), "Order date"], rows)


def books(folder: Path) -> None:
    """Three files with semicolons; 0 of 10 means that there is no rating, NULL no age."""
    given = (0, 0, 0, 5, 6, 7, 8, 9, 10)
    rated = [(u + 276, f"{i:09d}X", given[(7 * u + i) % 9]) for u, i in pairs()]
    write_csv(folder / "Book-Ratings.csv", ["User-ID", "ISBN", "Book-Rating"], rated, ";")
    header = ["ISBN", "Book-Title", "Book-Author", "Year-Of-Publication", "Image-URL-S"]
    known = [
        (f"{i:09d}X", f'The "{i}th"; a tale', f"Writer {i % 9}", 1950 + i,
         f"http://pictures.example.org/{i}.jpg") for i in range(50)
    ]  # fmt: skip
    write_csv(folder / "Books.csv", header, known, ";")
    people = [(u + 276, f"town {u % 7}, land", "NULL" if u % 3 else 20 + u) for u in range(40)]
    write_csv(folder / "Users.csv", ["User-ID", "Location", "Age"], people, ";")


def plain(folder: Path) -> None:
    """Ids from 0 on both sides, under names that say little."""
    scored = [(u, i, (u * i) % 5 + 1) for u, i in pairs()]
    write_csv(folder / "log.csv", ["uid", "iid", "score"], scored)
    people = [(u, "MF"[u % 2], 10_000 + 77 * u) for u in range(40)]
    write_csv(folder / "users.csv", ["id", "gender", "zip"], people)
    write_csv(
        folder / "things.csv", ["id", "title", "year"],
        [(i, f"A thing of {i} sorts", 1950 + i) for i in range(50)],
    )  # fmt: skip


def visits(folder: Path) -> None:
    """Events in milliseconds, beside tables whose numbers are ids of something else."""
    kinds = ["view"] * 8 + ["addtocart", "transaction"]
    rows = [
        (1_433_000_000_000 + n * 997_331, u, kinds[n % 10], i, "" if n % 10 < 9 else 7000 + n)
        for n, (u, i) in enumerate(pairs())
    ]
    header = ["timestamp", "visitorid", "event", "itemid", "transactionid"]
    write_csv(folder / "events.csv.gz", header, rows)
    tree = [(n, n // 3) for n in range(1, 90)]
    write_csv(folder / "category_tree.csv", ["categoryid", "parentid"], tree)


def reviews(folder: Path) -> None:
    """JSON Lines with reviewers' names and texts, and lists within lists."""
    write_lines(
        folder / "reviews.jsonl",
        (
            {
                "reviewerID": f"A{u:05d}XK",
                "asin": f"B00{i:05d}",
                "reviewerName": f"Jo {u} Doe",
                "helpful": [n % 3, 3],
                "reviewText": f"good {n} times",
                "overall": float(1 + (u + i) % 5),
                "unixReviewTime": 1_300_000_000 + n * DAY,
            }
            for n, (u, i) in enumerate(pairs())
        ),
    )
    write_lines(
        folder / "meta.jsonl",
        (
            {
                "asin": f"B00{i:05d}",
                "title": f"Oak Thing {i}",
                "price": round(float(np.exp(i % 7)), 2),
                "categories": [["Home", "Oak"], [f"Kind {i % 3}"]],
                "brand": f"maker {i % 5}",
                "related": {"also": [f"B00{i:05d}"]},
            }
            for i in range(50)
        ),
    )


def shelves(folder: Path) -> None:
    """Georgian names and values throughout."""
    read = [(f"მკ-{u}", f"წგ-{i}", (u + i) % 10 + 1, f"2023-0{1 + (u + 2 * i) % 9}-11 10:11:12")
            for u, i in pairs()]  # fmt: skip
    write_csv(folder / "შეფასებები.csv", ["მკითხველი", "წიგნი", "შეფასება", "თარიღი"], read)
    volumes = [(f"წგ-{i}", f"ზღვა და მთა {i}", ["ისტორია", "ბაღი", "ზღვა"][i % 3], 60 + 7 * i)
               for i in range(50)]  # fmt: skip
    write_csv(folder / "წიგნები.csv", ["წიგნი", "სათაური", "თემა", "გვერდები"], volumes)


def months(folder: Path) -> None:
    """A file for each month."""
    for month in range(1, 5):
        rows = [
            (u, i, ["play", "skip"][(u + i) % 2], f"2024-0{month}-11T10:11:12Z")
            for u, i in pairs(seed=month)
        ]
        write_csv(folder / f"log-2024-0{month}.csv", ["user_id", "item_id", "action", "at"], rows)
