"""Several machines with one ledger and shared versions: one activation moves them all."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusionrec.deploy.build import activate, build_index
from fusionrec.deploy.hot_reload import LiveRecommender
from fusionrec.errors import ArtifactError
from fusionrec.ledger import Ledger
from fusionrec.recommend.query import Query
from fusionrec.registry import Artifact
from fusionrec.registry.sharing import SharedVersions
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from machines import Machine, machines, publish
from swap_stress import eventually, exact, second, short


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "shared").mkdir()
    return machines(tmp_path, str(tmp_path / "shared"))


@pytest.fixture
def other(workspace: Workspace) -> Artifact:
    """A version with other answers."""
    return second(workspace)


def answer(live: LiveRecommender, query: Query) -> tuple[str, list[tuple[str, float | None]], str]:
    made = live.answer(lambda recommender: recommender.recommend(query))
    return made.version, short(made), made.place


def test_one_activation_moves_all_machines_each_with_a_store_of_its_own(
    machine: Machine, published: Artifact, other: Artifact
):
    first, second = machine("first"), machine("second")
    query = Query(user=published.users.ids[9], k=5)
    wanted = {
        "v1": short(exact(published).recommend(query)),
        "v2": short(exact(other).recommend(query)),
    }
    build_index(first, publish(first, published))
    with LiveRecommender(first, look=0.02) as one, LiveRecommender(second, look=0.02) as two:
        assert answer(one, query)[:2] == answer(two, query)[:2] == ("v1", wanted["v1"])
        build_index(second, publish(second, other))
        eventually(lambda: answer(one, query)[0] == "v2")  # two builds on one machine are refused
        activate(first, "v1")
        eventually(lambda: answer(two, query)[0] == "v1")
        build_index(first, load(first, "v2"))
        for live, home in ((one, first.home), (two, second.home)):
            eventually(lambda live=live: answer(live, query)[0] == "v2")
            assert answer(live, query)[1:] == (wanted["v2"], f"{home}/milvus.db")
        # Each has built what it lacked, and has told the others nothing of that.
        eventually(lambda: one.refresh() and two.refresh())
        versions = [activation.version for activation in Ledger.of(first).activations()]
        assert versions == ["v1", "v2", "v1", "v2"]


def test_a_version_that_cannot_be_fetched_leaves_the_one_before_until_it_can(
    machine: Machine, published: Artifact, other: Artifact, monkeypatch: pytest.MonkeyPatch
):
    first, second = machine("first"), machine("second")
    query = Query(user=published.users.ids[9], k=5)
    build_index(first, publish(first, published))
    with LiveRecommender(second, look=0.02, retry=0.1) as live:
        assert answer(live, query)[0] == "v1"
        shared = Path(first.shared_versions)
        assert publish(first, other).version == "v2"
        with monkeypatch.context() as patch:
            shared.rename(shared.with_name("gone"))
            with pytest.raises(ArtifactError, match="no such folder"):
                build_index(first, other)
            shared.with_name("gone").rename(shared)
            patch.setattr(SharedVersions, "push", lambda *_: None)  # it was there a moment ago
            shared.rename(shared.with_name("gone"))
            build_index(first, Artifact.load(first.models / "v2"))
        eventually(lambda: "still answering from v1" in live.behind)
        assert f"{shared} cannot be used: there is no such folder" in live.behind
        assert answer(live, query)[0] == "v1"
        assert live.trouble == ""
        activate(first, "v1")  # going back needs no shared versions
        eventually(lambda: live.behind == "")
        activate(first, "v2")
        eventually(lambda: "still answering from v1" in live.behind)
        shared.with_name("gone").rename(shared)
        eventually(lambda: answer(live, query)[0] == "v2")
        assert live.behind == ""
