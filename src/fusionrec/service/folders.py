"""Takes the names of this machine's folders out of texts that leave it over HTTP."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path


class Folders:
    """The folders that messages may name: the workspace's, the ledger's, those of local stores."""

    def __init__(self, *folders: Path) -> None:
        self._known: set[str] = set()
        self.add(folders)

    def add(self, folders: Iterable[Path]) -> None:
        """Adds folders, by every name that a message may have for one."""
        for folder in folders:
            names = map(str, (folder, folder.absolute(), os.path.realpath(folder)))
            self._known |= {name for name in names if name not in ("/", ".")}
        longest_first = sorted(self._known, key=len, reverse=True)
        either = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(rf"(?<![\w./-])(?:{either})(/|(?![\w-]))")

    def hide(self, text: str) -> str:
        """The text, in which a file is named as seen from its folder, and a folder by its last
        name alone.
        """
        return self._pattern.sub(lambda found: "" if found[1] else Path(found[0]).name, text)
