"""Messages about events, for tests."""

from __future__ import annotations

from typing import Any

from hermes.v1.event_pb2 import (
    EVENT_END_CLEARED,
    EVENT_TYPE_CLOSED,
    EVENT_TYPE_NOTE,
    EVENT_TYPE_OPENED,
    EVENT_TYPE_UPDATED,
    SEVERITY_WARNING,
    Event,
    EventType,
)

OPENED_MS = 1_700_000_000_000


def message(
    kind: EventType, event_id: str, sequence: int, camera_id: str, watch_id: str, **fields: Any
) -> Event:
    event = Event(
        id=event_id,
        type=kind,
        watch_id=watch_id,
        camera_id=camera_id,
        severity=fields.pop("severity", SEVERITY_WARNING),
        question="Is anybody lying on the floor?",
        labels={"team": "care"},
        sequence=sequence,
        epoch=7,
        **fields,
    )
    event.opened.FromMilliseconds(OPENED_MS)
    return event


def opened(
    event_id: str = "e1", camera_id: str = "lobby", watch_id: str = "fall", **fields: Any
) -> Event:
    event = message(EVENT_TYPE_OPENED, event_id, 1, camera_id, watch_id, value=0.9, **fields)
    event.evidence.add(frame=12, picture=b"\xff\xd8 a picture", logprob_without=-3.5)
    event.evidence[0].captured.FromMilliseconds(OPENED_MS)
    return event


def updated(
    event_id: str = "e1",
    sequence: int = 2,
    camera_id: str = "lobby",
    watch_id: str = "fall",
    **fields: Any,
) -> Event:
    return message(EVENT_TYPE_UPDATED, event_id, sequence, camera_id, watch_id, **fields)


def closed(
    event_id: str = "e1",
    sequence: int = 3,
    camera_id: str = "lobby",
    watch_id: str = "fall",
    **fields: Any,
) -> Event:
    event = message(
        EVENT_TYPE_CLOSED,
        event_id,
        sequence,
        camera_id,
        watch_id,
        end=EVENT_END_CLEARED,
        value=0.2,
        peak=0.95,
        **fields,
    )
    event.closed.FromMilliseconds(OPENED_MS + 60_000)
    return event


def note(event_id: str = "n1", camera_id: str = "lobby", watch_id: str = "diary") -> Event:
    return message(EVENT_TYPE_NOTE, event_id, 1, camera_id, watch_id, answer="All is calm.")
