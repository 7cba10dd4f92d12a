"""Times in messages of others: whether they are such that Python can take them."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

MAX_SECONDS = 253_402_300_799
"""The end of the year 9999, where timestamps end."""
MAX_DURATION_S = 315_576_000_000
"""Where durations end."""
_NANOS = 10**9


def is_time(stamp: Timestamp) -> bool:
    """Whether it is a time from 1970 to 9999."""
    return 0 <= stamp.seconds <= MAX_SECONDS and 0 <= stamp.nanos < _NANOS


def is_duration(duration: Duration) -> bool:
    """Whether it is a duration of protobuf's, of zero or more."""
    return 0 <= duration.seconds <= MAX_DURATION_S and 0 <= duration.nanos < _NANOS
