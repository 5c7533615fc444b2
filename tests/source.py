"""The project's own code for tests that read it; each file is parsed once."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import fusionrec

ROOT = Path(fusionrec.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Every node of a file."""
    return tuple(ast.walk(tree_of(path)))


def name_of(path: Path) -> str:
    """A file as messages name it, such as ``data/schema.py``."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """Such as ``fusionrec.data.schema``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("fusionrec", *(part for part in parts if part != "__init__")))
