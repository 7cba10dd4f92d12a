"""The span of time that a command's options name."""

from __future__ import annotations

from datetime import datetime

from hermes.client import AskedSpan, between, in_file
from hermes.client.spans import Last
from hermes.errors import InvalidInput
from services.cli.durations import duration_of, position_of
from services.cli.local_times import moment_of


def span_of(
    *,
    last: str | None,
    start: str | None,
    end: str | None,
    media_start: str | None,
    media_end: str | None,
    now: datetime,
) -> AskedSpan | None:
    """The span; None if none is named. Raises `InvalidInput`, which names the option."""
    kinds = {
        "--last": last is not None,
        "--from and --to": start is not None or end is not None,
        "--media-from and --media-to": media_start is not None or media_end is not None,
    }
    given = [name for name, is_given in kinds.items() if is_given]
    if len(given) > 1:
        raise InvalidInput(given[0], f"cannot be combined with {given[1]}")
    if last is not None:
        return Last(duration_of(last, "--last"))
    if start is not None or end is not None:
        return _between(start, end, now)
    if media_start is not None or media_end is not None:
        first = None if media_start is None else position_of(media_start, "--media-from")
        final = None if media_end is None else position_of(media_end, "--media-to")
        if first is not None and final is not None and first > final:
            raise InvalidInput("--media-to", "lies before --media-from")
        return in_file(first, final)
    return None


def _between(start: str | None, end: str | None, now: datetime) -> AskedSpan:
    first = None if start is None else moment_of(start, "--from", now)
    final = None if end is None else moment_of(end, "--to", now, after=first)
    if first is not None and final is not None and first > final:
        raise InvalidInput("--to", "lies before --from")
    return between(first, final)
