"""How many memories fit on a device, beside its weights and the passes it runs, and how many of
them can be read at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hermes.memory import CacheShape, Device
from hermes.memory.slab import caches_rotated_keys

_KEPT_FREE = 0.04
"""Share of a GPU's memory that is left unused: for what no warm-up sees, and for fragments."""

_KEPT_FREE_OF_HOST = 0.1
"""Share of the host's free memory that is left unused: other processes take of it, too."""

FEWEST_READ, MOST_READ = 16, 32
"""How many memories can be read at once on a GPU, by its room. Further questions wait."""

_SHARE_READ = 0.25
"""Share of the room that reading memories may take beyond `FEWEST_READ`."""

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Room:
    """Free bytes of a device. `work`: the most that a pass took beside weights and memories.

    `total`: bytes of a GPU in all; 0 for the host.
    """

    free: int
    work: int = 0
    total: int = 0

    @property
    def usable(self) -> int:
        """Bytes for memories, and for reading them."""
        kept = _KEPT_FREE * self.total if self.total else _KEPT_FREE_OF_HOST * self.free
        return self.free - int(kept) - self.work


@dataclass(frozen=True, slots=True)
class Fit:
    """How many memories fit. `read_at_once`: how many of them can be read at once; None: all."""

    cameras: int
    read_at_once: int | None = None


def slab_bytes(shape: CacheShape, tokens: int) -> int:
    """Bytes of one memory's slab for `tokens` per layer: the cache and its token table."""
    identity = shape.axes * 4 + 8 + 4 + 8  # positions int32, frame int64, patch int32, until int64
    rotated = _rotated_bytes(shape, tokens) if caches_rotated_keys(shape) else 0
    return tokens * (shape.bytes_per_token + shape.layers * identity) + rotated


def _rotated_bytes(shape: CacheShape, tokens: int) -> int:
    """Bytes of a second, rotated copy of the keys."""
    return tokens * shape.rotated_bytes_per_token


def cameras_that_fit(
    room: Room, shape: CacheShape, tokens: int, readers: int, beside: int = 0
) -> int:
    """How many memories of `tokens` per layer fit, with up to `readers` of them read at once.

    Reading a memory takes a rotated copy of its keys, unless the slab caches one
    anyway. Compressing a memory while it is read takes a second slab. `beside`:
    bytes that each memory has beside its slab.
    """
    usable = room.usable
    own, read = slab_bytes(shape, tokens) + beside, _read_bytes(shape, tokens)
    if usable < own:
        return 0
    if usable < readers * (own + read):
        return max(1, usable // (own + read))
    return (usable - readers * read) // own


def _read_bytes(shape: CacheShape, tokens: int) -> int:
    """Bytes that a memory takes while it is read, beside its own slab."""
    slab = slab_bytes(shape, tokens)
    return slab if caches_rotated_keys(shape) else slab + _rotated_bytes(shape, tokens)


def read_at_once(room: Room, shape: CacheShape, tokens: int, most: int) -> int:
    """For how many memories of `tokens` per layer there should be room to read them at once.

    `most`: how many could ever be. On a GPU room is kept for `FEWEST_READ` of these, and for up to
    `MOST_READ` where that is a small share of the room.
    """
    if caches_rotated_keys(shape):
        return most
    share = int(room.usable * _SHARE_READ) // _read_bytes(shape, tokens)
    return min(most, max(FEWEST_READ, min(MOST_READ, share)))


def fit_of(room: Room, shape: CacheShape, tokens: int, most_read: int, beside: int = 0) -> Fit:
    """What fits. `most_read`: how many memories could ever be read at once; `beside`: as above."""
    readers = read_at_once(room, shape, tokens, most_read)
    cameras = cameras_that_fit(room, shape, tokens, readers, beside)
    if caches_rotated_keys(shape):
        return Fit(cameras)
    return Fit(cameras, max(1, min(readers, cameras)))


def room_of(device: Device, work: int = 0) -> Room:
    """The room that the device has now."""
    if device.measures:
        return Room(device.free_bytes(), work, device.total_bytes())
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
