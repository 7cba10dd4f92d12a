"""The status hash of a camera: what its decoder and its worker say of it.

Flat fields, so that a person can read them with redis-cli; each side writes
its own, under its own lease.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.json_format import MessageToJson, Parse, ParseError
from google.protobuf.message import Message

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

Fields = dict[str, str | int | float]

MEMORY_ID = "memory_id"
"""Field: the id of the last log entry that the worker has taken in."""


def source_fields(status: SourceStatus) -> Fields:
    """A decoder's part of the hash."""
    return {
        "state": SourceState.Name(status.state),
        "error": SourceError.Name(status.error),
        "error_message": status.error_message,
        "fps": round(status.frames_per_second, 3),
        "last_frame_ms": status.last_frame.ToMilliseconds(),
        "reconnects": status.reconnects,
        "dropped_frames": status.dropped_frames,
        "decoder": status.decoder,
    }


def memory_fields(status: MemoryStatus, last_id: str) -> Fields:
    """A worker's part of the hash."""
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
    }


def parse(fields: Mapping[bytes, bytes]) -> tuple[SourceStatus, MemoryStatus]:
    """Both parts. What was never written reads as pending."""
    text = {key.decode(): value.decode() for key, value in fields.items()}
    source = SourceStatus(state=SOURCE_STATE_PENDING)
    if "state" in text:
        source = SourceStatus(
            state=SourceState.Value(text["state"]),
            error=SourceError.Value(text.get("error", "SOURCE_ERROR_UNSPECIFIED")),
            error_message=text.get("error_message", ""),
            frames_per_second=float(text.get("fps", 0)),
            reconnects=int(text.get("reconnects", 0)),
            dropped_frames=int(text.get("dropped_frames", 0)),
            decoder=text.get("decoder", ""),
        )
        if last_frame_ms := int(text.get("last_frame_ms", 0)):
            source.last_frame.FromMilliseconds(last_frame_ms)
    memory = MemoryStatus(state=MEMORY_STATE_PENDING)
    if "memory_state" in text:
        memory = MemoryStatus(
            state=MemoryState.Value(text["memory_state"]),
            frames=int(text.get("memory_frames", 0)),
            tokens=int(text.get("memory_tokens", 0)),
            bytes=int(text.get("memory_bytes", 0)),
            worker=text.get("worker", ""),
            epoch=int(text.get("worker_epoch", 0)),
        )
        memory.lag.FromMilliseconds(int(text.get("memory_lag_ms", 0)))
        _parse_json(text.get("memory_coverage", "{}"), memory.coverage)
    return source, memory


def _parse_json(text: str, into: Coverage) -> Message:
    try:
        return Parse(text, into, ignore_unknown_fields=True)
    except ParseError:
        return into
