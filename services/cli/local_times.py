"""Moments as people write them, in the time zone of the caller: `14:00`, or ISO 8601."""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta

from hermes.errors import InvalidInput

_CLOCK = re.compile(r"(?P<h>\d{1,2}):(?P<m>\d{2})(?::(?P<s>\d{2}(?:\.\d{1,6})?))?")
_DATE = re.compile(r"\d{4}-?\d{2}-?\d{2}")
_HOW = "write 14:00, 14:00:30 or 2026-11-29T14:00, with an offset such as +01:00 if need be"
_DAY = timedelta(days=1)
_UTC_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?\+00:00")


def moment_of(text: str, field: str, now: datetime, *, after: datetime | None = None) -> datetime:
    """The moment that is meant, with its offset. Raises `InvalidInput` for `field`.

    A time of day is today's, or yesterday's if today's has not come yet; with `after`
    it is the first one that is not before that moment. Without an offset a time is in
    the time zone of this machine (`TZ`). One that daylight saving left out or repeated
    is refused, with what to write instead. `now` has a time zone.
    """
    clock = _clock_of(text, field)
    try:
        return _iso_moment(text, field) if clock is None else _next(clock, field, now, after)
    except OverflowError:
        raise InvalidInput(field, f"{text!r} is out of range") from None


def _next(clock: time, field: str, now: datetime, after: datetime | None) -> datetime:
    earliest = after.astimezone() if after is not None else None
    day = (earliest or now.astimezone()).date()
    todays = _reading(datetime.combine(day, clock), field)
    if earliest is not None and todays < earliest:
        day += _DAY
    elif earliest is None and todays > now:
        day -= _DAY
    return _local(datetime.combine(day, clock), field)


def _clock_of(text: str, field: str) -> time | None:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    seconds = float(found["s"] or 0)
    try:
        return time(
            int(found["h"]),
            int(found["m"]),
            int(seconds),
            round(seconds % 1 * 1_000_000),
        )
    except ValueError:
        raise InvalidInput(field, f"{text!r} is no time of day: {_HOW}") from None


def _iso_moment(text: str, field: str) -> datetime:
    if _DATE.fullmatch(text):
        raise InvalidInput(field, f"{text!r} has no time of day: write {text}T00:00, for example")
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(field, f"{text!r} is no time: {_HOW}") from None
    return _local(read, field) if read.tzinfo is None else read


def _local(naive: datetime, field: str) -> datetime:
    """The moment at which this machine's clock shows a time. Refuses one of none or of two."""
    first, second = _reading(naive, field), _reading(naive.replace(fold=1), field)
    if first.utcoffset() == second.utcoffset():
        return first
    shown = naive.isoformat(timespec="seconds")
    if first.replace(tzinfo=None) != naive:
        raise InvalidInput(
            field, f"{shown} was left out, when the clocks went forward: write another time"
        )
    raise InvalidInput(
        field,
        f"{shown} came twice, when the clocks went back: write {first.isoformat()} or"
        f" {second.isoformat()}",
    )


def _reading(naive: datetime, field: str) -> datetime:
    try:
        return naive.astimezone()
    except (OverflowError, OSError, ValueError):  # years that the system has no zone for
        raise InvalidInput(field, f"{naive.isoformat()} is out of range") from None


def shown_moment(moment: datetime, now: datetime) -> str:
    """In local time: `14:03:22`, with its date if that is not today's."""
    local = moment.astimezone()
    if local.date() == now.astimezone().date():
        return local.strftime("%H:%M:%S")
    return local.strftime("%Y-%m-%d %H:%M:%S")


def in_local_time(text: str, now: datetime) -> str:
    """A message of a service, whose times are in UTC, with the caller's times in their place."""
    return _UTC_STAMP.sub(lambda found: shown_moment(datetime.fromisoformat(found[0]), now), text)
