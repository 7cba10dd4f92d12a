"""Snapshots: one memory as a safetensors file, or as its bytes.

The file's metadata hold a versioned JSON header and a SHA-256 over every byte
of the file (its own digits counted as zeros). The sum is compared before
anything is parsed, so that a file that was cut short or changed goes no
further; what the parser then finds is checked by the memory that takes it.
The sum guards against accidents, not against forgers, and the checks behind it
do not rely on it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from safetensors import torch as safetensors

from hermes.errors import SnapshotCorrupt, SnapshotMismatch
from hermes.memory import MemoryState
from hermes.vlm import VideoMemory

FORMAT = 3
"""Version of the header and the tensors. A snapshot of another version is refused."""

HEADER_LIMIT = 1 << 20
"""Bytes that a header takes at most; it has a few hundred numbers."""

_ZEROS = "0" * 64
_CHECKSUM = re.compile(rb'"checksum":"([0-9a-f]{64})"')


def encode(state: MemoryState) -> bytes:
    """The snapshot of a state. Slow for a full memory (it is copied and summed): off the device's
    thread, which only needs to take the state.
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
    """The state of a snapshot. `VideoMemory.restore` says whether it fits.

    Raises `SnapshotMismatch` if it is larger than `limit_bytes` or of another
    format, and `SnapshotCorrupt` if it is not what was once written.
    """
    _check_size(len(data), limit_bytes)
    found = _CHECKSUM.search(data, 0, HEADER_LIMIT)
    if found is None or _sum(data, *found.span(1)) != found[1].decode():
        raise SnapshotCorrupt("the snapshot was cut short or changed: its checksum is wrong")
    try:
        tensors = safetensors.load(data)
        header = _header(data)
    except Exception as error:  # of outside bytes, whatever the parser says means the same
        raise SnapshotCorrupt(f"the snapshot cannot be read ({type(error).__name__})") from error
    version = header.pop("format", None)
    if version != FORMAT:
        raise SnapshotMismatch(
            f"the snapshot has format {str(version)[:20]}; this build reads {FORMAT}"
        )
    return MemoryState(header, tensors)


def save(state: MemoryState, path: str | Path) -> int:
    """Write a snapshot and return its size in bytes. There is a whole file there, or the old one.

    Its folder must exist.
    """
    path, data = Path(path), encode(state)
    handle, made = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(made, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise
    return len(data)


def load(path: str | Path, *, limit_bytes: int) -> MemoryState:
    """Read a snapshot. Its size is looked at before anything is read.

    Raises as `decode` does, and `OSError`.
    """
    with Path(path).open("rb") as file:
        _check_size(os.fstat(file.fileno()).st_size, limit_bytes)
        return decode(file.read(limit_bytes + 1), limit_bytes=limit_bytes)


def limit_of(memory: VideoMemory) -> int:
    """Bytes that a snapshot for this memory has at most."""
    return HEADER_LIMIT + memory.state_limit


def restore(memory: VideoMemory, source: bytes | str | Path) -> None:
    """Make `memory` what the snapshot, its bytes or a path to it, was taken of.

    Raises as `decode` does. The memory is then as it was before.
    """
    limit = limit_of(memory)
    if isinstance(source, bytes):
        memory.restore(decode(source, limit_bytes=limit))
    else:
        memory.restore(load(source, limit_bytes=limit))


def _check_size(size: int, limit_bytes: int) -> None:
    if size > limit_bytes:
        raise SnapshotMismatch(
            f"the snapshot has {size} bytes; one for this memory has {limit_bytes} at most"
        )


def _sum(data: bytes, start: int, end: int) -> str:
    """SHA-256 of `data` with zeros between `start` and `end`."""
    view = memoryview(data)
    digest = hashlib.sha256(view[:start])
    digest.update(_ZEROS.encode())
    digest.update(view[end:])
    return digest.hexdigest()


def _header(data: bytes) -> dict[str, Any]:
    # The parser has just accepted this very header: eight bytes of length, then JSON.
    length = int.from_bytes(data[:8], "little")
    header: Any = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["header"])
    if not isinstance(header, dict):
        raise TypeError("no object")
    return header
