"""What ``fusionrec init`` makes of a folder of files: the guesses, the file, the command."""

from __future__ import annotations

import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import export_folders
from builders import Ended
from fusionrec.data.detection.infer import infer_spec
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.spec import Spec, read_spec
from fusionrec.errors import DataError
from fusionrec.workspace import Workspace


def described(folder: Path, rows: int = 100_000) -> tuple[Spec, str]:
    """The description that is guessed of a folder, read back, and its text, comments unwrapped."""
    text = toml_text(infer_spec(folder, rows=rows))
    (folder / "fusionrec.toml").write_text(text, encoding="utf-8")
    return read_spec(folder), text.replace("\n#   ", " ").replace("\n# ", " ")


def kinds(table) -> dict[str, str]:
    return {name: column.kind for name, column in table.fields.items()}


def test_movielens_files(tmp_path: Path):
    export_folders.movielens(tmp_path)
    found, text = described(tmp_path)
    rated = found.interactions
    assert (rated.files, rated.user, rated.item) == ("ratings.csv", "userId", "movieId")
    assert (rated.rating, rated.scale) == ("rating", (0.5, 5.0))
    assert (rated.time, rated.time_unit, rated.repeats) == ("timestamp", "s", "last")
    assert found.users.files == ""
    assert (found.items.files, found.items.id, found.items.title) == (
        "movies.csv", "movieId", "title"
    )  # fmt: skip
    assert kinds(found.items) == {"title": "text", "genres": "categories"}
    assert found.items.fields["genres"].missing == ("(no genres listed)",)
    assert (found.items.fields["genres"].separator, found.items.fields["genres"].filter) == (
        "|", True
    )  # fmt: skip
    assert "half stars" in text
    for unused in ("tags.csv", "links.csv"):
        assert f'"{unused}": ' in text


def test_one_file_for_all(tmp_path: Path):
    export_folders.orders(tmp_path)
    found, text = described(tmp_path)
    taken = found.interactions
    assert (taken.user, taken.item, taken.count) == ("Customer", "Article", "Quantity")
    assert (taken.time, taken.time_unit) == ("Order date", "text")
    assert {found.users.files, found.items.files} == {"orders.csv"}
    assert kinds(found.users) == {"city": "category"}
    assert kinds(found.items) == {"article_title": "text", "department": "category",
                                  "price": "number"}  # fmt: skip
    assert found.items.title == "article_title"
    assert found.items.fields["price"].buckets
    assert '"Customer Name": personal data' in text
    assert "Doe" not in text, "what is left out as personal data is not shown either"
    assert '"Order No"' in text


def test_semicolons_and_words_for_not_known(tmp_path: Path):
    export_folders.books(tmp_path)
    found, text = described(tmp_path)
    assert (found.interactions.rating, found.interactions.scale) == ("Book-Rating", (1.0, 10.0))
    assert "seems to mean that there is no rating" in text
    assert found.users.fields["age"].missing == ("NULL",)
    assert kinds(found.users) == {"location": "category", "age": "number"}
    assert found.items.title == "book_title"
    assert found.items.fields["book_title"].column == "Book-Title"
    assert '"Image-URL-S": addresses of pages or pictures' in text


def test_ids_that_are_the_same_numbers_on_both_sides(tmp_path: Path):
    export_folders.plain(tmp_path)
    found, text = described(tmp_path)
    assert (found.interactions.user, found.interactions.item) == ("uid", "iid")
    assert (found.interactions.rating, found.interactions.scale) == ("score", (1.0, 5.0))
    assert (found.users.files, found.items.files) == ("users.csv", "things.csv")
    assert '"zip": personal data' in text


def test_events_and_numbers_that_are_ids_of_something_else(tmp_path: Path):
    export_folders.visits(tmp_path)
    found, text = described(tmp_path)
    taken = found.interactions
    assert (taken.files, taken.user, taken.item) == ("events.csv.gz", "visitorid", "itemid")
    assert taken.event == "event"
    assert taken.events["view"] < taken.events["addtocart"] < taken.events["transaction"] == 1
    assert (taken.time, taken.time_unit) == ("timestamp", "ms")
    assert (found.users.files, found.items.files) == ("", "")
    assert '"category_tree.csv": ' in text


