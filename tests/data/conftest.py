"""Small data sets in the layouts of MovieLens, to be changed and broken, and a server for them."""

from __future__ import annotations

import re
import socket
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fusionrec.data.movielens.readers import read
from fusionrec.errors import DataError

ML_1M = {
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n3::M::25::15::55117\n",
    "movies.dat": (
        "1::Toy Story (1995)::Animation|Children's|Comedy\n"
        "5::Quiet Harbour, The (1961)::Drama\n"
        "7::Café Noir (1958)::Film-Noir|Crime\n"
    ),
    "ratings.dat": (
        "3::7::5::978300760\n1::1::3::978302109\n1::7::4::978301968\n2::1::1::978300275\n"
    ),
}


def _flags(*genres: int) -> str:
    return "|".join("1" if number in genres else "0" for number in range(19))


ML_100K = {
    "u.user": "1|24|M|technician|85711\n2|17|F|student|94043\n3|60|F|librarian|32067\n",
    "u.item": (
        f"1|Toy Story (1995)|01-Jan-1995||http://x|{_flags(3, 4, 5)}\n"
        f"2|unknown||||{_flags(0)}\n"
        f"3|Café Noir|12-Mar-1958||http://x|{_flags(6, 10)}\n"
    ),
    "u.data": "3\t1\t5\t881250949\n1\t3\t3\t891717742\n2\t2\t1\t878887116\n",
}
MIRROR = {
    "ml-100k.user": (
        "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
        + ML_100K["u.user"].replace("|", "\t")
    ),
    "ml-100k.item": (
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "1\tToy Story\t1995\tAnimation Children's Comedy\n"
        "2\tunkonwn\tunkonwn\tunknown\n"
        "3\tCafé Noir\t1958\tCrime Film-Noir\n"
    ),
    "ml-100k.inter": (
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + ML_100K["u.data"]
    ),
}
LAYOUTS = {"ml-1m": ML_1M, "ml-100k": ML_100K, "mirror": MIRROR}


class Files:
    """Writes the files of a layout as a folder or a zip, with some of them replaced."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def contents(self, layout: str, **changes: str | bytes) -> dict[str, bytes]:
        """File name -> bytes. ``changes``: file name with ``_`` for ``.`` and ``-`` -> content."""
        by_key = {name.replace(".", "_").replace("-", "_"): name for name in LAYOUTS[layout]}
        contents = {**LAYOUTS[layout], **{by_key[key]: value for key, value in changes.items()}}
        code = "utf-8" if layout == "mirror" else "latin-1"
        return {n: v if isinstance(v, bytes) else v.encode(code) for n, v in contents.items()}

    def folder(self, layout: str = "ml-1m", at: str = "set", **changes: str | bytes) -> Path:
        """A folder that holds the files directly."""
        folder = self.root / at
        folder.mkdir(parents=True)
        for name, content in self.contents(layout, **changes).items():
            (folder / name).write_bytes(content)
        return folder

    def zip(
        self,
        layout: str = "ml-1m",
        at: str = "set.zip",
        inside: str = "any",
        **changes: str | bytes,
    ) -> Path:
        """A zip that holds the files in the folder ``inside``."""
        path = self.root / at
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in self.contents(layout, **changes).items():
                archive.writestr(f"{inside}/{name}", content)
        return path

    @staticmethod
    def fails(path: Path, *parts: str) -> None:
        """Reading raises a DataError with a hint, whose message has these parts."""
        with pytest.raises(DataError) as caught:
            read(path)
        for part in parts:
            assert part in caught.value.message
        assert caught.value.hint


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A writer of small data sets into this test's folder."""
    return Files(tmp_path)


class Server:
    """Serves ``contents`` by path with Range and ETag, or misbehaves on request."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.etag = '"one"'
        self.break_off_at: int | None = None  # close the connection after so many bytes
        self.ignore_range = False
        self.wrong_range = False
        self.status = 200
        self.ranges: list[str | None] = []  # what the requests asked for
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        content = self.contents.get(request.path)
        asked = request.headers.get("Range")
        self.ranges.append(asked)
        if content is None or self.status != 200:
            request.send_error(404 if content is None else self.status)
            return
        fits = asked and request.headers.get("If-Range") == self.etag and not self.ignore_range
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if fits else 0
        if start >= len(content):
            request.send_error(416)
            return
        request.send_response(206 if fits else 200)
        if fits:
            begin = start + 7 if self.wrong_range else start
            request.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("ETag", self.etag)
        request.end_headers()
        request.wfile.write(content[start : self.break_off_at])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def closed_url(monkeypatch):
    """An address at which nobody listens."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"
