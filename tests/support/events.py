"""Events as workers write them, and the stream that they go to."""

from __future__ import annotations

from typing import Any

import redis

from hermes.v1.event_pb2 import (
    EVENT_END_CLEARED,
    EVENT_TYPE_CLOSED,
    EVENT_TYPE_OPENED,
    EVENT_TYPE_UPDATED,
    SEVERITY_CRITICAL,
    Event,
)
from services.common import keys
from services.notifier.message import Message, parse

OPENED_MS = 1_800_000_000_000
"""2027-01-15, eight o'clock in the morning, UTC."""
PICTURE = b"\xff\xd8 a small JPEG \xff\xd9"


def opened(number: int = 1, camera: str = "ward-3", watch: str = "fall", **more: Any) -> Event:
    """The first message of an event: with its evidence and picture."""
    event = Event(
        id=f"ev-{watch}-{camera}-{number}",
        type=EVENT_TYPE_OPENED,
        watch_id=watch,
        camera_id=camera,
        camera_display_name="Ward 3",
        severity=SEVERITY_CRITICAL,
        labels={"area": "ward"},
        question="Is anybody lying on the floor?",
        value=0.93,
        peak=0.93,
        model="demo",
        **more,
    )
    event.opened.FromMilliseconds(OPENED_MS + number * 60_000)
    event.lag.FromMilliseconds(1200)
    frame = event.evidence.add(frame=41, picture=PICTURE)
    frame.captured.CopyFrom(event.opened)
    return event


def updated(first: Event) -> Event:
    """A sentence by the model follows."""
    event = Event()
    event.CopyFrom(first)
    event.type = EVENT_TYPE_UPDATED
    event.sentence = "A person lies beside the bed."
    del event.evidence[:]
    return event


def closed(first: Event, after_s: float = 90.0) -> Event:
    """It is over."""
    event = updated(first)
    event.type = EVENT_TYPE_CLOSED
    event.end = EVENT_END_CLEARED
    event.peak = 0.97
    event.value = 0.08
    event.closed.FromMilliseconds(first.opened.ToMilliseconds() + round(after_s * 1000))
    return event


def message(event: Event, position_ms: int = OPENED_MS + 2000, **more: Any) -> Message:
    """As the notifier reads it."""
    return parse(f"{position_ms}-0", {b"e": event.SerializeToString()}, **more)


def write(client: redis.Redis, *events: Event) -> None:
    """As a worker does."""
    for event in events:
        client.xadd(keys.EVENTS, {"e": event.SerializeToString()})


def kept(client: redis.Redis, key: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of a stream."""
    found: Any = client.xrange(key)
    return list(found)
