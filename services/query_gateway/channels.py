"""Connections to workers, one per address, closed when unused for a while."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio

from services.common.rpc import KEEPALIVE

OPTIONS: list[tuple[str, Any]] = [
    *KEEPALIVE,
    # Find a restarted worker at once: gRPC's default pause grows to two minutes,
    # and a lease lives ten seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 3_000),  # also the time-out of connecting
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),
]


def connect(address: str) -> grpc.aio.Channel:
    """A channel to a worker. Connects when first used."""
    return grpc.aio.insecure_channel(address, options=OPTIONS)


@dataclass(slots=True)
class _Pooled:
    channel: grpc.aio.Channel
    users: int
    unused_since: float


class ChannelPool:
    """Channels by address."""

    def __init__(
        self,
        idle_s: float,
        connect: Callable[[str], grpc.aio.Channel] = connect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle_s = idle_s
        self._connect = connect
        self._clock = clock
        self._pooled: dict[str, _Pooled] = {}
        self._retired: list[_Pooled] = []

    @asynccontextmanager
    async def use(self, address: str) -> AsyncIterator[grpc.aio.Channel]:
        """A channel to the address, open while inside."""
        pooled = self._pooled.get(address)
        if pooled is None:
            pooled = _Pooled(self._connect(address), 0, self._clock())
            self._pooled[address] = pooled
        pooled.users += 1
        try:
            yield pooled.channel
        finally:
            pooled.users -= 1
            pooled.unused_since = self._clock()

    def renew(self) -> None:
        """Give new channels to new calls. Channels in use stay open until their calls end."""
        self._retired += self._pooled.values()
        self._pooled.clear()

    async def sweep(self) -> None:
        """Close channels that were not used for `idle_s`, and replaced ones that are not in use.

        To be awaited a few times in each `idle_s`.
        """
        oldest = self._clock() - self._idle_s
        for address, pooled in list(self._pooled.items()):
            if pooled.users == 0 and pooled.unused_since <= oldest:
                del self._pooled[address]
                await pooled.channel.close()
        over = [pooled for pooled in self._retired if pooled.users == 0]
        self._retired = [pooled for pooled in self._retired if pooled.users]
        for pooled in over:
            await pooled.channel.close()

    async def close(self) -> None:
        """Close all channels."""
        self.renew()
        while self._retired:
            await self._retired.pop().channel.close()

    @property
    def addresses(self) -> list[str]:
        """The addresses that have a channel."""
        return list(self._pooled)
