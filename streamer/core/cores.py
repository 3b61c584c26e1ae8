"""
How many processor cores there are for this process: those that it may run on, and those that its
control group pays for (`docker --cpus`, `CPUQuota=` of systemd, `limits.cpu` of Kubernetes).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/")
_CONTROLLERS = Path("sys/fs/cgroup")


def core_count(root: Path = _ROOT) -> int:
    """
    The number of threads worth computing in: the smaller of both, rounded up, at least 1.

    Args:
        root: where `proc` and `sys` are, for tests to pass in.
    """
    quota = core_quota(root)
    allowed = allowed_cores()
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def library_threads(root: Path = _ROOT) -> int:
    """
    Threads for a library that ignores quotas; 0, for its own choice, if no quota matters.

    FFmpeg, x264 and OpenCV look at the affinity alone: on half a core of 64 they start 64 threads.
    """
    count = core_count(root)
    return count if count < allowed_cores() else 0


def allowed_cores() -> int:
    """How many cores this process may run on, whatever its quota is."""
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on; heeds PYTHON_CPU_COUNT
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def core_quota(root: Path = _ROOT) -> float | None:
    """
    Cores' worth of time that this process's control groups allow; None where they set no limit.

    The smallest quota of its group and the groups above it, of versions 1 and 2, which a system may
    mix. In a container, `/proc/self/cgroup` may tell the host's path: the mounted folder is then
    the container's own group, and that path does not exist below it.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    quotas = [quota for line in lines for quota in _quotas(line, root / _CONTROLLERS)]
    return min(quotas, default=None)


def _quotas(line: str, mounted: Path) -> Iterator[float]:
    """The quotas of the groups that *line* of `/proc/self/cgroup` names; see cgroups(7)."""
    _, _, rest = line.partition(":")
    controllers, _, path = rest.partition(":")
    if controllers and "cpu" not in controllers.split(","):
        return
    # Version 2 is mounted beside version 1 in `unified`; controllers of 1 may be mounted together.
    mounts = (controllers, "cpu") if controllers else (".", "unified")
    group = PurePosixPath("/", path)
    above = ["/"] if ".." in group.parts else [str(group), *map(str, group.parents)]
    for mount in mounts:
        for place in above:
            folder = mounted / mount / place.strip("/")
            quota = _of_version_1(folder) if controllers else _of_version_2(folder)
            if quota is not None:
                yield quota


def _of_version_1(folder: Path) -> float | None:
    return _ratio(_text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us"))


def _of_version_2(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    return _ratio(quota, period or "100000")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _ratio(quota: str, period: str) -> float | None:
    """Cores; None without a limit (`max` or -1), or if the files cannot be read."""
    try:
        ratio = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return ratio if ratio > 0 else None
