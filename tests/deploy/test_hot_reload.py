"""The version that is kept open: it switches, follows changes and survives while answers go on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from fusionrec import api
from fusionrec.deploy import deployment
from fusionrec.deploy import hot_reload as live_module
from fusionrec.deploy import open as opening
from fusionrec.deploy.build import activate, build_index
from fusionrec.deploy.hot_reload import LiveRecommender
from fusionrec.errors import ArtifactError, LedgerError, StoreError, StoreUnavailableError
from fusionrec.index import MilvusStore, Only
from fusionrec.ledger import Ledger
from fusionrec.recommend.answer import Answer
from fusionrec.recommend.catalog import Catalog, current, withdraw
from fusionrec.recommend.query import Query
from fusionrec.recommend.recommender import Recommender
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace
from swap_stress import eventually, exact, queries, second, short, swaps


def ask(live: LiveRecommender, query: Query) -> Answer:
    return live.answer(lambda recommender: recommender.recommend(query))


def test_ten_swaps_under_four_readers(workspace, stores):
    swaps(workspace, "", stores, 10)


def test_a_swap_that_drops_what_an_answer_uses_has_it_made_anew(indexed):
    artifact = load(indexed)
    query = queries(artifact)[0]
    with LiveRecommender(indexed, look=60) as live:
        first = live._current.opened.base.index.name
        asked: list[str] = []

        def ask(recommender: Recommender) -> Answer:
            if not asked:
                for _ in range(2):
                    build_index(indexed, artifact)
            asked.append(recommender.artifact.version)
            return recommender.recommend(query)

        answer = live.answer(ask)
        assert len(asked) == 2
        assert live._current.opened.base.index.name != first
    assert short(answer) == short(exact(artifact).recommend(query))
    assert answer.place != "exact"


def test_changes_of_items_show_while_answers_go_on(indexed, add_dune, stores):
    artifact, ledger = load(indexed), Ledger(indexed.ledger)
    gone = artifact.items.ids[3]
    everything = Query(user=artifact.users.ids[7], k=100, seen=True)

    def ids(live: LiveRecommender) -> set[str]:
        return {item.id for item in ask(live, everything).items}

    with LiveRecommender(indexed, look=0.05) as live, ThreadPoolExecutor(4) as pool:
        ended = threading.Event()

        def read() -> None:
            while not ended.is_set():
                assert len(ids(live)) in (39, 40, 41)

        running = [pool.submit(read) for _ in range(4)]
        try:
            assert ids(live) == set(artifact.items.ids)
            add_dune("new")
            eventually(lambda: "new" in ids(live), 5)
            withdraw(ledger, current(artifact, ledger), [gone, "new"])
            eventually(lambda: not {gone, "new"} & ids(live), 5)
        finally:
            ended.set()
        for one in running:
            one.result()
        now = exact(artifact, current(artifact, ledger)).recommend(everything)
        assert short(ask(live, everything)) == short(now)
        assert stores.open() == 1
    assert stores.open() == 0


def test_changes_share_the_index_and_the_last_release_closes_it(indexed, add_dune, stores):
    query = queries(load(indexed))[0]
    live = LiveRecommender(indexed, look=60)
    base = live._current.opened.base
    with live.answering() as before:
        for number in range(5):
            add_dune(f"new{number}")
            live.refresh()
        assert live._current.opened.base is base
        with live.answering() as after:
            assert len(after.catalog) == len(before.catalog) + 5
        live.close()
        live.close()
        assert stores.open() == 1
        assert len(before.recommend(query).items) == 7
    assert stores.open() == 0
    with pytest.raises(StoreError, match="closed"):
        ask(live, query)
    live.refresh()
    assert stores.open() == 0


def test_what_fails_while_it_is_opened_keeps_no_store_open(indexed, add_dune, stores, monkeypatch):
    live = LiveRecommender(indexed, log=lambda _: None, look=60)
    add_dune("new")
    with monkeypatch.context() as patched:
        patched.setattr(Catalog, "changed_since", lambda *_: 1 / 0)
        live.refresh()
    assert len(live._current.opened.recommender.catalog) == 40
    live.refresh()
    assert len(live._current.opened.recommender.catalog) == 41
    live.close()
    monkeypatch.setattr(Catalog, "changed_since", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        opening.open_version(indexed)
    assert stores.open() == 0


def test_a_store_that_is_away_is_answered_exactly_and_comes_back(indexed, add_dune, monkeypatch):
    artifact, query = load(indexed), queries(load(indexed))[0]
    wanted = short(exact(artifact).recommend(query))
    tried: list[int] = []

    def away(*_args: object, **_options: object) -> None:
        tried.append(1)
        raise StoreUnavailableError("the store is away")

    with monkeypatch.context() as patched:
        patched.setattr(deployment.Deployment, "open_index", away)
        live = LiveRecommender(indexed, look=0.02, retry=0.1)
        answer = ask(live, query)
        assert (answer.place, short(answer)) == ("exact", wanted)
        assert "the store is away" in answer.notes[0]
        add_dune("new")
        only = Query(user=query.user, where=[Only(("new",))])
        eventually(lambda: bool(ask(live, only).items), 5)
        eventually(lambda: len(tried) > 2)
    eventually(lambda: ask(live, query).place != "exact")
    answer = ask(live, query)
    assert not answer.notes
    assert ask(live, only).items[0].id == "new"
    live.close()


def test_a_store_that_fails_in_an_answer_is_opened_again(indexed, monkeypatch):
    query, said = queries(load(indexed))[0], []
    with LiveRecommender(indexed, log=said.append, look=0.02, retry=0.05) as live:
        with MilvusStore(indexed.milvus) as store:
            store._call("drop_alias", "fusionrec")
            store._call("drop_collection", store.collections()[0].name)
        live._retry = 60
        with pytest.raises(StoreError):
            ask(live, query)
        live._retry = 0.05
        eventually(lambda: not live._current.failed)
        assert ask(live, query).place != "exact"
    assert "rebuilding it from v1" in said[0]


def test_a_version_that_cannot_be_opened_leaves_the_one_before(indexed, monkeypatch):
    artifact, query = load(indexed), queries(load(indexed))[0]
    wanted, said, tried = short(exact(artifact).recommend(query)), [], []
    build_index(indexed, second(indexed))
    activate(indexed, "v1")
    (indexed.models / "v2" / "manifest.json").rename(indexed.home / "kept")
    first = deployment.load
    monkeypatch.setattr(deployment, "load", lambda *a: tried.append(1) or first(*a))
    with LiveRecommender(indexed, log=said.append, look=0.02, retry=0.1) as live:
        Ledger(indexed.ledger).activate("v2", "", 0, "fusionrec_v2_gone")
        eventually(lambda: bool(said))
        answer = ask(live, query)
        assert (answer.version, short(answer)) == ("v1", wanted)
        withdraw(Ledger(indexed.ledger), Catalog.of(artifact), [wanted[0][0]])
        eventually(lambda: live.answer(lambda r: short(r.recommend(query)))[:6] == wanted[1:], 5)
        count = len(tried)
        eventually(lambda: len(tried) > count)
        assert len(said) == 1, "it is said once"
        assert "still answering from v1" in said[0]
        (indexed.home / "kept").rename(indexed.models / "v2" / "manifest.json")
        eventually(lambda: ask(live, query).version == "v2")


def test_a_collection_that_goes_while_it_is_opened_is_no_reason_to_go_back(indexed, monkeypatch):
    """Another process took over in between: what it made active must stay so."""
    newer, first, seen = second(indexed), deployment.Deployment.open_index, []

    def late(*args: object) -> object:
        if not seen:
            seen.append(1)
            build_index(indexed, newer)
            with MilvusStore(indexed.milvus) as store:
                store.drop(args[1].collection)
        return first(*args)

    monkeypatch.setattr(deployment.Deployment, "open_index", late)
    opened = opening.open_version(indexed)
    assert (opened.version, opened.away) == ("v2", False)
    assert Ledger(indexed.ledger).active().version == "v2"
    opened.close()


def test_in_python_a_version_that_goes_before_its_first_search_still_answers_itself(indexed):
    artifact, query = load(indexed), queries(load(indexed))[0]
    with api.Recommender(indexed) as recommender:
        newer = second(indexed)
        build_index(indexed, newer)
        with MilvusStore(indexed.milvus) as store:
            for collection in store.collections():
                if collection.name != store.active():
                    store.drop(collection.name)
        answer = recommender.recommend(query.user, k=query.k)
    assert (answer.version, answer.place) == ("v1", "exact")
    assert short(answer) == short(exact(artifact).recommend(query))


def test_without_a_version_there_is_nothing_to_keep_open(tmp_path):
    with pytest.raises(ArtifactError) as caught:
        LiveRecommender(Workspace(tmp_path))
    assert caught.value.code == "no_model"


class SpeechlessError(Exception):
    """An error without a message."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error", [LedgerError("away"), SystemExit(1), SpeechlessError()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("call", ["stamp", "open_deployment", "with_changes", "close"])
def test_whatever_is_raised_the_ledger_is_followed_afterwards(indexed, monkeypatch, call, error):
    gone, query = load(indexed).items.ids[3], queries(load(indexed))[0]
    where = {"stamp": Ledger, "close": opening.OpenVersion}.get(call, live_module)
    raised = threading.Event()

    def fail(*_args: object, **_options: object) -> None:
        raised.set()
        raise error

    def log(_: str) -> None:
        raise error

    with LiveRecommender(indexed, log=log, look=0.02, retry=0.05) as live:
        with monkeypatch.context() as patched:
            patched.setattr(where, call, fail)
            withdraw(Ledger(indexed.ledger), Catalog.of(load(indexed)), [gone])
            if call != "with_changes":  # an opening takes all changes in
                Ledger(indexed.ledger).activate("v1", "")
            assert raised.wait(20)
            if call == "stamp":  # what was open still answers
                assert len(ask(live, query).items) == 7
        assert live._watcher.is_alive()
        assert live.refresh(20)
        eventually(lambda: live.answer(lambda r: not r.catalog.available[3]))
        assert not live.trouble


def test_a_look_that_does_not_succeed_is_a_trouble(indexed, monkeypatch):
    waiting, go_on = threading.Event(), threading.Event()
    with LiveRecommender(indexed, look=0.02) as live:
        assert not live.trouble
        real = Ledger.stamp

        def stamp(ledger: Ledger) -> tuple[int, int]:
            waiting.set()
            assert go_on.wait(20)
            return real(ledger)

        monkeypatch.setattr(Ledger, "stamp", stamp)
        assert waiting.wait(20)
        assert not live.refresh(0.05)  # and does not wait for ever
        monkeypatch.setattr(live_module, "STALLED", 0.01)
        assert "have not been followed for" in live.trouble
        go_on.set()
        monkeypatch.setattr(live_module, "STALLED", 60.0)
        assert live.refresh(20)
        assert not live.trouble
    assert "has ended" in live.trouble
