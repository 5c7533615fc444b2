"""How answers and progress look: a table on a terminal, plain rows in a pipe, JSON on demand."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fusionrec.cli.command import with_home
from fusionrec.cli.hints import hint_of
from fusionrec.data.values import UNSHOWN
from fusionrec.workspace import Workspace

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

    from fusionrec.api import Recommender
    from fusionrec.data.dataset import Dataset
    from fusionrec.data.schema import Schema
    from fusionrec.index import Place
    from fusionrec.recommend.answer import Answer
    from fusionrec.training.progress import Epoch, MetricInfo, TrainingState


# The headings of an answer's own columns.
_SCORE, _STARS, _RATED, _TAKEN, _WHY = "Score", "Stars", "Times rated", "Times taken", "Why"
_OWN = ("Rank", "Id", "Title", _SCORE, _STARS, _RATED, _TAKEN, _WHY)
_NUMERIC = frozenset(("Rank", _SCORE, _STARS, _RATED, _TAKEN, "Rows"))
_WHOLE = frozenset(("Rank", "Id", "Ids", "Version", "Name"))


def say(text: str) -> None:
    """A message, to stderr; commands in it keep ``--home``."""
    click.echo("\n".join(map(shown, with_home(text).split("\n"))), err=True)


def show_json(value: Any) -> None:
    """One JSON value, to stdout."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    text = text.encode("utf-8", "replace").decode()  # a file's name may hold half a pair
    # JSON leaves some that a terminal obeys as they are.
    lines = (UNSHOWN.sub(lambda c: f"\\u{ord(c[0]):04x}", line) for line in text.split("\n"))
    click.echo("\n".join(lines))


def shown(text: str) -> str:
    """A text in one line, with a space for each character that is not to be shown."""
    return UNSHOWN.sub(" ", text)


