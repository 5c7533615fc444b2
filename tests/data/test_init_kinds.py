"""Kinds of files that people have, each with what ``init`` is to make of it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from fusionrec.data.detection.infer import infer_spec
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.convert import Converted, convert
from fusionrec.data.tabular.spec import Spec, read_spec
from fusionrec.errors import DataError

draw = random.Random(7)
PAIRS = [(u, i) for u in range(1, 41) for i in draw.sample(range(1, 26), 8)]
STARS = [draw.randint(1, 5) for _ in PAIRS]
RATED = [f"u{u},i{i},{r}" for (u, i), r in zip(PAIRS, STARS, strict=True)]


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def rated(head: str = "user,item,rating", rows: list[str] = RATED) -> str:
    return lines(head, *rows)


def of_pairs(head: str, row: Callable[[int, int, int], str]) -> str:
    made = [row(u, i, n) for n, (u, i) in enumerate(PAIRS)]
    return lines(head, *made) if head else lines(*made)


def orders(user: Callable[[int], str]) -> str:
    return lines("order_id,user_id,hour", *(f"{n},{user(n)},{n % 24}" for n in range(1, 81)))


LINES = [(n, i, k) for n in range(1, 81) for k, i in enumerate(draw.sample(range(1, 26), 4), 1)]
ORDER_LINES = lines(
    "order_id,product_id,add_to_cart_order,reordered",
    *(f"{n},{i},{k},{draw.randint(0, 1)}" for n, i, k in LINES),
)
BASIC = {"user": "user", "item": "item", "rating": "rating", "scale": [1, 5]}
BARE = {"user": "user", "item": "item"}
DAY = "2020-01-{:02d}"

# Name, files, the keys of [interactions] that are expected, and the doubts; ! before a grave one.
KINDS = [
    ("one id with a point", {"r.csv": rated(rows=[*RATED, "u3,1420.5,4"])}, BASIC, []),
    (
        "an id with a point among numbers",
        {"r.csv": of_pairs("user,item,rating", lambda u, i, n: f"{u},{1000 + i},{STARS[n]}")
         + "3,1420.5,4\n"},
        BASIC,
        [],
    ),
    ("empty rows", {"r.csv": rated() + ",,\n" * 2000}, BASIC, []),
    (
        "header cells without a name",
        {"v.csv": of_pairs("user,place,stars,,", lambda u, i, n: f"u{u},p{i},{STARS[n]},,")},
        {"user": "user", "item": "place", "rating": "stars", "scale": [1, 5]},
        [],
    ),
    (
        "order lines without people",
        {"order_products.csv": ORDER_LINES, "orders.csv": orders(lambda n: str(n % 17))},
        {"user": "user_id", "item": "product_id",
         "join": {"files": "orders.csv", "on": "order_id"}},
        ["joined"],
    ),
    (
        "order lines whose people are two tables away",
        {
            "lines.csv": lines("order_id,order_item_id,product_id,price",
                               *(f"o{n},{k},p{i},{n}.9" for n, i, k in LINES)),
            "orders.csv": lines("order_id,customer_id,ordered_at",
                                *(f"o{n},c{n},2017-10-{n % 28 + 1:02d} 10:56:33"
                                  for n in range(1, 81))),
            "customers.csv": lines("customer_id,customer_unique_id,city",
                                   *(f"c{n},q{n % 17},Town" for n in range(1, 81))),
        },
        {"user": "customer_unique_id", "item": "product_id", "time": "ordered_at",
         "join": [{"files": "orders.csv", "on": "order_id"},
                  {"files": "customers.csv", "on": "customer_id"}]},
        ["joined", "joined"],
    ),
    ("order lines alone", {"lines.csv": ORDER_LINES}, {"user": "order_id"}, ["!no_people"]),
    (
        "the item's own average",
        {"r.csv": of_pairs("placeId,place_rating,reviewerId,user_rating",
                           lambda u, i, n: f"{i},{3 + i % 10 / 10},{u},{STARS[n]}")},
        {"user": "reviewerId", "item": "placeId", "rating": "user_rating"},
        [],
    ),
    (
        "a category beside the item",
        {"g.csv": of_pairs("Member_number,itemDescription,Date,Category",
                           lambda u, i, n: f"{u},thing {i},{DAY.format(n % 28 + 1)},c{i % 5}")},
        {"user": "Member_number", "item": "itemDescription", "time": "Date"},
        ["item_unnamed"],
    ),
    (
        "returns",
        {"i.csv": of_pairs("InvoiceNo,StockCode,Quantity,InvoiceDate,CustomerID",
                           lambda u, i, n: f"{n},P{i},{-1 if n % 40 == 39 else 3},"
                           f"2021-03-{n % 28 + 1:02d} 10:00:00,{u}.0")},
        {"user": "CustomerID", "item": "StockCode", "count": "Quantity", "time": "InvoiceDate"},
        ["returns", "returns_unmatched"],
    ),
    (
        "a basket in one cell",
        {"b.csv": lines("customer,products",
                        *(f'c{u},"{",".join(f"p{i}" for v, i in PAIRS if v == u)}"'
                          for u in range(1, 41)))},
        {"user": "customer", "item": "products", "explode": ["products"]},
        ["several_in_a_cell"],
    ),
    (
        "orders that are named in their first row alone",
        {"orders.csv": lines("Order,Customer,Lineitem sku,Lineitem quantity",
                             *(f"{f'#{n}' if k == 1 else ''},{f'c{n % 17}' if k == 1 else ''},s{i},"
                               f"{draw.randint(1, 3)}" for n, i, k in LINES))},
        {"user": "Customer", "item": "Lineitem sku", "fill": ["Order", "Customer"]},
        ["filled"],
    ),
    (
        "a history as a JSON list",
        {"h.csv": lines("user,history",
                        *(f'u{u},"{[i for v, i in PAIRS if v == u]}"' for u in range(1, 41)))},
        {"user": "user", "item": "history", "explode": ["history"]},
        ["item_unnamed", "several_in_a_cell"],
    ),
    (
        "a history between spaces",
        {"h.tsv": lines("user_id\thistory",
                        *(f"U{u}\t{' '.join(f'N{i}' for v, i in PAIRS if v == u)}"
                          for u in range(1, 41)))},
        {"user": "user_id", "item": "history", "explode": ["history"], "separator": " "},
        ["item_unnamed", "several_in_a_cell"],
    ),
    (
        "a user and any number of items in each line",
        {"train.txt": lines(*(f"{u} {' '.join(map(str, draw.sample(range(25), u % 7 + 2)))}"
                              for u in range(1, 41)))},
        {"names": ["user", "items"], "user": "user", "item": "items", "explode": ["items"]},
        ["several_in_a_cell", "no_header"],
    ),
    ("a line for the spreadsheet", {"r.csv": "sep=;\n" + rated().replace(",", ";")}, BASIC, []),
    ("a comment before the header", {"r.csv": "# exported\n" + rated()}, BASIC, []),
    (
        "counts of rows before the rows",
        {"p.tsv": "10\n40\n" + lines(*(row.replace(",", "\t") for row in RATED))},
        BASIC | {"names": ["user", "item", "rating"]},
        ["no_header", "rating_unnamed", "file"],
    ),
    (
        "dates of the clock's form",
        {"o.csv": of_pairs("customer,product,date",
                           lambda u, i, n: f"u{u},i{i},Fri Sep {n % 28 + 1:02d} 08:00:00 2020")},
        {"user": "customer", "item": "product", "time": "date",
         "time_format": "%a %b %d %H:%M:%S %Y"},
        [],
    ),
    (
        "months",
        {"o.csv": of_pairs("customer,product,date",
                           lambda u, i, n: f"u{u},i{i},2020-{n % 12 + 1:02d}")},
        {"time": "date", "time_format": "%Y-%m"},
        [],
    ),
    (
        "dates that nobody can read",
        {"o.csv": of_pairs("customer,product,date",
                           lambda u, i, n: f"u{u},i{i},in week {n % 50 + 1}")},
        {"user": "customer", "item": "product"},
        ["time_left_out"],
    ),
    (
        "a row per category",
        {"ratings.csv": rated("userID,placeID,rating"),
         "cuisines.csv": lines("placeID,cuisine",
                               *(f"i{i},{c}" for i in range(1, 26)
                                 for c in draw.sample(["Thai", "Grill", "Greek"], 2)))},
        {"user": "userID", "item": "placeID", "rating": "rating"},
        [],
    ),
    (
        "two colons between values",
        {"ratings.dat": lines(*(f"{u}::{i}::{STARS[n]}::{1_600_000_000 + 90_000 * n}"
                                for n, (u, i) in enumerate(PAIRS)))},
        {"names": ["user", "item", "rating", "time"], "time": "time", "time_unit": "s"},
        ["no_header", "rating_unnamed"],
    ),
    (
        "typed headers",
        {"shop.inter": rated("user_id:token,item_id:token,rating:float").replace(",", "\t"),
         "shop.item": lines("item_id:token\tmovie_title:token_seq\tclass:token_seq",
                            *(f"i{i}\tFilm {i}\t{c}" for i, c in enumerate(
                                ["Drama", "Comedy Drama", "Film-Noir Comedy"] * 8, 1)))},
        {"user": "user_id:token", "item": "item_id:token", "rating": "rating:float"},
        [],
    ),
    (
        "ids in quotes of their own",
        {"r.csv": of_pairs("User-ID,ISBN,Book-Rating",
                           lambda u, i, n: f'{u},"""{80_044_020 + i}X""",{STARS[n]}')},
        {"user": "User-ID", "item": "ISBN", "rating": "Book-Rating"},
        ["items_quoted"],
    ),
    (
        "a wide table",
        {"m.csv": lines("user," + ",".join(f"i{i}" for i in range(8)),
                        *(f"u{u}," + ",".join(str(draw.choice(["", "", 1, 3, 5]))
                                              for _ in range(8)) for u in range(40)))},
        {"user": "user", "item": "column", "rating": "value", "unpivot": ["user"]},
        ["wide_table"],
    ),
    (
        "no header line",
        {"o.csv": of_pairs("", lambda u, i, n: f"{u},{i},{n}.40")},
        {"names": ["user", "item", "column_3"], **BARE},
        ["no_header"],
    ),
    (
        "no header line, and in another order",
        {"o.csv": of_pairs("", lambda u, i, n: f"{n},2020-01-{n % 28 + 1:02d},u{u},i{i}")},
        {"time": "time"},
        ["!no_header"],
    ),
    (
        "objects within objects",
        {"r.jsonl": lines(*(json.dumps({"user": {"id": f"u{u}"}, "item": {"id": f"i{i}"},
                                        "rating": STARS[n]}) for n, (u, i) in enumerate(PAIRS)))},
        {"user": "user.id", "item": "item.id", "rating": "rating"},
        [],
    ),
    (
        "orders with their lines within",
        {"o.json": json.dumps([{"customer": {"id": n % 17}, "at": DAY.format(n % 28 + 1), "items": [
            {"sku": f"s{i}", "qty": draw.randint(1, 3)} for m, i, _ in LINES if m == n]}
            for n in range(1, 81)])},
        {"user": "customer.id", "item": "items.sku", "count": "items.qty",
         "explode": ["items.sku", "items.qty"]},
        ["several_in_a_cell"],
    ),
    (
        "a file per user",
        {f"{name}.csv": lines("film,stars", *(f"i{i},{draw.randint(1, 5)}"
                                              for i in draw.sample(range(20), 9)))
         for name in ("alice", "bob", "carla", "dan")},
        {"files": "*.csv", "user": "filename", "item": "film", "rating": "stars"},
        [],
    ),
    ("one bad file", {"r.csv": rated(), "broken.parquet": "PAR1xxxx"}, BASIC, ["file_refused"]),
    (
        "two ratings",
        {"r.csv": of_pairs("user,beer,score,stars",
                           lambda u, i, n: f"u{u},{i},{STARS[n]},{STARS[-n]}")},
        {"user": "user", "item": "beer", "rating": "score"},
        ["two_ratings"],
    ),
    (
        "zeros among fractions",
        {"r.csv": of_pairs("user,book,rating",
                           lambda u, i, n: f"u{u},b{i},{[0, 3.5, 0, 4, 0, 2][n % 6]}")},
        {"rating": "rating", "scale": [0.5, 5]},
        ["zero_is_no_rating"],
    ),
    (
        "one day alone",
        {"r.csv": of_pairs("customer,article,date", lambda u, i, _: f"c{u},a{i},2020-05-05")},
        {"time": "date"},
        ["time_alike"],
    ),
    (
        "thousands",
        {"p.csv": of_pairs("user,artist,plays", lambda u, i, n: f'u{u},a{i},"{n + 1},{n + 100}"')},
        {"count": "plays"},
        ["count_thousands"],
    ),
    (
        "hours with decimals",
        {"p.csv": of_pairs("member,game,hours_played", lambda u, i, n: f"m{u},g{i},{n / 8}")},
        {"user": "member", "item": "game", "count": "hours_played"},
        ["count_fraction"],
    ),
]  # fmt: skip


def inferred(folder: Path, files: dict[str, str]) -> tuple[dict, list[str], Spec]:
    """The keys of ``[interactions]``, the names of the doubts and the spec as it is read back."""
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    found = infer_spec(folder)
    (folder / "fusionrec.toml").write_text(toml_text(found), encoding="utf-8")
    keys = {key.key: key.value for key in found.interactions}
    return keys, ["!" * one.grave + one.name for one in found.doubts], read_spec(folder)


@pytest.mark.parametrize(
    ("files", "keys", "doubts"), [k[1:] for k in KINDS], ids=[k[0] for k in KINDS]
)
def test_what_people_have_is_read_or_doubted(tmp_path, files, keys, doubts):
    found, said, spec = inferred(tmp_path, files)
    assert {key: found.get(key) for key in keys} == keys
    assert [one for one in said if one != "repeats"] == doubts
    shapes = {"explode", "unpivot", "join", "names"} & found.keys()
    assert shapes == {"explode", "unpivot", "join", "names"} & keys.keys() | (
        {"names"} if "!no_header" in doubts else set()
    )
    made = convert(spec)
    assert len(made.user) >= 0.5 * made.rows > 10


def test_categories_of_all_rows_stay_together(tmp_path: Path):
    kind = next(k for k in KINDS if k[0] == "a row per category")
    made: Converted = convert(inferred(tmp_path, kind[1])[2])
    assert all(len(categories) == 2 for categories in made.items.columns["cuisine"])


def test_words_between_spaces_are_categories_where_the_header_says_so(tmp_path: Path):
    kind = next(k for k in KINDS if k[0] == "typed headers")
    fields = inferred(tmp_path, kind[1])[2].items.fields
    assert {name: (field.kind, field.separator) for name, field in fields.items()} == {
        "movie_title": ("text", "|"),
        "class": ("categories", " "),
    }


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"stock.csv": lines("product_id,category,warehouse,stock",
                                *(f"p{i},c{i % 4},w{i % 3},{i * 7 % 99}" for i in range(80)))},
            "one row for each product_id, and no column of people",
        ),
        (
            {"weather.csv": lines("date,city,temp,rain",
                                  *(f"{DAY.format(n % 28 + 1)},c{n % 5},{n % 25},{n % 2}"
                                    for n in range(100)))},
            "no column of people",
        ),
        (
            {"survey.csv": lines("user_id,age,favourite_film",
                                 *(f"u{n},{20 + n % 50},film{n % 9}" for n in range(100)))},
            "one row for each user_id",
        ),
        (
            {"retail.dat": lines(*(" ".join(map(str, draw.sample(range(25), n % 7 + 2)))
                                   for n in range(80)))},
            "no column of people",
        ),
    ],
)  # fmt: skip
def test_what_names_no_people_is_refused_with_the_reason(tmp_path, files, words):
    with pytest.raises(DataError) as refused:
        inferred(tmp_path, files)
    assert words in refused.value.message


def test_many_columns_without_a_header_keep_their_places(tmp_path: Path):
    more = ",".join(f"x{n}" for n in range(250))
    files = {"o.csv": of_pairs("", lambda u, i, n: f"u{u},i{i},{more},{STARS[n]}")}
    found, _, spec = inferred(tmp_path, files)
    assert (len(found["names"]), found["user"], found["item"]) == (253, "user", "item")
    assert convert(spec).rows == len(PAIRS)


def test_a_doubt_about_the_tenth_column_does_not_name_the_first(tmp_path: Path):
    more = ",".join(f"x{n}" for n in range(7))
    files = {"o.csv": of_pairs("", lambda u, i, n: f"u{u},i{i},{more},{STARS[n]}")}
    inferred(tmp_path, files)
    said = [str(doubt) for doubt in infer_spec(tmp_path, told={}).doubts]
    assert any("rating is taken for a rating" in one for one in said)
    assert not any("user0" in one for one in said)
