"""Reads events from Redis: single ones, pages of a list, and stretches of the stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import redis.asyncio

from hermes.v1.event_pb2 import Event
from services.common import keys
from services.common.event_record import RECORD_FIELDS, Indexed, event_of, message_of
from services.common.frame_log import BEGINNING, LogId

PAGE = 500
"""Entries of the index that are read at a time."""
MESSAGES = 64
"""Messages that are read from the stream at a time: they may hold pictures."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message about an event, and its place in the stream."""

    position: LogId
    event: Event | None
    """None for an entry that makes no sense."""


class EventStore:
    """Events in Redis. Methods raise `redis.RedisError` if it is out of reach."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self._redis = client

    async def get(self, event_id: str) -> Event | None:
        """One event with its pictures, as far as the stream still has them."""
        record = await self._record(event_id)
        event = event_of(record)
        if event is None:
            return None
        place = (record.get("frames_at") or b"").decode(errors="replace")
        if place:
            there = await self._range(place, place, 1)
            first = there[0].event if there else None
            if first is not None and first.id == event_id:
                event.ClearField("evidence")
                event.evidence.extend(first.evidence)
        return event

    async def newest(
        self,
        wanted: Callable[[Indexed], bool],
        *,
        after_ms: int | None = None,
        before_ms: int | None = None,
        before_id: str = "",
    ) -> AsyncIterator[Event]:
        """Events without pictures, newest first, of those that `wanted` accepts.

        `after_ms`, `before_ms`: opened then or between. `before_id`: opened before
        this event; nothing if it is no longer kept.
        """
        start = await self._start(before_ms, before_id)
        while start is not None:
            page = cast(
                "list[tuple[bytes, float]]",
                await self._redis.zrevrange(
                    keys.EVENTS_INDEX, start, start + PAGE - 1, withscores=True
                ),
            )
            in_time = [member for member, ms in page if after_ms is None or ms >= after_ms]
            found = (Indexed.parse(member) for member in in_time)
            chosen = [indexed for indexed in found if indexed is not None and wanted(indexed)]
            for at in range(0, len(chosen), MESSAGES):
                for event in await self._events(chosen[at : at + MESSAGES]):
                    yield event
            start = start + PAGE if len(in_time) == PAGE else None

    async def open_events(self) -> dict[str, tuple[str, str]]:
        """Watch and camera of each event that is open, by its id."""
        reply = self._redis.hgetall(keys.EVENTS_OPEN)
        entries = await cast("Awaitable[Mapping[bytes, bytes]]", reply)
        found = {}
        for event_id, value in entries.items():
            watch, _, camera = value.decode(errors="replace").partition("/")
            found[event_id.decode(errors="replace")] = (watch, camera)
        return found

    async def open_by_watch(self, may_see: Callable[[str], bool]) -> Counter[str]:
        """How many events of each watch are open, of the cameras that `may_see` accepts."""
        pairs = (await self.open_events()).values()
        return Counter(watch for watch, camera in pairs if may_see(camera))

    async def last_position(self) -> LogId:
        """The newest message's; `BEGINNING` if there is none."""
        entries: Any = await self._redis.xrevrange(keys.EVENTS, count=1)
        return LogId.parse(entries[0][0]) if entries else BEGINNING

    async def after(self, position: LogId, count: int = MESSAGES) -> list[Message]:
        """The messages that follow a position, in order."""
        return await self._range(f"({position}", "+", count)

    async def wait_after(self, position: LogId, block_ms: int) -> list[Message]:
        """The same, but wait for the first up to `block_ms`."""
        reply: Any = await self._redis.xread(
            {keys.EVENTS: str(position)}, count=MESSAGES, block=block_ms
        )
        return messages_of(reply[0][1]) if reply else []

    async def lost_since(self, position: LogId) -> bool:
        """Whether messages that followed a position are no longer kept."""
        if position == BEGINNING:
            return False
        raw = await cast("Awaitable[bytes | None]", self._redis.get(keys.EVENTS_TRIMMED))
        try:
            trimmed = LogId.parse(raw) if raw else None
        except ValueError:
            trimmed = None
        if trimmed is not None:
            return position < trimmed
        # Nothing was trimmed. A message that is missing all the same was lost with Redis's data.
        there = await self._range(str(position), str(position), 1)
        return not there and position < await self.last_position()

    async def _range(self, first: str, last: str, count: int) -> list[Message]:
        entries: Any = await self._redis.xrange(keys.EVENTS, first, last, count=count)
        return messages_of(entries)

    async def _start(self, before_ms: int | None, before_id: str) -> int | None:
        """The rank in the index, newest first, to begin at; None if nothing follows."""
        start = 0
        if before_ms is not None:
            start = await self._redis.zcount(keys.EVENTS_INDEX, f"({before_ms}", "+inf")
        if before_id:
            event = event_of(await self._record(before_id))
            if event is None:
                return None
            rank: Any = await self._redis.zrevrank(keys.EVENTS_INDEX, Indexed.of(event).member)
            if rank is None:
                return None
            start = max(start, rank + 1)
        return start

    async def _events(self, chosen: Sequence[Indexed]) -> list[Event]:
        records = await self._records([indexed.event_id for indexed in chosen])
        return [event for record in records if (event := event_of(record)) is not None]

    async def _record(self, event_id: str) -> Mapping[str, bytes | None]:
        return (await self._records([event_id]))[0]

    async def _records(self, event_ids: Iterable[str]) -> list[Mapping[str, bytes | None]]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for event_id in event_ids:
                pipeline.hmget(keys.event(event_id), RECORD_FIELDS)
            replies = await pipeline.execute()
        return [dict(zip(RECORD_FIELDS, reply, strict=True)) for reply in replies]


def messages_of(entries: Iterable[tuple[bytes, Mapping[bytes, bytes]]]) -> list[Message]:
    """Entries of the stream as messages."""
    return [Message(LogId.parse(place), message_of(fields)) for place, fields in entries]
