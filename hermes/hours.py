"""Hours of the week in a time zone: when a watch asks at all.

    Mon-Fri 08:00-18:00 Europe/Berlin
    22:00-06:00 Europe/Berlin                               every night
    Mon+Wed 08:00-12:00, Sat-Sun 10:00-16:00 America/New_York

Times are those of the clock on the wall. An hour that the clock repeats in autumn
counts both times; one that it skips in spring does not come. No torch, no gRPC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from hermes.errors import InvalidInput
from hermes.labels import shown

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MINUTES = 24 * 60
MAX_SPANS = 32
MAX_ZONE_CHARS = 64
EXAMPLE = "Mon-Fri 08:00-18:00 Europe/Berlin"

_SPAN = re.compile(r"(?:(?P<days>\S+)\s+)?(?P<start>[\d:]+)\s*-\s*(?P<end>[\d:]+)")
_TIME = re.compile(r"(\d{1,2}):(\d\d)")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]*")


@dataclass(frozen=True, slots=True)
class DaySpan:
    """A span of time on some days of the week.

    `days`: on which it begins, Monday is 1. An end at or before the start is on the
    next day.
    """

    days: frozenset[int]
    start_minute: int
    end_minute: int

    def covers(self, day: int, minute: int) -> bool:
        """Whether a minute of a day is in it."""
        if self.start_minute < self.end_minute:
            return day in self.days and self.start_minute <= minute < self.end_minute
        before = 7 if day == 1 else day - 1
        return (day in self.days and minute >= self.start_minute) or (
            before in self.days and minute < self.end_minute
        )

    def __str__(self) -> str:
        return f"{_days_text(self.days)} {_time_text(self.start_minute)}-{self._end_text()}"

    def _end_text(self) -> str:
        return "24:00" if self.end_minute == 0 else _time_text(self.end_minute)


@dataclass(frozen=True, slots=True)
class WeekHours:
    """Spans of the week by the clocks of one time zone."""

    time_zone: str
    spans: tuple[DaySpan, ...]

    def __post_init__(self) -> None:
        check_zone(self.time_zone, "hours.time_zone")
        if not 1 <= len(self.spans) <= MAX_SPANS:
            raise InvalidInput("hours.spans", f"has {len(self.spans)}; 1 to {MAX_SPANS} are needed")
        for span in self.spans:
            if not span.days or not span.days <= set(range(1, 8)):
                raise InvalidInput("hours.spans.days", "needs days from 1 (Monday) to 7 (Sunday)")
            for name in ("start_minute", "end_minute"):
                if not 0 <= getattr(span, name) < MINUTES:
                    raise InvalidInput(f"hours.spans.{name}", f"must be 0 to {MINUTES - 1}")

    def covers(self, moment: datetime) -> bool:
        """Whether a moment, which knows its own time zone, is in one of the spans."""
        local = moment.astimezone(ZoneInfo(self.time_zone))
        minute = local.hour * 60 + local.minute
        return any(span.covers(local.isoweekday(), minute) for span in self.spans)

    def __str__(self) -> str:
        return f"{', '.join(map(str, self.spans))} {self.time_zone}"


def read_hours(text: str, field: str) -> WeekHours:
    """Hours as people write them. Raises `InvalidInput` naming `field`."""
    spans_text, _, zone = text.strip().rpartition(" ")
    if not spans_text or not _ZONE.fullmatch(zone) or zone[:3].title() in DAYS:
        raise InvalidInput(
            field, f"{shown(text)}: a time zone must stand at the end, e.g. {EXAMPLE}"
        )
    check_zone(zone, field)
    spans = tuple(_read_span(part.strip(), field) for part in re.split(r"[,;]", spans_text))
    try:
        return WeekHours(zone, spans)
    except InvalidInput as error:
        raise InvalidInput(field, error.message) from None


def check_zone(name: str, field: str) -> None:
    """Whether the IANA database has a time zone of this name. Raises `InvalidInput`."""
    try:
        if len(name) > MAX_ZONE_CHARS or not _ZONE.fullmatch(name):
            raise ValueError
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(
            field, f"{shown(name)} is no time zone of the IANA database; write e.g. Europe/Berlin"
        ) from None


def _read_span(text: str, field: str) -> DaySpan:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise InvalidInput(
            field, f"{shown(text)} is no span of days and times; write e.g. {EXAMPLE}"
        )
    days = frozenset(range(1, 8)) if match["days"] is None else _read_days(match["days"], field)
    start, end = _read_time(match["start"], field), _read_time(match["end"], field)
    if start == MINUTES:
        raise InvalidInput(field, f"{shown(text)}: nothing begins at 24:00; write 00:00")
    return DaySpan(days, start, end % MINUTES)


def _read_days(text: str, field: str) -> frozenset[int]:
    days: set[int] = set()
    for part in text.split("+"):
        first, dash, last = part.partition("-")
        start = _read_day(first, field)
        end = _read_day(last, field) if dash else start
        while True:
            days.add(start)
            if start == end:
                break
            start = start % 7 + 1
    return frozenset(days)


def _read_day(text: str, field: str) -> int:
    if text.title() not in DAYS:
        raise InvalidInput(field, f"{shown(text)} is no day: write one of {', '.join(DAYS)}")
    return DAYS.index(text.title()) + 1


def _read_time(text: str, field: str) -> int:
    match = _TIME.fullmatch(text)
    minutes = int(match[1]) * 60 + int(match[2]) if match and int(match[2]) < 60 else MINUTES + 1
    if minutes > MINUTES:
        raise InvalidInput(field, f"{shown(text)} is no time from 00:00 to 24:00")
    return minutes


def _time_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _days_text(days: frozenset[int]) -> str:
    """`Mon-Fri`, `Mon+Wed`, `Sat-Sun`."""
    parts: list[list[int]] = []
    for day in sorted(days):
        if parts and day == parts[-1][-1] + 1:
            parts[-1].append(day)
        else:
            parts.append([day])
    names = [
        DAYS[part[0] - 1] if len(part) == 1 else f"{DAYS[part[0] - 1]}-{DAYS[part[-1] - 1]}"
        for part in parts
    ]
    return "+".join(names)
