"""Plain values of the messages' fields: words of enums, seconds of durations, times."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp


def time_of(stamp: Timestamp) -> datetime:
    """An aware datetime in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)


def seconds_of(message: Message, name: str) -> float | None:
    """A duration in seconds; None if it is unset."""
    if not message.HasField(name):
        return None
    duration: Duration = getattr(message, name)
    return duration.ToNanoseconds() / 1e9


def word_of(kind: Any, value: int) -> str:
    """`SOURCE_STATE_ONLINE` -> `online`; "" for unspecified; an unknown value as its number."""
    if value not in kind.values():
        return str(value)
    prefix = kind.keys()[0].removesuffix("UNSPECIFIED")
    word: str = kind.Name(value).removeprefix(prefix).lower()
    return "" if word == "unspecified" else word
