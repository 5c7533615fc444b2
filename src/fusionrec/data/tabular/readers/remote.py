"""Files at https://, s3:// and gs://, copied to this machine before they are read.

A copy stays, and is fetched anew when the server has another version of the file. HTTP is spoken by
httpx, the others by fsspec's packages.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from fusionrec.data.tabular.readers.compression import BLOCK, open_bytes
from fusionrec.data.tabular.readers.urls import expand, scheme_of, shown
from fusionrec.errors import DataError, DownloadError, Progress
from fusionrec.workspace import make_folder

if TYPE_CHECKING:
    import httpx

LIMIT = "FUSIONREC_FETCH_LIMIT_GB"  # of the files of one URL, packed and unpacked
_LIMIT = 10.0
_CONNECT, _READ = 10.0, 60.0  # seconds
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
_STATE = "fetched.json"
_AGAIN = "check the network, the address and who may read it; then run it again"


def fetch(url: str, copies: Path, progress: Progress = lambda *_: None) -> Path:
    """Copies the files of a URL that are not there in their present version.

    Args:
        url: of a file; at s3:// and gs:// also a pattern, as of files.
        copies: the folder for all copies.
        progress: called with the bytes fetched, and in all.

    Returns:
        The folder that holds these copies, and nothing else.

    Raises:
        DownloadError: nothing is there, it cannot be had, or it is larger than the limit.
        DataError: the URL has a password of its own, or a package is missing.
    """
    folder = copies / hashlib.blake2b(url.encode(), digest_size=12).hexdigest()
    with _translated(url):
        files = folder / "files"
        make_folder(files)
        before = _state(folder)
        take = _fetch_http if scheme_of(url) in ("http", "https") else _fetch_objects
        state = take(url, files, before, progress)
        for path in [path for path in files.rglob("*") if path.is_file()]:
            if str(path.relative_to(files)) not in state:
                path.unlink()
        if state != before:
            text = json.dumps(state, indent=1)
            (folder / _STATE).write_text(text, encoding="utf-8")
    return files.absolute()


def all_in(folder: Path) -> str:
    """A pattern of all files in a folder and below it."""
    return f"{glob.escape(str(folder))}/**"


def limit() -> int:
    """The most bytes that are fetched; raises a DataError where the setting is no number."""
    given = os.environ.get(LIMIT, "") or _LIMIT
    try:
        return int(float(given) * 1e9)
    except (ValueError, OverflowError):
        raise DataError(f"{LIMIT} must be a number of gigabytes, got {given!r:.60}") from None


def _state(folder: Path) -> dict[str, Any]:
    """Name of each copy -> its version, of copies that are whole."""
    try:
        state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
        return {
            name: version
            for name, version in state.items()
            if (folder / "files" / name).stat().st_size == version["size"]
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _fetch_http(
    url: str, files: Path, before: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    import httpx

    first = scheme_of(url)

    def check(request: httpx.Request) -> None:
        if request.url.scheme not in (first, "https"):
            raise DownloadError(
                f"{shown(url)} leads to {request.url.scheme}://, which is not followed",
                "name the address itself, if you trust it",
            )

    name = _safe(unquote(PurePosixPath(urlsplit(url).path).name) or "data", url)
    known = before.get(name, {})
    headers = {"Accept-Encoding": "identity"}
    conditions = {"If-None-Match": "etag", "If-Modified-Since": "modified"}
    headers |= {header: known[key] for header, key in conditions.items() if known.get(key)}
    timeout = httpx.Timeout(_READ, connect=_CONNECT)
    hooks = {"request": [check]}
    with (
        httpx.Client(
            timeout=timeout, follow_redirects=True, max_redirects=5, event_hooks=hooks
        ) as client,
        client.stream("GET", expand(url), headers=headers) as answer,
    ):
        if answer.status_code == 304 and known:
            return before
        kind = answer.headers.get("Content-Type", "")
        if answer.status_code != 200 or kind.startswith("text/html"):
            came = "a web page" if answer.status_code == 200 else f"status {answer.status_code}"
            raise DownloadError(f"{shown(url)}: expected a file, got {came}", _AGAIN)
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        with _new_copy(files / name) as copy:
            _copy(url, answer.iter_raw(), copy, limit(), 0, total, progress)
        version = {"etag": answer.headers.get("ETag", "")}
        version["modified"] = answer.headers.get("Last-Modified", "")
    return {name: {**version, "size": (files / name).stat().st_size}}


def _fetch_objects(
    url: str, files: Path, before: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    path = url.partition("://")[2]
    expand(url)  # credentials stand in the environment, not here
    system = file_system(url, skip_instance_cache=True)
    folder = path.rpartition("/")[0]
    if glob.has_magic(path):
        fixed = path[: next(n for n, sign in enumerate(path) if sign in "*?[")]
        folder = fixed.rpartition("/")[0]
        found = system.glob(path, detail=True)
    else:
        found = {path: system.info(path)}
    found = {name: info for name, info in found.items() if info.get("type") == "file"}
    if not found:
        raise DownloadError(f"{shown(url)}: there is no such file", "is the pattern right?")
    most, done = limit(), 0
    total = sum(info["size"] for info in found.values())
    if total > most:
        raise too_large(shown(url), total, most)
    state: dict[str, Any] = {}
    for object_name, info in sorted(found.items()):
        name = _safe(object_name.removeprefix(f"{folder}/"), url)
        changed = info.get("LastModified") or info.get("updated") or info.get("mtime")
        etag = info.get("ETag") or info.get("etag") or ""
        state[name] = {"etag": str(etag), "modified": str(changed), "size": info["size"]}
        if before.get(name) != state[name]:
            with _new_copy(files / name) as copy, system.open(object_name, "rb") as source:
                blocks = iter(partial(source.read, BLOCK), b"")
                _copy(url, blocks, copy, most, done, total, progress)
        done += info["size"]
    return state


def file_system(
    url: str, *, connect: float = _CONNECT, read: float = _READ, attempts: int = 3, **options: Any
) -> Any:
    """What fsspec has for the scheme of a URL.

    Args:
        url: of a file or folder there.
        connect, read, attempts: seconds for a connection and for a part of an answer, and how often
            a request is sent; of S3 alone.
        options: of ``fsspec.filesystem``.

    Raises:
        DataError: a package is missing.
    """
    scheme = scheme_of(url)
    waits = {
        "connect_timeout": connect,
        "read_timeout": read,
        "retries": {"max_attempts": attempts},
    }
    keys: dict[str, Any] = {"config_kwargs": waits} if scheme == "s3" else {}
    try:
        import fsspec

        return fsspec.filesystem(scheme, use_listings_cache=False, **keys, **options)
    except ImportError as error:
        raise DataError(
            f"{shown(url)} cannot be read: a package for {scheme}:// is not installed",
            "install it: pip install 'fusionrec[remote]'",
        ) from error


def _copy(
    url: str, blocks: Iterator[bytes], copy: IO[bytes], most: int, done: int, total: int | None,
    progress: Progress,
) -> None:  # fmt: skip
    """Writes a file, and checks its size, unpacked too."""
    written = 0
    for block in blocks:
        copy.write(block)
        written += len(block)
        if done + written > most:
            raise too_large(shown(url), done + written, most)
        progress("fetching", done + written, total)
    copy.flush()
    with Path(copy.name).open("rb") as file:
        magic = file.read(4)
    packed = next((name for mark, name in _PACKED.items() if magic.startswith(mark)), "")
    if packed:
        unpacked = 0
        with open_bytes(Path(copy.name), packed) as (stream, _):
            while size := len(stream.read(BLOCK)):
                unpacked += size
                if unpacked > most:
                    raise too_large(shown(url), unpacked, most)


def too_large(what: str, size: int, most: int) -> DownloadError:
    """The error for files of more bytes than the limit."""
    return DownloadError(
        f"{what}: expected at most {most / 1e9:g} GB, also unpacked, got over {size / 1e9:.3g} GB",
        f"allow more with the environment variable {LIMIT}, if you trust the source",
    )


@contextmanager
def _new_copy(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its place when it is whole."""
    make_folder(path.parent)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
        try:
            yield file
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _safe(name: str, url: str) -> str:
    """A name within the folder of copies; raises a DownloadError where it leads elsewhere."""
    parts = name.split("/")
    if any(part.startswith(".") or not part or not part.isprintable() for part in parts):
        says = f"{shown(url)}: a file with the name {name!r:.200} is not copied"
        raise DownloadError(says, "name other files, or call it otherwise")
    return name


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turns errors of many packages, which share no class, into DownloadErrors."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        why = " ".join(str(error).split())[:300] or type(error).__name__
        if isinstance(error, FileNotFoundError):
            why = "there is no such file"
        raise DownloadError(f"{shown(url)} cannot be fetched: {why}", _AGAIN) from error
