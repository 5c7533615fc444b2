"""Joins the page's modules into one script and its stylesheets into one, when the service starts.

The files stay as they are written, one topic in each, and need no tool. What is known here are the
forms that they use; any other is refused, so that no module is joined to something else than it is.
"""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(
    r'^import (?:\* as (?P<whole>\w+)|\{(?P<names>[\w\s,]*)\}) from "\./(?P<file>[\w-]+\.js)";$',
    re.MULTILINE,
)
_EXPORT = re.compile(r"^export (?=(?:(?:async )?function\*?|class|const) (\w+))", re.MULTILINE)
_RENAMED = re.compile(r"(\w+)\s+as\s+(\w+)")
# What would mean something else once it stands inside a function, or is not read here.
_UNKNOWN = re.compile(
    r"^\s*(?:import|export)\b.*|^.*\bimport\s*[(.].*|^\S.*\bawait\b.*", re.MULTILINE
)
_STYLE = re.compile(r'^ *<link rel="stylesheet" href="static/([\w-]+\.css)">\n', re.MULTILINE)
_SCRIPT = re.compile(r'<script type="module" src="static/([\w-]+\.js)"></script>')


def join_modules(folder: Path, entry: str) -> str:
    """A module and all that it imports as one script: each is run once, in a function of its own
    that gives what it exports.

    Raises:
        ValueError: a form that is not known, a circle of imports, or a file that is not there.
    """
    made: dict[str, str] = {}
    _join(folder, entry, made, ())
    return "".join(made.values())


def join_styles(folder: Path, names: list[str]) -> str:
    """Stylesheets as one, in their order, without comments.

    Raises:
        ValueError: one of them loads something else.
    """
    texts = [(folder / name).read_text("utf-8") for name in names]
    for name, text in zip(names, texts, strict=True):
        if found := re.search(r"@import|url\(", text):
            raise ValueError(f"{name}: expected rules alone, got {found[0]!r}")
    return _dense(re.sub(r"/\*.*?\*/", "", "".join(texts), flags=re.DOTALL))


def join_page(folder: Path, document: str, script: str, style: str) -> tuple[str, str, str]:
    """A page's document, script and stylesheet; in the document the addresses of the joined ones
    replace those of its module and its stylesheets.

    Args:
        folder: where the files are.
        document: the name of the document.
        script, style: the addresses.
    """
    text = (folder / document).read_text("utf-8")
    entries, styles = _SCRIPT.findall(text), _STYLE.findall(text)
    if len(entries) != 1 or not styles:
        raise ValueError(f"{document}: expected one module and some stylesheets")
    link = f'    <link rel="stylesheet" href="{style}">\n'
    text = _STYLE.sub(lambda found: link if found[1] == styles[0] else "", text)
    text = _SCRIPT.sub(f'<script type="module" src="{script}"></script>', text)
    return text, join_modules(folder, entries[0]), join_styles(folder, styles)


def _join(folder: Path, name: str, made: dict[str, str], within: tuple[str, ...]) -> None:
    """Adds a module to those that are made, after all that it imports."""
    if name in within:
        raise ValueError(f"modules import one another in a circle: {' -> '.join((*within, name))}")
    if name in made:
        return
    path = folder / name
    if not path.is_file():
        raise ValueError(f"{(within or ('the page',))[-1]}: there is no module {name!r}")
    text = _without_comments(name, path.read_text("utf-8"))
    for found in _IMPORT.finditer(text):
        _join(folder, found["file"], made, (*within, name))
    exported = _EXPORT.findall(text)
    text = _EXPORT.sub("", _IMPORT.sub(_imported, text))
    if unknown := _UNKNOWN.search(text):
        said = 'expected import {..} or * as NAME from "./FILE.js", and export of a function, '
        raise ValueError(f"{name}: {said}class or const, got {unknown[0].strip()!r}")
    body = _dense(text)
    made[name] = (
        f"const {_own(name)} = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();\n"
    )


def _imported(found: re.Match[str]) -> str:
    """An import as constants of the function."""
    own = _own(found["file"])
    if found["whole"]:
        return f"const {found['whole']} = {own};"
    names = _RENAMED.sub(r"\1: \2", " ".join(found["names"].split()))
    return f"const {{ {names} }} = {own};"


def _own(name: str) -> str:
    """The name of what a module exports."""
    return "$" + name.removesuffix(".js").replace("-", "_")


def _without_comments(name: str, text: str) -> str:
    """A script without the comments that stand on lines of their own."""
    kept, inside = [], False
    for line in text.splitlines():
        bare = line.strip()
        if inside or bare.startswith("/*"):
            inside = "*/" not in bare
            if not inside and not bare.endswith("*/"):
                raise ValueError(f"{name}: expected nothing after a comment, got {bare!r}")
        elif not bare.startswith("//"):
            if bare.count("`") % 2:
                raise ValueError(f"{name}: expected templates of one line, got {bare!r}")
            kept.append(line)
    return "\n".join(kept) + "\n"


def _dense(text: str) -> str:
    """A text without indentation and empty lines."""
    return "".join(f"{line.strip()}\n" for line in text.splitlines() if line.strip())
