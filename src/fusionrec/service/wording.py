"""What is said to whoever has no command line: no command stands in an answer over HTTP."""

from __future__ import annotations

import re

_COMMAND = r"(?:fusionrec [a-z]|--[a-z])"
_NAMED = re.compile(rf"(?<![\w-]){_COMMAND}")
_ASIDE = re.compile(rf"\s*\([^()]*{_COMMAND}[^()]*\)")


def hint_for_http(hint: str | None) -> str | None:
    """A hint; None where it names a command, which whoever asks over HTTP cannot give."""
    return None if hint is None or _NAMED.search(hint) else hint


def note_for_http(note: str) -> str:
    """A note without the commands that stand in brackets in it."""
    return _ASIDE.sub("", note)
