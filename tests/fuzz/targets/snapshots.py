"""Snapshots: their bytes, with the checksum made right again, and what a memory makes of them."""

from __future__ import annotations

import functools
import json
import struct
from random import Random

from hermes.engine import snapshot
from hermes.errors import HermesError, SnapshotCorrupt, SnapshotMismatch
from hermes.vlm import VideoMemory
from tests.fuzz.damage import edit_json
from tests.fuzz.target import Target
from tests.support import tiny
from tests.support.snapshots import sealed


def _memory() -> VideoMemory:
    return VideoMemory(tiny.model(), "hermes", budget=96, compress_every_frames=3)


@functools.cache
def _seeds() -> list[bytes]:
    made = []
    for frames in (0, 2, 9):
        memory = _memory()
        if frames:
            memory.feed(tiny.pictures(frames, seed=frames))
        made.append(snapshot.encode(memory.state()))
    return made


@functools.cache
def _good() -> bytes:
    return _seeds()[1]


def _read(data: bytes) -> str:
    memory = _memory()
    before = memory.coverage()
    try:
        snapshot.restore(memory, sealed(data))
    except (SnapshotCorrupt, SnapshotMismatch) as error:
        assert memory.coverage() == before, "what is refused changes nothing"
        return "".join(c for c in str(error) if not c.isdigit())[:60]
    try:
        coverage = memory.coverage()
        memory.feed(tiny.pictures(3, seed=5), [10**12, 10**12 + 1, 10**12 + 2])
        memory.ask("What?", 2)
    except HermesError as error:
        return f"restored; then {type(error).__name__}"
    return f"restored {coverage.frames}"


def _edit_header(data: bytes, random: Random) -> bytes:
    """A number, a flag or a name of the header that the memory reads."""
    try:
        length, outer = _outer(data)
        header = edit_json(json.loads(outer["__metadata__"]["header"]), random)
        outer["__metadata__"]["header"] = json.dumps(header)
        return _joined(outer, data[8 + length :])
    except (ValueError, KeyError, TypeError):
        return data


def _edit_tensors(data: bytes, random: Random) -> bytes:
    """Shape, type or place of a tensor."""
    try:
        length, outer = _outer(data)
        name = random.choice(sorted(set(outer) - {"__metadata__"}))
        return _joined({**outer, name: edit_json(outer[name], random)}, data[8 + length :])
    except (ValueError, KeyError, TypeError, IndexError):
        return data


def _edit_numbers(data: bytes, random: Random) -> bytes:
    """Whole numbers and floats of the tensors, in place."""
    try:
        length, _ = _outer(data)
    except (ValueError, KeyError, TypeError):
        return data
    room = len(data) - 8 - length - 8
    if room <= 0:
        return data
    changed = bytearray(data)
    for _ in range(random.randint(1, 5)):
        at = 8 + length + random.randrange(room) // 8 * 8
        value = random.choice((0, 1, -1, 2**31, 2**62, -(2**63), 5, 100, 0x7FC00000))
        struct.pack_into("<q", changed, at, value)
    return bytes(changed)


def _outer(data: bytes) -> tuple[int, dict[str, dict[str, str]]]:
    length = int.from_bytes(data[:8], "little")
    outer = json.loads(data[8 : 8 + length])
    if not isinstance(outer, dict):
        raise TypeError("no object")
    return length, outer


def _joined(outer: object, body: bytes) -> bytes:
    # As the writer does it: no spaces, padded to eight.
    text = json.dumps(outer, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body


SNAPSHOTS = Target("snapshots", _seeds, _read, (_edit_header, _edit_tensors, _edit_numbers))
