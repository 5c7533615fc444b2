"""What the trainers share beside the loop: the optimizer, weights, and a check of vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import paddle

from fusionrec.errors import TrainingError
from fusionrec.models.presets import TrainingSettings
from fusionrec.training.sparse import large_tables, merged_rows

LOWER = "a lower training.learning_rate usually helps"


@dataclass
class RowState:
    """What is known of a large table's rows beside their moments.

    Attributes:
        read: int64 [rows], the step that last changed each of them; 0 for none.
        decayed: float64 [rows], the logarithm of all decay up to which each of them has decayed.
    """

    read: np.ndarray
    decayed: np.ndarray


class RowAdamW(paddle.optimizer.AdamW):
    """AdamW, of which a step costs a large table only the rows that the minibatch read.

    Dense AdamW moves every row in every step: moments shrink, momentum goes on, weights decay. A
    row that is read here gets what it missed of the first and the last since it was read before,
    and at once the momentum of as many steps as lie between two readings on average. Paddle's lazy
    Adam leaves all of this out: with it, ml-1m's rows learn too slowly, and hardly decay.

    Args:
        network: whose parameters are learned.
        settings: of AdamW.
    """

    def __init__(self, network: paddle.nn.Layer, **settings: Any) -> None:
        super().__init__(parameters=network.parameters(), **settings)
        self._tables = large_tables(network)
        self._rows = {
            table.name: RowState(np.zeros(len(table), np.int64), np.zeros(len(table)))
            for table in self._tables
        }
        self._steps, self._decay = 0, 0.0

    def step(self) -> None:
        """One step, of all parameters that have a gradient."""
        self._steps += 1
        self._decay += float(np.log(max(1 - self.get_lr() * self._weight_decay, 1e-30)))
        super().step()

    def settle(self) -> None:
        """Lets all rows decay that were not read lately, so that the weights are those of now."""
        for table in filter(self._decays, self._tables):
            state = self._rows[table.name]
            with paddle.no_grad():
                table.multiply_(_column(np.exp(self._decay - state.decayed)))
            state.decayed[:] = self._decay

    def state_dict(self) -> dict[str, Any]:
        """Paddle's, and the state of rows."""
        found = dict(super().state_dict())
        for name, state in self._rows.items():
            found[f"rows.read.{name}"] = paddle.to_tensor(state.read)
            found[f"rows.decayed.{name}"] = paddle.to_tensor(state.decayed)
            found["rows.now"] = paddle.to_tensor(np.array([self._steps, self._decay]))
        return found

    def set_state_dict(self, state: Mapping[str, paddle.Tensor]) -> None:
        """Goes on from what ``state_dict`` returned.

        Raises:
            TrainingError: it is of a version whose large tables had dense gradients.
        """
        own = {name: value.numpy() for name, value in state.items() if name.startswith("rows.")}
        super().set_state_dict({name: x for name, x in state.items() if name not in own})
        if not self._rows:
            return
        if "rows.now" not in own:
            raise TrainingError(
                "the checkpoint is of an earlier version, which trained large tables differently",
                "start afresh without --resume",
            )
        self._steps, self._decay = int(own["rows.now"][0]), float(own["rows.now"][1])
        for name in self._rows:
            read, decayed = (own[f"rows.{kind}.{name}"].copy() for kind in ("read", "decayed"))
            self._rows[name] = RowState(read, decayed)

    def _append_optimize_op(self, block: Any, param_and_grad: Any) -> None:
        table, gradient = param_and_grad
        if gradient.is_selected_rows():
            self._update_rows(table, *merged_rows(gradient))
        else:
            super()._append_optimize_op(block, param_and_grad)

    def _update_rows(self, table: paddle.Tensor, rows: np.ndarray, values: paddle.Tensor) -> None:
        state, at, now = self._rows[table.name], paddle.to_tensor(rows), self._steps
        first, second = self._beta1, self._beta2
        since = now - state.read[rows]
        moments = [
            self._get_accumulator_master(name, table)
            for name in (self._moment1_acc_str, self._moment2_acc_str)
        ]
        mean = paddle.gather(moments[0], at) * _column(first**since) + (1 - first) * values
        square = paddle.gather(moments[1], at) * _column(second**since)
        square += (1 - second) * values * values
        for moment, fresh in zip(moments, (mean, square), strict=True):
            paddle.scatter_(moment, at, fresh)
        unread = len(table) / len(rows)
        momentum = (1 - first**unread) / (1 - first)
        corrected = (1 - second**now) ** 0.5
        rate = self.get_lr() * momentum * corrected / (1 - first**now)
        kept = paddle.gather(table, at)
        if self._decays(table):
            kept *= _column(np.exp(self._decay - state.decayed[rows]))
            state.decayed[rows] = self._decay
        kept -= rate * mean / (paddle.sqrt(square) + self._epsilon * corrected)
        paddle.scatter_(table, at, kept)
        state.read[rows] = now

    def _decays(self, table: paddle.Tensor) -> bool:
        chosen = self._apply_decay_param_fun
        return bool(self._weight_decay) and (chosen is None or chosen(table.name))


def _column(factors: np.ndarray) -> paddle.Tensor:
    return paddle.to_tensor(factors.astype(np.float32)[:, None])


def adamw(
    network: paddle.nn.Layer, settings: TrainingSettings, decays: Callable[[str], bool]
) -> RowAdamW:
    """An AdamW with decay of the parameters whose names ``decays`` takes."""
    decayed = {p.name for name, p in network.named_parameters() if decays(name)}
    return RowAdamW(
        network,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        apply_decay_param_fun=decayed.__contains__,
    )


def weights(network: paddle.nn.Layer) -> dict[str, np.ndarray]:
    """A copy of everything learned, by name."""
    return {name: value.numpy() for name, value in network.state_dict().items()}


def check_lengths(vectors: np.ndarray, whose: str, epoch: int) -> None:
    """Checks that vectors, [n, dim], have length 1; those of a network that diverged have not.

    Raises:
        TrainingError: one of them has another length.
    """
    # Written so that NaN fails too.
    if not (np.abs(np.linalg.norm(vectors, axis=1) - 1.0) < 1e-3).all():
        raise TrainingError(f"the {whose} vectors are not of length 1 after epoch {epoch}", LOWER)
