"""A message about an event, as it comes from the stream of events."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from hermes.v1.event_pb2 import (
    EVENT_TYPE_CLOSED,
    EVENT_TYPE_NOTE,
    EVENT_TYPE_OPENED,
    EVENT_TYPE_UPDATED,
    Event,
)
from services.common.cameras import ID_PATTERN

EVENT_FIELD = b"e"
TYPES = {
    EVENT_TYPE_OPENED: "opened",
    EVENT_TYPE_UPDATED: "updated",
    EVENT_TYPE_CLOSED: "closed",
    EVENT_TYPE_NOTE: "note",
}
"""The types that are known, as sinks write them."""
ID_CHARS = 32

Lane = tuple[str, str]
"""A watch and a camera: messages of one lane are delivered in order."""


class Unreadable(Exception):
    """An entry that is no message which this version knows. The text says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of the stream. `resent`: an operator wants it sent again."""

    position: str
    raw: bytes
    event: Event
    id: str
    """The same whenever these bytes are sent, to whichever sink."""
    resent: bool = False

    @property
    def lane(self) -> Lane:
        """What it must keep its order with."""
        return self.event.watch_id, self.event.camera_id

    @property
    def type(self) -> str:
        """opened, updated, closed or note."""
        return TYPES[self.event.type]

    @property
    def written_ms(self) -> int:
        """When it was put into the stream, in ms since 1970, by the clock of Redis."""
        return int(self.position.partition("-")[0])

    @property
    def over(self) -> bool:
        """Whether the event has ended."""
        return self.event.HasField("closed") or self.event.type == EVENT_TYPE_CLOSED

    def names(self, sink: str) -> bool:
        """Whether it is meant for the sink."""
        return not self.event.sinks or sink in self.event.sinks


def parse(position: str, fields: Mapping[bytes, bytes] | None, *, resent: bool = False) -> Message:
    """The message of an entry. Raises `Unreadable`."""
    raw = (fields or {}).get(EVENT_FIELD)
    if raw is None:
        raise Unreadable("the entry has no field e")
    event = Event()
    try:
        event.ParseFromString(raw)
    except DecodeError:
        raise Unreadable("the entry is no event") from None
    if event.type not in TYPES:
        raise Unreadable(f"type {event.type} is not known")
    if not event.id:
        raise Unreadable("the event has no id")
    for name, value in (("watch", event.watch_id), ("camera", event.camera_id)):
        if not ID_PATTERN.fullmatch(value):
            raise Unreadable(f"the event's {name} is no id")
    digest = hashlib.sha256(raw).hexdigest()[:ID_CHARS]
    return Message(position, raw, event, f"msg_{digest}", resent)
