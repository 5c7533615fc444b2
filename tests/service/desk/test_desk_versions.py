"""Versions at the desk: list, compare, look at what changes, activate, go back, report."""

from __future__ import annotations

import re
import shutil

import pytest
from desk_visits import Visit

from fusionrec.evaluation import report
from fusionrec.service.desk import reports, version_facts
from fusionrec.service.desk.version_facts import VersionFacts, verdict
from serving import opened
from swap_stress import eventually


@pytest.fixture(scope="module")
def two(copy_home, parted):
    """A service with two versions, of which v1 is active."""
    workspace = copy_home()
    shutil.copytree(parted.folder, workspace.models / "v2")
    with opened(workspace) as made:
        yield made


@pytest.fixture(scope="module")
def visit(two):
    with Visit(two, "desk") as made:
        yield made


def test_each_version_says_what_it_is_worth_and_how_it_was_made(two, visit, parted):
    told = visit.get("/ops/versions").text
    worth = parted.worth
    assert f"{worth['ndcg@10']:.3f}" in told
    assert f"{worth['baselines']['popular']:.3f}" in told
    assert " kB" in told or " MB" in told
    assert re.search(r'v1</a>\s*<span class="tag">active', told)
    one = visit.get("/ops/versions/v2").text
    for part in (worth["sentence"], parted.manifest["data"], "linear", "model.dims"):
        assert str(part) in one
    assert visit.get("/ops/versions/v9").status_code == 404
    assert visit.get("/ops/versions/v1/nothing").status_code == 404


def test_activating_shows_twenty_lists_first_then_takes_what_was_looked_at(two, visit):
    look = visit.get("/ops/versions/v2/activate").text
    assert "20 users&#39; lists" in look
    assert look.count("<tr>") == 21
    assert int(re.search(r"lists (\d+) of \d+ items are new", look)[1]) > 0
    assert 'name="active" value="v1"' in look
    assert look.index("<table>") < look.index("Activate v2 for everybody")
    wrong = visit.fill("/ops/versions/v2/activate", active="v2")
    assert wrong.status_code == 409
    assert "is active by now" in wrong.text
    assert two.ledger.active().version == "v1"
    done = visit.fill("/ops/versions/v2/activate", active="v1")
    assert done.headers["location"] == "/ops/versions?done=activated"
    listed = visit.get(done.headers["location"]).text
    assert "Go back to v1" in listed
    assert two.client.get("/v1/recommendations").json()["version"] == "v2"
    assert "Go back to v1" in visit.get("/ops/versions/v1/activate?back=1").text
    assert visit.fill("/ops/versions/v1/activate", active="v2", back="1").status_code == 303
    entries = [(e.who, e.action, e.object) for e in two.ledger.log_entries(2)]
    assert entries == [("desk", "roll back to version", "v1"), ("desk", "activate version", "v2")]
    assert "answers already" in visit.get("/ops/versions/v1/activate").text


def test_two_versions_stand_side_by_side(visit):
    told = visit.get("/ops/compare?a=v1&b=v2").text
    assert "nothing was held out to measure v1 by" in told
    assert "Settings that differ" in told
    assert "20 users&#39; lists" in told
    assert visit.get("/ops/compare?a=v1&b=").status_code == 404


def facts(name, figure, rows="r", goal="later", gain=0.1):
    class Row:
        worth = {"ndcg@10": figure, "goal": goal, "gain": gain} if figure else None

    Row.name = name
    return VersionFacts(Row, {"rows": rows})


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (
            facts("v1", 0.2),
            facts("v2", 0.3),
            "v2 is better: NDCG@10 0.300 against 0.200 of v1 (+50%)",
        ),
        (facts("v1", 0.3), facts("v2", 0.2), "v1 is better: "),
        (facts("v1", 0.3), facts("v2", 0.301), "Neither is better: "),
        (facts("v1", 0.3), facts("v2", 0.2, rows="s"), "different data or goals"),
        (facts("v1", 0.3), facts("v2", 0.2, goal="next"), "v1 +10% and v2 +10%"),
        (facts("v1", None), facts("v2", 0.2), "nothing was held out to measure v1 by"),
    ],
)  # fmt: skip
def test_the_verdict_compares_what_can_be_compared(one, other, said):
    assert said in verdict(one, other)
    assert version_facts.COUNTING == "popular"


def test_a_report_is_made_on_demand_and_opens_here(two, visit, monkeypatch):
    assert "There is no report of v2 yet" in visit.get("/ops/versions/v2/report").text
    made = report.Report("<h1>a report</h1>", "v2", ())
    monkeypatch.setattr(report, "make", lambda *_: made)
    assert visit.fill("/ops/versions/v2/report").status_code == 303
    eventually(lambda: reports.Reports(two.state).progress("v2")[0] == "made")
    told = visit.get("/ops/versions/v2/report")
    assert told.text == "<h1>a report</h1>"
    policy = told.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script" not in policy
    assert visit.fill("/ops/versions/v9/report").status_code == 404


def test_a_report_that_fails_says_so(two, visit, monkeypatch):
    def failing(*_):
        raise version_facts.ArtifactError(f"{two.workspace.home}/models/v1 is damaged")

    monkeypatch.setattr(report, "make", failing)
    visit.fill("/ops/versions/v1/report")
    eventually(lambda: reports.Reports(two.state).progress("v1")[0] == "failed")
    told = visit.get("/ops/versions/v1/report").text
    assert "could not be made: models/v1 is damaged" in told
    assert str(two.workspace.home) not in told


def test_what_admins_do_over_http_is_logged_too(two):
    keys = two.ledger.keys()
    name = next(key.name for key in keys if key.name.startswith("admin"))
    for path in ("/v1/versions/v2/activate", "/v1/versions/rollback"):
        assert two.client.post(path, headers=two.admin).status_code == 200
    entries = [(e.who, e.action, e.object) for e in two.ledger.log_entries(2)]
    assert entries == [(name, "roll back to version", "v1"), (name, "activate version", "v2")]
