"""Reads a version's report as its readers do."""

from __future__ import annotations

from html.parser import HTMLParser

from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.report import render
from fusionrec.registry import Artifact


class Text(HTMLParser):
    """Collects a page's words: text, alternative texts, no styles."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        self.words += [value for name, value in attrs if name == "aria-label" and value]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


# By the identities of a version and its data, which are held here so that they stay theirs.
_READ: dict[tuple[int, int], tuple[Artifact, Dataset | None, str]] = {}


def words_of(artifact: Artifact, data: Dataset | None = None) -> str:
    """All that a version's report says; rendered once for a version and data."""
    if (id(artifact), id(data)) not in _READ:
        text = Text()
        text.feed(render(artifact, data))
        text.close()
        _READ[id(artifact), id(data)] = artifact, data, " ".join(text.words)
    return _READ[id(artifact), id(data)][-1]
