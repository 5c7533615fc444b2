"""What every index does, wherever its vectors are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fusionrec.index.exact import Hits
from fusionrec.index.filters import Condition


class Index(Protocol):
    """What answers a search, wherever the vectors are.

    Attributes:
        place: where the answer comes from, for people; without secrets.
        name: of the collection that is searched; ``exact`` where there is none.
    """

    @property
    def place(self) -> str: ...
    @property
    def name(self) -> str: ...

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Sequence[Condition] = (),
        exclude: np.ndarray | Sequence[int] = (),
    ) -> Hits:
        """The k items with the highest inner product; see ``ExactIndex.search``."""
        ...

    def close(self) -> None:
        """Lets go of the place; closing twice does nothing."""
        ...
