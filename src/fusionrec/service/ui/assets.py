"""Files of the page as they are sent: compressed once, with a tag of their content."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.responses import Response

from fusionrec.service.ui.joined import join_page

STATIC = Path(__file__).parents[1] / "static"
_KEPT = "public, max-age=31536000, immutable"  # an address that names the content


@dataclass(frozen=True)
class Asset:
    """A file of the page.

    Attributes:
        body, zipped: its bytes, and the same compressed.
        kind: its media type.
        tag: what its content is known by.
    """

    body: bytes
    zipped: bytes
    kind: str
    tag: str

    @classmethod
    def of(cls, body: bytes, kind: str) -> Asset:
        """A file with these bytes."""
        tag = hashlib.blake2b(body, digest_size=9).hexdigest()
        return cls(body, gzip.compress(body, 9, mtime=0), kind, tag)

    def response(self, accepted: str, held: Sequence[str], version: str = "") -> Response:
        """The file, or a 304 where the client has it.

        Args:
            accepted: the client's ``Accept-Encoding``.
            held: tags that it holds, quoted.
            version: the tag that the address names; kept for a year where it is this one.
        """
        zips = _accepts_gzip(accepted)
        tag = f'"{self.tag}-gzip"' if zips else f'"{self.tag}"'
        cached = _KEPT if version == self.tag else "no-cache"
        headers = {"ETag": tag, "Cache-Control": cached, "Vary": "Accept-Encoding"}
        if "*" in held or any(one.removeprefix("W/") == tag for one in held):
            return Response(status_code=304, headers=headers)
        if zips:
            headers["Content-Encoding"] = "gzip"
        return Response(self.zipped if zips else self.body, 200, headers, self.kind)


@cache
def page_files() -> dict[str, Asset]:
    """The page's files by their addresses; made once in a process."""
    _, script, style = join_page(STATIC, "index.html", "", "")
    files = {
        "static/page.js": Asset.of(script.encode(), "text/javascript"),
        "static/page.css": Asset.of(style.encode(), "text/css"),
        "static/icon.svg": Asset.of((STATIC / "icon.svg").read_bytes(), "image/svg+xml"),
    }
    js, css = (f"static/{name}?v={files[f'static/{name}'].tag}" for name in ("page.js", "page.css"))
    document, _, _ = join_page(STATIC, "index.html", js, css)
    return {"": Asset.of(document.encode(), "text/html"), **files}


def _accepts_gzip(accepted: str) -> bool:
    """Whether a client takes gzip, by its ``Accept-Encoding``."""
    weights = {}
    for one in accepted.casefold().split(","):
        name, _, weight = one.partition(";")
        weights[name.strip()] = weight.replace(" ", "")
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return re.fullmatch(r"q=0(\.0*)?", weight) is None
