"""A small memory and its snapshot, and snapshots that were forged under a fitting checksum."""

from __future__ import annotations

import hashlib
import re

import torch

from hermes.engine import snapshot
from hermes.memory import (
    CacheShape,
    FrameLayout,
    FrameStamp,
    MemoryConfig,
    Rotary,
    SlidingWindow,
    StreamMemory,
)

_CHECKSUM = re.compile(rb'"checksum":"([0-9a-f]{64})"')
_LOOKED_AT = 1 << 20

SHAPE = CacheShape(2, 1, 2, 1, torch.float32, torch.device("cpu"))
LAYOUT = FrameLayout.sequential(2)
CONFIG = MemoryConfig(budget=6, headroom=4, position_limit=64, position_reserve=8)


def small() -> StreamMemory:
    """A memory whose snapshot is a few kilobytes."""
    rotary = Rotary(torch.ones(2), torch.zeros(2, dtype=torch.int64))
    made = StreamMemory(SHAPE, rotary, CONFIG, SlidingWindow())
    made.commit(made.begin_prefix(3))
    for number in range(4):
        made.commit(made.begin_frames([FrameStamp(number)], LAYOUT, after_gap=number == 2))
    made.compress()
    return made


SMALL = snapshot.encode(small().state())


def sealed(data: bytes) -> bytes:
    """The snapshot with the checksum that its bytes should have, if it has a place for one."""
    found = _CHECKSUM.search(data, 0, _LOOKED_AT)
    if found is None:
        return data
    start, end = found.span(1)
    digits = hashlib.sha256(data[:start] + b"0" * 64 + data[end:]).hexdigest()
    return data[:start] + digits.encode() + data[end:]