def test_objects_and_texts_in_json_lines(tmp_path: Path):
    export_folders.reviews(tmp_path)
    found, text = described(tmp_path)
    taken = found.interactions
    assert (taken.user, taken.item) == ("reviewerID", "asin")
    assert (taken.rating, taken.time) == ("overall", "unixReviewTime")
    assert found.users.files == ""
    assert kinds(found.items) == {"title": "text", "price": "number", "brand": "category"}
    assert '"reviewerName": personal data' in text
    assert '"categories": lists within lists' in text
    assert '"helpful": neither' in text
    assert '"related": objects within a row' in text


def test_another_script_throughout(tmp_path: Path):
    export_folders.shelves(tmp_path)
    found, _ = described(tmp_path)
    taken = found.interactions
    assert (taken.user, taken.item, taken.rating) == ("მკითხველი", "წიგნი", "შეფასება")
    assert taken.scale == (1.0, 10.0)
    assert list(kinds(found.items).values()) == ["text", "category", "number"]
    assert [c.column for c in found.items.fields.values()] == ["სათაური", "თემა", "გვერდები"]
    assert [f.heading for f in found.schema.attributes("item")] == ["სათაური", "თემა", "გვერდები"]


def test_files_that_differ_in_their_digits_are_one_table(tmp_path: Path):
    export_folders.months(tmp_path)
    found, text = described(tmp_path)
    assert found.interactions.files == "log-*.csv"
    assert found.interactions.events == {"play": 1.0}
    assert 'left out, since not listed: "skip"' in text


def test_only_the_first_rows_are_looked_at_and_that_is_said(tmp_path: Path):
    export_folders.movielens(tmp_path)
    found, text = described(tmp_path, rows=40)
    assert found.items.files == "movies.csv"
    assert "the first 40 rows were looked at" in text


def test_parquet_with_types_of_its_own(tmp_path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = export_folders.pairs()
    seconds = [1_700_000_000 + n for n in range(len(rows))]
    table = {
        "user": pa.array([u for u, _ in rows]),
        "item": pa.array([i for _, i in rows]),
        "when": pa.array(seconds, pa.timestamp("s")),
    }
    pq.write_table(pa.table(table), tmp_path / "log.parquet")
    tags = [["a", "b"] if i % 2 else ["c"] for i in range(50)]
    things = {"item": pa.array(range(50)), "tags": pa.array(tags), "size": pa.array([1.5] * 50)}
    pq.write_table(pa.table(things), tmp_path / "things.parquet")
    found, text = described(tmp_path)
    assert (found.interactions.time, found.interactions.time_unit) == ("when", "text")
    assert found.schema.events
    assert kinds(found.items) == {"tags": "categories"}
    assert '"size": every row says "1.5"' in text


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
    header = [
        "user_id",
        "contact",
        "mobile",
        "full_name",
        "postcode",
        "seen_from",
        "about",
        "birth date",
        "plan",
    ]
    rows = [
        (u, f"ada{u}@mail.example", f"+44 20 7946 {u:04d}", f"Ada {u} Byron", 10_000 + 13 * u,
         f"10.0.0.{u}", f"I am number {u} and I like tea", f"19{50 + u}-02-03", "ab"[u % 2])
        for u in range(40)
    ]  # fmt: skip
    export_folders.write_csv(tmp_path / "users.csv", header, rows)
    found, text = described(tmp_path)
    assert kinds(found.users) == {"plan": "category"}
    for value in ("mail.example", "7946", "Byron", "10.0.0", "I am", "1951-"):
        assert value not in text


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ((0, 1), [0.0, 1.0]),
        ((-1, 1), [-1.0, 1.0]),
        ((1, 2, 3, 4, 5), [1.0, 5.0]),
        ((0.5, 1, 4.5, 5), [0.5, 5.0]),
        ((0, 1, 2, 3, 4, 5), [0.0, 5.0]),
        ((1, 3, 7, 10), [1.0, 10.0]),
        ((-1, 2, 3, 7, 10), [1.0, 10.0]),
        ((0, 20, 55, 100), [0.0, 100.0]),
        ((-9.5, 3.25, 9.75), [-10.0, 10.0]),
        ((2.25, 4.75), [1.0, 5.0]),
        ((3, 250), [3.0, 250.0]),
    ],
)
def test_scales(tmp_path: Path, values, scale):
    rows = [(u, i, values[(u + i) % len(values)]) for u, i in export_folders.pairs()]
    export_folders.write_csv(tmp_path / "r.csv", ["user", "item", "rating"], rows)
    found, _ = described(tmp_path)
    assert list(found.interactions.scale) == scale


