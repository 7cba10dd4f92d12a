"""Moments and spans of time in requests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hermes.client import AskedSpan, between, in_file, last
from hermes.durations import read_duration
from hermes.errors import InvalidInput

HOW = "write ISO 8601 with a time zone, 2026-11-29T14:00:00Z"


def moment_of(text: str, field: str) -> datetime:
    """A moment in ISO 8601 with its time zone. Raises `InvalidInput`."""
    try:
        # In a query an unescaped plus is read as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidInput(field, f"is no moment: {HOW}")


def time_of(text: str, field: str) -> datetime:
    """A moment, also as milliseconds since the Unix epoch. Raises `InvalidInput`."""
    if not (text.isascii() and text.isdecimal()):
        return moment_of(text, field)
    try:
        seconds, ms = divmod(int(text), 1000)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=1000 * ms)
    except (ValueError, OverflowError, OSError):
        raise InvalidInput(field, "is no time in milliseconds since 1970") from None


class SpanInput(BaseModel):
    """A span of time: `last`, `from` and `to` by capture time, or places in a file in seconds."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, allow_inf_nan=False)

    last: str | None = Field(None, description="10s, 10m, 1h30m, 2d", examples=["10m"])
    from_: str | None = Field(None, alias="from", description="ISO 8601 with a time zone")
    to: str | None = Field(None, description="ISO 8601 with a time zone")
    media_from: float | None = Field(None, ge=0, le=1e9)
    media_to: float | None = Field(None, ge=0, le=1e9)

    def span(self, field: str) -> AskedSpan | None:
        """As the client takes it; None if nothing is given. Raises `InvalidInput`."""
        kinds: dict[Literal["last", "from", "media_from"], bool] = {
            "last": self.last is not None,
            "from": self.from_ is not None or self.to is not None,
            "media_from": self.media_from is not None or self.media_to is not None,
        }
        if sum(kinds.values()) > 1:
            raise InvalidInput(
                field, "is of one kind: last, from and to, or media_from and media_to"
            )
        if self.last is not None:
            return last(seconds=read_duration(self.last, f"{field}.last"))
        if kinds["from"]:
            start, end = (
                None if text is None else moment_of(text, f"{field}.{name}")
                for name, text in (("from", self.from_), ("to", self.to))
            )
            return between(start, end)
        return in_file(self.media_from, self.media_to) if kinds["media_from"] else None
