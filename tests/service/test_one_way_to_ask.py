"""The same question by the command line, in Python and over HTTP has the same answer or refusal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fusionrec.api import Recommender
from fusionrec.cli.hints import hint_of
from fusionrec.deploy.build import build_index
from fusionrec.errors import FusionrecError, UsageError
from fusionrec.ledger import Event, Ledger
from fusionrec.registry import Artifact
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from serving import Shop, opened


@dataclass(frozen=True)
class Faces:
    """Three copies of one workspace, each asked in its own way."""

    command: Workspace
    recommender: Recommender
    service: Shop


@pytest.fixture(scope="module")
def faces(built: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faces]:
    yield from _faces(built, tmp_path_factory)


@pytest.fixture(scope="module")
def faces_of_parts(parted: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faces]:
    """The same of a version that is made of parts."""
    made = Workspace(tmp_path_factory.mktemp("parts") / "home")
    shutil.copytree(parted.folder, made.models / "v1")
    build_index(made, load(made))
    yield from _faces(made, tmp_path_factory)


def _faces(made: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faces]:
    homes = [Workspace(tmp_path_factory.mktemp("face") / "home") for _ in range(3)]
    for home in homes:
        shutil.copytree(made.home, home.home)
        Ledger(home.ledger).record(
            [
                Event("e1", "visitor", "3", "like", time=1.7e9),
                Event("e2", "1", "5", "hide", time=1.7e9),
                Event("e3", "1", "7", "rating", 1.0, 1.7e9),
            ]
        )
    command, python, http = homes
    with Recommender(python) as recommender, opened(http) as service:
        yield Faces(command, recommender, service)


def options(asked: dict[str, Any]) -> list[str]:
    """A question as options of the command line."""
    words: list[str] = []
    for name, value in asked.items():
        if value is True:
            words.append(f"--{name}")
        elif isinstance(value, dict):
            words += [w for n, v in value.items() for w in (f"--{name}", f"{n}={v}")]
        elif isinstance(value, list):
            words += [w for v in value for w in (f"--{name}", str(v))]
        else:
            words += ["-k" if name == "k" else f"--{name}", str(value)]
    return words


def body(asked: dict[str, Any]) -> dict[str, Any]:
    """A question as the body of a request."""
    given = dict(asked)
    if rated := given.pop("rated", None):
        given["history"] = [{"item": item, "rating": rating} for item, rating in rated.items()]
    return given


def short(answer: dict[str, Any]) -> dict[str, Any]:
    """What must be the same wherever it is asked."""
    items = [
        (item["rank"], item["id"], item.get("score"), item.get("stars"), item.get("reason"))
        for item in answer["items"]
    ]
    return {"kind": answer["kind"], "items": items, "notes": list(answer.get("notes", ()))}


@pytest.mark.parametrize(
    "asked",
    [
        {"user": "1"},
        {"user": "2", "k": 3, "seen": True},
        {"user": "visitor"},
        {"profile": {"gender": "F", "age": "25"}},
        {"liked": ["3", "5"], "k": 5},
        {"rated": {"3": 5.0, "7": 1.0}, "user": "4"},
        {"user": "1", "where": ["year=1990..1999"], "explain": True},
        {"user": "3", "only": ["1", "2", "3", "4"], "without": ["2"]},
        {"user": "5", "diversity": 0.5, "calibration": 0.25},
        {"k": 4},
    ],
    ids="+".join,
)
def test_one_question_has_one_answer(faces: Faces, fusionrec: Any, asked: dict[str, Any]) -> None:
    by_python = short(faces.recommender.recommend(**asked).to_json())
    ended = fusionrec(faces.command, "recommend", *options(asked), "--json")
    assert ended.code == 0, ended.err
    assert short(json.loads(ended.out)) == by_python
    answer = faces.service.client.post(
        "/v1/recommendations", json=body(asked), headers=faces.service.admin
    )
    assert answer.status_code == 200, answer.text
    assert short(answer.json()) == by_python


@pytest.mark.parametrize(
    "asked",
    [
        {"profile": {"gender": "X"}},
        {"profile": {"nothing": "1"}},
        {"rated": {"3": 9.0}},
        {"where": ["year=never"]},
        {"where": ["nothing=1"]},
        {"user": "1", "goal": "next"},
    ],
    ids=json.dumps,
)
def test_one_question_has_one_refusal(faces: Faces, fusionrec: Any, asked: dict[str, Any]) -> None:
    with pytest.raises(FusionrecError) as refused:
        faces.recommender.recommend(**asked)
    error = refused.value
    ended = fusionrec(faces.command, "recommend", *options(asked))
    assert ended.code == error.exit_code
    assert f"error: {error.message}" in ended.err
    if hint := hint_of(error):
        assert f"hint: {hint}" in ended.err
    answer = faces.service.client.post("/v1/recommendations", json=body(asked))
    assert answer.status_code == 400
    assert answer.json()["detail"] == error.message
    assert answer.json()["code"] == error.code


@pytest.mark.parametrize(
    "asked",
    [
        {"user": "1"},
        {"user": "1", "goal": "later"},
        {"user": "2", "goal": "taste", "explain": True},
        {"profile": {"gender": "F"}, "liked": ["3"], "goal": "taste"},
        {"goal": "taste"},
    ],
    ids=json.dumps,
)
def test_a_goal_has_one_answer(faces_of_parts: Faces, fusionrec: Any, asked: dict) -> None:
    faces = faces_of_parts
    by_python = faces.recommender.recommend(**asked).to_json()
    ended = fusionrec(faces.command, "recommend", *options(asked), "--json")
    assert ended.code == 0, ended.err
    by_command = json.loads(ended.out)
    answer = faces.service.client.post(
        "/v1/recommendations", json=body(asked), headers=faces.service.admin
    ).json()
    assert short(by_command) == short(answer) == short(by_python)
    goal = asked.get("goal") if asked.keys() != {"goal"} else None  # popular for every goal
    assert [one.get("goal") for one in (by_python, by_command, answer)] == [goal] * 3
    if asked.keys() <= {"user", "goal"}:
        given = faces.service.client.get("/v1/recommendations", params=asked).json()
        assert (short(given), given.get("goal")) == (short(by_python), goal)


def test_an_unknown_goal_has_one_refusal(faces_of_parts: Faces, fusionrec: Any) -> None:
    faces, asked = faces_of_parts, {"user": "1", "goal": "soon"}
    said = "v1 has the goals next, taste, later; got 'soon'"
    recommender = faces.recommender
    for ask in (
        lambda: recommender.recommend(**asked),
        lambda: recommender.search("iron", **asked),
        lambda: recommender.batch(goal="soon"),
    ):
        with pytest.raises(UsageError, match=said) as refused:
            ask()
        assert refused.value.code == "unknown_goal"
    for command in (["recommend"], ["search", "iron"]):
        ended = fusionrec(faces.command, *command, *options(asked))
        assert (ended.code, f"error: {said}\n" in ended.err) == (2, True)
    client = faces.service.client
    for answer in (
        client.get("/v1/recommendations", params=asked),
        client.post("/v1/recommendations", json=asked),
        client.get("/v1/search", params={"q": "iron", **asked}),
    ):
        assert answer.status_code == 400
        assert (answer.json()["detail"], answer.json()["code"]) == (said, "unknown_goal")
    assert client.get("/v1/schema").json()["goals"] == ["next", "taste", "later"]


def test_search_and_everybodys_lists_take_a_goal(
    faces_of_parts: Faces, fusionrec: Any, tmp_path: Path
) -> None:
    faces, asked = faces_of_parts, {"user": "1", "goal": "taste"}
    by_python = faces.recommender.search("iron", **asked).to_json()
    ended = fusionrec(faces.command, "search", "iron", *options(asked), "--json")
    given = faces.service.client.get("/v1/search", params={"q": "iron", **asked}).json()
    found = [json.loads(ended.out), given, by_python]
    assert found[0]["items"] == found[1]["items"] == found[2]["items"] != []
    assert given["goal"] == by_python["goal"] == "taste"
    file = tmp_path / "all.parquet"
    ended = fusionrec(
        faces.command, "recommend", "--all", "--goal", "taste", "-k", "3", "-o", str(file)
    )
    assert ended.code == 0, ended.err
    table = faces.recommender.recommend_all(k=3, goal="taste")
    assert pq.read_table(file)["item"].to_pylist() == table["item"].tolist()
    alone = faces.recommender.recommend("1", k=3, goal="taste")
    assert table["item"][table["user"] == "1"].tolist() == [item.id for item in alone.items]


def test_versions_tell_what_they_are_worth(faces: Faces, faces_of_parts: Faces) -> None:
    for one in (faces, faces_of_parts):
        shop = one.service
        (version,) = shop.client.get("/v1/versions", headers=shop.admin).json()["versions"]
        assert version["worth"] == one.recommender._deployed.artifact.manifest.get("worth")
    assert version["worth"]["sentence"]


@pytest.mark.parametrize("asked", [{"user": "nobody"}, {"liked": ["nowhere"]}], ids=str)
def test_unknown_ids_are_refused_where_a_person_types_them_and_anybody_to_a_program(
    faces: Faces, fusionrec: Any, asked: dict[str, Any]
) -> None:
    with pytest.raises(FusionrecError) as refused:
        faces.recommender.recommend(**asked)
    ended = fusionrec(faces.command, "recommend", *options(asked))
    assert (ended.code, f"error: {refused.value.message}" in ended.err) == (2, True)
    answer = faces.service.client.post("/v1/recommendations", json=asked).json()
    assert answer["kind"] == "popular"


def test_wrong_arguments_are_refused_before_milvus_is_opened(
    built: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = "fusionrec.deploy.deployment.Deployment.open_index"
    monkeypatch.setattr(opened, lambda *_: pytest.fail("opened"))
    with Recommender(built.home) as recommender:
        for asked in ({"profile": {"gender": "X"}}, {"where": "year=never"}, {"k": 0}):
            with pytest.raises(FusionrecError):
                recommender.recommend("1", **asked)
        with pytest.raises(FusionrecError):
            recommender.similar("nothing like it")
        assert recommender.search("iron").items
