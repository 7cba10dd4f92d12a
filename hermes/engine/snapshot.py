"""Snapshots: one memory as the bytes of a safetensors file.

The file's metadata hold a versioned JSON header and a SHA-256 of the whole
file, computed with the checksum's own digits as zeros. The checksum is compared
before anything is parsed, so that a truncated or changed file is refused first.
It guards against accidents, not against forgers: the memory that restores a
snapshot checks every value itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from safetensors import torch as safetensors

from hermes.errors import SnapshotCorrupt, SnapshotMismatch, SnapshotVersion
from hermes.memory import MemoryState
from hermes.vlm import VideoMemory

FORMAT = 4
"""Version of the header and the tensors. A snapshot of another version is refused."""

HEADER_LIMIT = 1 << 20
"""The most bytes that a header may take; a header holds a few hundred numbers."""

_ZEROS = "0" * 64
_CHECKSUM = re.compile(rb'"checksum":"([0-9a-f]{64})"')


def encode(state: MemoryState) -> bytes:
    """Encode a state as a snapshot.

    Slow for a full memory, which is copied and hashed: keep it off the device's
    thread.
    """
    metadata = {
        "header": json.dumps({"format": FORMAT, **state.header}, separators=(",", ":")),
        "checksum": _ZEROS,
    }
    data = safetensors.save(state.tensors, metadata)
    found = _CHECKSUM.search(data, 0, HEADER_LIMIT)
    if found is None:
        raise RuntimeError("safetensors changed the metadata")
    start, end = found.span(1)
    return b"".join((data[:start], _sum(data, start, end).encode(), data[end:]))


def decode(data: bytes, *, limit_bytes: int) -> MemoryState:
    """Decode a snapshot. `VideoMemory.restore` checks whether the state fits a memory.

    Raises `SnapshotMismatch` if the snapshot is larger than `limit_bytes`,
    `SnapshotVersion` if it is of another format, and `SnapshotCorrupt` if it was
    changed since it was written.
    """
    if len(data) > limit_bytes:
        raise SnapshotMismatch(
            f"the snapshot has {len(data)} bytes; this memory allows at most {limit_bytes}"
        )
    found = _CHECKSUM.search(data, 0, HEADER_LIMIT)
    if found is None or _sum(data, *found.span(1)) != found[1].decode():
        raise SnapshotCorrupt("the snapshot was truncated or changed: its checksum is wrong")
    try:
        tensors = safetensors.load(data)
        header = _header(data)
    except Exception as error:  # any failure of the parser means that the bytes are bad
        raise SnapshotCorrupt(f"the snapshot cannot be read ({type(error).__name__})") from error
    version = header.pop("format", None)
    if version != FORMAT:
        raise SnapshotVersion(
            f"the snapshot has format {str(version)[:20]}; this build reads {FORMAT}"
        )
    return MemoryState(header, tensors)


def limit_of(memory: VideoMemory) -> int:
    """The most bytes that a snapshot of this memory can have."""
    return HEADER_LIMIT + memory.state_limit


def restore(memory: VideoMemory, data: bytes) -> None:
    """Replace the content of `memory` by the snapshot's.

    Raises as `decode` and `VideoMemory.restore` do; the memory is then unchanged.
    """
    memory.restore(decode(data, limit_bytes=limit_of(memory)))


def _sum(data: bytes, start: int, end: int) -> str:
    """SHA-256 of `data` with zeros between `start` and `end`."""
    view = memoryview(data)
    digest = hashlib.sha256(view[:start])
    digest.update(_ZEROS.encode())
    digest.update(view[end:])
    return digest.hexdigest()


def _header(data: bytes) -> dict[str, Any]:
    # The parser has just accepted this header: eight bytes of length, then JSON.
    length = int.from_bytes(data[:8], "little")
    header: Any = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["header"])
    if not isinstance(header, dict):
        raise TypeError("no object")
    return header
