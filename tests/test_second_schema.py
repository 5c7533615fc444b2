"""A schema that is not MovieLens', with string ids in Georgian letters, all the way to answers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from builders import TOPICS, Ended, library, recipe
from fusionrec.data.dataset import Dataset
from fusionrec.deploy.build import build_index
from fusionrec.deploy.open import open_version
from fusionrec.index import AnyOf, Between
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.training.train import train
from fusionrec.workspace import Workspace


@pytest.fixture(scope="module")
def data() -> Dataset:
    return library()


@pytest.fixture(scope="module")
def home(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("library"))
    artifact = train(
        data, recipe(epochs=12, batch=60, user_id_dropout=0.3, item_id_dropout=0.3), workspace
    )
    build_index(workspace, artifact)
    return workspace


@pytest.fixture(scope="module")
def recommender(home: Workspace) -> Iterator[Recommender]:
    opened = open_version(home).recommender
    yield opened
    opened.index.close()


def share_on(topic: str, answer) -> float:
    """How much of the answer is on a topic."""
    return float(np.mean([topic in item.content["topics"] for item in answer.items]))


def test_a_category_that_no_other_item_has_is_noted(home, fusionrec, tmp_path):
    copy = Workspace(tmp_path / "home")
    shutil.copytree(home.models, copy.models)
    file = tmp_path / "books.csv"
    file.write_text(
        "volume,topics,shelf\na,ბაღი; nonsense,მარცხენა\nb,nonsense,\n", encoding="utf-8"
    )
    ended = fusionrec(copy, "items", "add", str(file))
    assert ended.code == 0, ended.err
    assert "note: categories that no other item has: nonsense (2)\n" in ended.err


def test_a_known_reader_gets_what_they_like_and_have_not_read(recommender, data):
    for reader in (0, 1, 5):
        answer = recommender.recommend(Query(user=data.users.ids[reader], k=3))
        assert (answer.kind, answer.place) == ("user", recommender.index.place)
        read = {data.items.ids[i] for i in data.item[data.user == reader]}
        assert not read & {item.id for item in answer.items}
        assert share_on(TOPICS[reader % 3], answer) > 0.6
        assert all(0 <= item.stars <= 10 for item in answer.items)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_profile_of_every_kind(recommender, topic):
    profile = {"town": "თბ", "interests": topic, "about": f"კითხულობს {topic}", "born": "1975"}
    answer = recommender.recommend(Query(profile=profile, k=5))
    assert answer.kind == "profile"
    assert share_on(topic, answer) > 0.6


@pytest.mark.parametrize(
    ("where", "fits"),
    [
        (AnyOf("shelf", ("მარჯვენა",)), lambda item: item["shelf"] == "მარჯვენა"),
        (AnyOf("topics", ("ზღვა", "ბაღი")), lambda item: {"ზღვა", "ბაღი"} & set(item["topics"])),
        (Between("pages", 150, 250), lambda item: 150 <= item["pages"] <= 250),
    ],
)
def test_filters(recommender, data, where, fits):
    answer = recommender.recommend(Query(user=data.users.ids[3], k=99, where=[where], seen=True))
    rows = range(len(data.items))
    assert {i.id for i in answer.items} == {
        data.items.ids[row] for row in rows if fits(data.items.row(row))
    }


def test_similar_volumes_share_their_topic(recommender, data):
    for row in (0, 1, 2):
        answer = recommender.similar(data.items.ids[row], k=4)
        assert data.items.ids[row] not in {item.id for item in answer.items}
        assert share_on(TOPICS[row % 3], answer) > 0.7


def test_a_volume_that_nobody_has_read_stands_with_its_like(recommender, data):
    """An item by its content alone: its vector is nearest to those of its topic."""
    artifact = recommender.artifact
    columns = {name: list(column[:3]) for name, column in data.items.columns.items()}
    new = artifact.item_tower.vectors(artifact.encoder.encode("item", ["ახალი"] * 3, columns))
    group = np.arange(len(data.items)) % 3
    cosines = new @ artifact.item_vectors.T
    for row in range(3):
        assert cosines[row][group == row].mean() > cosines[row][group != row].mean() + 0.3


def test_the_command_line_knows_its_fields(home, fusionrec: Callable[..., Ended], data):
    ended = fusionrec(
        home,
        "recommend",
        *("--profile", "interests=ზღვა,ბაღი", "--profile", "born=1980"),
        *("--where", "topic=ზღვა", "--where", "pages=..300", "-k", "3", "--json"),
    )
    assert ended.code == 0, ended.err
    answer = json.loads(ended.out)
    assert answer["kind"] == "profile"
    assert answer["items"]
    for place, item in enumerate(answer["items"], start=1):
        assert "ზღვა" in item["content"]["topics"]
        assert item["content"]["pages"] <= 300
        assert item["rank"] == place, "an attribute called rank does not hide the answer's own"
    ended = fusionrec(home, "similar", data.items.ids[0], "-k", "2")
    assert ended.code == 0
    assert "Title" in ended.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "town=?"], "town must be one of თბ, ბა"),
        (["--gender", "F"], "town, interests, about, born"),
        (["--genre", "Drama"], "cannot be filtered by 'genres'"),
        (["--user", "არავინ"], "--profile town=თბ"),
    ],
)
def test_what_it_does_not_have_is_wrong_use(home, fusionrec, arguments, words):
    ended = fusionrec(home, "recommend", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert words in ended.err
