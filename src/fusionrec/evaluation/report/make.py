"""Makes the report of a version, or of two, of a workspace."""

from __future__ import annotations

from dataclasses import dataclass

from fusionrec.errors import Log, Progress
from fusionrec.evaluation.report.comparison import comparison_page
from fusionrec.evaluation.report.document import version_page
from fusionrec.evaluation.report.training_data import training_data
from fusionrec.registry.versions import load
from fusionrec.workspace import Workspace


@dataclass(frozen=True)
class Report:
    """A report.

    Attributes:
        html: the whole page.
        name: of its file, without a suffix.
        notes: what could not be measured since data are gone or have changed, and what to do.
    """

    html: str
    name: str
    notes: tuple[str, ...]


def make(
    workspace: Workspace,
    version: str | None = None,
    other: str | None = None,
    *,
    data: str | None = None,
    accept: bool = False,
    allow_remote: bool = False,
    progress: Progress | None = None,
    log: Log = lambda _: None,
) -> Report:
    """The report of a version, or of two side by side.

    Args:
        workspace: holds the versions.
        version: a version's name; by default the active one.
        other: a second version, to compare with the first.
        data: the name or path of the data that they were trained on; by default from where each
            was trained.
        accept, allow_remote: how ``data`` may be read, as in ``data.catalog.load``.
        progress: called with the bytes of data read so far, and in all.
        log: called with what is being done.

    Raises:
        ArtifactError: there is no such version.
        UsageError: a version was not trained here, or was trained on other data than ``data``.
        DataError: ``data`` cannot be read.
    """
    artifacts = [load(workspace, name) for name in (version, other)[: 1 if other is None else 2]]
    found = []
    for artifact in artifacts:
        artifact.require_towers("there is no training to report", "needs_trained_version")
        found.append(
            training_data(
                workspace, artifact, data,
                accept=accept, allow_remote=allow_remote, progress=progress,
            )
        )  # fmt: skip
    names = [artifact.version for artifact in artifacts]
    log(f"making the report of {' and '.join(names)}")
    notes = tuple(dict.fromkeys(one.trouble for one in found if one.trouble))
    # A report without measurements has a name of its own, so that it replaces no better one.
    name = "-".join([*names, *(["model-only"] if notes else [])])
    if len(artifacts) == 2:
        html = comparison_page((artifacts[0], artifacts[1]), (found[0], found[1]))
    else:
        html = version_page(artifacts[0], found[0].holdout, found[0].trouble)
    return Report(html, name, notes)


def render(workspace: Workspace, version: str | None = None, other: str | None = None) -> str:
    """The page of ``make``, as HTML.

    A page that shows it must allow inline styles for it, and nothing else: ``POLICY`` is its
    Content-Security-Policy.
    """
    return make(workspace, version, other).html
