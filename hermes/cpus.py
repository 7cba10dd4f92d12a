"""CPUs that are there: those that the system gives this process, not those of the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath


def usable_cpus(root: Path = Path("/")) -> int:
    """How many CPUs this process can keep busy; at least one.

    The fewest of: the CPUs that it may run on, and the quotas of its control groups (containers
    have one), rounded down. More threads than that wait for each other, and the system stops
    all of them when the quota is spent. `root`: where /proc and /sys lie.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    return max(1, min([count, *(int(quota) for quota in _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """The quotas, in CPUs, of this process's control groups and of those that hold them."""
    mounted = root / "sys" / "fs" / "cgroup"
    for controllers, group in _groups(root / "proc" / "self" / "cgroup"):
        if not controllers:  # version 2
            for folder in _upwards([mounted, mounted / "unified"], group):
                yield from _quota(folder / "cpu.max")
        elif "cpu" in controllers.split(","):
            for folder in _upwards([mounted / "cpu", mounted / controllers], group):
                yield from _quota(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")


def _groups(listing: Path) -> Iterator[tuple[str, str]]:
    """Controllers and path of each group that this process is in."""
    with suppress(OSError, ValueError):
        for line in listing.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            yield controllers, group


def _upwards(mounts: list[Path], group: str) -> Iterator[Path]:
    """The group's folder and those above it.

    In a container only the last may be there: what is mounted is the container's own group.
    """
    path = PurePosixPath(group.lstrip("/"))
    if ".." in path.parts:  # a group outside of what this process may see
        path = PurePosixPath()
    for mount in mounts:
        for folder in (path, *path.parents):
            yield mount / folder


def _quota(*files: Path) -> Iterator[float]:
    """The quota by its files: microseconds, and of how many. None if there is no quota."""
    with suppress(OSError, ValueError):
        quota, period = " ".join(file.read_text() for file in files).split()
        if quota != "max" and int(quota) > 0 and int(period) > 0:
            yield int(quota) / int(period)
