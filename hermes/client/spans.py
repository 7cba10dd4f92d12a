"""Spans of time that a question may be about.

client.ask("lobby", "Who came in?", span=last(minutes=10))
client.ask("lobby", "Who came in?", span=between(start, end))
client.ask("dock", "What came first?", span=in_file(80, 125))
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from hermes.errors import InvalidInput
from hermes.v1 import query_pb2


@dataclass(frozen=True, slots=True)
class Last:
    """The stretch that ends when the question comes in. `last` makes it."""

    length: timedelta


@dataclass(frozen=True, slots=True)
class Between:
    """A stretch of capture time, both ends included; None: open at that end. `between` makes it."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class InFile:
    """A stretch of a video file, in seconds from its start. `in_file` makes it."""

    start_s: float | None = None
    end_s: float | None = None


AskedSpan = Last | Between | InFile
"""What may be given as the span of a question."""


def last(*, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> Last:
    """The last minutes, for example, up to the question."""
    try:
        return Last(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))
    except (ValueError, OverflowError):  # not finite, or millions of years
        raise InvalidInput("question.span.last", "is no length of time") from None


def between(start: datetime | None = None, end: datetime | None = None) -> Between:
    """From one moment to another, by the capture time of frames. One of the two may be left out.

    Both need a time zone: `datetime.now().astimezone()` has one.
    """
    return Between(start, end)


def in_file(start_s: float | None = None, end_s: float | None = None) -> InFile:
    """From one position in a video file to another, in seconds. One of the two may be left out."""
    return InFile(start_s, end_s)


def span_message(span: AskedSpan) -> query_pb2.QuestionSpan:
    """For the wire. Raises `InvalidInput` for what cannot be sent."""
    message = query_pb2.QuestionSpan()
    match span:
        case Last(length):
            message.last.CopyFrom(_duration("last", length.total_seconds()))
        case Between(start, end):
            if start is not None:
                message.start.CopyFrom(_timestamp("start", start))
            if end is not None:
                message.end.CopyFrom(_timestamp("end", end))
        case InFile(start_s, end_s):
            if start_s is not None:
                message.media_start.CopyFrom(_duration("media_start", start_s))
            if end_s is not None:
                message.media_end.CopyFrom(_duration("media_end", end_s))
    return message


def _timestamp(name: str, time: datetime) -> Timestamp:
    if time.tzinfo is None:
        raise InvalidInput(
            f"question.span.{name}", "has no time zone: datetime.astimezone() adds yours"
        )
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def _duration(name: str, seconds: float) -> Duration:
    duration = Duration()
    try:
        duration.FromNanoseconds(round(seconds * 1e9))
    except (ValueError, OverflowError):  # not finite, or thousands of years
        raise InvalidInput(f"question.span.{name}", "is no number of seconds") from None
    return duration
