"""Forms in which people write values, each with what ``init`` is to make of it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fusionrec.data.detection.infer import InferredSpec, infer_spec
from fusionrec.data.detection.toml_writer import toml_text
from fusionrec.data.tabular.convert import Converted, convert
from fusionrec.data.tabular.spec import read_spec

draw = random.Random(5)
PAIRS = [(u, i) for u in range(40) for i in draw.sample(range(25), 6)]
STARS = [draw.randint(1, 5) for _ in PAIRS]
TIMES = [datetime(2023, 1, 3, tzinfo=UTC) + timedelta(minutes=draw.randrange(800_000))
         for _ in PAIRS]  # fmt: skip


def inferred(folder: Path, head: str, values: list[str]) -> tuple[InferredSpec, dict]:
    """What is inferred of rows of a user, an item and further values, and its keys."""
    rows = [f"u{u},p{i},{value}" for (u, i), value in zip(PAIRS, values, strict=True)]
    (folder / "rows.csv").write_text("\n".join([f"user,item,{head}", *rows, ""]))
    guessed = infer_spec(folder)
    return guessed, {key.key: key.value for key in guessed.interactions}


def converted(folder: Path, guessed: InferredSpec) -> Converted:
    (folder / "fusionrec.toml").write_text(toml_text(guessed), encoding="utf-8")
    return convert(read_spec(folder))


def doubts(guessed: InferredSpec) -> list[str]:
    return ["!" * doubt.grave + doubt.name for doubt in guessed.doubts]


@pytest.mark.parametrize(
    ("column", "words", "likes"),
    [
        ("rating", ("thumbs down", "thumbs up"), True),
        ("rating", ("👎", "👍"), True),
        ("sentiment", ("negative", "positive"), True),
        ("liked", ("N", "Y"), True),
        ("gefällt", ("nein", "ja"), True),
        ("gift", ("no", "yes"), False),  # says nothing of the item
        ("gift", ("N", "Y"), False),
    ],
)
def test_words_for_and_against_an_item(tmp_path, column, words, likes):
    guessed, keys = inferred(tmp_path, column, [words[stars > 2] for stars in STARS])
    assert keys.get("events") == ({words[1]: 1.0} if likes else None)
    assert doubts(guessed) == ["event_other"] * likes  # rows that are left out


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("rating", lambda s: "*" * s, []),
        ("rating", lambda s: f"{s}/5", []),
        ("grade", lambda s: "FCBA+"[5 - s], ["!rating_left_out"]),
        ("rating", lambda s: ["Poor", "Fair", "Fine", "Good", "Superb"][s - 1],
         ["!rating_left_out"]),
        ("rating", lambda s: s if s > 1 else "NA", ["rating_unfit"]),
        ("qty", lambda s: f"{s}x", []),
        ("plays", lambda s: f"{s}.{s}K", ["count_left_out"]),
        ("hours", lambda s: f"{s}:30:00", ["count_left_out"]),
        ("watched", lambda s: f"{s}h 10min", ["count_left_out"]),
        ("returned", lambda s: int(s > 4), ["against_unused"]),
    ],
)  # fmt: skip
def test_what_is_doubted_of_values(tmp_path, column, value, expected):
    guessed, keys = inferred(tmp_path, column, [str(value(stars)) for stars in STARS])
    assert doubts(guessed) == expected
    assert (column in keys.values()) is (expected in ([], ["rating_unfit"]))
    converted(tmp_path, guessed)


@pytest.mark.parametrize(
    ("column", "form", "expected"),
    [
        ("date", "%Y:%m:%d %H:%M:%S", []),
        ("date", "%Y-%m-%d-%H-%M-%S", []),
        ("date", "[%d/%b/%Y:%H:%M:%S +0000]", []),
        ("date", "%H:%M %H:%M", ["time_left_out"]),  # from one time to another
        ("date", "%Y-W%W", ["time_left_out"]),
        ("week", "%W", ["time_left_out"]),
        ("date", "3 days ago", ["time_left_out"]),
        ("date", "1402-%m-%d", ["time_early"]),
        ("timestamp", "1.68581E+09", ["time_rounded", "time_alike"]),
    ],
)
def test_what_is_doubted_of_times(tmp_path, column, form, expected):
    guessed, keys = inferred(tmp_path, column, [f"{time:{form}}" for time in TIMES])
    assert doubts(guessed) == expected
    assert ("time" in keys) is (expected != ["time_left_out"])
    if not expected:
        made = converted(tmp_path, guessed)
        assert made.time is not None
        assert sorted(made.time.tolist()) == sorted(int(time.timestamp()) for time in TIMES)


@pytest.mark.parametrize("word", ["1970-01-01", "0000-00-00", "9999-12-31"])
def test_what_is_written_for_no_time(tmp_path, word):
    days = [word if u % 5 == 0 else f"{t:%Y-%m-%d}" for (u, _), t in zip(PAIRS, TIMES, strict=True)]
    names = {"1": "time_1970", "0": "time_unfit", "9": "time_future"}
    assert doubts(inferred(tmp_path, "date", days)[0]) == [names[word[0]]]


def test_totals_are_not_looked_at(tmp_path):
    rows = ["user,item,rating,date"]
    for (u, i), stars, time in zip(PAIRS, STARS, TIMES, strict=True):
        rows += [f"u{u},p{i},{stars},{time:%Y-%m-%d}"] + [f"u{u} total,,{9 + u},"] * (i % 4 == 0)
    (tmp_path / "rows.csv").write_text("\n".join([*rows, ""]))
    guessed = infer_spec(tmp_path)
    keys = {key.key: key.value for key in guessed.interactions}
    assert (keys["scale"], keys["time"]) == ([1.0, 5.0], "date")
    assert doubts(guessed) == ["item_empty"]


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (lambda u, _: f"{u:05}", []),
        (lambda u, _: f'"{1000 + u:,}"', []),
        (lambda u, _: f"{2**60 + u}", []),
        (lambda u, _: f"{1 + u / 1000:.5f}E+12", ["users_rounded"]),
        (lambda u, i: f"{'uU'[i % 2]}{u}", ["users_near"]),
        (lambda u, i: f"{u}{'.0' * (i % 2)}", ["users_near"]),
        (lambda u, _: f'"=""{u:05}"""', ["users_quoted"]),
        (lambda u, _: "NULL" if u == 5 else f"u{u}", ["users_unknown"]),
        (lambda u, _: "NA" if u == 5 else f"u{u}", []),
        (lambda u, _: "0" if u % 13 == 0 else f"{u}", ["users_unknown"]),
        (lambda u, _: f"https://example.org/u/{u}", []),
    ],
)
def test_what_is_doubted_of_ids(tmp_path, user, expected):
    rows = [f"{user(u, i)},p{i},{stars}" for (u, i), stars in zip(PAIRS, STARS, strict=True)]
    (tmp_path / "rows.csv").write_text("\n".join(["user,item,rating", *rows, ""]))
    guessed = infer_spec(tmp_path)
    assert doubts(guessed) == expected
    assert converted(tmp_path, guessed).rows == len(PAIRS)


@pytest.mark.parametrize(("here", "there"), [("{:05}", "{}"), ("A{}", "a{}"), ("{}", "{}.0")])
def test_ids_that_are_written_otherwise_in_another_table(tmp_path, here, there):
    inferred(tmp_path, "rating", [str(stars) for stars in STARS])
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    rows[1:] = [
        here.format(u) + row[row.index(",") :] for (u, _), row in zip(PAIRS, rows[1:], strict=True)
    ]
    (tmp_path / "rows.csv").write_text("\n".join(rows) + "\n")
    users = "".join(f"{there.format(u)},{'abc'[u % 3]}\n" for u in range(40))
    (tmp_path / "users.csv").write_text("user,town\n" + users)
    assert doubts(infer_spec(tmp_path)) == ["ids_unlike"]
