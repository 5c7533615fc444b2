"""The lists that two versions show the same people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionrec.evaluation.report.blocks import Plot, Table
from fusionrec.evaluation.report.example_users import LIST, USERS, exact_recommender, who_is
from fusionrec.evaluation.report.scoring import Scorer
from fusionrec.evaluation.report.svg import FIRST, figure
from fusionrec.metrics import ItemSets, Ranking
from fusionrec.recommend.query import Query
from fusionrec.registry import Artifact

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fusionrec.evaluation.report.two_versions import Pair

SAMPLE = 1_000  # users whose lists are compared


@dataclass(frozen=True)
class Lists:
    """How far the lists of two versions differ.

    Attributes:
        users: ids of whom the lists were compared.
        differ: int64 [n], how many items of each one's first list are not in the second.
    """

    users: list[str]
    differ: np.ndarray

    @property
    def mean(self) -> float:
        """How many items differ on average; NaN without users."""
        return float(self.differ.mean()) if len(self.differ) else float("nan")


def compare_lists(versions: Pair) -> Lists:
    """The lists of people whom both versions know, at most ``SAMPLE``, drawn with a fixed seed."""
    one, two = versions
    shared = np.array(sorted(_known(one) & _known(two)), dtype=object)
    if len(shared) > SAMPLE:
        shared = np.sort(np.random.default_rng(0).choice(shared, SAMPLE, replace=False))
    users = [str(user) for user in shared]
    first, second = (_top(artifact, users) for artifact in versions)
    differ = [len(a - b) for a, b in zip(first, second, strict=True)]
    return Lists(users, np.array(differ, dtype=np.int64))


def _known(artifact: Artifact) -> set[str]:
    """Ids of users with a history."""
    ids, sizes = artifact.users.ids, np.diff(artifact.histories.offsets)
    known = np.flatnonzero(sizes > 0)
    return {ids[at] for at in known[np.isin(known, Scorer(artifact).users)]}


def _top(artifact: Artifact, users: list[str]) -> list[set[str]]:
    """The ids in each user's list."""
    scorer, row, ids = Scorer(artifact), artifact.users.positions(), artifact.items.ids
    at = np.array([row[user] for user in users], dtype=np.int64)
    nothing = ItemSets.of(np.empty(0, int), np.empty(0, int), len(scorer.seen))
    seen = None if artifact.schema.repeats else scorer.seen
    ranking, found = Ranking(nothing, len(ids), LIST, exclude=seen), dict[int, set[str]]()
    for block, scores in scorer.blocks(np.unique(at)):
        ranking.add(block, scores)
    if len(at):
        ranked = ranking.result()
        for user, best in zip(ranked.users, ranked.best, strict=True):
            found[int(user)] = {ids[item] for item in best if item >= 0}
    return [found[int(user)] for user in at]


def plot_of(lists: Lists) -> Plot:
    """How many people's lists differ by how many items."""
    share = 100 * np.bincount(lists.differ, minlength=LIST + 1) / max(len(lists.differ), 1)

    def draw(axes: Axes) -> None:
        axes.bar(np.arange(LIST + 1), share, 0.8, color=FIRST)
        axes.set_xticks(np.arange(LIST + 1))
        axes.grid(visible=False, axis="x")
        axes.set(xlabel=f"items of {LIST} that differ", ylabel="share of people (%)")

    same, other = share[0], share[LIST]
    alt = (
        f"Bar plot: on average {lists.mean:.1f} of {LIST} items differ; nothing differs for "
        f"{same:.0f}% of the people, everything for {other:.0f}%."
    )
    caption = f"How many of {LIST} items differ, of {len(lists.users):,} people."
    return figure("differ", alt, caption, (5.6, 2.8), draw)


def table_of(lists: Lists) -> Table:
    """The same as a table."""
    counts = np.bincount(lists.differ, minlength=LIST + 1)
    rows = [
        [str(n), f"{count:,}", f"{count / max(len(lists.users), 1):.0%}"]
        for n, count in enumerate(counts)
    ]
    return Table(f"Items of {LIST} that differ", ["Differ", "People", "Share"], rows, words=())


def examples(versions: Pair, lists: Lists) -> list[dict[str, Any]]:
    """Both lists of some of the people, side by side."""
    chosen = np.random.default_rng(0).permutation(len(lists.users))[:USERS]
    users = [lists.users[at] for at in np.sort(chosen)]
    shown = []
    for artifact in versions:
        with exact_recommender(artifact) as recommender:
            shown.append([recommender.recommend(Query(user=u, k=LIST)).items for u in users])
    one, two = versions
    row, found = two.users.positions(), []
    for user, first, second in zip(users, *shown, strict=True):
        ranks = [{item.id: item.rank for item in items} for items in (first, second)]
        rows = []
        for n in range(max(len(first), len(second))):
            cells = [str(n + 1)]
            for items, other in ((first, ranks[1]), (second, ranks[0])):
                item = items[n] if n < len(items) else None
                cells += ["", ""] if item is None else [item.title, str(other.get(item.id, "–"))]
            rows.append(cells)
        header = ["Rank", one.version, f"in {two.version} at", two.version, f"in {one.version} at"]
        differ = len(ranks[0].keys() - ranks[1].keys())
        table = Table(f"What user {user} would be shown", header, rows, words=(1, 3))
        found.append({"who": who_is(two, row[user]), "differ": differ, "table": table})
    return found
