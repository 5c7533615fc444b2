"""Files at https://, s3:// and gs://, served by servers of this machine."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from tabular_files import RATED, describe

from fusionrec.data.load import read
from fusionrec.data.tabular.copies import local_copies
from fusionrec.data.tabular.readers import remote
from fusionrec.data.tabular.source_spec import JoinSpec
from fusionrec.data.tabular.sources import open_files
from fusionrec.data.tabular.spec import InteractionsSpec, ItemsSpec, Spec, UsersSpec
from fusionrec.errors import DataError, DownloadError

ROWS = b"u,i,r,t\na,x,1,3\nb,x,5,1\na,y,4,2\nc,y,2,4\n"
MORE = b"u,i,r,t\nd,z,3,9\n"


@dataclass
class Served:
    """What a server of this machine has: path -> content, or headers of an answer with a status."""

    url: str = ""
    files: dict[str, Any] = field(default_factory=dict)
    sent: list[tuple[str, int]] = field(default_factory=list)


@pytest.fixture
def web() -> Iterator[Served]:
    """A server for HTTP that knows ETags."""
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            given = served.files.get(unquote(parts.path))
            status, headers, body = 200, {}, given
            if given is None:
                status, body = 404, b""
            elif isinstance(given, tuple):
                status, headers, body = given
            etag = f'"{hash(body)}"'
            if self.headers.get("If-None-Match") == etag:
                status, body = 304, b""
            self.send_response(status)
            for name, value in {"ETag": etag, **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            served.sent.append((parts.path, status))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def users(tmp_path, url, **keys):
    """How many rows there are at a URL, read as the interactions."""
    describe(tmp_path, url, **RATED, **keys)
    return len(read(tmp_path, tmp_path / "data", allow_remote=True).user)


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "all%20rows", ""])
def test_a_file_is_fetched_once_and_again_when_it_has_changed(tmp_path, web, name):
    pack = gzip.compress if name.endswith("gz") else bytes
    path = f"/{unquote(name)}"
    web.files[path] = pack(ROWS)
    assert users(tmp_path, f"{web.url}/{name}") == 4
    assert users(tmp_path, f"{web.url}/{name}") == 4
    web.files[path] = pack(ROWS + b"d,z,3,9\n")
    assert users(tmp_path, f"{web.url}/{name}") == 5
    assert [status for _, status in web.sent] == [200, 304, 200]


def test_a_damaged_copy_is_fetched_again(tmp_path, web):
    web.files["/rows.csv"] = ROWS
    assert users(tmp_path, f"{web.url}/rows.csv") == 4
    (copy,) = (tmp_path / "data" / "remote").rglob("rows.csv")
    copy.write_bytes(ROWS[:-10])
    assert users(tmp_path, f"{web.url}/rows.csv") == 4
    assert [status for _, status in web.sent] == [200, 200]


def test_progress_and_errors_name_the_url(tmp_path, web):
    web.files["/rows.csv"] = ROWS
    seen: list[tuple] = []
    describe(tmp_path, f"{web.url}/rows.csv?token=geheim", **RATED)
    read(tmp_path, tmp_path / "data", lambda *told: seen.append(told), allow_remote=True)
    assert ("fetching", len(ROWS), len(ROWS)) in seen
    describe(tmp_path, f"{web.url}/rows.csv?token=geheim", **(RATED | {"user": "who"}))
    with pytest.raises(DataError) as refused:
        read(tmp_path, tmp_path / "data", allow_remote=True)
    assert f"{web.url}/rows.csv has no column 'who'" in refused.value.message
    assert "geheim" not in refused.value.message
    assert "data/remote" not in refused.value.message
    kept = list((tmp_path / "data").rglob("*.json"))
    assert kept
    assert not [p for p in kept if "geheim" in p.read_text()]


ANSWERS = {
    "nothing there": (404, {}, b""),
    "not allowed": (403, {}, b"no"),
    "a page to log in": (200, {"Content-Type": "text/html; charset=utf-8"}, b"<html>"),
    "another scheme": (302, {"Location": "file:///etc/passwd"}, b""),
    "a loop": (302, {"Location": "/rows.csv"}, b""),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_what_is_no_file_is_refused(tmp_path, web, answer):
    web.files["/rows.csv"] = answer
    with pytest.raises(DownloadError) as refused:
        users(tmp_path, f"{web.url}/rows.csv")
    assert refused.value.hint
    assert f"{web.url}/rows.csv" in refused.value.message
    assert not list((tmp_path / "data" / "remote").rglob("*.csv"))


def test_a_redirect_within_http_is_followed(tmp_path, web):
    web.files |= {"/old.csv": (302, {"Location": "/rows.csv"}, b""), "/rows.csv": ROWS}
    assert users(tmp_path, f"{web.url}/old.csv") == 4


def test_a_redirect_from_https_to_http_is_not_followed(tmp_path, web, monkeypatch):
    monkeypatch.setattr(remote, "scheme_of", lambda _: "https")  # as if it had begun so
    with pytest.raises(DownloadError, match="leads to http://, which is not followed"):
        users(tmp_path, f"{web.url}/rows.csv")
    assert web.sent == []


def test_a_server_that_cannot_be_reached(tmp_path):
    with pytest.raises(DownloadError) as refused:
        users(tmp_path, "http://127.0.0.1:1/rows.csv")
    assert "http://127.0.0.1:1/rows.csv cannot be fetched" in refused.value.message


@pytest.mark.parametrize("packed", [False, True])
def test_no_more_is_fetched_or_unpacked_than_the_limit(tmp_path, web, monkeypatch, packed):
    many = ROWS + b"a,x,1,3\n" * 20_000
    web.files["/rows.csv"] = gzip.compress(many) if packed else many
    monkeypatch.setenv(remote.LIMIT, "0.0001")
    with pytest.raises(DownloadError, match=r"at most 0\.0001 GB"):
        users(tmp_path, f"{web.url}/rows.csv")
    assert not list((tmp_path / "data" / "remote").rglob("*rows*"))
    monkeypatch.setenv(remote.LIMIT, "much")
    with pytest.raises(DataError, match=remote.LIMIT):
        users(tmp_path, f"{web.url}/rows.csv")


def test_objects_of_s3_by_name_and_pattern(tmp_path, bucket):
    bucket("a/rows-1.csv", ROWS)
    bucket("a/rows-2.csv", MORE)
    bucket("a/other.txt", b"-")
    assert users(tmp_path, "s3://shop/a/rows-1.csv") == 4
    assert users(tmp_path, "s3://shop/a/rows-*.csv") == 5
    assert users(tmp_path, "s3://shop/*/rows-?.csv") == 5
    bucket("a/rows-2.csv", MORE + b"e,z,3,9\n")
    assert users(tmp_path, "s3://shop/a/rows-*.csv") == 6


def test_only_changed_objects_of_s3_are_fetched(tmp_path, bucket, monkeypatch):
    fetched = []
    plain = remote._new_copy
    monkeypatch.setattr(remote, "_new_copy", lambda path: fetched.append(path.name) or plain(path))
    for number in (1, 2):
        bucket(f"rows-{number}.csv", ROWS if number == 1 else MORE)
    users(tmp_path, "s3://shop/rows-*.csv")
    bucket("rows-2.csv", MORE + b"e,z,3,9\n")
    assert users(tmp_path, "s3://shop/rows-*.csv") == 6
    assert fetched == ["rows-1.csv", "rows-2.csv", "rows-2.csv"]


def test_s3_that_has_no_such_object_or_bucket_or_key(tmp_path, bucket, monkeypatch):
    bucket(".hidden.csv", ROWS)
    for url in ("s3://shop/none.csv", "s3://shop/none-*.csv", "s3://nowhere/a.csv",
                "s3://shop/.hidden.csv", "s3://shop"):  # fmt: skip
        with pytest.raises(DownloadError) as refused:
            users(tmp_path, url)
        assert url in refused.value.message
    monkeypatch.setenv(remote.LIMIT, "0.00000001")
    bucket("rows.csv", ROWS)
    with pytest.raises(DownloadError, match="at most"):
        users(tmp_path, "s3://shop/rows.csv")


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    import fsspec

    def missing(*_: object, **__: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "filesystem", missing)
    with pytest.raises(DataError) as refused:
        users(tmp_path, "s3://shop/rows.csv")
    assert "fusionrec[remote]" in refused.value.hint


def test_joined_tables_are_fetched_too(tmp_path, web):
    web.files |= {"/rows.csv": ROWS, "/more.csv": MORE}
    join = JoinSpec(files=f"{web.url}/more.csv", on="i")
    rows = InteractionsSpec(files=f"{web.url}/rows.csv", user="u", item="i", join=(join,))
    spec = Spec(interactions=rows, users=UsersSpec(), items=ItemsSpec(), folder=tmp_path)
    with local_copies(spec, tmp_path / "data", lambda *_: None, True) as local:
        found = [local.interactions, *local.interactions.join]
        copies = [open_files(one, tmp_path, allow_remote=True) for one in found]
    assert [[one.path.name for one in files] for files in copies] == [["rows.csv"], ["more.csv"]]
    with (
        pytest.raises(DataError, match="not a file in the folder"),
        local_copies(spec, tmp_path / "data", lambda *_: None, False),
    ):
        pass


def test_urls_need_to_be_allowed(tmp_path, web):
    describe(tmp_path, f"{web.url}/{quote('rows.csv')}", **RATED)
    with pytest.raises(DataError) as refused:
        read(tmp_path, tmp_path / "data")
    assert "--allow-remote" in refused.value.hint
    assert web.sent == []
