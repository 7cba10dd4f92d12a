"""An event as an alert of Alertmanager."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from google.protobuf.timestamp_pb2 import Timestamp

from hermes.v1.event_pb2 import (
    SEVERITY_CRITICAL,
    SEVERITY_INFO,
    SEVERITY_WARNING,
    Event,
)

SEVERITIES = {SEVERITY_INFO: "info", SEVERITY_WARNING: "warning", SEVERITY_CRITICAL: "critical"}
PREFIX = "hermes_"
OWN_LABELS = ("alertname", "camera", "severity")

_OTHER = re.compile(r"[^a-zA-Z0-9_]")


def severity(event: Event) -> str:
    """As Prometheus' rules write it; warning if the watch says nothing."""
    return SEVERITIES.get(event.severity, "warning")


def alert_labels(event: Event) -> dict[str, str]:
    """What makes an alert this one, in Alertmanager. The same for all messages about an event.

    A label of the watch that would hide another gets the prefix `hermes_`.
    """
    labels = {
        "alertname": event.watch_id,
        "camera": event.camera_id,
        "severity": severity(event),
    }
    for key, value in sorted(event.labels.items()):
        name = _OTHER.sub("_", key)
        if name[:1].isdigit():
            name = PREFIX + name
        while name in labels:
            name = PREFIX + name
        if value:  # to Alertmanager an empty label is none
            labels[name] = value
    return labels


def alert(event: Event, link: str, ends_ms: int | None = None) -> dict[str, Any]:
    """The alert, as API v2 takes it. `ends_ms`: when it ends; None while it is open."""
    camera = event.camera_display_name or event.camera_id
    annotations = {
        "summary": f"{event.watch_id} on {camera}",
        "sentence": event.sentence,
        "question": event.question,
        "answer": event.answer,
        "value": f"{event.value:g}",
        "event": event.id,
    }
    found: dict[str, Any] = {
        "labels": alert_labels(event),
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": event.opened.ToJsonString(),
    }
    if ends_ms is not None:
        found["endsAt"] = _time(max(ends_ms, event.opened.ToMilliseconds()))
    if link:
        found["generatorURL"] = filled(link, event)
    return found


def filled(link: str, event: Event) -> str:
    """The link with the event's ids in their places."""
    ids = {"event": event.id, "watch": event.watch_id, "camera": event.camera_id}
    for name, value in ids.items():
        link = link.replace(f"{{{name}}}", quote(value, safe=""))
    return link


def _time(ms: int) -> str:
    at = Timestamp()
    at.FromMilliseconds(ms)
    return at.ToJsonString()
