"""How many memories fit a device: from what it has free, and from what the work itself takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from hermes.memory import CacheShape
from hermes.memory.slab import caches_rotated_keys

_KEPT_FREE = 0.1
"""Share of the free memory that nobody plans with."""

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes of a device. `work`: the most that a pass took beside weights and memories."""

    free: int
    work: int = 0


def slab_bytes(shape: CacheShape, tokens: int) -> int:
    """Of one memory's place for `tokens` per layer: the cache, and what each token is."""
    identity = shape.axes * 4 + 8 + 4  # positions int32, frame int64, patch int32
    turned = _turned_bytes(shape, tokens) if caches_rotated_keys(shape) else 0
    return tokens * (shape.bytes_per_token + shape.layers * identity) + turned


def _turned_bytes(shape: CacheShape, tokens: int) -> int:
    return tokens * shape.bytes_per_token // 2


def cameras_that_fit(room: Room, shape: CacheShape, tokens: int, readers: int) -> int:
    """Memories of `tokens` per layer that fit, with up to `readers` of them being read at once.

    A memory that is read holds its keys a second time, turned, if it did not
    before; and one that is compressed meanwhile goes on in another place.
    """
    usable = int(room.free * (1 - _KEPT_FREE)) - room.work
    slab = slab_bytes(shape, tokens)
    read = slab if caches_rotated_keys(shape) else slab + _turned_bytes(shape, tokens)
    if usable < slab:
        return 0
    if usable < readers * (slab + read):
        return max(1, usable // (slab + read))
    return (usable - readers * read) // slab


def room_of(device: torch.device, work: int = 0) -> Room:
    """What is free now."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return Room(torch.cuda.mem_get_info(device)[0], work)
    return Room(host_memory(), work)


def host_memory(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """Bytes of memory that this process can still get, its container's limit included."""
    free = 1 << 62
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                free = int(line.split()[1]) * 1024
    limit, used = cgroup / "memory.max", cgroup / "memory.current"
    if limit.is_file() and used.is_file():
        most = limit.read_text().strip()
        if most.isdigit():
            free = min(free, max(0, int(most) - int(used.read_text())))
    return free
