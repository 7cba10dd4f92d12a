"""The instances of a role: each announces itself in Redis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import redis

from services.common import keys
from services.common.leases import Leases
from services.common.placement import ALIVE_S, Member, gone, parse_members

GONE_S = 3600.0
"""A member whose heartbeat is this old is removed from the list."""


class Members:
    """The members of one role, and our own entry among them."""

    def __init__(
        self,
        client: redis.Redis,
        leases: Leases,
        role: keys.Role,
        entry: Callable[[int, int], Member],
    ) -> None:
        """`entry` makes our own entry from our load and the time in ms."""
        self._redis = client
        self._leases = leases
        self._key = keys.members(role)
        self._entry = entry
        self.retiring = False
        """Whether we take no more cameras."""

    def own(self, load: int, now_ms: int = 0) -> Member:
        """Our own entry with this load."""
        return replace(self._entry(load, now_ms), draining=self.retiring)

    def alive(self, load: int) -> tuple[list[Member], int]:
        """The members that are alive, ourselves first with this load; and Redis's time in ms."""
        now_ms = self._leases.now_ms()
        found = parse_members(self._all(), now_ms, int(ALIVE_S * 1000))
        own = self.own(load, now_ms)
        return [own, *(member for member in found if member.instance != own.instance)], now_ms

    def announce(self, load: int) -> None:
        """Write our own entry, and delete those of members that are long gone."""
        now_ms = self._leases.now_ms()
        member = self.own(load, now_ms)
        self._redis.hset(self._key, member.instance, member.to_json())
        if silent := gone(self._all(), now_ms, int(GONE_S * 1000)):
            self._redis.hdel(self._key, *silent)

    def leave(self) -> None:
        """Delete our own entry."""
        self._redis.hdel(self._key, self.own(0).instance)

    def _all(self) -> dict[bytes, bytes]:
        return self._redis.hgetall(self._key)  # type: ignore[return-value]
