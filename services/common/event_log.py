"""The log of events: one stream of messages about the events of all cameras.

A message is appended once, however often it is sent: its key (`message_key`) is
kept in the event's record. The record also has the event as its last message left
it, which lists are made of. Pictures are in the stream alone.

All keys share one cluster slot, so one script does it (`append_event.lua`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import redis
import redis.asyncio

from hermes import limits
from hermes.v1.event_pb2 import EVENT_TYPE_CLOSED, EVENT_TYPE_NOTE, Acknowledgement, Event
from services.common import keys
from services.common.event_record import Indexed, Parts, check_event, is_open, message_key
from services.common.scripts import AsyncScript, load_script, source_of


class Outcome(StrEnum):
    """What became of a message."""

    ADDED = "ADDED"
    DUPLICATE = "DUPLICATE"
    """It was there before."""
    OVER = "OVER"
    """Nothing: the event is closed already."""
    UNKNOWN = "UNKNOWN"
    """Nothing: there is no such event to acknowledge."""
    ACKNOWLEDGED = "ACKNOWLEDGED"
    """Nothing: somebody else has acknowledged it."""


@dataclass(frozen=True, slots=True)
class Appended:
    """`position`: id of the entry, and `sequence`: the message's number; "" and 0 if none is."""

    outcome: Outcome
    position: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Retention:
    """How long events are kept after they close, and how many; messages likewise."""

    keep_s: float = limits.EVENTS_KEEP_S.default
    most: int = limits.EVENTS_MAX.default


class EventLog(Protocol):
    """What workers append to. Thread-safe."""

    def append(self, event: Event) -> Appended:
        """Append a message about an event, unless it was appended before.

        What a later message leaves out of sentence and evidence stays as it was; an
        acknowledgement stays in any case. Of a message that comes when the event is
        over, the sentence alone counts. Raises `InvalidInput` for what is no event.
        """
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """Keys and arguments of the script."""

    keys: list[str]
    args: list[str | bytes | int]


def append_call(event: Event, keep: Retention, key: str = "") -> Call:
    """The call that appends a message. `key`: another than the message's own."""
    check_event(event)
    parts = Parts.of(event)
    over = event.type == EVENT_TYPE_CLOSED or not is_open(event)
    kind = "note" if event.type == EVENT_TYPE_NOTE else "closed" if over else "open"
    args: list[str | bytes | int] = [
        event.id,
        key or message_key(event),
        kind,
        parts.event,
        parts.sentence,
        parts.frames,
        parts.frames_without_pictures,
        b"",
        Indexed.of(event).member,
        event.opened.ToMilliseconds(),
        f"{event.watch_id}/{event.camera_id}",
    ]
    return Call(_keys(event.id), [*args, *_kept(keep)])


def acknowledge_call(event_id: str, acknowledgement: Acknowledgement, keep: Retention) -> Call:
    """The call that acknowledges an event."""
    key = f"ack:{acknowledgement.by}:{acknowledgement.at.ToNanoseconds()}"
    part = Event(acknowledgement=acknowledgement).SerializeToString()
    args: list[str | bytes | int] = [event_id, key, "ack", b"", b"", b"", b"", part, "", 0, ""]
    return Call(_keys(event_id), [*args, *_kept(keep)])


def _keys(event_id: str) -> list[str]:
    return [
        keys.EVENTS,
        keys.event(event_id),
        keys.EVENTS_INDEX,
        keys.EVENTS_OPEN,
        keys.EVENTS_TRIMMED,
    ]


def _kept(keep: Retention) -> list[str | bytes | int]:
    return [int(keep.keep_s * 1000), keep.most]


def _appended(reply: Any) -> Appended:
    outcome, position, sequence = reply
    return Appended(Outcome(outcome.decode()), position.decode(), int(sequence))


class RedisEventLog:
    """`EventLog` on Redis."""

    def __init__(self, client: redis.Redis, keep: Retention | None = None) -> None:
        self._keep = keep or Retention()
        self._script = load_script(client, "append_event")

    def append(self, event: Event) -> Appended:
        """See `EventLog`. Raises `redis.RedisError`."""
        call = append_call(event, self._keep)
        return _appended(self._script(keys=call.keys, args=call.args))


class AsyncRedisEventLog:
    """The same for an event loop, with what gateways add."""

    def __init__(self, client: redis.asyncio.Redis, keep: Retention | None = None) -> None:
        self._keep = keep or Retention()
        self._script = AsyncScript(client, source_of("append_event"))

    async def append(self, event: Event, key: str = "") -> Appended:
        """As `EventLog.append`. `key`: see `append_call`."""
        return await self._run(append_call(event, self._keep, key))

    async def acknowledge(self, event_id: str, acknowledgement: Acknowledgement) -> Appended:
        """Append an UPDATED message that says who has taken notice."""
        return await self._run(acknowledge_call(event_id, acknowledgement, self._keep))

    async def _run(self, call: Call) -> Appended:
        return _appended(await self._script(keys=call.keys, args=call.args))
