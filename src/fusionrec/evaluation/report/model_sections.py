"""What the templates say of the model and its training, which needs no holdout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fusionrec.evaluation.report.blocks import Plot, Table, number, percent
from fusionrec.evaluation.report.holdout import Holdout
from fusionrec.evaluation.report.svg import FAINT, FIRST, SECOND, figure, legend
from fusionrec.evaluation.report.terms import terms_for
from fusionrec.registry import Artifact

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EVERYTHING = 10**6  # items of a history that are read, as good as all


def model_facts(artifact: Artifact, holdout: Holdout | None) -> list[tuple[str, str]]:
    """What the manifest says, with units."""
    m, words = artifact.manifest, terms_for(artifact.schema)
    rated = int((artifact.item_counts > 0).sum())
    reads = ", ".join(name.replace("_", " ") for name in m["user_inputs"])
    if artifact.history_features:
        most = artifact.history_features.length
        newest = "all" if most >= EVERYTHING else f"the newest {most:,}"
        reads += f" ({newest} {words.plural} of it)"
    length = "1, of items at most 1" if artifact.has_parts else "1"
    return [
        ("Data set", m["data"]),
        (f"{words.heading} given to training", _given(m, holdout)),
        ("Users", f"{m['users']:,}"),
        ("Items", f"{m['items']:,}, {rated:,} of them {words.done}"),
        ("Made", made_at(artifact)),
        ("Vectors", f"{m['dim']} numbers each, of length {length}; compared by inner product"),
        ("The user tower reads", reads),
    ]


def made_at(artifact: Artifact) -> str:
    """When a version was made."""
    return f"{artifact.manifest['created'].replace('T', ' ').removesuffix('Z')} UTC"


def fingerprints(artifact: Artifact) -> list[tuple[str, str]]:
    """What tells a version and its data from all others."""
    m = artifact.manifest
    return [
        ("Rows given to training (SHA-256)", m["rows"]),
        ("Rows trained on (SHA-256)", m["training"].get("trained_rows", "not kept")),
        ("Data read from", m.get("source", "not kept")),
        ("Made with", ", ".join(f"{name} {v}" for name, v in m.get("versions", {}).items())),
    ]


def files_table(artifact: Artifact) -> Table:
    """Checksums of a version's files."""
    files = artifact.manifest["files"]
    rows = [[name, files[name]] for name in sorted(files)]
    return Table(f"Files of {artifact.version}", ["File", "SHA-256"], rows, words=(0, 1))


def settings_of(artifact: Artifact) -> dict[str, str]:
    """Every setting of a version's training, by its whole name."""
    return dict(_settings(artifact.manifest.get("recipe", {})))


def _settings(recipe: Mapping[str, Any], of: str = "") -> Iterator[tuple[str, str]]:
    for name, value in recipe.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{of}{name}.")
        else:
            yield f"{of}{name}", str(value)


def settings_table(artifact: Artifact) -> Table:
    """The same as a table."""
    rows = [[name, value] for name, value in settings_of(artifact).items()]
    return Table("Every setting of the training", ["Setting", "Value"], rows)


def _given(manifest: Mapping[str, Any], holdout: Holdout | None) -> str:
    given = f"{manifest['interactions']:,}"
    if holdout is not None:
        trained, held = len(holdout.trained), len(holdout.rows)
        return f"{given} ({trained:,} trained on, {held:,} held out for validation)"
    share = manifest.get("recipe", {}).get("training", {}).get("validation", 0)
    if not share:
        return given
    # A model that reads histories holds out the latest rating of some users, any other a share.
    whose = f"the latest of {percent(share)} of the users" if "history" in manifest else ""
    return f"{given} ({whose or f'{percent(share)} of them'} held out for validation)"


def learning(artifact: Artifact) -> dict[str, Any]:
    """Figures by epoch; without ``plot`` and ``table`` where there are none."""
    trained = artifact.manifest["training"]
    epochs, best = trained["epochs"], trained.get("best_epoch")
    found = {"epochs": epochs, "best": best, "plot": None, "table": None}
    if not epochs:
        return found
    measure = trained["measure"]
    rows = [
        [
            str(e["number"]),
            number(e["train"], 4),
            number(e["validation"], 4),
            number(e["seconds"], 1),
            f"{e['rate']:,.0f}",
        ]
        for e in epochs
    ]
    header = [
        "Epoch",
        f"Train: {measure['train']}",
        f"Validation: {measure['validation']}",
        "Time (s)",
        f"{measure['unit'].capitalize()} per s",
    ]
    shown = {
        "plot": _learning_plot(epochs, best, measure),
        "table": Table("By epoch", header, rows),
    }
    return found | {"measure": measure} | shown


def _learning_plot(
    epochs: Sequence[Mapping[str, Any]], best: int | None, measure: Mapping[str, Any]
) -> Plot:
    """Train and validation figures by epoch: in one plot if they are of one kind, else in two."""
    numbers = [e["number"] for e in epochs]
    lines = [("training", measure["train"], [e["train"] for e in epochs])]
    if epochs[0]["validation"] is not None:
        lines.append(("validation", measure["validation"], [e["validation"] for e in epochs]))
    plots = 1 if len({what for _, what, _ in lines}) == 1 else 2

    def draw(*subplots: Axes) -> None:
        for axes in subplots:
            if best is not None:
                axes.axvline(best, color=FAINT, linestyle=":", linewidth=1.2, label="epoch kept")
        looks = ((FIRST, "o", "-"), (SECOND, "s", "--"))
        for at, (name, what, values) in enumerate(lines):
            axes, (colour, mark, dash) = subplots[min(at, plots - 1)], looks[at]
            axes.plot(numbers, values, color=colour, marker=mark, linestyle=dash, label=name)
            axes.set(xlabel="epoch", ylabel=what)
            axes.locator_params(axis="x", integer=True)
            legend(axes)

    ends = "; ".join(f"{name}: {what} {values[-1]:.3f}" for name, what, values in lines)
    alt = f"Line plot: figures by epoch. After {numbers[-1]} epochs {ends}."
    better = "higher is better" if measure["rising"] else "lower is better"
    judged = str(measure["validation"])
    caption = f"By epoch. {judged[:1].upper()}{judged[1:]}: {better}."
    return figure("learning", alt, caption, (5.6 if plots == 1 else 8.0, 3.2), draw, columns=plots)
