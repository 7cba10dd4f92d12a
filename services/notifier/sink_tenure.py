"""A sink while this instance owns it: what is read for it, and what is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import redis
import redis.asyncio

from services.common import logs
from services.common.metrics import Metrics
from services.notifier.courier import Courier, Delivered, Patience
from services.notifier.feed import Entry, Feed
from services.notifier.lanes import Lanes, cancelled
from services.notifier.lease import SinkLease
from services.notifier.message import Message, Unreadable, parse
from services.notifier.sink import Sink

log = logs.get(__name__)

MOST_WAITING = 64
"""Messages that are read at a time. They hold pictures."""
BLOCK_S = 1.0
COUNT_EVERY_S = 5.0
REDIS_PAUSE_S = 0.2
RUN_AGAIN_S = 5.0


class SinkTenure:
    """Reads, delivers and acknowledges until `close`. Belongs to the running loop."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        feed: Feed,
        lease: SinkLease,
        patience: Patience,
        metrics: Metrics,
        delivered: Delivered,
        known: frozenset[str],
    ) -> None:
        """`known`: the names of all sinks."""
        self._name = name
        self._sink = sink
        self._feed = feed
        self._lease = lease
        self._metrics = metrics
        self._known = known
        self._unknown: set[str] = set()
        self._courier = Courier(name, sink, patience, metrics, lease.check, delivered)
        self._lanes = Lanes(self._work, MOST_WAITING)
        self._pending_after: str | None = "0"
        self._resent_after = ""
        self._counted_s = float("-inf")
        self._beside: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Begin. Raises RedisError."""
        await self._feed.open()
        self._beside = [
            asyncio.create_task(self._run_sink()),
            asyncio.create_task(self._end_with_lease()),
        ]

    async def step(self) -> None:
        """Read some messages, and put them into their lanes. Takes about a second at most.

        Raises RedisError, and whatever ended the lanes.
        """
        self._lanes.check()
        self._lease.check()
        try:
            await self._read()
        except (redis.ConnectionError, redis.TimeoutError):
            # What was read may have got lost on the way: it comes before anything new.
            self._pending_after = "0"
            raise

    async def _read(self) -> None:
        await self._count()
        if not await self._lanes.wait_for_room(BLOCK_S):
            return
        if self._pending_after is not None:
            entries = await self._feed.pending(self._pending_after, self._lanes.room)
            self._pending_after = entries[-1][0] if entries else None
            await self._take(entries)
            return
        again = await self._feed.resent(self._resent_after, self._lanes.room)
        if again:
            self._resent_after = again[-1][0]
            await self._take(again, resent=True)
            return
        await self._take(await self._feed.new(self._lanes.room, BLOCK_S))

    async def close(self) -> None:
        """End now. What is under way is cancelled, and will be read again."""
        await self._lanes.close()
        await cancelled(self._beside)
        for gauge in (self._metrics.notifications_pending, self._metrics.dead_letters):
            gauge.remove_by_labels({"sink": self._name})

    async def _take(self, entries: Iterable[Entry], *, resent: bool = False) -> None:
        for position, fields in entries:
            if self._lanes.holds(position):
                continue
            if fields is None:
                await self._pass_over(position, "trimmed", resent)
                continue
            try:
                message = parse(position, fields, resent=resent)
            except Unreadable as error:
                log.warning("entry_unreadable", sink=self._name, position=position, why=str(error))
                await self._pass_over(position, "unreadable", resent)
                continue
            self._look_for_unknown(message)
            if not message.names(self._name):
                await self._done(position, resent=resent)
            elif not self._sink.wants(message):
                await self._pass_over(position, "passed_over", resent)
            else:
                self._lanes.put(message)

    async def _work(self, message: Message) -> None:
        why = await self._courier.deliver(message)
        if why is not None:
            await self._until_redis(lambda: self._feed.bury(message, why))
        await self._done(message.position, resent=message.resent)

    async def _pass_over(self, position: str, outcome: str, resent: bool) -> None:
        self._metrics.notifications.labels(self._name, outcome).inc()
        await self._done(position, resent=resent)

    async def _done(self, position: str, *, resent: bool) -> None:
        await self._until_redis(lambda: self._feed.done(position, resent=resent))

    async def _until_redis(self, write: Callable[[], Awaitable[object]]) -> None:
        """Write, when Redis is back if it is away; the next of the lane waits for it."""
        while True:
            self._lease.check()
            try:
                await write()
                return
            except redis.ResponseError:
                raise
            except redis.RedisError:
                await asyncio.sleep(REDIS_PAUSE_S)

    async def _count(self) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._counted_s < COUNT_EVERY_S:
            return
        pending, dead = await self._feed.counts()
        self._metrics.notifications_pending.labels(self._name).set(pending)
        self._metrics.dead_letters.labels(self._name).set(dead)
        self._counted_s = now_s

    def _look_for_unknown(self, message: Message) -> None:
        for name in set(message.event.sinks) - self._known - self._unknown:
            log.warning("no_such_sink", named=name, watch=message.event.watch_id)
            self._unknown.add(name)

    async def _run_sink(self) -> None:
        while True:
            try:
                await self._sink.run()
                return
            except Exception:
                log.exception("sink_run_failed", sink=self._name)
                await asyncio.sleep(RUN_AGAIN_S)

    async def _end_with_lease(self) -> None:
        """Deliver nothing after the lease has ended, even while Redis cannot be reached."""
        while (left_s := self._lease.left_s) > 0:  # noqa: ASYNC110 - it is renewed meanwhile
            await asyncio.sleep(left_s)
        log.warning("sink_lost", sink=self._name)
        await self._lanes.close()
