"""Pictures of items, from the folder that the service may show."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fusionrec.errors import ConfigError, UsageError

MOST_BYTES = 10_000_000
_BEGINNINGS = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


@dataclass(frozen=True)
class Picture:
    """A file with a picture: its bytes, and its media type by its first bytes."""

    body: bytes
    kind: str


@dataclass(frozen=True)
class Images:
    """A folder whose pictures are shown, and nothing else that lies in it."""

    folder: Path

    @classmethod
    def of(cls, home: Path, folder: str) -> Self | None:
        """The folder that the settings name, as seen from the workspace's; None where they do not.

        Raises:
            ConfigError: there is no such folder.
        """
        if not folder:
            return None
        try:
            found = (home / folder).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):
            found = None
        if found is None or not found.is_dir():
            hint = "[service] images in settings.toml names it, as seen from the workspace"
            raise ConfigError(f"there is no folder of images at {folder!r}", hint)
        return cls(found)

    def read(self, name: str) -> Picture:
        """A picture by its file's name.

        Raises:
            UsageError: nothing within the folder has the name, also by a link that leads out of it;
                or it is too large, or neither PNG, JPEG, WebP nor GIF by its content.
        """
        body = self._bytes(name)
        if len(body) > MOST_BYTES:
            raise _refused(name, f"is larger than {MOST_BYTES:,} bytes")
        kind = _kind_of(body)
        if not kind:
            raise _refused(name, "is neither PNG, JPEG, WebP nor GIF")
        return Picture(body, kind)

    def _bytes(self, name: str) -> bytes:
        """What the file holds, up to a byte more than a picture may."""
        try:
            path = (self.folder / name).resolve(strict=True)
            if not path.is_relative_to(self.folder):
                raise OSError
            with open(path, "rb", opener=_opened) as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise OSError
                return file.read(MOST_BYTES + 1)
        except (OSError, ValueError, RuntimeError):  # a name with a zero byte; a circle of links
            raise _refused(name, "is not here") from None


def _opened(path: str, flags: int) -> int:
    """Follows no link that stands there meanwhile, and waits for no pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _refused(name: str, why: str) -> UsageError:
    return UsageError(f"the picture {name[:200]!r} {why}", code="not_found")


def _kind_of(body: bytes) -> str:
    """The media type of a picture; empty where it is none that is shown."""
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for begin, kind in _BEGINNINGS.items() if body.startswith(begin)), "")
