"""The command ``user``: who someone is, and what they said."""

from __future__ import annotations

import json

import pytest

from fusionrec import Recommender
from fusionrec.errors import UsageError
from fusionrec.ledger import Event, Ledger
from fusionrec.registry.versions import load


def test_a_user_is_shown_with_what_they_said_in_training_and_since(workspace, fusionrec):
    artifact = load(workspace)
    user, title = artifact.users.ids[30], artifact.items.columns["title"][4]
    item = artifact.items.ids[4]
    ledger = Ledger(workspace.ledger)
    ledger.record([Event("e1", user, item, "rating", 2.0, 2e9)])
    shown = fusionrec(workspace, "user", user, "-k", "3")
    assert shown.code == 0
    age = artifact.users.columns["age"][30]
    label = next(f for f in artifact.schema.fields if f.name == "age").choices[age]
    assert f"Age {label}" in shown.err
    assert "told since: 1 rating" in shown.err
    assert f" user {user} -k 30" in shown.err
    header, *rows = (line.split("\t") for line in shown.out.splitlines())
    assert header == ["When", "Id", "Title", "What", "Rating", "Told"]
    assert rows[0] == ["2033-05-18 03:33", item, title, "rating", "2", "since"]
    assert [row[-1] for row in rows[1:]] == ["in training"] * 2
    told = json.loads(fusionrec(workspace, "user", user, "-k", "3", "--json").out)
    assert told["history"][0] == {"item": item, "title": title, "kind": "rating", "rating": 2.0,
                                  "time": 2e9, "since": True}  # fmt: skip
    assert (told["known"], told["events"], told["more"]) == (True, {"rating": 1}, True)
    with Recommender(workspace) as recommender:
        assert recommender.user(user, k=3).to_json() == told
        assert recommender.user(int(user), k=3).to_json() == told
        with pytest.raises(UsageError, match="must be"):
            recommender.user(user, k=0)


def test_an_unknown_user_is_wrong_use_and_ids_like_it_are_named(workspace, fusionrec):
    id = load(workspace).users.ids[30]
    ended = fusionrec(workspace, "user", f"0{id}")
    assert (ended.code, ended.out) == (2, "")
    assert "is not among the 60 users of v1" in ended.err
    assert (
        f"did you mean '{id}'" in ended.err.replace('"', "'") or f"did you mean {id}" in ended.err
    )
    for nobody in ("", "never-seen", "x" * 600, "\x1b[31m"):
        ended = fusionrec(workspace, "user", nobody)
        assert ended.code == 2
        assert "Traceback" not in ended.err


def test_a_visitor_is_shown_and_one_who_is_forgotten_is_not(workspace, fusionrec):
    ledger = Ledger(workspace.ledger)
    ledger.record([Event("e1", "visitor-1", "gone", "like", None, 2e9)])
    shown = fusionrec(workspace, "user", "visitor-1")
    assert "v1 was not trained with visitor-1" in shown.err
    assert shown.out.splitlines()[1].split("\t")[1:4] == ["gone", "gone", "like"]
    known = load(workspace).users.ids[30]
    for user in ("visitor-1", known):
        ledger.forget(user)
        assert fusionrec(workspace, "user", user).code == 2