@pytest.mark.parametrize(
    ("made", "unit"),
    [
        (lambda n: 1_700_000_000 + n, "s"),
        (lambda n: f"{1_700_000_000 + n / 8:.3f}", "s"),
        (lambda n: 1_700_000_000_000 + n, "ms"),
        (lambda n: f"{1_700_000_000_000 + n / 8:.3f}", "ms"),
        (lambda n: 1_700_000_000_000_000 + n, "us"),
        (lambda n: 1_700_000_000_000_000_000 + n, "ns"),
        (lambda n: f"2024-01-{1 + n % 28:02d}", "text"),
        (lambda n: f"2024-01-{1 + n % 28:02d}T10:00:00+02:00", "text"),
        (lambda n: f"{1 + n % 28:02d}/12/2024", None),
        (lambda n: n + 20_240_000, None),
        (lambda n: f"{n}e300", None),
    ],
)
def test_times(tmp_path: Path, made, unit):
    rows = [(u, i, made(n)) for n, (u, i) in enumerate(export_folders.pairs())]
    export_folders.write_csv(tmp_path / "r.csv", ["user", "item", "date"], rows)
    found, text = described(tmp_path)
    if unit is None:
        assert found.interactions.time == ""
        assert '"date": ' in text, "why it is not used is said"
    else:
        assert (found.interactions.time, found.interactions.time_unit) == ("date", unit)


def test_numbers_with_a_fraction_that_are_not_called_a_time_are_none(tmp_path: Path):
    rows = [
        (u, i, f"{1_700_000_000 + n / 8:.3f}") for n, (u, i) in enumerate(export_folders.pairs())
    ]
    export_folders.write_csv(tmp_path / "r.csv", ["user", "item", "worth"], rows)
    found, _ = described(tmp_path)
    assert found.interactions.time == ""


@pytest.mark.parametrize("separator", ["|", ";", ",", "/"])
def test_separators_of_several_categories(tmp_path: Path, separator):
    export_folders.write_csv(tmp_path / "log.csv", ["user", "item"], export_folders.pairs())
    words = ["ash", "oak wood", "elm", "fir"]
    rows = [(i, separator.join({words[i % 4], words[i % 3]})) for i in range(50)]
    export_folders.write_csv(tmp_path / "items.csv", ["item", "made_of"], rows)
    found, _ = described(tmp_path)
    column = found.items.fields["made_of"]
    assert (column.kind, column.separator) == ("categories", separator)


def nothing(folder: Path):
    folder.rmdir()


def other_files(folder: Path):
    (folder / "notes.txt").write_text("nothing")


def no_rows(folder: Path):
    (folder / "a.csv").write_text("user,item\n")


def empty(folder: Path):
    (folder / "a.csv").touch()


def items_alone(folder: Path):
    export_folders.write_csv(folder / "p.csv", ["sku", "brand"], [(i, i % 5) for i in range(99)])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (nothing, "there is no such folder"),
        (other_files, "no CSV, TSV, JSON Lines or Parquet file; it holds notes.txt"),
        (no_rows, "a.csv: it has a header and no rows"),
        (empty, "a.csv: the file is empty"),
        (items_alone, "Seen were p.csv (sku, brand)"),
    ],
)
def test_folders_of_which_nothing_can_be_made(tmp_path: Path, fusionrec, make, words):
    folder = tmp_path / "given"
    folder.mkdir()
    make(folder)
    ended = fusionrec(Workspace(tmp_path / "home"), "init", str(folder))
    assert (ended.code, ended.out) == (2 if make is nothing else 1, "")
    assert words in ended.err
    assert "hint: " in ended.err
    assert not (folder / "fusionrec.toml").exists()


def test_the_least_that_is_shown_is_enough(tmp_path: Path):
    items_alone(tmp_path)
    with pytest.raises(DataError) as raised:
        infer_spec(tmp_path)
    _, _, least = str(raised.value.hint).partition("\n")
    (tmp_path / "fusionrec.toml").write_text(least)
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
