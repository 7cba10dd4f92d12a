"""Snapshots: one memory as the bytes of a safetensors file.

The file's metadata hold a versioned JSON header and a SHA-256 of the whole
file, in which the sum's own digits count as zeros. The sum is compared before
anything is parsed, so that a file that was cut short or changed goes no
further. It guards against accidents, not against forgers: the memory that
restores a snapshot checks everything that the parser finds.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from safetensors import torch as safetensors

from hermes.errors import SnapshotCorrupt, SnapshotMismatch
from hermes.memory import MemoryState
from hermes.vlm import VideoMemory

FORMAT = 3
"""Version of the header and the tensors. A snapshot of another version is refused."""

HEADER_LIMIT = 1 << 20
"""The most bytes that a header takes; it has a few hundred numbers."""

_ZEROS = "0" * 64
_CHECKSUM = re.compile(rb'"checksum":"([0-9a-f]{64})"')


def encode(state: MemoryState) -> bytes:
    """The snapshot of a state.

    Slow for a full memory, which is copied and summed: keep it off the
    device's thread, which only has to take the state.
    """
    metadata = {
        "header": json.dumps({"format": FORMAT, **state.header}, separators=(",", ":")),
        "checksum": _ZEROS,
    }
    data = safetensors.save(state.tensors, metadata)
    found = _CHECKSUM.search(data, 0, HEADER_LIMIT)
    if found is None:
        raise RuntimeError("safetensors did not write the metadata as they were given")
    start, end = found.span(1)
    return b"".join((data[:start], _sum(data, start, end).encode(), data[end:]))


def decode(data: bytes, *, limit_bytes: int) -> MemoryState:
    """The state of a snapshot. `VideoMemory.restore` checks whether it fits a memory.

    Raises `SnapshotMismatch` if it is larger than `limit_bytes` or of another
    format, and `SnapshotCorrupt` if it is not as it was written.
    """
    if len(data) > limit_bytes:
        raise SnapshotMismatch(
            f"the snapshot has {len(data)} bytes; one for this memory has {limit_bytes} at most"
        )
    found = _CHECKSUM.search(data, 0, HEADER_LIMIT)
    if found is None or _sum(data, *found.span(1)) != found[1].decode():
        raise SnapshotCorrupt("the snapshot was cut short or changed: its checksum is wrong")
    try:
        tensors = safetensors.load(data)
        header = _header(data)
    except Exception as error:  # outside bytes: any failure of the parser means the same
        raise SnapshotCorrupt(f"the snapshot cannot be read ({type(error).__name__})") from error
    version = header.pop("format", None)
    if version != FORMAT:
        raise SnapshotMismatch(
            f"the snapshot has format {str(version)[:20]}; this build reads {FORMAT}"
        )
    return MemoryState(header, tensors)


def limit_of(memory: VideoMemory) -> int:
    """The most bytes that a snapshot of this memory can have."""
    return HEADER_LIMIT + memory.state_limit


def restore(memory: VideoMemory, data: bytes) -> None:
    """Make `memory` what the snapshot was taken of.

    Raises as `decode` does; the memory is then as it was before.
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
