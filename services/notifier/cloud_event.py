"""A message as a CloudEvent 1.0, in JSON."""

from __future__ import annotations

import datetime
from typing import Any

from google.protobuf.json_format import MessageToDict

from hermes.v1.event_pb2 import Event
from services.notifier.message import Message

TYPE_PREFIX = "live.hermes.event."
INTERNAL = ("epoch", "sinks")
"""Fields that mean nothing outside."""


def cloud_event(message: Message, source: str, most_picture_bytes: int) -> dict[str, Any]:
    """The envelope and the event. Pictures that do not fit into the bound are left out.

    `source`: what comes before the watch in the attribute of that name.
    """
    event = Event()
    event.CopyFrom(message.event)
    left_out = _without_large_pictures(event, most_picture_bytes)
    data = MessageToDict(event, always_print_fields_with_no_presence=True)
    for name in INTERNAL:
        data.pop(name, None)
    if not data.get("sequence"):
        data.pop("sequence", None)  # messages are counted by newer workers alone
    if left_out:
        data["picturesLeftOut"] = left_out
    written = datetime.datetime.fromtimestamp(message.written_ms / 1000, datetime.UTC)
    return {
        "specversion": "1.0",
        "id": message.id,
        "source": f"{source.rstrip('/')}/watches/{event.watch_id}",
        "type": TYPE_PREFIX + message.type,
        "subject": event.camera_id,
        "time": written.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }


def _without_large_pictures(event: Event, most_bytes: int) -> int:
    """Clear pictures beyond the bound; how many they were."""
    left, left_out = most_bytes, 0
    for frame in event.evidence:
        if len(frame.picture) > left:
            left_out += 1
            frame.ClearField("picture")
        left -= len(frame.picture)
    return left_out
