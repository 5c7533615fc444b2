"""fusionrec: a two-tower recommender, trained with PaddlePaddle and answered from Milvus."""

from __future__ import annotations

import importlib
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionrec._version import __version__

if TYPE_CHECKING:
    from fusionrec.api import Model, Recommender, evaluate, read_data, train
    from fusionrec.data.dataframes import read_frames
    from fusionrec.data.dataset import Dataset
    from fusionrec.errors import FusionrecError

_FROM = dict.fromkeys(("Model", "Recommender", "evaluate", "read_data", "train"), "api") | {
    "Dataset": "data.dataset",
    "FusionrecError": "errors",
    "read_frames": "data.dataframes",
}
__all__ = [
    "Dataset",
    "FusionrecError",
    "Model",
    "Recommender",
    "__version__",
    "evaluate",
    "read_data",
    "read_frames",
    "train",
]


def __getattr__(name: str) -> Any:
    """A public name, imported when it is first used, so that ``import fusionrec`` is quick."""
    if name not in _FROM:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


def _prepare_libraries() -> None:
    """Sets what NumPy's OpenBLAS and Paddle read when they are imported, wherever that happens."""
    # Threads that wait for work sleep at once. Spinning, as they do by default, they take the
    # processor from each other wherever another program runs.
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
    os.environ.setdefault("GLOG_minloglevel", "2")  # no warnings for Paddle's developers
    warnings.filterwarnings("ignore", message="No ccache found", category=UserWarning)
    # Without this, Intel's library runs slow code on other makers' processors, even those with
    # AVX2: a third of the speed on an AMD EPYC.
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as file:
            processor = file.read(8192)
    except OSError:
        return
    if "GenuineIntel" not in processor and " avx2" in processor:
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")


_prepare_libraries()
