"""The page: its sections in their order."""

from __future__ import annotations

from fusionrec._version import __version__
from fusionrec.data.dataset import Dataset
from fusionrec.evaluation.report.example_users import example_section
from fusionrec.evaluation.report.exposure import exposure_section
from fusionrec.evaluation.report.holdout import find_holdout
from fusionrec.evaluation.report.html import Markup, tag
from fusionrec.evaluation.report.item_map import item_map_section
from fusionrec.evaluation.report.model_sections import (
    learning_section,
    model_section,
    worth_section,
)
from fusionrec.evaluation.report.quality import measure
from fusionrec.evaluation.report.quality_sections import (
    groups_section,
    ranking_section,
    strata_section,
    why_absent,
)
from fusionrec.evaluation.report.scores import scores_section
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.evaluation.report.style import CSS
from fusionrec.registry import Artifact

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
    ranking = groups = strata = tag("p", why_absent(artifact, holdout), class_="note")
    if holdout is not None and len(holdout.rows):
        measured = measure(scorer, holdout)
        ranking = ranking_section(artifact, measured)
        groups = groups_section(artifact, measured)
        strata = strata_section(artifact, measured)
    sections = [
        ("model", "What this model is", model_section(artifact, holdout)),
        *([("worth", "What it is worth", worth_section(artifact))] if artifact.worth else []),
        ("learning", "Learning curves", learning_section(artifact)),
        ("ranking", "How good the lists are", ranking),
        ("groups", "By group of users", groups),
        ("strata", "By popularity of the items", strata),
        ("scores", "Scores", scores_section(scorer, holdout)),
        ("map", "A map of the items", item_map_section(artifact)),
        ("shown", "What is shown", exposure_section(Scorer(artifact))),
        ("people", "Example users", example_section(artifact)),
    ]
    title = f"{artifact.version}: {artifact.manifest['model']} on {artifact.manifest['data']}"
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        tag("title", f"{title} · fusionrec report"),
        tag("style", Markup(CSS)),
    )
    links = [tag("li", tag("a", name, href=f"#{anchor}")) for anchor, name, _ in sections]
    content: list[str] = []
    for anchor, name, made in sections:
        heading = tag("h2", name, id=f"{anchor}-title")
        content += [tag("section", heading, made, id=anchor, aria_labelledby=f"{anchor}-title")]
        content += ["\n"]
    body = tag(
        "body",
        tag("header", tag("h1", title), tag("nav", tag("ul", *links), aria_label="Sections")),
        tag("main", *content),
        tag("footer", tag("p", f"Made by fusionrec {__version__} report.")),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"
