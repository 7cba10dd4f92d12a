"""Places: which decoders and workers are alive, and what a camera that has none waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hermes.v1.camera_pb2 import (
    MEMORY_STATE_PENDING,
    SOURCE_ERROR_UNSPECIFIED,
    SOURCE_STATE_CONNECTING,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
    SOURCE_STATE_PENDING,
    MemoryStatus,
    SourceStatus,
)
from services.common.placement import ALIVE_S, Member, parse_members

_BEING_READ = (SOURCE_STATE_CONNECTING, SOURCE_STATE_ONLINE, SOURCE_STATE_OFFLINE)


@dataclass(frozen=True, slots=True)
class Places:
    """The instances that are alive; None where that could not be read."""

    decoders: Sequence[Member] | None = None
    workers: Sequence[Member] | None = None

    @classmethod
    def of(cls, decoders: object, workers: object, now_ms: int) -> Places:
        """From Redis's replies. One that is an error tells nothing: the right may be missing."""
        return cls(_alive(decoders, now_ms), _alive(workers, now_ms))

    def explain(self, source: SourceStatus, memory: MemoryStatus) -> None:
        """Say in both what they wait for, if they do.

        What a decoder that is gone wrote last is not so any more: no decoder reads it.
        """
        decoders = self.decoders
        if decoders is not None and _is_left(source, decoders):
            source.state, source.error = SOURCE_STATE_PENDING, SOURCE_ERROR_UNSPECIFIED
            source.frames_per_second, source.error_message = 0.0, ""
        if decoders is not None and source.state == SOURCE_STATE_PENDING:
            source.error_message = waits_for("decoder", decoders)
        if self.workers is not None and memory.state == MEMORY_STATE_PENDING:
            memory.message = waits_for("worker", self.workers)


def waits_for(role: str, members: Sequence[Member]) -> str:
    """What a camera without a `decoder` or a `worker` waits for."""
    waiting = f"waiting for a {role}"
    members = [member for member in members if not member.draining]
    if not members:
        return f"{waiting}: none is running"
    if any(member.has_room for member in members):
        return f"{waiting}: one takes it up within seconds"
    capacity = sum(member.capacity for member in members)
    taken = min(capacity, sum(member.load for member in members))
    return f"{waiting}: {taken} of {capacity} places taken; {_SETTING[role]}"


_SETTING = {
    "decoder": "--capacity",
    "worker": "--max-cameras, as far as the device's memory allows",
}


def _is_left(source: SourceStatus, decoders: Sequence[Member]) -> bool:
    """Whether a source is said to be read by a decoder that is not alive."""
    if source.state not in _BEING_READ or not source.decoder:
        return False
    return all(decoder.instance != source.decoder for decoder in decoders)


def _alive(members: object, now_ms: int) -> list[Member] | None:
    if not isinstance(members, Mapping):
        return None
    return parse_members(members, now_ms, int(ALIVE_S * 1000))
