"""The training rows of one protocol's split, for a version that `evaluate --version` measures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusionrec.data.dataset import Dataset
from fusionrec.errors import UsageError
from fusionrec.evaluation.protocols import Protocol, ProtocolOptions, SplitRun


@dataclass(frozen=True)
class TrainingSplit:
    """The training data of a version that a protocol will measure."""

    dataset: Dataset  # as the protocol sees it
    rows: np.ndarray  # int64 [n], the training rows of one split
    command: str  # measures the version; without ``--data`` and ``--version``
    # which split it is, for the manifest: ``protocol``, ``split`` (its name), ``seed``, and
    # ``fold``, ``share`` and ``validation`` where it has them
    about: Mapping[str, Any]


def training_split(dataset: Dataset, protocol: Protocol, options: ProtocolOptions) -> TrainingSplit:
    """The training rows of the one split that the options choose.

    Args:
        dataset: the data set.
        protocol: the one that will measure the version.
        options: with one seed, and one fold where the protocol has several.

    Raises:
        UsageError: the data set or an option does not suit the protocol, or there are several
            splits; says how to choose one.
    """
    protocol.check_options(options)
    dataset = protocol.prepare(dataset)
    runs = protocol.runs(dataset, options)
    if len(runs) > 1:
        raise UsageError(
            f"protocol {protocol.name} has {len(runs)} splits, and a version is trained on one",
            f"choose it with --fold 0 to --fold {len(runs) - 1}",
        )
    run = runs[0]
    about: dict[str, Any] = {"protocol": protocol.name, "split": run.split.name, "seed": run.seed}
    if run.fold is not None:
        about["fold"] = run.fold
    if options.share is not None:
        about["share"] = options.share
    if options.validation:
        about["validation"] = True
    command = split_command("evaluate", protocol, options, run)
    return TrainingSplit(dataset, run.split.train, command, about)


def split_command(verb: str, protocol: Protocol, options: ProtocolOptions, run: SplitRun) -> str:
    """The command that trains (``train``) or measures (``evaluate``) a version for one run, without
    data and settings.
    """
    words = [f"fusionrec {verb} --protocol", protocol.name]
    if run.fold is not None:
        words += ["--fold" if verb == "train" else "--folds", str(run.fold)]
    if options.share is not None:
        words += ["--share", f"{options.share:g}"]
    if run.seed:
        words += ["--seed", str(run.seed)]
    if options.validation:
        words += ["--validation"]
    return " ".join(words)
