"""How many processors there are for this process."""

from __future__ import annotations

import os
from pathlib import Path

_QUOTAS = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)


def processors() -> int:
    """How many processors this process may use, by its affinity and its container's quota."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        allowed = os.cpu_count() or 1
    for file in _QUOTAS:
        try:
            quota, period = (int(word) for name in file for word in Path(name).read_text().split())
        except (OSError, ValueError):  # no such file, or "max" or "-1": no quota
            continue
        if quota > 0 and period > 0:
            allowed = min(allowed, max(1, -(-quota // period)))
    return allowed
