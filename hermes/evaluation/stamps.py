"""Time stamps as annotation files have them."""

from __future__ import annotations

import re

_STAMP = re.compile(r"\d+(:\d+){0,2}")


def seconds_of(stamp: str) -> int | None:
    """`00:03:10` as seconds; None if it is no time stamp.

    As StreamingBench's own code reads it: parts between colons, the last in seconds, whatever their
    number and size. So `00:12450` is 12,450 seconds, and `00:24` is 24.
    """
    if not _STAMP.fullmatch(stamp.strip()):
        return None
    seconds = 0
    for part in stamp.strip().split(":"):
        seconds = 60 * seconds + int(part)
    return seconds


def is_odd(stamp: str) -> bool:
    """Whether a person would ask what it means: not `H:MM:SS` or `HH:MM:SS`."""
    return not re.fullmatch(r"\d{1,2}:[0-5]\d:[0-5]\d", stamp.strip())


def stamp_of(seconds: float) -> str:
    """`00:03:10`."""
    whole = int(seconds)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"
