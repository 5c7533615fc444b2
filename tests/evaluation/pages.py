"""Reads a version's report as its readers do."""

from __future__ import annotations

from html.parser import HTMLParser

from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.report.document import version_page
from fusionrec.evaluation.report.holdout import find_holdout
from fusionrec.registry import Artifact

VOID = {"meta", "img", "br", "hr", "link", "input", "col", "wbr", "path", "use", "rect", "circle"}


class Page(HTMLParser):
    """A page's words (text and alternative texts), headings, addresses, and tags left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.headings: list[str] = []
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "aria-label" and value:
                self.words.append(value)
            if name in ("src", "href") and value and not value.startswith(("#", "data:")):
                self.fetched.append(value)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.open[-1:] == ["h2"]:
            self.headings.append(data.strip())


# By the identities of a version and its data, which are held here so that they stay theirs.
_READ: dict[tuple[int, int], tuple[Artifact, Dataset | None, str]] = {}


def words_of(artifact: Artifact, data: Dataset | None = None) -> str:
    """All that a version's report says; rendered once for a version and data."""
    if (id(artifact), id(data)) not in _READ:
        holdout = None if data is None else find_holdout(artifact, data)
        said = " ".join(Page(version_page(artifact, holdout)).words)
        _READ[id(artifact), id(data)] = artifact, data, said
    return _READ[id(artifact), id(data)][-1]
