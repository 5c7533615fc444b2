"""The protocol of all indexes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from fusionrec.index.exact import Hits
from fusionrec.index.filters import Condition


class Index(Protocol):
    """An index that answers searches.

    Attributes:
        place: where the vectors are, for messages; without secrets.
        name: of the collection; ``exact`` where there is none.
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
        """Closes the connection; closing twice does nothing."""
        ...
