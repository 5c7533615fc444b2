"""From Python: the words of the command line, and the docs' own lines."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import fusionrec
from builders import auto_recipe, python
from fusionrec import _FROM
from fusionrec.cli import main
from fusionrec.data.dataset import Dataset
from fusionrec.errors import ConfigError, DataError, UsageError
from fusionrec.index import Between, Only
from fusionrec.ledger import Event, Ledger
from fusionrec.models.presets import AUTO
from fusionrec.workspace import Workspace

ROOT = Path(__file__).parent.parent


def shop(people: int = 60, things: int = 24, rows: int = 900) -> dict[str, pd.DataFrame]:
    """Customers, of whom the even ones take teapots and the odd ones lamps."""
    rng = np.random.default_rng(5)
    who, what = rng.integers(0, people, rows), rng.integers(0, things, rows)
    what = np.where(rng.random(rows) < 0.9, what // 2 * 2 + who % 2, what) % things
    when = pd.to_timedelta(rng.integers(0, 10**7, rows), unit="s")
    colours = [("Blue", "Red", "Green")[n % 3] for n in range(things)]
    kinds = [("teapot", "lamp")[n % 2] for n in range(things)]
    orders = {
        "customer": [f"c{n}" for n in who],
        "sku": [f"p{n}" for n in what],
        "stars": np.where(who % 2 == what % 2, 5, 1).astype(float),
        "time": pd.Timestamp("2024-03-01") + when,
    }
    products = {
        "sku": [f"p{n}" for n in range(things)],
        "title": [f"{colours[n]} {kinds[n]}" + f" {n}" * (n > 2) for n in range(things)],
        "kind": kinds,
        "price": np.linspace(5, 40, things),
        "tags": [f"{colour}|new" for colour in colours],
    }
    customers = {
        "id": [f"c{n}" for n in range(people)],
        "age": [20 + n % 50 if n % 7 else None for n in range(people)],
        "postcode": [str(10000 + n) for n in range(people)],
    }
    tables = {"orders": orders, "products": products, "customers": customers}
    return {name: pd.DataFrame(columns) for name, columns in tables.items()}


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    return shop()


@pytest.fixture(scope="module")
def home(frames, tmp_path_factory) -> Path:
    """A workspace with an indexed model of the events."""
    home = tmp_path_factory.mktemp("shop")
    data = fusionrec.read_frames(
        frames["orders"], items=frames["products"], user="customer", item="sku"
    )
    told: list[str] = []
    settings = {"training.epochs": 12, "training.threads": 1}
    model = fusionrec.train(data, "fusion", home=home, settings=settings, log=told.append)
    assert (model.version, len(told)) == ("v1", 12)
    assert model.index() == str(home / "milvus.db")
    return home


@pytest.fixture
def recommender(home) -> Iterator[fusionrec.Recommender]:
    with fusionrec.Recommender(home) as opened:
        yield opened


def test_the_import_alone_is_light():
    loaded = python(
        "import sys, fusionrec; dir(fusionrec); fusionrec.Dataset; fusionrec.Recommender;"
        "fusionrec.train; fusionrec.read_frames;"
        "heavy = {'paddle', 'pyarrow', 'pandas', 'pymilvus', 'sqlalchemy', 'scipy'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert loaded.strip() == "[]"


def test_frames_are_warned_of_as_files_are(frames, caplog, tmp_path):
    orders, products = frames["orders"], frames["products"].assign(sku=range(24))
    fusionrec.read_frames(orders, items=frames["products"], user="customer", item="sku")
    assert caplog.messages == [], "what was repaired is no warning"
    fusionrec.read_frames(orders, items=products, user="customer", item="sku", name="shop")
    (said,) = caplog.messages
    assert said.startswith("shop: items of the interactions that are not in items by its column")
    orders.to_csv(tmp_path / "orders.csv", index=False)
    products.to_csv(tmp_path / "items.csv", index=False)
    (tmp_path / "fusionrec.toml").write_text(
        'name = "shop"\n[interactions]\nfiles = "orders.csv"\nuser = "customer"\nitem = "sku"\n'
        '[items]\nfiles = "items.csv"\nid = "sku"\n'
    )
    fusionrec.read_data(tmp_path, tmp_path / "home")
    assert caplog.messages[1] == said.replace("in items by", "in items.csv by")


def test_the_public_names_are_there():
    assert sorted([*_FROM, "__version__"]) == sorted(fusionrec.__all__)
    assert all(callable(getattr(fusionrec, name)) for name in _FROM)
    assert fusionrec.Dataset is Dataset
    assert set(fusionrec.__all__) <= set(dir(fusionrec))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        fusionrec.trian  # noqa: B018


@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_python_of_the_docs_runs(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(AUTO, "quick", auto_recipe())
    with pytest.raises(SystemExit):  # the docs' data: the files that this command writes
        main(["sample", "shop"])
    capsys.readouterr()
    text = (ROOT / page).read_text("utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert blocks
    lines = [line for line in blocks[0].splitlines() if line]
    assert len(lines) <= 10
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)
        if block is blocks[0]:
            assert len(capsys.readouterr().out.splitlines()) == 5


def test_frames_become_fields_by_their_types(frames):
    products = frames["products"].assign(
        parts=[["a", "b"][: n % 3] for n in range(24)],
        new=[n % 2 == 0 for n in range(24)],
        made=pd.Timestamp("2024-01-01"),
        about=[f"made of parts {n}" for n in range(24)],
        colour=pd.Categorical(["red", "blue"] * 12),
    )
    data = fusionrec.read_frames(
        frames["orders"],
        frames["customers"],
        products,
        user="customer",
        item="sku",
        fields={"tags": "categories", "postcode": None},
    )
    kinds = {field.name: (field.kind, field.filterable) for field in data.schema.fields}
    assert kinds == {
        "user_id": ("id", False),
        "age": ("number", False),
        "item_id": ("id", False),
        "title": ("text", False),
        "kind": ("category", True),
        "price": ("number", True),
        "tags": ("categories", True),
        "parts": ("categories", True),
        "new": ("category", True),
        "about": ("text", False),
        "colour": ("category", True),
    }
    assert (data.schema.title, data.schema.events) == ("title", True)
    assert data.items.row(4) | {"about": ""} == {
        "title": "Red teapot 4",
        "kind": "teapot",
        "price": pytest.approx(5 + 4 * 35 / 23),
        "tags": ("Red", "new"),
        "parts": ("a",),
        "new": "true",
        "about": "",
        "colour": "red",
    }
    assert np.isnan(data.users.columns["age"][0])
    assert data.users.columns["age"][1] == 21.0
    assert any("'made'" in repair and "left out" in repair for repair in data.repairs)


def test_rows_keep_what_they_say(frames):
    orders = frames["orders"].drop_duplicates(["customer", "sku"])
    data = fusionrec.read_frames(orders, user="customer", item="sku", rating="stars", time="time")
    assert (data.schema.rating_range, data.schema.like, data.schema.events) == ((1, 5), 4, False)
    back = pd.DataFrame(
        {
            "customer": [data.users.ids[user] for user in data.user],
            "sku": [data.items.ids[item] for item in data.item],
            "stars": data.rating.astype(float),
            "time": pd.to_datetime(data.time, unit="s"),
        }
    )
    order = ["customer", "sku"]
    pd.testing.assert_frame_equal(
        back.sort_values(order, ignore_index=True),
        orders.sort_values(order, ignore_index=True),
        check_dtype=False,
    )


def test_numbers_and_dates_in_texts_are_read_as_they_are_said_to_be_written():
    rows = pd.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"],
                         "note": ["1,5", "2,0", "4,5"],
                         "am": ["03.02.2024", "4. März 2024", "05.02.2024"]})  # fmt: skip
    forms = {"time_format": "%d.%m.%Y|%d. %b %Y", "decimal": ","}
    data = fusionrec.read_frames(rows, rating="note", time="am", **forms)
    assert data.rating.tolist() == [1.5, 2.0, 4.5]
    days = pd.to_datetime(["2024-02-03", "2024-03-04", "2024-02-05"])
    assert data.time.tolist() == [day.timestamp() for day in days]


def test_events_weigh_what_they_are_told_to():
    rows = pd.DataFrame(
        {
            "user": [1, 1, 2, 2],
            "item": ["a", "b", "a", "b"],
            "did": ["buy", "view", "view", "return"],
        }
    )
    data = fusionrec.read_frames(rows, event="did", weights={"buy": 1, "view": 0.25})
    assert (data.schema.events, data.rating.tolist()) == (True, [1.0, 0.25, 0.25])
    assert data.users.ids == ["1", "2"]
    plain = fusionrec.read_frames(pd.concat([rows, rows]), repeats="keep")
    assert (plain.schema.repeats, plain.rating.tolist()) == (True, [1.0] * 8)


def test_any_library_of_frames_will_do(frames):
    orders = pa.Table.from_pandas(frames["orders"])

    class Foreign:
        """What polars and others give: their columns as Arrow has them."""

        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return orders.__arrow_c_stream__(requested_schema)

    wanted = fusionrec.read_frames(frames["orders"], user="customer", item="sku")
    for given in (orders, Foreign()):
        data = fusionrec.read_frames(given, user="customer", item="sku")
        assert data.fingerprint() == wanted.fingerprint()


BAD = [
    ({"user": "custmer"}, DataError, "no column 'custmer'", "did you mean 'customer'"),
    ({"rating": "star"}, DataError, "no column 'star'", "did you mean 'stars'"),
    ({"rating": "time"}, DataError, "no two ratings that differ", r"scale=\(1, 5\)"),
    ({"rating": "stars", "scale": (5, 1)}, ConfigError, "scale must be", None),
    ({"rating": "stars", "count": "stars"}, ConfigError, "only one of rating and count", None),
    ({"fields": {"prise": "number"}}, DataError, "no column 'prise'|a column 'prise'", "'price'"),
    ({"fields": {"price": "numbr"}}, ConfigError, "kind must be one of", None),
    ({"title": "tilte"}, DataError, "no column 'tilte'", "did you mean 'title'"),
    ({"time": "time", "time_unit": "weeks"}, ConfigError, "time_unit must be", None),
    ({"repeats": "all"}, ConfigError, "repeats must be", None),
    ({"fields": ["shelf"]}, ConfigError, "must be a dictionary such as", None),
    ({"weights": ["view"], "event": "stars"}, ConfigError, "must be a dictionary such as", None),
]


@pytest.mark.parametrize(("given", "kind", "says", "hint"), BAD, ids=lambda value: str(value)[:40])
def test_what_cannot_be_read_is_said(frames, given, kind, says, hint):
    words = {"user": "customer", "item": "sku"} | given
    with pytest.raises(kind, match=says) as raised:
        fusionrec.read_frames(frames["orders"], items=frames["products"], **words)
    assert hint is None or re.search(hint, raised.value.hint)


@pytest.mark.parametrize(
    "frame",
    [
        [1, 2],
        None,
        pd.DataFrame({"user": [1, "a", b"x"], "item": [1, 2, 3]}),
        pd.DataFrame([[1, 2, 3]], columns=["user", "item", "item"]),
    ],
    ids=["list", "none", "mixed", "twice"],
)
def test_what_is_no_frame_is_refused(frame):
    with pytest.raises(DataError, match="interactions"):
        fusionrec.read_frames(frame)


def test_answers_are_the_commands_own(home, request):
    command = request.getfixturevalue("fusionrec")
    with fusionrec.Recommender(home) as recommender:
        answer = recommender.recommend(user="c7", k=4, where=["kind=lamp", "price=..30"])
        similar = recommender.similar("Blue teapot", k=3, where="kind=teapot")
        found = recommender.search("teapot", k=3, liked="Red lamp")
        only = recommender.recommend("c7", where=[Only(("p1", "p2"))], seen=True)
    assert {item.content["kind"] for item in answer.items} == {"lamp"}
    assert all(item.stars is None for item in answer.items), "events teach no stars"
    assert answer.place == str(home / "milvus.db")
    assert {item.id for item in only.items} == {"p1", "p2"}
    lamps = ("--where", "kind=lamp", "--where", "price=..30")
    for mine, words in (
        (answer, ("recommend", "--user", "c7", "-k", "4", *lamps)),
        (similar, ("similar", "Blue teapot", "-k", "3", "--where", "kind=teapot")),
        (found, ("search", "teapot", "-k", "3", "--liked", "Red lamp")),
    ):
        shown = json.loads(command(Workspace(home), *words, "--json").out)
        assert shown["items"] == mine.to_json()["items"]


HUGE = 10**400  # no float holds it
TOO_LONG = 10**5_000  # more digits than Python writes


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"user": HUGE}, "is not among the 60 users"),
        ({"user": TOO_LONG}, "user has too many digits"),
        ({"profile": {"age": HUGE}}, "age"),
        ({"profile": {"age": TOO_LONG}}, "age has too many digits"),
        ({"profile": "age=30"}, "profile must be a dictionary"),
        ({"rated": {"p1": HUGE}}, "rated: the rating of p1 must be a number"),
        ({"rated": {"p1": TOO_LONG}}, "rated: the rating of p1 must be a number"),
        ({"rated": {"p1": "many"}}, "rated: the rating of p1 must be a number"),
        ({"rated": {"p1": None}}, "rated: the rating of p1 must be a number"),
        ({"rated": "p1"}, "rated must be a dictionary"),
        ({"liked": {"p1": 5}}, "liked must be a list, got {"),
        ({"user": "c7", "diversity": HUGE}, "diversity must be a number"),
        ({"diversity": "much"}, "diversity must be a number, got 'much'"),
        ({"user": "c7", "where": f"price=..{HUGE}"}, "price"),
        ({"user": "c7", "where": "price=1e400.."}, "price"),
        ({"where": 5}, "where must be texts"),
        ({"k": 2.5}, "k must be a whole number, got 2.5"),
        ({"k": "5"}, "k must be a whole number, got '5'"),
        ({"k": 0}, "k must be 1 or more, got 0"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, str) else None,
)
def test_values_that_cannot_be_used_are_refused_by_their_names(recommender, asked, said):
    with pytest.raises(UsageError) as caught:
        recommender.recommend(**asked)
    assert said in str(caught.value)


def test_arguments_of_other_methods_are_refused(recommender):
    for ask in (
        lambda: recommender.recommend("c7", offset=3),
        lambda: recommender.search("teapot", explain=True),
        lambda: recommender.similar("p1", seen=True),
        lambda: recommender.recommend_all(liked="p1"),
    ):
        with pytest.raises(TypeError, match="unexpected argument"):
            ask()


def test_numbers_of_numpy_and_single_things_are_taken(recommender):
    assert len(recommender.recommend(k=np.int64(2)).items) == 2
    assert [i.id for i in recommender.recommend(only="Red lamp").items] == ["p1"]
    assert "p1" not in [i.id for i in recommender.recommend(without="Red lamp", k=99).items]
    assert recommender.recommend(None, profile=None, rated=None, liked=None).kind == "popular"
    assert len(recommender.recommend(liked=["p4"], explain=True, diversity=0.3, k=3).items) == 3
    with pytest.raises(UsageError, match="words must be one text"):
        recommender.search(["star", "wars"])


def test_more_items_than_there_can_be_are_all(recommender):
    k = 10**30
    assert len(recommender.recommend(k=k).items) == 24
    assert len(recommender.recommend("c7", k=k, seen=True).items) == 24
    assert len(recommender.similar("p1", k=k).items) == 23
    assert len(recommender.search("teapot", user="c7", k=k).items) == 12
    assert len(recommender.recommend_all(k=k, seen=True)) > 24


def test_a_typed_range_that_ends_beyond_all_numbers_is_refused():
    for bounds in ((0, HUGE), (-HUGE, None), (0, math.inf), (math.nan, 1)):
        with pytest.raises(UsageError, match="must be finite numbers"):
            Between("price", *bounds)


def test_all_users_at_once(recommender, tmp_path):
    frame = recommender.recommend_all(k=3, where="kind=lamp")
    assert list(frame.columns) == ["user", "item", "rank", "score"]
    one = recommender.recommend(user="c7", k=3, where="kind=lamp").items
    mine = frame[frame.user == "c7"]
    assert list(mine.item) == [item.id for item in one]
    assert list(mine.score) == [item.score for item in one]
    rows = recommender.write_all(tmp_path / "recs.parquet", k=3, where="kind=lamp")
    written = pd.read_parquet(tmp_path / "recs.parquet")
    pd.testing.assert_frame_equal(written, frame, check_categorical=False)
    assert rows == len(frame)
    assert set(recommender.recommend_all(k=3, only=["p1", "p3"], seen=True).item) == {"p1", "p3"}
    with pytest.raises(UsageError, match="filtered by 'kid'"):
        recommender.recommend_all(where="kid=lamp")


def test_what_users_say_counts_while_it_is_open(home, recommender):
    before = recommender.recommend(user="new", liked="p4", k=3).items
    Ledger(Workspace(home).ledger).record([Event("1", "new", before[0].id, "hide", time=1.0)])
    after = recommender.recommend(user="new", liked="p4", k=3).items
    assert before[0].id not in {item.id for item in after}


def test_what_cannot_be_trained_is_said(frames, tmp_path):
    data = fusionrec.read_frames(frames["orders"], user="customer", item="sku")
    with pytest.raises(UsageError, match="the models are auto, fusion, sequence"):
        fusionrec.train(data, model="fussion", home=tmp_path)
    with pytest.raises(ConfigError, match="unknown setting"):
        fusionrec.train(data, home=tmp_path, settings={"training.epoch": 3})
    with pytest.raises(UsageError, match="no goals to choose from"):
        fusionrec.evaluate(data, model="fusion", goal="next")
    with pytest.raises(
        UsageError, match="the goals are later, next, taste, or default, got 'soon'"
    ):
        fusionrec.evaluate(data, goal="soon")
    for ask in (partial(fusionrec.train, home=tmp_path), fusionrec.evaluate):
        with pytest.raises(UsageError, match="presets quick, full, got 'stars'"):
            ask(data, model="fusion", preset="stars")
    assert not list(tmp_path.glob("models/*"))


def test_figures_of_baselines_and_of_a_version(frames, tmp_path):
    data = fusionrec.read_data("synthetic", home=tmp_path)
    told: list[str] = []
    result = fusionrec.evaluate(data, model=None, baselines=["popular"], k=5, log=told.append)
    assert [row.name for row in result.rows] == ["popular"]
    assert 0 < result.row("popular").figure("ndcg@5") < 1
    assert told


def test_the_programs_own_logging_stays(tmp_path):
    said = python(
        "import logging, sys, fusionrec;"
        "d = fusionrec.read_data('synthetic');"
        "s = {'training.epochs': 1, 'training.batch': 3000, 'model.dim': 8};"
        "fusionrec.train(d, 'fusion', home=sys.argv[1], settings=s);"
        "print(logging.root.handlers, logging.root.level)",
        tmp_path,
    )
    assert said.splitlines() == ["[] 30"], "and nothing else is printed"


NAN = math.nan
WRONG = [
    *[{"k": k} for k in (1.5, True, "5", None, NAN, b"3", [3], 0, -1, -TOO_LONG, np.float64(3))],
    *[{"diversity": value} for value in (NAN, -1, 2, "x", None, True, [0.5], TOO_LONG)],
    *[{"seen": value} for value in ("no", None, 1, [])],
    {"explain": "false"},
    *[{"user": value} for value in (NAN, b"c1", ["c1"], {"c1": 1}, TOO_LONG, "nobody")],
    *[{"where": value} for value in ([None], [["price=1"]], object(), b"price=1", TOO_LONG)],
    *[{name: [value]} for name in ("only", "without", "liked") for value in (None, NAN, b"p1", [])],
    *[{"rated": value} for value in (["p1"], [("p1",)], [("p1", 5, 5)], [1], "p1", 5, {None: 5})],
    {"profile": {"age": None}},
]


@pytest.mark.parametrize("given", WRONG, ids=lambda given: next(iter(given)))
def test_a_wrong_argument_says_what_it_expected(home, given):
    with fusionrec.Recommender(home) as model, pytest.raises(UsageError) as refused:
        model.recommend(**given)
    said = ("must be", "is not among", "too many digits")
    assert any(words in refused.value.message for words in said)
    assert len(refused.value.message) < 300


@pytest.mark.parametrize(
    ("ask", "named"),
    [
        (lambda _, home: fusionrec.train(None, home=home), "dataset"),
        (lambda data, home: fusionrec.train(data, settings=5, home=home), "settings"),
        (lambda data, home: fusionrec.train(data, settings={"a": object()}, home=home), "settings"),
        (lambda data, home: fusionrec.train(data, log=5, home=home), "log"),
        (
            lambda data, home: fusionrec.train(
                data, settings={"training.minutes": 10**400}, home=home
            ),
            "minutes",
        ),
        (lambda data, _: fusionrec.evaluate(data, model=None, k=1.5), "k"),
        (lambda data, _: fusionrec.evaluate(data, model=None, seeds=("a",)), "a seed"),
        (lambda data, _: fusionrec.evaluate(data, model=None, baselines=5), "baseline"),
        (lambda data, home: fusionrec.train(data, [None], home=home), "model"),
        (lambda data, home: fusionrec.train(data, preset={}, home=home), "preset"),
        (lambda data, _: fusionrec.evaluate(data, [None]), "protocol"),
        (lambda data, _: fusionrec.evaluate(data, model=None, goal=np.array([1, 2])), "goal"),
        (lambda _, home: fusionrec.Recommender(home, version=np.array([1, 2])), "version"),
        *[
            (
                lambda *_, given=given: fusionrec.read_frames({"user": [1], "item": [2]}, **given),
                name,
            )
            for name, given in {
                "user": {"user": 1.5},
                "item": {"item": [None]},
                "rating": {"rating": np.array(["a", "b"])},
                "like": {"like": b"x"},
                "scale": {"scale": 1.5},
                "fields": {"fields": {None: 1}},
            }.items()
        ],
        (lambda *_: fusionrec.Recommender(5), "workspace"),
        (lambda _, home: fusionrec.Recommender(home).similar(None), "item"),
        (lambda _, home: fusionrec.Recommender(home).batch(threads=0), "threads"),
        (lambda _, home: fusionrec.Recommender(home).write_all(""), "file"),
    ],
)
def test_a_wrong_argument_of_the_facade_is_named(home, frames, ask, named):
    data = fusionrec.read_frames(frames["orders"], user="customer", item="sku")
    with pytest.raises(UsageError, match=named):
        ask(data, home)
