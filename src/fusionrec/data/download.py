"""One file by HTTP: resumed where it broke off, checked, and moved in only when it is whole."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fusionrec.errors import DownloadError, Progress
from fusionrec.workspace import make_folder

if TYPE_CHECKING:
    import httpx

# Called with the bytes done and the bytes in all (None if not known).

# Seconds. A closed network must be told from a slow one soon.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
# Far above any archive that is fetched here: a server that never ends must not fill the disk.
LARGEST = 512 * 1024**2
_AGAIN = "run it again: it goes on where it broke off; or give the path of a copy you have"
_ELSEWHERE = (
    "check the network and its proxy, or give the path of a copy you have, "
    "or put one into the folder that FUSIONREC_DATA names"
)


def download_file(url: str, target: Path, md5: str, progress: Progress | None = None) -> None:
    """Downloads ``url`` to ``target``, which is there afterwards whole and checked, or not at all.

    What came so far stays in ``target.part``, the server's mark of that version (its ETag) in
    ``target.part.etag``; the next call asks for the rest, if the file is still the same one.

    Args:
        url: of the file.
        target: where it goes; folders are made.
        md5: the file's checksum, hexadecimal.
        progress: called after every piece.

    Raises:
        DownloadError: the server cannot be reached, answers otherwise than with the file, or what
            came has another checksum (then it is removed).
    """
    import httpx

    part = target.with_name(target.name + ".part")
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    try:
        make_folder(target.parent)
        # Everything under the lock, so that no second process writes into a file already checked.
        with (
            part.open("ab") as sink,
            httpx.Client(timeout=timeout, follow_redirects=True) as client,
        ):
            _lock(sink, part)
            try:
                _fill(client, url, sink, _mark(part), progress)
                sink.flush()
                _check(part, md5, url)
                part.replace(target)
            finally:
                _tidy(sink, part)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"{url} could not be downloaded: {str(error) or type(error).__name__}"
        raise DownloadError(message, _AGAIN if part.exists() else _ELSEWHERE) from error
    except OSError as error:
        raise DownloadError(f"{target} could not be written: {error}", _ELSEWHERE) from error


def _mark(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def _tidy(sink: IO[bytes], part: Path) -> None:
    """Leaves no empty part, and no mark without its part."""
    if not sink.tell():
        part.unlink(missing_ok=True)
    if not part.exists():
        _mark(part).unlink(missing_ok=True)


def _lock(sink: IO[bytes], part: Path) -> None:
    """One process at a time; the system frees the lock when a process ends, however it ends."""
    try:
        import fcntl
    except ImportError:  # Windows: two downloads at once are then told apart by the checksum only.
        return
    try:
        fcntl.flock(sink, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = os.path.samestat(os.fstat(sink.fileno()), part.stat())
    except OSError:
        same = False  # locked, or moved to its place since it was opened
    if not same:
        raise DownloadError(
            f"{part}: another process is downloading this file", "wait for it, then run this again"
        )


def _fill(
    client: httpx.Client, url: str, sink: IO[bytes], mark: Path, progress: Progress | None
) -> None:
    """Appends the rest of the file to ``sink``, or all of it if the server gives no rest of it."""
    done = sink.tell()
    etag = mark.read_text() if done and mark.exists() else ""
    plain = {"Accept-Encoding": "identity"}  # sizes and checksum are those of the bytes sent
    rest = {**plain, "Range": f"bytes={done}-", "If-Range": etag}
    for headers in (rest, plain) if etag else (plain,):
        with client.stream("GET", url, headers=headers) as response:
            total = _total(response, done)
            if response.status_code == 206 and headers is rest and total is not None:
                _copy(response, sink, total, progress)
                return
            if response.status_code == 200:
                sink.truncate(0)
                sink.seek(0)
                mark.write_text(response.headers.get("ETag", ""))
                _copy(response, sink, total, progress)
                return
            if headers is plain:
                raise DownloadError(
                    f"{url}: expected the file, got HTTP status {response.status_code}", _ELSEWHERE
                )


def _total(response: httpx.Response, done: int) -> int | None:
    """The file's size in bytes, if the response says it and a part begins at byte ``done``."""
    if response.status_code == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        return int(found[2]) if found and int(found[1]) == done else None
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _copy(
    response: httpx.Response, sink: IO[bytes], total: int | None, progress: Progress | None
) -> None:
    for piece in response.iter_raw():
        sink.write(piece)
        if sink.tell() > LARGEST:
            sink.truncate(0)
            sink.seek(0)
            raise DownloadError(
                f"{response.url}: expected at most {LARGEST:,} bytes, and more came", _ELSEWHERE
            )
        if progress:
            progress("downloading", sink.tell(), total)


def _check(part: Path, md5: str, url: str) -> None:
    with part.open("rb") as file:
        came = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if came != md5:
        part.unlink()
        raise DownloadError(
            f"{url}: expected a file with MD5 {md5}, got one with {came}, which was removed",
            "try again; if it stays so, give the path of a copy you trust",
        )
