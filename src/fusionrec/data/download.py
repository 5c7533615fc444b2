"""Downloads a file by HTTP: resumable, checked, and moved to its target only when complete."""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fusionrec.errors import DownloadError, Progress, reason
from fusionrec.workspace import make_folder

if TYPE_CHECKING:
    import httpx

# Seconds. Short, so that a closed network fails fast.
CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
# Far above any archive used here, so that an endless response cannot fill the disk.
LARGEST = 512 * 1024**2
_AGAIN = "run it again: it goes on where it broke off; or give the path of a copy you have"
_ELSEWHERE = (
    "check the network and its proxy, or give the path of a copy you have, "
    "or put one into the folder that FUSIONREC_DATA names"
)


def download_file(url: str, target: Path, md5: str, progress: Progress | None = None) -> None:
    """Downloads ``url`` to ``target``, which then exists complete and checked, or not at all.

    A partial download stays in ``target.part``, its ETag in ``target.part.etag``; the next call
    resumes it if the server still has the same version.

    Folders are created; ``md5`` is hexadecimal; ``progress`` is called after every chunk.

    Raises:
        DownloadError: the server cannot be reached or does not send the file, or its checksum is
            wrong (it is then removed).
    """
    import httpx

    part = target.with_name(target.name + ".part")
    etag_file = part.with_name(part.name + ".etag")
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    try:
        make_folder(target.parent)
        # All under one lock, so that no second process writes into a checked file.
        with (
            part.open("ab") as sink,
            httpx.Client(timeout=timeout, follow_redirects=True) as client,
        ):
            try:  # one process at a time; the lock ends with the process
                fcntl.flock(sink, fcntl.LOCK_EX | fcntl.LOCK_NB)
                same = os.path.samestat(os.fstat(sink.fileno()), part.stat())
            except OSError:
                same = False  # locked, or moved to its target since it was opened
            if not same:
                raise DownloadError(
                    f"{part}: another process is downloading this file",
                    "wait for it, then run this again",
                )
            try:
                _fill(client, url, sink, etag_file, progress)
                sink.flush()
                with part.open("rb") as file:
                    hashed = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
                if (actual := hashed.hexdigest()) != md5:
                    part.unlink()
                    raise DownloadError(
                        f"{url}: expected a file with MD5 {md5}, got one with {actual}, which was "
                        "removed",
                        "try again; if it stays so, give the path of a copy you trust",
                    )
                part.replace(target)
            finally:
                if not sink.tell():
                    part.unlink(missing_ok=True)
                if not part.exists():
                    etag_file.unlink(missing_ok=True)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        message = f"{url} could not be downloaded: {str(error) or type(error).__name__}"
        raise DownloadError(message, _AGAIN if part.exists() else _ELSEWHERE) from error
    except OSError as error:
        message = f"{target} could not be written: {reason(error)}"
        raise DownloadError(message, _ELSEWHERE) from error


def _fill(
    client: httpx.Client,
    url: str,
    sink: IO[bytes],
    etag_file: Path,
    progress: Progress | None,
    *,
    resume: bool = True,
) -> None:
    """Appends the rest of the file to ``sink``; writes it anew if the server cannot resume."""
    done = sink.tell()
    etag = etag_file.read_text() if resume and done and etag_file.exists() else ""
    headers = {"Accept-Encoding": "identity"}  # size and checksum are of the bytes sent
    if etag:
        headers |= {"Range": f"bytes={done}-", "If-Range": etag}
    with client.stream("GET", url, headers=headers) as response:
        status, content_range = response.status_code, response.headers.get("Content-Range", "")
        if status == 200:
            sink.truncate(0)
            sink.seek(0)
            etag_file.write_text(response.headers.get("ETag", ""))
        elif etag and not (status == 206 and content_range.startswith(f"bytes {done}-")):
            _fill(client, url, sink, etag_file, progress, resume=False)
            return
        elif not etag:
            raise DownloadError(f"{url}: expected the file, got HTTP status {status}", _ELSEWHERE)
        length = response.headers.get("Content-Length", "")
        total = sink.tell() + int(length) if length.isdigit() else None
        for chunk in response.iter_raw():
            sink.write(chunk)
            if sink.tell() > LARGEST:
                sink.truncate(0)
                sink.seek(0)
                raise DownloadError(
                    f"{url}: expected at most {LARGEST:,} bytes, and more came", _ELSEWHERE
                )
            if progress:
                progress("downloading", sink.tell(), total)