def show_rows(header: Sequence[str], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """A table on a terminal; else tab-separated lines under a header line."""
    header, *rows = [[shown(cell) for cell in row] for row in (header, *rows)]
    if not sys.stdout.isatty():
        for row in (header, *rows):
            click.echo("\t".join(row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.cells import cell_len
    from rich.console import Console, JustifyMethod
    from rich.table import Table
    from rich.text import Text

    table, least = Table(title=shown(title) or None, title_justify="left", box=SIMPLE_HEAD), 0
    for name, *cells in zip(header, *rows, strict=True):
        # Ids go into the next command: no terminal is too narrow for them.
        width = max(map(cell_len, (name, *cells))) if name in _WHOLE else 4
        least += width + 3
        justify: JustifyMethod = "right" if name in _NUMERIC else "left"
        table.add_column(name, justify=justify, no_wrap=name in _WHOLE)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # Text: a title is no markup
    console = Console()
    console.width = max(console.width, least if _WHOLE & set(header) else 0)
    console.print(table)


def ask(
    workspace: Workspace,
    asks: Callable[[Recommender, dict[str, Any]], Answer],
    *,
    version: str | None,
    place: Place,
    copy: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Opens a version, asks it, and shows the answer.

    Args:
        workspace: the workspace.
        asks: takes the recommender and ``asked``.
        version: the version; None: the active one.
        place: the Milvus that is searched.
        copy: whether an exact copy of an embedded one may answer.
        as_json: JSON in place of a table.
        asked: the arguments of a method of ``Recommender``.
    """
    from fusionrec.api import Recommender

    options: dict[str, Any] = {"version": version, "milvus": place, "copy": copy}
    with Recommender(workspace, **options, log=say) as recommender:
        show_answer(asks(recommender, asked), as_json, recommender.schema)
        if recommender.problem is not None and (hint := hint_of(recommender.problem)):
            say(f"hint: {hint}")


def show_answer(answer: Answer, as_json: bool, schema: Schema | None = None) -> None:
    """An answer as JSON, or as a table with its notes on stderr; ``schema`` has the headings."""
    notes = tuple(note.replace("`seen`", "`--seen`") for note in answer.notes)  # here an option
    answer = replace(answer, notes=notes)
    if as_json:
        show_json(answer.to_json())
        return
    for note in answer.notes:
        say(f"note: {note}")
    if answer.suggestions:
        meant = [repr(one.text) + (f" ({one.id})" if one.id else "") for one in answer.suggestions]
        say(f"did you mean {' or '.join(meant)}?")
    items, names = answer.items, list(answer.items[0].content) if answer.items else []
    columns = {
        "Rank": [str(item.rank) for item in items],
        "Id": [item.id for item in items],
        "Title": [item.title for item in items],
    }
    if answer.kind == "popular":
        counts = _TAKEN if schema and schema.events else _RATED
        columns[counts] = [str(item.ratings) for item in items]
    else:
        digits = 4 if answer.kind == "search" else 3  # reciprocal ranks are small and close
        columns[_SCORE] = [f"{item.score:.{digits}f}" for item in items]
    if any(item.stars is not None for item in items):
        columns[_STARS] = ["" if item.stars is None else f"{item.stars:.2f}" for item in items]
    for heading, name in zip(_headings(names, schema), names, strict=True):
        columns[heading] = [cell(item.content[name]) for item in items]
    if any(item.reason is not None for item in items):
        columns[_WHY] = [item.reason.text if item.reason else "" for item in items]
    goal = f" · {answer.goal}" if answer.goal else ""
    title = f"{answer.kind}{goal} · {answer.version} · {near(answer.place)}"
    show_rows(list(columns), list(zip(*columns.values(), strict=True)), title)


def _headings(names: Sequence[str], schema: Schema | None) -> list[str]:
    """Headings of item fields: labels or names, but ``content.NAME``, as in JSON, where a heading
    would stand twice or be like one of the answer's own.
    """
    labels = {field.name: field.label for field in schema.attributes("item")} if schema else {}
    said = [labels.get(name) or name.replace("_", " ").capitalize() for name in names]
    counts = Counter(heading.casefold() for heading in (*_OWN, *said))
    return [
        f"content.{name}" if counts[heading.casefold()] > 1 else heading
        for name, heading in zip(names, said, strict=True)
    ]


def near(place: str) -> str:
    """A path below the current folder as seen from there; anything else as it is."""
    with suppress(ValueError, OSError):
        return str(Path(place).relative_to(Path.cwd())) if place.startswith("/") else place
    return place


def cell(value: Any) -> str:
    """A value as people read it."""
    if isinstance(value, list | tuple):
        return " ".join(str(one) for one in value)
    if isinstance(value, float):
        return "" if value != value else f"{value:g}"  # noqa: PLR0124 (a NaN is not known)
    return "" if value is None else str(value)


def describe(dataset: Dataset, source: str = "") -> None:
    """Says what a data set holds, on stderr."""
    nouns = ("interaction" if dataset.schema.events else "rating", "user", "item")
    counts = (len(dataset), len(dataset.users), len(dataset.items))
    rows, users, items = (
        f"{count:,} {noun}{'' if count == 1 else 's'}"
        for count, noun in zip(counts, nouns, strict=True)
    )
    origin = f" from {source}" if source else ""
    say(f"{dataset.name}{origin}: {rows} by {users} of {items}")
    if dataset.synthetic:
        say("note: these rows are synthetic; no figure on them says anything of real people")
    for repair in dataset.repairs:
        say(f"note: {repair}")


class TrainingProgress:
    """Shows trainings on stderr: a bar, and a line for every epoch."""

    def __init__(self) -> None:
        self._shown, self._last = 0, time.monotonic()
        self._bar: RichProgress | None = None
        if sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.TextColumn("{task.fields[rate]}"),
                progress.TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )

    def __enter__(self) -> TrainingProgress:
        if self._bar:
            self._bar.start()
            self._bar.add_task("training", rate="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def __call__(self, p: TrainingState) -> None:
        """Takes the training's progress after each step."""
        self._shown = min(self._shown, len(p.epochs))  # another training begins anew
        for epoch in p.epochs[self._shown :]:
            self._line(
                f"epoch {epoch.number:>2}/{p.planned}   {_figures(epoch, p.metric)}   "
                f"{epoch.seconds:.1f} s   {epoch.rate:,.0f} {p.metric.unit}/s"
            )
        self._shown = len(p.epochs)
        done, total = (p.epoch - 1) * p.steps + p.step, p.planned * p.steps
        rate = f"{p.rate:,.0f} {p.metric.unit}/s"
        if self._bar:
            epoch_now = f"epoch {min(p.epoch, p.planned)}/{p.planned}"
            state: dict[str, Any] = {"completed": done, "total": total, "rate": rate}
            self._bar.update(self._bar.task_ids[0], description=epoch_now, **state)
        elif time.monotonic() - self._last > 20 and p.rate:
            left = (total - done) * (p.count / max(p.step, 1)) / p.rate
            self._line(f"  {done / total:.0%} done, {rate}, about {left:.0f} s left")

    def _line(self, text: str) -> None:
        self._last = time.monotonic()
        if self._bar:
            self._bar.console.print(shown(text), highlight=False, markup=False)
        else:
            say(text)


def _figures(epoch: Epoch, measure: MetricInfo) -> str:
    """An epoch's figures: ``error in stars: train 0.8512   validation 0.8634``."""
    train = f"train {epoch.train:.4f}"
    if epoch.validation is None:
        return f"{measure.train}: {train}"
    validation = f"validation {epoch.validation:.4f}"
    if measure.train == measure.validation:
        return f"{measure.train}: {train}   {validation}"
    return f"{measure.train}: {train}   {measure.validation}: {validation}"


class ProgressLines:
    """Shows progress on stderr, a line for each stage that takes longer than a moment.

    Args:
        subject: what the stages are about, such as ``ml-1m``.
        unit: what is counted; ``bytes`` are shown as megabytes.
    """

    def __init__(self, subject: str, unit: str = "bytes") -> None:
        self._subject, self._unit = subject, unit
        self._stage, self._last, self._shown = "", time.monotonic(), False

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Takes the progress; see ``errors.Progress``."""
        if stage != self._stage:
            self._stage, self._last, self._shown = stage, time.monotonic(), False
        ended = total is not None and done >= total
        terminal = sys.stderr.isatty()
        pause = 0.3 if not self._shown else 0.1 if terminal else 5.0
        if time.monotonic() - self._last < pause and not (ended and self._shown):
            return
        self._last, self._shown = time.monotonic(), True
        scale, unit = (1e6, "MB") if self._unit == "bytes" else (1, self._unit)
        whole = f" of {total / scale:,.0f} {unit} ({done / total:.0%})" if total else f" {unit}"
        text = shown(f"{stage} {self._subject}: {done / scale:,.0f}{whole}")
        click.echo(f"\r{text}" if terminal else text, err=True, nl=not terminal or ended)
