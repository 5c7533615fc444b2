"""What ``fusionrec init`` makes of a folder of files: the guesses, the file, the command."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tabular_files import write

import export_folders
from builders import Ended
from fusionrec.data.detection.infer import infer_spec
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.spec import Spec, read_spec
from fusionrec.errors import DataError, FusionrecError
from fusionrec.workspace import Workspace


def described(folder: Path, rows: int = 100_000) -> tuple[Spec, str]:
    """The description that is guessed of a folder, read back, and its text, comments unwrapped."""
    text = toml_text(infer_spec(folder, rows=rows))
    (folder / "fusionrec.toml").write_text(text, encoding="utf-8")
    return read_spec(folder), text.replace("\n#   ", " ").replace("\n# ", " ")


def kinds(table) -> dict[str, str]:
    return {name: column.kind for name, column in table.fields.items()}


# fmt: off
TITLE, NUMBER = {"title": {"kind": "text"}}, {"kind": "number", "filter": True}
EXPORTS = [
    (
        export_folders.movielens,
        {"files": "ratings.csv", "user": "userId", "item": "movieId", "rating": "rating",
         "scale": [0.5, 5.0], "time": "timestamp", "time_unit": "s"},
        {},
        {"files": "movies.csv", "id": "movieId", "title": "title", "fields": TITLE | {"genres": {
            "kind": "categories", "missing": ["(no genres listed)"], "filter": True}}},
        ["half stars", '"tags.csv": ', '"links.csv": '],
    ),
    (
        export_folders.orders,
        {"files": "orders.csv", "user": "Customer", "item": "Article", "count": "Quantity",
         "time": "Order date", "time_unit": "text"},
        {"files": "orders.csv", "id": "Customer", "fields": {
            "city": {"kind": "category", "column": "City"}}},
        {"files": "orders.csv", "id": "Article", "title": "article_title", "fields": {
            "article_title": {"kind": "text", "column": "Article title"},
            "department": {"kind": "category", "column": "Department", "filter": True},
            "price": NUMBER | {"column": "Price", "buckets": True}}},
        ['"Customer Name": personal data', '"Order No"'],
    ),
    (
        export_folders.books,
        {"files": "Book-Ratings.csv", "user": "User-ID", "item": "ISBN", "rating": "Book-Rating",
         "scale": [1.0, 10.0]},
        {"files": "Users.csv", "id": "User-ID", "fields": {
            "location": {"kind": "category", "column": "Location"},
            "age": {"kind": "number", "column": "Age", "missing": ["NULL"], "buckets": True}}},
        {"files": "Books.csv", "id": "ISBN", "title": "book_title", "fields": {
            "book_title": {"kind": "text", "column": "Book-Title"},
            "book_author": {"kind": "category", "column": "Book-Author", "filter": True},
            "year_of_publication": NUMBER | {"column": "Year-Of-Publication"}}},
        ["seems to mean that there is no rating", '"Image-URL-S": addresses of pages or pictures'],
    ),
    (  # ids that are the same numbers on both sides
        export_folders.plain,
        {"files": "log.csv", "user": "uid", "item": "iid", "rating": "score", "scale": [1.0, 5.0]},
        {"files": "users.csv", "id": "id", "fields": {"gender": {"kind": "category"}}},
        {"files": "things.csv", "id": "id", "title": "title", "fields": TITLE | {"year": NUMBER}},
        ['"zip": personal data'],
    ),
    (  # numbers that are ids of something else
        export_folders.visits,
        {"files": "events.csv.gz", "user": "visitorid", "item": "itemid", "event": "event",
         "events": {"view": 0.2, "addtocart": 0.5, "transaction": 1.0},
         "time": "timestamp", "time_unit": "ms"},
        {},
        {},
        ['"category_tree.csv": '],
    ),
    (
        export_folders.reviews,
        {"files": "reviews.jsonl", "user": "reviewerID", "item": "asin", "rating": "overall",
         "scale": [1.0, 5.0], "time": "unixReviewTime", "time_unit": "s"},
        {},
        {"files": "meta.jsonl", "id": "asin", "title": "title", "fields": TITLE | {
            "price": NUMBER, "brand": {"kind": "category", "filter": True},
            "related_also": {"kind": "categories", "column": "related.also", "filter": True}}},
        ['"reviewerName": personal data', '"categories": lists within lists',
         '"helpful": neither'],
    ),
    (
        export_folders.shelves,
        {"files": "შეფასებები.csv", "user": "მკითხველი", "item": "წიგნი", "rating": "შეფასება",
         "scale": [1.0, 10.0], "time": "თარიღი", "time_unit": "text"},
        {},
        {"files": "წიგნები.csv", "id": "წიგნი", "title": "column_1", "fields": {
            "column_1": {"kind": "text", "column": "სათაური", "label": "სათაური"},
            "column_2": {"kind": "category", "column": "თემა", "filter": True, "label": "თემა"},
            "column_3": NUMBER | {"column": "გვერდები", "label": "გვერდები"}}},
        [],
    ),
    (  # names of files that differ in their digits
        export_folders.months,
        {"files": "log-*.csv", "user": "user_id", "item": "item_id", "event": "action",
         "events": {"play": 1.0}, "time": "at", "time_unit": "text"},
        {},
        {},
        ['left out, since not listed: "skip"'],
    ),
]
# fmt: on


@pytest.mark.parametrize(("make", "rows", "users", "items", "said"), EXPORTS)
def test_exports_as_people_have_them(tmp_path: Path, make, rows, users, items, said):
    make(tmp_path)
    _, text = described(tmp_path)
    found = tomllib.loads((tmp_path / "fusionrec.toml").read_text(encoding="utf-8"))
    assert found["interactions"] == rows | {"repeats": "last"}
    assert (found.get("users", {}), found.get("items", {})) == (users, items)
    assert [words for words in said if words not in text] == []
    for table in (rows, users, items):
        assert f'"{table.get("files")}": ' not in text, "what is used is not listed as unused"
    assert "Doe" not in text, "personal data is left out and not shown either"


def test_only_the_first_rows_are_looked_at_and_that_is_said(tmp_path: Path):
    export_folders.movielens(tmp_path)
    found, text = described(tmp_path, rows=40)
    assert found.items.files == "movies.csv"
    assert "the first 40 rows were looked at" in text


def test_parquet_with_types_of_its_own(tmp_path: Path):
    users, items = map(list, zip(*export_folders.pairs(), strict=True))
    times = [datetime(2024, 5, 1, 12, 0, n % 60) for n in range(len(users))]
    write(tmp_path / "log.parquet", {"user": users, "item": items, "when": times})
    tags = [["a", "b"] if i % 2 else ["c"] for i in range(50)]
    things = {"item": list(range(50)), "tags": tags, "size": [1.5] * 50}
    write(tmp_path / "things.parquet", things)
    found, text = described(tmp_path)
    assert (found.interactions.time, found.interactions.time_unit) == ("when", "text")
    assert found.schema.events
    assert kinds(found.items) == {"tags": "categories"}
    assert '"size": every row says "1.5"' in text


def test_columns_that_another_file_describes_rows_that_repeat_an_id_and_many_columns(
    tmp_path: Path,
):
    users, items = map(list, zip(*export_folders.pairs(), strict=True))
    brands = [f"b{i % 5}" for i in items]
    write(tmp_path / "log.csv", {"user": users, "item": items, "brand": brands})
    things = [*range(50), *range(40)]
    columns = {f"shelf{n}": ["ab"[i % 2] for i in things] for n in range(41)}
    write(tmp_path / "things.csv", {"item": things, **columns})
    found, text = described(tmp_path)
    assert list(found.items.fields) == [*columns][:40]
    assert '"shelf40": only the first 40 are taken' in text
    assert '"brand": depends on the item, which another file describes' in text
    assert "44% of the rows repeat one" in text


def test_the_title_is_the_text_with_a_name_for_it(tmp_path: Path):
    export_folders.write_csv(tmp_path / "log.csv", ["user", "item"], export_folders.pairs())
    rows = [(i, f"Motto {i} of amber", f"Thing {i % 45} of oak") for i in range(50)]
    export_folders.write_csv(tmp_path / "items.csv", ["item", "motto", "name"], rows)
    assert described(tmp_path)[0].items.title == "name"


HOSTILE = 'a "quoted" \\ name\u2028\x1b[31m\x01\u202e = 茶'


def test_hostile_names_and_values_stand_as_they_are_and_end_no_comment(tmp_path: Path):
    export_folders.write_csv(tmp_path / "log.csv", ["user_id", "item_id"], export_folders.pairs())
    header = ["item_id", HOSTILE, "class", "user_id", "\n[interactions]\nfiles = 1"]
    rows = [(i, f"x\n{HOSTILE} {i % 3}", i % 4, f"v{i % 5}", f"w{i % 6}") for i in range(50)]
    export_folders.write_csv(tmp_path / "items.csv", header, rows)
    found, text = described(tmp_path, rows=1000)
    assert {c.column or name for name, c in found.items.fields.items()} == set(header[1:])
    assert len(found.items.fields) == 4
    assert all(c.isprintable() or c == "\n" for c in text)
    assert found.schema.attributes("item"), "names are identifiers and none is an id's"


def test_data_of_people_is_left_out_and_not_shown(tmp_path: Path):
    export_folders.write_csv(tmp_path / "log.csv", ["user_id", "item_id"], export_folders.pairs())
    columns = {
        "user_id": lambda u: u,
        "contact": lambda u: f"ada{u}@mail.example",
        "mobile": lambda u: f"+44 20 7946 {u:04d}",
        "full_name": lambda u: f"Ada {u} Byron",
        "postcode": lambda u: 10_000 + 13 * u,
        "seen_from": lambda u: f"10.0.0.{u}",
        "about": lambda u: f"I am number {u} and I like tea",
        "birth date": lambda u: f"19{50 + u}-02-03",
        "plan": lambda u: "ab"[u % 2],
    }
    write(tmp_path / "users.csv", {name: list(map(of, range(40))) for name, of in columns.items()})
    found, text = described(tmp_path)
    assert kinds(found.users) == {"plan": "category"}
    for value in ("mail.example", "7946", "Byron", "10.0.0", "I am", "1951-"):
        assert value not in text


ITEMS_ALONE = "sku,brand\n" + "".join(f"{i},{i % 5}\n" for i in range(99))
NO_HEADER = "".join(f"{n},{n + 1},x{n}\n" for n in range(9))


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("", "", "there is no such folder"),
        ("notes.txt", "x", "no file of a format that is read; it holds notes.txt"),
        ("a.csv", "user,item\n", "a.csv: it has a header and no rows"),
        ("a.csv", "", "a.csv: the file is empty"),
        ("a.csv", 'user,item\n1,"2\n', "line 2: a quote opens there"),
        (
            "p.csv",
            ITEMS_ALONE,
            "Seen were p.csv (sku, brand: one row for each sku, and no column of people)",
        ),
        ("rows.csv", NO_HEADER, "rows.csv seems to have no header line"),
    ],
)
def test_folders_of_which_nothing_can_be_made(tmp_path: Path, file, content, words):
    folder = tmp_path / "given"
    if file:
        folder.mkdir()
        (folder / file).write_text(content)
    with pytest.raises(FusionrecError) as error:
        infer_spec(folder)
    assert words in error.value.message
    assert error.value.hint


def test_the_least_that_is_shown_is_enough(tmp_path: Path, fusionrec):
    (tmp_path / "p.csv").write_text(ITEMS_ALONE)
    ended = fusionrec(Workspace(tmp_path / "home"), "init", str(tmp_path))
    assert (ended.code, ended.out) == (1, "")
    assert not (tmp_path / "fusionrec.toml").exists()
    (tmp_path / "fusionrec.toml").write_text(ended.err.partition("hint: ")[2].partition("\n")[2])
    assert read_spec(tmp_path).interactions.user == "user_id"


def test_the_command(tmp_path: Path, fusionrec: Callable[..., Ended]):
    export_folders.movielens(tmp_path)
    home, file = Workspace(tmp_path / "home"), tmp_path / "fusionrec.toml"
    ended = fusionrec(home, "init", str(tmp_path), "--name", 'my "films"')
    assert (ended.code, ended.out) == (0, f"{file}\n")
    assert "who took what: ratings.csv" in ended.err
    assert f"fusionrec --home {home.home} check {tmp_path}" in ended.err
    assert f"fusionrec --home {home.home} train --data {tmp_path}" in ended.err
    assert tomllib.loads(file.read_text(encoding="utf-8"))["name"] == 'my "films"'

    file.write_text("# mine")
    ended = fusionrec(home, "init", str(tmp_path))
    assert ended.code == 2
    assert "is there already" in ended.err
    assert "--force" in ended.err
    assert file.read_text() == "# mine"
    assert fusionrec(home, "init", str(tmp_path), "--force").code == 0
    assert read_spec(file).name == tmp_path.name


def test_files_that_differ_in_digits_and_in_columns_stay_apart(tmp_path: Path):
    export_folders.movielens(tmp_path)
    (tmp_path / "ratings.csv").rename(tmp_path / "table1.csv")
    (tmp_path / "movies.csv").rename(tmp_path / "table2.csv")
    found, _ = described(tmp_path)
    assert (found.interactions.files, found.items.files) == ("table1.csv", "table2.csv")


def test_files_called_by_numbers_alone(tmp_path: Path):
    for number in range(1, 4):
        export_folders.write_csv(
            tmp_path / f"{number}.csv", ["user", "item"], export_folders.pairs(seed=number)
        )
    assert described(tmp_path)[0].interactions.files == "*.csv"


CELLS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(["", "1", "0", "2.5", "view", "a|b", "a, b", "1700000000", "NULL", "(none)"]),
    st.integers(-3, 12).map(str),
    st.dates().map(str),
)
NAMES = st.sampled_from(
    ["user", "item", "rating", "event", "time", "title", "id", "price", "name", "user_id", "x", "ж"]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.lists(NAMES, min_size=2, max_size=6, unique=True).flatmap(
            lambda names: st.lists(
                st.lists(CELLS, min_size=len(names), max_size=len(names)), min_size=1, max_size=12
            ).map(lambda rows: (names, rows))
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_the_files_hold_the_guess_reads_back_or_is_refused(tables):
    with tempfile.TemporaryDirectory() as made:
        for number, (names, rows) in enumerate(tables):
            export_folders.write_csv(Path(made) / f"{'abc'[number]}.csv", names, rows)
        try:
            found, text = described(Path(made))
        except DataError:
            return
        assert found.interactions.user != found.interactions.item
        assert all(c.isprintable() or c == "\n" for c in text)
