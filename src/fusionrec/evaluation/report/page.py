"""The page: its sections in their order."""

from __future__ import annotations

from fusionrec._version import __version__
from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.report import model_sections, quality_sections
from fusionrec.evaluation.report.holdout import held_out
from fusionrec.evaluation.report.html import Markup, join, tag
from fusionrec.evaluation.report.quality import measure
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.evaluation.report.style import CSS
from fusionrec.registry import Artifact

SECTIONS = {
    "model": "What this model is",
    "learning": "Learning curves",
    "ranking": "How good the lists are",
    "groups": "By group of users",
    "strata": "By popularity of the items",
    "scores": "Scores",
    "map": "A map of the items",
    "shown": "What is shown",
    "people": "Example users",
}
# No browser fetches anything for this page, whatever a title holds.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render(artifact: Artifact, dataset: Dataset | None = None) -> str:
    """A version's report, the same text for the same version and data set.

    Args:
        artifact: the version.
        dataset: what it was trained on; by it, what training held out is measured.

    Raises:
        UsageError: the version was trained on another data set.
    """
    held = held_out(artifact, dataset) if dataset is not None else None
    blind = Scorer(artifact, held)  # whose scores of held-out rows come from nothing of them
    measured = measure(blind, held) if held is not None and len(held.rows) else None
    why = quality_sections.why_absent(artifact, held)
    parts = {
        "model": model_sections.model(artifact, held),
        "learning": model_sections.learning(artifact),
        "ranking": quality_sections.ranking(artifact, measured, why),
        "groups": quality_sections.groups(artifact, measured, why),
        "strata": quality_sections.strata(artifact, measured, why),
        "scores": model_sections.scores(blind, held),
        "map": model_sections.item_map(artifact),
        "shown": model_sections.shown(Scorer(artifact)),
        "people": model_sections.people(artifact),
    }
    return _page(artifact, parts)


def _page(artifact: Artifact, parts: dict[str, Markup]) -> str:
    title = f"{artifact.version}: {artifact.manifest['model']} on {artifact.manifest['data']}"
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", f"{title} · fusionrec report"),
        tag("style", Markup(CSS)),
    )
    links = [tag("li", tag("a", name, href=f"#{anchor}")) for anchor, name in SECTIONS.items()]
    body = tag(
        "body",
        tag("header", tag("h1", title), tag("nav", tag("ul", *links), aria_label="Sections")),
        tag("main", *(_section(anchor, parts[anchor]) for anchor in SECTIONS)),
        tag("footer", tag("p", f"Made by fusionrec {__version__} report.")),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _section(anchor: str, content: Markup) -> Markup:
    heading = tag("h2", SECTIONS[anchor], id=f"{anchor}-title")
    made = tag("section", heading, content, id=anchor, aria_labelledby=f"{anchor}-title")
    return join([made, Markup("\n")])
