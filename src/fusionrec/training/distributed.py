"""Several processes that train one model together, each on its own minibatches.

    python -m paddle.distributed.launch --nproc_per_node 2 .venv/bin/fusionrec train …

Paddle's launcher starts them and sets each one's rank in its environment: on one machine or, with
``--master`` and ``--nnodes``, on several that see one workspace (docs/models.md). Every process
holds the whole network; what they exchange are gradients, of large tables the rows that were read.
So ``n`` processes with minibatches of ``b`` learn as one does with minibatches of ``n·b``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self, TypeVar

import numpy as np
import paddle

from fusionrec.errors import TrainingError
from fusionrec.training.sparse import large_tables, merged_rows, set_rows

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training, as seen by one of them.

    Attributes:
        size: how many there are.
        rank: of this process, from 0; the first writes checkpoints and publishes.
    """

    size: int = 1
    rank: int = 0

    @classmethod
    def join(cls) -> Self:
        """The group in the launcher's environment; a single process where there is none."""
        size = int(os.environ.get("PADDLE_TRAINERS_NUM", "1"))
        if size == 1:
            return cls()
        if not paddle.distributed.is_initialized():
            paddle.distributed.init_parallel_env()
        return cls(size, int(os.environ["PADDLE_TRAINER_ID"]))

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    def steps(self, minibatches: int) -> int:
        """How many steps the group takes for an epoch's minibatches; the remainder is left out.

        Raises:
            TrainingError: there are fewer minibatches than processes.
        """
        if minibatches < self.size:
            raise TrainingError(
                f"{self.size} processes cannot share {minibatches} minibatches",
                "lower training.batch, or start fewer processes",
            )
        return minibatches // self.size

    def share(self, minibatches: Iterator[T], steps: int) -> Iterator[T]:
        """The minibatches of ``steps`` steps that this process takes."""
        return islice(minibatches, self.rank, steps * self.size, self.size)

    def average(self, network: paddle.nn.Layer) -> None:
        """Averages gradients over the processes: of large tables only the rows that were read.

        Raises:
            TrainingError: another process is gone.
        """
        if self.size == 1:
            return
        tables = large_tables(network)
        for table in tables:
            self._average_rows(table)
        of_tables = {id(table) for table in tables}
        learned = [p for p in network.parameters() if not p.stop_gradient]
        learned = [p for p in learned if id(p) not in of_tables]
        parts = [paddle.zeros_like(p) if p.grad is None else p.grad for p in learned]
        # One message for all: each has a fixed cost.
        whole = paddle.concat([part.flatten() for part in parts])
        self._sum(whole)
        start = 0
        for p, part in zip(learned, parts, strict=True):
            size = int(part.size)
            p.grad = (whole[start : start + size] / self.size).reshape(part.shape)
            start += size

    def _average_rows(self, table: paddle.Tensor) -> None:
        """The same of a table's sparse gradient, which every process has of other rows."""
        rows, values = np.zeros(0, np.int64), paddle.zeros([0, table.shape[1]])
        if table.grad is not None:
            rows, values = merged_rows(table.grad)
        most = int(self._gather(paddle.to_tensor([len(rows)])).max())
        if not most:
            return
        # Messages of one length: row 0, with a gradient of 0, fills up.
        short = most - len(rows)
        padded = paddle.concat([values, paddle.zeros([short, table.shape[1]])])
        everyone = self._gather(paddle.to_tensor(np.pad(rows, (0, short))))
        set_rows(table, everyone.flatten(), self._gather(padded).flatten(0, 1) / self.size)

    def _gather(self, values: paddle.Tensor) -> paddle.Tensor:
        """All processes' values, each of one shape: [size, ...]."""
        found: list[paddle.Tensor] = []
        with _told():
            paddle.distributed.all_gather(found, values)
        return paddle.stack(found)

    def total(self, *values: float) -> list[float]:
        """The sums of all processes' values."""
        if self.size == 1:
            return list(values)
        sums = paddle.to_tensor(values, dtype="float64")
        self._sum(sums)
        return [float(x) for x in sums]

    def _sum(self, values: Any) -> None:
        with _told():
            paddle.distributed.all_reduce(values)


@contextmanager
def _told() -> Iterator[None]:
    """Says what to do where another process does not answer."""
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            "another process of this training is gone", "start all of them again and resume"
        ) from error
