"""fusionrec: a two-tower recommender, trained with PaddlePaddle and answered from Milvus."""

import os
import warnings
from pathlib import Path

__version__ = "0.1.0"


def _prepare_paddle() -> None:
    """Settles what must be settled before Paddle is imported, wherever that happens."""
    # Its C++ log has no level of its own in Python; its warnings speak to Paddle's developers.
    os.environ.setdefault("GLOG_minloglevel", "2")
    # It looks for a compiler cache when it is imported and warns that there is none.
    warnings.filterwarnings("ignore", message="No ccache found", category=UserWarning)
    # The Intel library that multiplies its matrices takes slow code on other makers' processors,
    # even those with AVX2, unless it is told (type 5): a third of the speed on an AMD EPYC.
    try:
        with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as file:
            processor = file.read(8192)
    except OSError:
        return
    if "GenuineIntel" not in processor and " avx2" in processor:
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")


_prepare_paddle()
