"""How many memories fit on a device, beside its weights and the passes it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from hermes.memory import CacheShape
from hermes.memory.slab import caches_rotated_keys

_KEPT_FREE = 0.1
"""Share of the free memory that is left unused."""

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Room:
    """Free bytes of a device. `work`: the most that a pass took beside weights and memories."""

    free: int
    work: int = 0


def slab_bytes(shape: CacheShape, tokens: int) -> int:
    """Bytes of one memory's slab for `tokens` per layer: the cache and its token table."""
    identity = shape.axes * 4 + 8 + 4 + 8  # positions int32, frame int64, patch int32, until int64
    rotated = _rotated_bytes(shape, tokens) if caches_rotated_keys(shape) else 0
    return tokens * (shape.bytes_per_token + shape.layers * identity) + rotated


def _rotated_bytes(shape: CacheShape, tokens: int) -> int:
    """Bytes of a second, rotated copy of the keys."""
    return tokens * shape.bytes_per_token // 2


def cameras_that_fit(
    room: Room, shape: CacheShape, tokens: int, readers: int, beside: int = 0
) -> int:
    """How many memories of `tokens` per layer fit, with up to `readers` of them read at once.

    Reading a memory takes a rotated copy of its keys, unless the slab caches one
    anyway. Compressing a memory while it is read takes a second slab. `beside`:
    bytes that each memory has beside its slab.
    """
    usable = int(room.free * (1 - _KEPT_FREE)) - room.work
    slab = slab_bytes(shape, tokens)
    own = slab + beside
    read = slab if caches_rotated_keys(shape) else slab + _rotated_bytes(shape, tokens)
    if usable < own:
        return 0
    if usable < readers * (own + read):
        return max(1, usable // (own + read))
    return (usable - readers * read) // own


def room_of(device: torch.device, work: int = 0) -> Room:
    """The room that the device has now."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return Room(torch.cuda.mem_get_info(device)[0], work)
    return Room(host_memory(), work)


def host_memory(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int:
    """Bytes of memory that this process can still allocate, within its container's limit."""
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
