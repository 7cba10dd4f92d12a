"""Durations as people write them: `5s`, `500ms`, `2m`, `1h30m`, `7d`. No torch, no gRPC."""

from __future__ import annotations

import re

from hermes.errors import InvalidInput
from hermes.labels import shown

_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|d|h|m|s)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def read_duration(text: str, field: str) -> float:
    """Seconds of a duration. Raises `InvalidInput` naming `field`."""
    text = text.strip()
    if text == "0":
        return 0.0
    if not _WHOLE.fullmatch(text):
        hint = "; a number needs its unit" if re.fullmatch(r"[\d.]+", text) else ""
        raise InvalidInput(field, f"{shown(text)} is no duration: write 5s, 2m or 1h30m{hint}")
    units = [unit for _, unit in _PART.findall(text)]
    if units != sorted(units, key=list(_UNITS_MS).index) or len(set(units)) < len(units):
        raise InvalidInput(field, f"{shown(text)}: write the larger unit first, and each once")
    return sum(float(number) * _UNITS_MS[unit] for number, unit in _PART.findall(text)) / 1000


def duration_text(seconds: float) -> str:
    """A duration as it is read: `1h30m`; `0s` for none."""
    left = round(seconds * 1000)
    if left <= 0:
        return "0s"
    parts = []
    for unit, size in _UNITS_MS.items():
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
