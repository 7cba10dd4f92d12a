"""An event as Redis keeps it: its parts, its record, and its member in the index.

A record has the event's last message in parts, each serialised by itself.
Protobuf messages that are concatenated are one message, so neither Redis nor a
reader has to take a message apart to replace a part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from hermes.errors import InvalidInput
from hermes.v1.event_pb2 import (
    EVENT_TYPE_CLOSED,
    EVENT_TYPE_NOTE,
    EVENT_TYPE_OPENED,
    Event,
    EventType,
)
from hermes.v1.query_pb2 import EvidenceFrame
from services.common.cameras import check_id
from services.common.times import is_duration, is_time

FIELD = "e"
"""The one field of an entry in the stream of events."""

RECORD_FIELDS = ("event", "sentence", "ack", "frames", "sequence", "frames_at")
"""The fields of a record that `event_of` reads."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A message about an event, in serialised parts; an empty one is not there."""

    event: bytes
    sentence: bytes
    frames: bytes
    frames_without_pictures: bytes

    @classmethod
    def of(cls, event: Event) -> Parts:
        """Parts of a message. The number and the acknowledgement are left to Redis."""
        rest = Event()
        rest.CopyFrom(event)
        for name in ("sentence", "evidence", "acknowledgement", "sequence"):
            rest.ClearField(name)
        without = [
            EvidenceFrame(
                captured=frame.captured if frame.HasField("captured") else None,
                media=frame.media if frame.HasField("media") else None,
                frame=frame.frame,
                logprob_without=frame.logprob_without,
            )
            for frame in event.evidence
        ]
        return cls(
            rest.SerializeToString(),
            Event(sentence=event.sentence).SerializeToString(),
            Event(evidence=event.evidence).SerializeToString(),
            Event(evidence=without).SerializeToString(),
        )


@dataclass(frozen=True, slots=True)
class Indexed:
    """What the index says of an event, without its record.

    Its member is `watch/camera/severity/id`: a list is filtered before any record
    is read.
    """

    event_id: str
    watch_id: str
    camera_id: str
    severity: int

    @classmethod
    def of(cls, event: Event) -> Indexed:
        """The entry of an event."""
        return cls(event.id, event.watch_id, event.camera_id, event.severity)

    @classmethod
    def parse(cls, member: str | bytes) -> Indexed | None:
        """From a member; None if it is none."""
        text = member.decode(errors="replace") if isinstance(member, bytes) else member
        parts = text.split("/")
        if len(parts) != 4 or not parts[2].isdecimal():
            return None
        return cls(parts[3], parts[0], parts[1], int(parts[2]))

    @property
    def member(self) -> str:
        """The member of the index."""
        return f"{self.watch_id}/{self.camera_id}/{self.severity}/{self.event_id}"


def check_event(event: Event) -> Event:
    """The event, if its ids, type and times can be kept. Raises `InvalidInput`."""
    check_id(event.id, "event.id")
    check_id(event.watch_id, "event.watch_id")
    check_id(event.camera_id, "event.camera_id")
    if event.type not in EventType.values() or not event.type:
        raise InvalidInput("event.type", "is not known")
    stamps = [event.opened, event.closed, event.acknowledgement.at]
    stamps += [frame.captured for frame in event.evidence]
    lengths = [event.lag, *(frame.media for frame in event.evidence)]
    if not (all(map(is_time, stamps)) and all(map(is_duration, lengths))):
        raise InvalidInput("event", "has a time or a duration that makes no sense")
    return event


def is_open(event: Event) -> bool:
    """Whether the event goes on, as of this message."""
    return event.type not in (EVENT_TYPE_CLOSED, EVENT_TYPE_NOTE) and not event.HasField("closed")


def message_key(event: Event) -> str:
    """The name of a message among those about its event: a repeated one has the same.

    A worker counts its messages in `sequence`; the stream counts anew, because the
    gateway adds messages of its own.
    """
    if event.type == EVENT_TYPE_OPENED:
        return "opened"
    if event.type == EVENT_TYPE_NOTE:
        return "note"
    word = EventType.Name(event.type).removeprefix("EVENT_TYPE_").lower()
    return f"{word}-{event.sequence}"


def message_of(fields: Mapping[bytes, bytes]) -> Event | None:
    """The message in an entry of the stream; None if there is none that makes sense."""
    try:
        return check_event(Event.FromString(fields[FIELD.encode()]))
    except (KeyError, DecodeError, InvalidInput):
        return None


def event_of(record: Mapping[str, bytes | None]) -> Event | None:
    """The event of a record, without pictures; None if it is not kept, or makes no sense."""
    if not record.get("event"):
        return None
    try:
        parts = (record.get(name) or b"" for name in ("event", "sentence", "ack", "frames"))
        event = check_event(Event.FromString(b"".join(parts)))
        event.sequence = int(record.get("sequence") or 0)
    except (DecodeError, InvalidInput, ValueError):
        return None
    return event
