"""Watches for tests."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration

from hermes.v1.event_pb2 import SEVERITY_WARNING
from hermes.v1.query_pb2 import CameraSelector, Choices
from hermes.v1.watch_pb2 import (
    ChoiceChange,
    Diary,
    Number,
    OneOf,
    Rate,
    Threshold,
    Trigger,
    Watch,
    YesNo,
)


def yes_no(watch_id: str = "fall", *camera_ids: str, labels: str = "", **fields: Any) -> Watch:
    """A watch that opens above .8. Without cameras it is of `lobby`."""
    ids = camera_ids or (() if labels else ("lobby",))
    return Watch(
        **{
            "id": watch_id,
            "text": "Is anybody lying on the floor?",
            "cameras": CameraSelector(camera_ids=ids, labels=labels),
            "yes_no": YesNo(),
            "trigger": Trigger(above=Threshold(value=0.8)),
            "severity": SEVERITY_WARNING,
            **fields,
        }
    )


def choices(**fields: Any) -> Watch:
    watch = yes_no("gate", choices=Choices(texts=("open", "shut", "ajar")), yes_no=None)
    watch.trigger.equals.CopyFrom(OneOf(choices=["open"]))
    watch.MergeFrom(Watch(**fields))
    return watch


def number(**fields: Any) -> Watch:
    watch = yes_no("queue", number=Number(least=0, most=50), yes_no=None)
    watch.trigger.above.CopyFrom(Threshold(value=10, clear=8))
    watch.MergeFrom(Watch(**fields))
    return watch


def rate(per_minute: float = 2.0) -> Watch:
    watch = number()
    watch.trigger.rate.CopyFrom(Rate(per_minute=per_minute))
    return watch


def changes() -> Watch:
    watch = choices()
    watch.trigger.changes.CopyFrom(ChoiceChange())
    return watch


def diary(interval_s: float = 600) -> Watch:
    return yes_no("diary", yes_no=None, trigger=None, diary=Diary(interval=duration(interval_s)))


def duration(seconds: float) -> Duration:
    made = Duration()
    made.FromNanoseconds(round(seconds * 1e9))
    return made
