"""A real Milvus server: what a collection goes through there, and its bad days."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from index_data import CHECKSUM, build, films, reopen
from milvus_server import CannotStartError, MilvusServer

from fusionrec.cli.hints import hint_of
from fusionrec.errors import StoreDamagedError, StoreError, StoreMissingError, StoreUnavailableError
from fusionrec.index import (
    AnyOf,
    Between,
    ExactIndex,
    MilvusIndex,
    MilvusStore,
    Place,
    collection_name,
)
from fusionrec.index.benchmark import measure_search

FILMS = films(200, seed=5)
BOUND = 60.0  # seconds: far more than a request with a timeout of two may take


@pytest.fixture(scope="module")
def place(server: MilvusServer) -> Place:
    """The server, asked with little patience, with one collection of FILMS."""
    at = Place(server.uri, timeout=2.0)
    build(replace(at, timeout=30.0), FILMS, "films").close()
    return at


@pytest.fixture
def index(place: Place) -> Iterator[MilvusIndex]:
    with reopen(place, FILMS, "films") as opened:
        yield opened


@pytest.fixture
def store(place: Place) -> Iterator[MilvusStore]:
    with MilvusStore(place) as opened:
        yield opened


def right(row: int, k: int = 10) -> list[int]:
    return ExactIndex(*FILMS).search(FILMS[2][row], k).rows.tolist()


def test_a_graph_finds_what_is_right(place: Place) -> None:
    data = films(3_000)  # more than a server searches without its index
    vectors = data[2]
    with build(place, data, "graph", kind="HNSW") as index:
        assert index.store.index_type(index.name) == "HNSW"
        oracle = ExactIndex(*data)
        for where in ([], [AnyOf("genres", ("War",))]):
            found = [index.search(v, 10, where).rows for v in vectors[:100]]
            wanted = [oracle.search(v, 10, where).rows for v in vectors[:100]]
            both = [len(np.intersect1d(f, w)) for f, w in zip(found, wanted, strict=True)]
            assert sum(both) >= 0.98 * sum(len(w) for w in wanted)
            assert [len(f) for f in found] == [len(w) for w in wanted]
        assert index.search(vectors[0], 3_000).rows[0] == 0  # an ef below the limit is an error
        index.store.drop(index.name)


def test_a_build_that_stopped_half_way_is_noticed_and_built_again(place: Place) -> None:
    place, half = replace(place, timeout=30.0), films(1_500, seed=6)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(place, half, "half", progress=stop)
    with pytest.raises(StoreDamagedError) as raised:
        reopen(place, half, "half")
    assert "fusionrec index" in (hint_of(raised.value) or "")
    with build(place, half, "half") as index:
        exact = ExactIndex(*half).search(half[2][7], 10)
        assert index.search(half[2][7], 10).rows.tolist() == exact.rows.tolist()
    with reopen(place, half, "half") as index:
        index.store._call("delete", index.name, ids=[199])
        index.store._call("flush", index.name)
    with pytest.raises(StoreDamagedError, match="1 or more of the model's 1500"):
        reopen(place, half, "half")


def test_a_collection_that_is_not_loaded_is_loaded(place: Place, store: MilvusStore) -> None:
    name = collection_name("films", CHECKSUM)
    store._call("release_collection", name)
    assert store.state(name) == "NotLoad"
    with reopen(place, FILMS, "films") as index:
        assert index.search(FILMS[2][7], 10).rows.tolist() == right(7)
    assert store.state(name) == "Loaded"


def test_two_writers_of_one_collection_leave_it_whole_or_say_that_it_is_not(place: Place) -> None:
    """Two builds of a workspace keep apart by its lock and their names; these here do not."""
    ended: list[str] = []

    def write() -> None:
        try:
            build(replace(place, timeout=30.0), FILMS, "both").close()
            ended.append("built")
        except StoreError as error:
            ended.append(str(error))

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(ended) == 2
    if "built" not in ended:  # each met the other's rows while it verified, and said so
        assert all("both" in said for said in ended)
        write()
        assert ended[-1] == "built"
    with reopen(place, FILMS, "both") as index:
        for row in (0, 7):
            hits = index.search(FILMS[2][row], 200)
            assert hits.rows.tolist() == right(row, 200)  # a row is answered once
        index.store.drop(index.name)


def test_a_database_of_its_own(place: Place, store: MilvusStore) -> None:
    with pytest.raises(StoreMissingError, match="elsewhere") as raised:
        MilvusStore(replace(place, database="elsewhere")).collections()
    assert "database" in str(raised.value)
    store._call("create_database", "elsewhere")
    with MilvusStore(Place(f"{place.uri}/elsewhere")) as other:
        assert other.place == f"{place.uri}/elsewhere"
        assert other.collections() == []
        build(other.place, FILMS, "other").close()
        [(name)] = [c.name for c in other.collections()]
        assert not store.has(name)
        other.drop(name)
    store._call("drop_database", "elsewhere")


def ended_within(call: Callable[[], object], seconds: float = BOUND) -> Exception:
    """What a call raises, which it has to do within a time."""
    start = time.monotonic()
    with pytest.raises(StoreError) as raised:
        call()
    assert time.monotonic() - start < seconds
    return raised.value


def test_a_server_that_hangs_is_given_up(
    server: MilvusServer, place: Place, index: MilvusIndex
) -> None:
    with MilvusStore(place) as hasty:
        hasty._timeout = hasty._search_timeout = (
            0.3  # from here on: on a busy machine, opening may take longer
        )
        for call in (
            lambda: hasty.search(index.name, [FILMS[2][0]], 5, "", "FLAT", 64),
            lambda: hasty.load(index.name),
            lambda: MilvusStore(replace(place, timeout=0.3)),
        ):
            # For each anew: a server that finds itself left out for ten seconds ends.
            with server.hung():
                error = ended_within(call)
            assert isinstance(error, StoreUnavailableError)
            assert place.uri in error.message
            assert hint_of(error)
            assert first_answer(index) == right(7)


def test_answers_resume_when_a_server_comes_back(
    server: MilvusServer, place: Place, index: MilvusIndex
) -> None:
    problems: list[Exception] = []
    wrong: list[int] = []
    done = threading.Event()

    def ask() -> None:
        row = 0
        while not done.is_set():
            row = (row + 1) % 200
            try:
                if index.search(FILMS[2][row], 10).rows.tolist() != right(row):
                    wrong.append(row)
            except Exception as error:
                problems.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    try:
        time.sleep(0.2)
        server.kill()
        error = ended_within(lambda: index.search(FILMS[2][0], 5))
        assert isinstance(error, StoreUnavailableError)
        assert place.uri in error.message
        assert "running" in (error.hint or "")
        assert isinstance(ended_within(lambda: MilvusStore(place)), StoreUnavailableError)
        server.start()
        assert first_answer(index) == right(7)
    finally:
        done.set()
        asking.join(BOUND)
    assert not wrong
    assert problems
    assert {type(problem) for problem in problems} == {StoreUnavailableError}
    reopen(place, FILMS, "films").close()


def first_answer(index: MilvusIndex) -> list[int]:
    """What an index that was opened before says as soon as it says anything, within a time."""
    end = time.monotonic() + BOUND
    while True:
        try:
            return index.search(FILMS[2][7], 10).rows.tolist()
        except StoreError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


@pytest.fixture(scope="module")
def guarded(
    server: MilvusServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MilvusServer]:
    """A second server, which asks for a token and speaks TLS."""
    if not shutil.which("openssl"):
        pytest.skip("openssl, which makes the certificate, is not there")
    folder = tmp_path_factory.mktemp("guarded")
    key, ca = folder / "key.pem", folder / "ca.pem"
    make = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    make += f" -addext subjectAltName=DNS:localhost -keyout {key} -out {ca}"
    subprocess.run(make.split(), check=True, capture_output=True)
    (folder / "server").mkdir()
    (folder / "server" / "bin").symlink_to(server.folder / "bin")  # unpacked already
    settings = ["authorization_enabled=true", "tls_mode=1"]
    settings += [f"server_pem_path={ca}", f"server_key_path={key}"]
    try:
        started = MilvusServer(folder / "server", *settings, ca=ca)
    except CannotStartError as why:
        pytest.skip(f"no Milvus server: {why}")
    with started:
        yield started


def shown_by(error: BaseException, capfd: Any, caplog: Any) -> str:
    """All that a person could see of an error: message, hint, causes, output, logs."""
    seen: list[str] = [caplog.text, *capfd.readouterr()]
    link: BaseException | None = error
    known: set[int] = set()
    while link is not None and id(link) not in known:  # pymilvus raises errors from themselves
        known.add(id(link))
        seen += [str(link), repr(link), str(getattr(link, "hint", ""))]
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(seen)


def test_credentials_and_certificates(guarded: MilvusServer, capfd: Any, caplog: Any) -> None:
    good = Place(
        guarded.uri, "root:Milvus", ca=str(guarded.ca), server_name="localhost", timeout=5.0
    )
    with MilvusStore(good) as store:
        assert store.collections() == []
        assert "server" in store.server.title
    with MilvusStore(replace(good, token="", user="root", password="Milvus")) as store:
        assert store.active() is None
    wrong = {
        "token": replace(good, token="root:swordfish"),
        "user": replace(good, token="", user="nobody", password="swordfish"),
        "nothing": replace(good, token=""),
    }
    for name, place in wrong.items():
        with pytest.raises(StoreError) as raised:
            MilvusStore(place)
        assert type(raised.value) is StoreError, name  # it is there, and refuses
        assert place.uri in raised.value.message
        assert "FUSIONREC_MILVUS_TOKEN" in (raised.value.hint or "")
        assert "swordfish" not in shown_by(raised.value, capfd, caplog)
    for place in (
        replace(good, ca="", token="root:swordfish"),
        replace(good, server_name="other", token="root:swordfish"),
        Place(guarded.uri.replace("https", "http"), "root:swordfish", timeout=5.0),
    ):
        with pytest.raises(StoreUnavailableError) as unreached:
            MilvusStore(place)
        assert place.ca == "" or "SERVER_NAME" in (unreached.value.hint or "")
        assert place.uri in unreached.value.message
        assert "swordfish" not in shown_by(unreached.value, capfd, caplog)


def test_an_index_of_rounded_vectors_answers_with_the_models_scores(place: Place) -> None:
    """Rounded vectors only choose the candidates; what is answered is scored again."""
    data, steps = films(3_000, seed=8), set[str]()
    vectors, place = data[2], replace(place, timeout=30.0)
    with build(
        place, data, "rounded", kind="IVF_SQ8", progress=lambda s, *_: steps.add(s)
    ) as index:
        assert index.store.index_type(index.name) == index.kind == "IVF_SQ8"
        assert steps == {"writing", "indexing"}
        exact = ExactIndex(*data)
        assert measure_search(index, exact, vectors[:50]).recall > 0.9
        hits = index.search(vectors[5], 10)
        assert hits.rows[0] == 5
        np.testing.assert_allclose(hits.scores, vectors[hits.rows] @ vectors[5], atol=1e-6)
        rare = [Between("year", 1990, 1990)]
        assert len(index.search(vectors[5], 10, rare)) == 10  # a condition still leaves ten
    with reopen(place, data, "rounded") as index:
        assert index.kind == "IVF_SQ8"
        index.store.drop(index.name)


def test_replicas_without_nodes_are_noticed_before_rows_are_written(
    place: Place, store: MilvusStore
) -> None:
    """The server has one query node."""
    two, steps = replace(place, timeout=30.0, replicas=2), list[str]()
    with pytest.raises(StoreError, match="too few query nodes") as raised:
        build(two, FILMS, "twice", progress=lambda step, *_: steps.append(step))
    assert type(raised.value) is StoreError
    assert "replicas" in (raised.value.hint or "")
    assert steps == []
    store.drop(collection_name("twice", CHECKSUM))
    with reopen(two, FILMS, "films") as index:  # what is loaded stays as it is
        assert index.search(FILMS[2][7], 10).rows.tolist() == right(7)


def test_shards_and_what_consistency_is_asked_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []
    call = MilvusStore._call

    def noted(store: MilvusStore, method: str, *args: Any, **options: Any) -> Any:
        if method in ("search", "query"):
            asked.append((method, options["consistency_level"]))
        return call(store, method, *args, **options)

    with build(replace(place, timeout=30.0, shards=3), FILMS, "shards") as index:
        assert index.store._call("describe_collection", index.name)["num_shards"] == 3
        monkeypatch.setattr(MilvusStore, "_call", noted)
        index.store.count(index.name)
        assert index.search(FILMS[2][7], 10).rows.tolist() == right(7)
        assert asked == [("query", "Strong"), ("search", "Bounded")]
        index.store.drop(index.name)


def test_an_index_that_is_never_built_is_given_up(
    place: Place, store: MilvusStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server takes DISKANN, and has no node that builds it."""
    monkeypatch.setattr("fusionrec.index.milvus_store._STALL", 0.5)
    monkeypatch.setattr("fusionrec.index.milvus_store._ROW_STALL", 0.0)
    place = replace(place, timeout=30.0)
    with pytest.raises(StoreUnavailableError, match="0 of 3000 rows in the index") as raised:
        build(place, films(3_000, seed=8), "disk", kind="DISKANN")
    assert "--kind HNSW" in str(hint_of(raised.value))
    store.drop(collection_name("disk", CHECKSUM))
