"""The status hash of a camera: what its decoder and its worker report of it.

Each side writes fields of its own, under its own lease: the decoder `source`, the
worker `memory`, both messages of hermes.v1 in protobuf's JSON mapping; beside them
the worker writes two log ids, and the decoder that a recording has ended. Decoders
read these by themselves.

Services of the version before wrote one flat field a value. They are read where the
JSON is missing, so a new gateway shows old services during a rolling update. They
are no longer written: an old gateway shows a camera as it was before its services
were updated, or as pending, until it is updated, too. Nothing else depends on them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToJson, Parse, ParseDict, ParseError

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

SOURCE = "source"
"""Field: the decoder's `SourceStatus`, as JSON."""

MEMORY = "memory"
"""Field: the worker's `MemoryStatus`, as JSON."""

MEMORY_ID = "memory_id"
"""Field: the id of the last log entry that the worker has taken in."""

DURABLE_ID = "memory_durable_id"
"""Field: the id of the last log entry that is in a checkpoint; empty if none are taken."""

ENDED = "source_ended"
"""Field: `created` (ns) of a camera whose recording was read to its end, `:`, and how it ended.
Decoders read it: one that takes the camera over does not read the recording again."""

MAX_TIME_MS = 253_402_300_799_999
"""The end of the year 9999, where protobuf's timestamps end."""

S = TypeVar("S", SourceStatus, MemoryStatus)


def source_fields(status: SourceStatus) -> Fields:
    """A decoder's part of the hash. No credentials are in it."""
    shown = SourceStatus()
    shown.CopyFrom(status)
    shown.error_message = redact(status.error_message)
    shown.frames_per_second = round(status.frames_per_second, 3)
    return {SOURCE: MessageToJson(shown, indent=None)}


def memory_fields(status: MemoryStatus, last_id: str, durable_id: str | None = None) -> Fields:
    """A worker's part of the hash. `durable_id`: see `DURABLE_ID`; None if none are taken."""
    return {
        MEMORY: MessageToJson(status, indent=None),
        MEMORY_ID: last_id,
        DURABLE_ID: durable_id or "",
    }


def ended_fields(created_ns: int, how: str) -> Fields:
    """A decoder's note that a recording was read to its end."""
    return {ENDED: f"{created_ns}:{redact(how)}"}


def ended_before(field: bytes | None, created_ns: int) -> str | None:
    """How the recording of the camera `created` then ended; None if it did not, or not of this."""
    noted_ns, _, how = (field or b"").decode(errors="replace").partition(":")
    return how if noted_ns == str(created_ns) else None


def parse(fields: Mapping[bytes, bytes]) -> tuple[SourceStatus, MemoryStatus]:
    """Both parts. What was never written, or cannot be read, is as if it were unset."""
    text = {
        key.decode(errors="replace"): value.decode(errors="replace")
        for key, value in fields.items()
    }
    source = _read(text.get(SOURCE, ""), SourceStatus())
    if source is None:
        source = _flat_source(text)
    memory, flat = _read(text.get(MEMORY, ""), MemoryStatus()), _flat_memory(text)
    if memory is None or (flat is not None and flat.epoch > memory.epoch):
        memory = flat  # an owner of the version before has taken the camera over
    return (
        source or SourceStatus(state=SOURCE_STATE_PENDING),
        memory or MemoryStatus(state=MEMORY_STATE_PENDING),
    )


def _read(text: str, status: S) -> S | None:
    """The message that is in `text`, without the parts that make no sense; None if none is."""
    try:
        parts = json.loads(text, parse_int=str)  # numbers of any length are sorted out below
    except (ValueError, RecursionError):
        return None
    if not isinstance(parts, dict):
        return None
    for name, value in parts.items():
        _merge(status, name, value)
    return status


def _merge(status: S, name: str, value: Any) -> None:
    """Set one field, unless its value makes no sense."""
    part = type(status)()
    try:
        ParseDict({name: value}, part, ignore_unknown_fields=True)
    except Exception:  # SystemError among others: protobuf's own code fails on lone surrogates
        return
    for field, parsed in part.ListFields():
        known = field.enum_type is None or parsed in field.enum_type.values_by_number
        if known and (not isinstance(parsed, float) or math.isfinite(parsed)):
            status.MergeFrom(part)


# What the version before wrote.


def _flat_source(text: Mapping[str, str]) -> SourceStatus | None:
    if "state" not in text:
        return None
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
    return source


def _flat_memory(text: Mapping[str, str]) -> MemoryStatus | None:
    if "memory_state" not in text:
        return None
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
    return memory


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
