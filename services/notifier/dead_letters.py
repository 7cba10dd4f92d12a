"""Dead letters of a sink, as an operator sees them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import redis

from services.common import keys
from services.notifier.message import Unreadable, parse


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up. `given_up_ms`: when, by the clock of Redis."""

    position: str
    given_up_ms: int
    why: str
    event_id: str
    type: str
    watch: str
    camera: str


class DeadLetters:
    """The dead letters of one sink. Methods raise RedisError."""

    def __init__(self, client: redis.Redis, sink: str) -> None:
        self._redis = client
        self._sink = sink

    def all(self) -> list[DeadLetter]:
        """All that are kept, oldest first."""
        found: Any = self._redis.xrange(keys.dead_letters(self._sink))
        return [_letter(position.decode(), fields) for position, fields in found]

    def resend(self, positions: Iterable[str]) -> int:
        """Have them sent again, in their order; how many of them there were."""
        wanted, count = set(positions), 0
        found: Any = self._redis.xrange(keys.dead_letters(self._sink))
        for position, fields in found:
            if position.decode() not in wanted:
                continue
            with self._redis.pipeline(transaction=True) as both:
                both.xadd(keys.resend(self._sink), fields)
                both.xdel(keys.dead_letters(self._sink), position)
                both.execute()
            count += 1
        return count


def sinks_with_dead_letters(client: redis.Redis) -> list[str]:
    """The names of all sinks that have some."""
    before, after = keys.dead_letters("*").split("*")
    found = client.scan_iter(keys.dead_letters("*"), count=1000)
    return sorted(key.decode().removeprefix(before).removesuffix(after) for key in found)


def _letter(position: str, fields: dict[bytes, bytes]) -> DeadLetter:
    why = fields.get(b"why", b"").decode(errors="replace")
    given_up_ms = int(position.partition("-")[0])
    try:
        message = parse(position, fields)
    except Unreadable as error:
        return DeadLetter(position, given_up_ms, why or str(error), "", "", "", "")
    return DeadLetter(position, given_up_ms, why, message.event.id, message.type, *message.lane)
