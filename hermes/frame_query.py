"""Which frames of a camera are wanted, as one value from the door to the worker. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from hermes.errors import InvalidInput
from hermes.v1 import memory_pb2

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class FrameQuery:
    """Frames captured from `start_ms` to `end_ms`, both included; None: open at that end.

    Times are in ms since the Unix epoch. `limit`: at most so many, 0 for all. If there
    are more, they are spread over the time, or the newest if `newest_first`; then the
    newest also comes first. `without_pictures`: say only which there are.
    """

    camera_id: str
    start_ms: int | None = None
    end_ms: int | None = None
    limit: int = 0
    newest_first: bool = False
    without_pictures: bool = False

    def __post_init__(self) -> None:
        if self.start_ms is not None and self.end_ms is not None and self.start_ms > self.end_ms:
            raise InvalidInput("query.end", "lies before the start")

    def covers(self, capture_ms: int) -> bool:
        """Whether a frame that was captured then is among them, apart from the limit."""
        return (self.start_ms is None or capture_ms >= self.start_ms) and (
            self.end_ms is None or capture_ms <= self.end_ms
        )


def query_of(message: memory_pb2.FrameQuery) -> FrameQuery:
    """From the wire. Raises `InvalidInput`."""
    return FrameQuery(
        camera_id=message.camera_id,
        # The first whole millisecond within, and the last.
        start_ms=-(-_ns(message.start, "start") // _NS_PER_MS)
        if message.HasField("start")
        else None,
        end_ms=_ns(message.end, "end") // _NS_PER_MS if message.HasField("end") else None,
        limit=message.limit,
        newest_first=message.newest_first,
        without_pictures=message.without_pictures,
    )


def _ns(stamp: Timestamp, field: str) -> int:
    try:
        return stamp.ToNanoseconds()
    except ValueError:
        raise InvalidInput(f"query.{field}", "is not a time between the years 1 and 9999") from None
