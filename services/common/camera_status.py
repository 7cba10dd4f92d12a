"""The status hash of a camera: what its decoder and its worker say of it.

Flat fields, so that a person can read them with redis-cli; each side writes
its own, under its own lease.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import MessageToJson, Parse, ParseError

from hermes.v1.camera_pb2 import (
    MEMORY_STATE_PENDING,
    SOURCE_STATE_PENDING,
    Coverage,
    MemoryState,
    MemoryStatus,
    SourceError,
    SourceState,
    SourceStatus,
)
from services.common.redaction import redact

Fields = dict[str, str | int | float]

MEMORY_ID = "memory_id"
"""Field: the id of the last log entry that the worker has taken in."""


DURABLE_ID = "memory_durable_id"
"""Field: the id of the last log entry that is in a checkpoint; empty if none are taken."""


def source_fields(status: SourceStatus) -> Fields:
    """A decoder's part of the hash."""
    return {
        "state": SourceState.Name(status.state),
        "error": SourceError.Name(status.error),
        "error_message": redact(status.error_message),
        "fps": round(status.frames_per_second, 3),
        "last_frame_ms": status.last_frame.ToMilliseconds(),
        "reconnects": status.reconnects,
        "dropped_frames": status.dropped_frames,
        "decoder": status.decoder,
    }


def memory_fields(status: MemoryStatus, last_id: str, durable_id: str | None = None) -> Fields:
    """A worker's part of the hash. `durable_id`: see `DURABLE_ID`; None if none are taken."""
    return {
        "memory_state": MemoryState.Name(status.state),
        "memory_frames": status.frames,
        "memory_tokens": status.tokens,
        "memory_bytes": status.bytes,
        "memory_lag_ms": status.lag.ToMilliseconds(),
        "memory_coverage": MessageToJson(status.coverage, indent=None),
        "worker": status.worker,
        "worker_epoch": status.epoch,
        MEMORY_ID: last_id,
        DURABLE_ID: durable_id or "",
    }


def parse(fields: Mapping[bytes, bytes]) -> tuple[SourceStatus, MemoryStatus]:
    """Both parts. What was never written, or cannot be read, is as if it were unset."""
    text = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in fields.items()
    }
    source = SourceStatus(state=SOURCE_STATE_PENDING)
    if "state" in text:
        source = SourceStatus(
            state=_enum(SourceState, text["state"]),
            error=_enum(SourceError, text.get("error", "")),
            error_message=text.get("error_message", ""),
            frames_per_second=_real(text.get("fps", "")),
            reconnects=_count(text.get("reconnects", "")),
            dropped_frames=_count(text.get("dropped_frames", "")),
            decoder=text.get("decoder", ""),
        )
        if last_frame_ms := _count(text.get("last_frame_ms", "")):
            source.last_frame.FromMilliseconds(min(last_frame_ms, MAX_TIME_MS))
    memory = MemoryStatus(state=MEMORY_STATE_PENDING)
    if "memory_state" in text:
        memory = MemoryStatus(
            state=_enum(MemoryState, text["memory_state"]),
            frames=_count(text.get("memory_frames", "")),
            tokens=_count(text.get("memory_tokens", "")),
            bytes=_count(text.get("memory_bytes", "")),
            worker=text.get("worker", ""),
            epoch=_count(text.get("worker_epoch", "")),
        )
        memory.lag.FromMilliseconds(min(_count(text.get("memory_lag_ms", "")), MAX_TIME_MS))
        try:
            Parse(text.get("memory_coverage", "{}"), memory.coverage, ignore_unknown_fields=True)
        except ParseError:
            memory.coverage.CopyFrom(Coverage())  # it may be half filled
    return source, memory


MAX_TIME_MS = 253_402_300_799_999
"""The end of the year 9999, where protobuf's timestamps end."""


def _enum(kind: Any, name: str) -> Any:
    """The value of that name, 0 for one of another version."""
    return kind.Value(name) if name in kind.keys() else 0  # noqa: SIM118 - no mapping


def _count(text: str) -> int:
    try:
        return min(max(0, int(text)), 2**63 - 1)
    except ValueError:
        return 0


def _real(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
