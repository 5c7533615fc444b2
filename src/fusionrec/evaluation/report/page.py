"""The page: its sections in their order."""

from __future__ import annotations

from fusionrec._version import __version__
from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.report import model_sections, quality_sections
from fusionrec.evaluation.report.holdout import find_holdout
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
# The page loads nothing from elsewhere, whatever a title contains.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def render(artifact: Artifact, dataset: Dataset | None = None) -> str:
    """A version's report, the same text for the same version and data set.

    Args:
        artifact: the version.
        dataset: what it was trained on; needed to measure the holdout.

    Raises:
        UsageError: the version was trained on another data set.
    """
    holdout = find_holdout(artifact, dataset) if dataset is not None else None
    scorer = Scorer(artifact, holdout)  # its vectors read none of the holdout rows
    measured = measure(scorer, holdout) if holdout is not None and len(holdout.rows) else None
    reason = quality_sections.why_absent(artifact, holdout)
    parts = {
        "model": model_sections.model_section(artifact, holdout),
        "learning": model_sections.learning_section(artifact),
        "ranking": quality_sections.ranking_section(artifact, measured, reason),
        "groups": quality_sections.groups_section(artifact, measured, reason),
        "strata": quality_sections.strata_section(artifact, measured, reason),
        "scores": model_sections.scores_section(scorer, holdout),
        "map": model_sections.item_map_section(artifact),
        "shown": model_sections.exposure_section(Scorer(artifact)),
        "people": model_sections.example_section(artifact),
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
