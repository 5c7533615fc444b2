"""Searches an index that is never written with the changes of items since it was built."""

from __future__ import annotations

from fusionrec.index import Index, OverlayIndex
from fusionrec.recommend.catalog import Catalog

SETTLED = 500  # changed items in an overlay of its own


class FollowedIndex:
    """An index, and the items as they were when it was built.

    Its changes are laid over it in two overlays: the older ones, which are gathered once for every
    ``SETTLED`` of them, and the others, which are gathered at each change. So a change costs the
    same however many there were.

    Args:
        index: of the items.
        catalog: these items.
    """

    def __init__(self, index: Index, catalog: Catalog) -> None:
        self.index, self.catalog = index, catalog
        self._older = index, catalog  # the index with the older changes

    def after(self, now: Catalog) -> Index:
        """The index with the changes until a later catalog of the same version."""
        below, then = self._older
        if now.number < then.number:
            below, then = self.index, self.catalog
        elif len(now.changed_since(then.number)) > SETTLED:
            below, then = _laid_over(self.index, self.catalog, now), now
            self._older = below, then
        return _laid_over(below, then, now)


def _laid_over(index: Index, then: Catalog, now: Catalog) -> Index:
    changed = now.changed_since(then.number)
    if not len(changed):
        return index
    return OverlayIndex(index, len(then), now.columns, now.vectors, now.available, changed)
