"""What is published about an event over MQTT: topics, states, events, discovery."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from hermes.v1.event_pb2 import EVENT_TYPE_NOTE, Event
from services.notifier.alerts import severity

ONLINE, OFFLINE = "online", "offline"
ON, OFF = "ON", "OFF"
EVENT_TYPES = {"opened": "new", "updated": "update", "closed": "end", "note": "note"}
"""The types of messages, as Frigate's users know them."""
MOST_STATE_CHARS = 250
"""Home Assistant refuses a state of over 255 characters."""

_OTHER = re.compile(r"[^a-zA-Z0-9_-]")


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of a sink."""

    prefix: str
    discovery_prefix: str

    @property
    def available(self) -> str:
        """Retained: whether the notifier is there."""
        return f"{self.prefix}/available"

    @property
    def events(self) -> str:
        """Every message."""
        return f"{self.prefix}/events"

    def state(self, event: Event) -> str:
        """Retained: the watch and camera as they are."""
        return f"{self._of(event)}/state"

    def snapshot(self, event: Event) -> str:
        """Retained: the picture with which the last event began, a JPEG."""
        return f"{self._of(event)}/snapshot"

    def discovery(self, component: str, event: Event, what: str) -> str:
        """Retained: where Home Assistant looks for what there is."""
        return f"{self.discovery_prefix}/{component}/{_object_id(event, what)}/config"

    def _of(self, event: Event) -> str:
        return f"{self.prefix}/{event.watch_id}/{event.camera_id}"


def state(event: Event, *, over: bool) -> dict[str, Any]:
    """A watch and camera, as they are after an event's message."""
    is_open = not over and event.type != EVENT_TYPE_NOTE
    return {"state": ON if is_open else OFF, **described(event, over=over)}


def described(event: Event, *, over: bool) -> dict[str, Any]:
    """An event in plain JSON. Times are seconds since 1970, as Frigate writes them."""
    return {
        "id": event.id,
        "watch": event.watch_id,
        "camera": event.camera_id,
        "camera_name": event.camera_display_name or event.camera_id,
        "severity": severity(event),
        "labels": dict(sorted(event.labels.items())),
        "question": event.question,
        "answer": event.answer,
        "sentence": event.sentence,
        "value": event.value,
        "peak": event.peak,
        "start_time": event.opened.ToMilliseconds() / 1000,
        "end_time": event.closed.ToMilliseconds() / 1000 if over else None,
        "acknowledged_by": event.acknowledgement.by or None,
    }


def event_payload(
    kind: str, event: Event, before: Event | None, *, over: bool, was_over: bool
) -> dict[str, Any]:
    """A message: what is known now, and what was known before (at first: the same)."""
    after = described(event, over=over)
    same = before is not None and before.id == event.id
    earlier = described(before, over=was_over) if before is not None and same else after
    return {"type": EVENT_TYPES[kind], "before": earlier, "after": after}


def picture(event: Event) -> bytes:
    """The picture of its first frame that has one; nothing if none has."""
    return next((frame.picture for frame in event.evidence if frame.picture), b"")


def discoveries(event: Event, topics: Topics, *, number: bool) -> dict[str, dict[str, Any]]:
    """Home Assistant's discovery messages for a watch and camera, by topic.

    A binary sensor that is on while an event is open; for choices and notes a sensor of the
    answer; for numbers a sensor of the value. `number`: whether the value is one.
    """
    found: dict[str, dict[str, Any]] = {}
    if event.type != EVENT_TYPE_NOTE:
        found[topics.discovery("binary_sensor", event, "")] = {
            **_entity(event, topics, ""),
            "value_template": "{{ value_json.state }}",
            "payload_on": ON,
            "payload_off": OFF,
        }
    if event.answer:
        found[topics.discovery("sensor", event, "answer")] = {
            **_entity(event, topics, "answer"),
            "value_template": f"{{{{ value_json.answer[:{MOST_STATE_CHARS}] }}}}",
        }
    if number:
        found[topics.discovery("sensor", event, "value")] = {
            **_entity(event, topics, "value"),
            "value_template": "{{ value_json.value }}",
            "state_class": "measurement",
        }
    return found


def _entity(event: Event, topics: Topics, what: str) -> dict[str, Any]:
    return {
        "name": f"{event.watch_id} {what}".rstrip(),
        "unique_id": _object_id(event, what),
        "state_topic": topics.state(event),
        "json_attributes_topic": topics.state(event),
        "availability_topic": topics.available,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "device": {
            "identifiers": [f"hermes_{event.camera_id}"],
            "name": event.camera_display_name or event.camera_id,
            "manufacturer": "HERMES Live",
        },
        "origin": {"name": "HERMES Live"},
    }


def _object_id(event: Event, what: str) -> str:
    """A name of the characters that Home Assistant allows, of this watch and camera alone."""
    exact = f"{event.watch_id}/{event.camera_id}"
    digest = hashlib.sha256(exact.encode()).hexdigest()[:8]
    parts = ["hermes", event.watch_id, event.camera_id, what, digest]
    return "_".join(_OTHER.sub("_", part) for part in parts if part)
