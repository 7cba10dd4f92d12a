"""The feed of a sink: its place in the stream of events, its dead letters, what is sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis
import redis.asyncio

from services.common import keys, logs
from services.notifier.message import EVENT_FIELD, Message

log = logs.get(__name__)

CONSUMER = "owner"
"""The same for all instances: the one that owns the sink takes over what the last one had not
acknowledged, just by reading."""
MOST_DEAD_LETTERS = 1000
"""About as many are kept; the oldest go first."""

Entry = tuple[str, Mapping[bytes, bytes] | None]
"""A position, and the entry's fields; None if the stream no longer has them."""


def group(sink: str) -> str:
    """The name of the sink's consumer group."""
    return f"notifier:{sink}"


class Feed:
    """What the owner of a sink reads and writes in Redis. All methods raise RedisError."""

    def __init__(self, client: redis.asyncio.Redis, sink: str, catch_up_s: float) -> None:
        """`catch_up_s`: how old the first message may be that a new sink is sent."""
        self._redis = client
        self._sink = sink
        self._group = group(sink)
        self._catch_up_s = catch_up_s
        self._seen = False

    async def open(self) -> None:
        """Make the sink's place, if there is none."""
        start = "0"
        if not self._seen:
            seconds, _ = await self._redis.time()
            start = str(max(0, int((seconds - self._catch_up_s) * 1000)))
        # A place that was there and is gone means that Redis lost the stream: all that is in it
        # now is new.
        try:
            await self._redis.xgroup_create(keys.EVENTS, self._group, start, mkstream=True)
            log.info("place_made", sink=self._sink, start=start)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise
        self._seen = True

    async def pending(self, after: str, count: int) -> list[Entry]:
        """Entries after a position that an owner has read and not acknowledged."""
        return await self._read(after, count, None)

    async def new(self, count: int, block_s: float) -> list[Entry]:
        """New entries, after a wait of up to `block_s` for the first."""
        return await self._read(">", count, max(1, round(block_s * 1000)))

    async def resent(self, after: str, count: int) -> list[Entry]:
        """Dead letters after a position that an operator wants sent again."""
        found: Any = await self._redis.xrange(
            keys.resend(self._sink), f"({after}" if after else "-", "+", count
        )
        return [(position.decode(), fields) for position, fields in found]

    async def done(self, position: str, *, resent: bool = False) -> None:
        """An entry needs no more work."""
        if resent:
            await self._redis.xdel(keys.resend(self._sink), position)
        else:
            await self._redis.xack(keys.EVENTS, self._group, position)

    async def bury(self, message: Message, why: str) -> None:
        """Put a message into the dead letters."""
        fields: dict[Any, Any] = {
            EVENT_FIELD: message.raw,
            "why": why,
            "position": message.position,
            "id": message.id,
        }
        await self._redis.xadd(keys.dead_letters(self._sink), fields, maxlen=MOST_DEAD_LETTERS)

    async def counts(self) -> tuple[int, int]:
        """How many messages wait or are under way, and how many are dead letters."""
        pending = 0
        groups: Any = []
        if await self._redis.exists(keys.EVENTS):
            groups = await self._redis.xinfo_groups(keys.EVENTS)
        for one in groups:
            if one["name"] == self._group.encode():
                pending = one["pending"] + (one.get("lag") or 0)  # before Redis 7 there is no lag
        return pending, int(await self._redis.xlen(keys.dead_letters(self._sink)))

    async def _read(self, after: str, count: int, block_ms: int | None) -> list[Entry]:
        try:
            found: Any = await self._redis.xreadgroup(
                self._group, CONSUMER, {keys.EVENTS: after}, count=count, block=block_ms
            )
        except redis.ResponseError as error:
            if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                raise
            await self.open()
            return []
        entries = _entries(found)
        return [(position.decode(), fields or None) for position, fields in entries]


def _entries(found: Any) -> Any:
    """The entries of the one stream, in the shape of either version of the protocol."""
    if not found:
        return []
    if isinstance(found, dict):
        return [entry for batch in next(iter(found.values())) for entry in batch]
    return found[0][1]
