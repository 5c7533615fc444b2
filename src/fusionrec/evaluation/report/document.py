"""The report of one version: its sections in their order, drawn by templates."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from fusionrec._version import __version__
from fusionrec.evaluation.report import model_sections as model
from fusionrec.evaluation.report import quality_sections
from fusionrec.evaluation.report.blocks import number
from fusionrec.evaluation.report.example_users import example_users
from fusionrec.evaluation.report.exposure import shown
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.item_map import item_map
from fusionrec.evaluation.report.quality import Quality, measure
from fusionrec.evaluation.report.scores import scores
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.evaluation.report.terms import repeat_note, terms_for
from fusionrec.evaluation.report.verdict import Verdict, of_holdout, of_worth
from fusionrec.registry import Artifact

if TYPE_CHECKING:
    from jinja2 import Environment

# The page loads nothing from elsewhere, whatever a title contains.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_SECTIONS = (
    ("worth", "What it is worth"),
    ("ranking", "How good the lists are"),
    ("groups", "By group of users"),
    ("strata", "By popularity of the items"),
    ("shown", "What is shown"),
    ("people", "Example users"),
    ("map", "A map of the items"),
    ("scores", "Scores"),
    ("model", "What this model is"),
    ("learning", "Learning curves"),
    ("fingerprints", "Fingerprints"),
)


def version_page(artifact: Artifact, holdout: Holdout | None = None, trouble: str = "") -> str:
    """A version's report, the same text for the same version and data.

    Args:
        artifact: the version.
        holdout: the rows it was trained on and those held out, which are then measured.
        trouble: why there is no ``holdout``, and what to do.
    """
    schema = artifact.schema
    scorer = Scorer(artifact, holdout)  # its vectors read none of the holdout rows
    quality = measure(scorer, holdout) if holdout is not None and len(holdout.rows) else None
    absent = why_absent(artifact, holdout, trouble)
    measured: dict[str, Any] = {}
    if quality is not None:
        for name in ("ranking", "groups", "strata"):
            measured[name] = getattr(quality_sections, name)(schema, quality)
    return drawn(
        "base.html",
        title=f"{artifact.version}: {artifact.manifest['model']} on {artifact.manifest['data']}",
        sections=[(name, said, f"sections/{name}.html") for name, said in _SECTIONS],
        verdict=_verdict(artifact, holdout, quality, absent),
        artifact=artifact,
        m=artifact.manifest,
        schema=schema,
        words=terms_for(schema),
        repeats=repeat_note(schema),
        quality=quality,
        absent=absent,
        trouble=trouble,
        shown=shown(Scorer(artifact)),
        people=example_users(artifact),
        map=item_map(artifact),
        scores=scores(scorer, holdout),
        model=model.model_facts(artifact, holdout),
        learning=model.learning(artifact),
        fingerprints=model.fingerprints(artifact),
        settings=model.settings_table(artifact),
        files=model.files_table(artifact),
        **measured,
    )


def _verdict(
    artifact: Artifact, holdout: Holdout | None, quality: Quality | None, absent: str
) -> Verdict:
    if artifact.worth is not None:
        return of_worth(artifact)
    if holdout is not None and quality is not None:
        return of_holdout(artifact, holdout, quality)
    return Verdict(f"What the lists of {artifact.version} are worth is not known.", note=absent)


def why_absent(artifact: Artifact, holdout: Holdout | None, trouble: str) -> str:
    """Why there are no figures on holdout rows; empty if there are."""
    if artifact.has_parts:
        return (
            "Not measured: this version was trained again on every row it was given, so no row is "
            "left that it has not learnt from. What was measured before stands under “What it is "
            "worth”."
        )
    share = artifact.manifest.get("recipe", {}).get("training", {}).get("validation", 0)
    if share == 0 or (holdout is not None and not len(holdout.rows)):
        return (
            "Not measured: this version was trained on every row it was given "
            f"(training.validation={share:g}), so no row is left that it has not learnt from."
        )
    if holdout is None:
        return (
            "Not measured: that needs rows that training did not learn from, and a version keeps "
            f"no such rows. {trouble}".rstrip()
        )
    return ""


def drawn(template: str, **context: Any) -> str:
    """A page, in which nothing is markup unless a template or a plot made it."""
    return _templates().get_template(template).render(context | {"policy": POLICY})


@cache
def _templates() -> Environment:
    # Loaded here: most commands draw no page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("fusionrec.evaluation.report"), autoescape=True,
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals |= {"version": __version__, "number": number}
    return made
