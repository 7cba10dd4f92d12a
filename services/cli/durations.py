"""Lengths of time as people write them: `10m`, `1h30m`, `1:20`."""

from __future__ import annotations

import re
from datetime import timedelta

from hermes.errors import InvalidInput

_DURATION = re.compile(
    r"(?:(?P<days>\d+)d)?(?:(?P<hours>\d+)h)?(?:(?P<minutes>\d+)m)?(?:(?P<seconds>\d+(?:\.\d+)?)s)?"
)
_POSITION = re.compile(r"(?:(\d+):(?=[0-5]?\d:))?(\d+):([0-5]?\d(?:\.\d+)?)")
_SECONDS = re.compile(r"\d+(?:\.\d+)?")
_MOST_CHARACTERS = 32


def duration_of(text: str, field: str) -> timedelta:
    """`10s`, `10m`, `1h30m`, `2d`. Raises `InvalidInput` for `field`."""
    found = _DURATION.fullmatch(text) if 0 < len(text) <= _MOST_CHARACTERS else None
    parts = {} if found is None else {k: float(v) for k, v in found.groupdict().items() if v}
    if not any(parts.values()):
        raise InvalidInput(field, f"{text!r} is no length of time: write 10s, 10m, 1h30m or 2d")
    try:
        return timedelta(**parts)
    except OverflowError:
        raise InvalidInput(field, f"{text!r} is too long") from None


def position_of(text: str, field: str) -> float:
    """A position in a file, in seconds: `80`, `1:20`, `1:02:03.5`. Raises `InvalidInput`."""
    if len(text) <= _MOST_CHARACTERS:
        if _SECONDS.fullmatch(text):
            return float(text)
        if found := _POSITION.fullmatch(text):
            hours, minutes, seconds = found.groups()
            return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)
    raise InvalidInput(field, f"{text!r} is no position in a file: write 80, 1:20 or 1:02:03.5")


def shown_position(seconds: float) -> str:
    """A position in a file: `1:20.0`."""
    return f"{int(seconds) // 60}:{seconds % 60:04.1f}"
