"""The notifier: assembles its parts, and starts and stops them in order."""

from __future__ import annotations

import asyncio

import redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from services.common import logs
from services.common.connection import connect_async
from services.common.files import UnusableFile
from services.common.heartbeats import Heartbeats
from services.common.http import StatusServer
from services.common.metrics import Metrics
from services.common.periodic_task import PeriodicTask, event_loop_watch
from services.notifier.courier import Delivered, Patience
from services.notifier.feed import Feed
from services.notifier.lease import SinkLease
from services.notifier.numbers import Numbers
from services.notifier.remembered import Remembered
from services.notifier.settings import NotifierSettings
from services.notifier.sink_owner import SinkOwner
from services.notifier.sink_tenure import SinkTenure
from services.notifier.sinks import make_sink
from services.notifier.sinks_file import OneSink, read_sinks

log = logs.get(__name__)

REDIS_WATCH_EVERY_S = 1.0
OUTCOMES = ("delivered", "failed", "dead", "repeated", "passed_over", "unreadable", "trimmed")


class Notifier:
    """A notifier in this process. Belongs to the running event loop."""

    def __init__(self, settings: NotifierSettings, metrics: Metrics | None = None) -> None:
        """Raises `InvalidInput` naming each fault of the file of sinks, and `UnusableFile` if a
        password cannot be read.
        """
        self._settings = settings
        self._sinks = read_sinks(settings.sinks)
        self._names = frozenset(sink.name for sink in self._sinks)
        self.metrics = Metrics() if metrics is None else metrics
        for name in self._names:
            for outcome in OUTCOMES:  # from 0, so that the first shows as a rate
                self.metrics.notifications.labels(name, outcome)
        self._redis = connect_async(settings.redis_url, access=settings.redis_access)
        # An answer that got lost may have held messages: the reader must hear of it.
        self._redis.set_retry(Retry(NoBackoff(), 0))
        heartbeats = Heartbeats()
        self._owners = [self._owner(sink) for sink in self._sinks]
        self._tasks = [
            event_loop_watch(heartbeats),
            PeriodicTask("redis-watch", self._look, REDIS_WATCH_EVERY_S, heartbeats),
            *(
                PeriodicTask(
                    f"sink-{owner.name}",
                    owner.step,
                    0.0,
                    heartbeats,
                    outages=(redis.RedisError, UnusableFile),
                )
                for owner in self._owners
            ),
        ]
        self._status = StatusServer(
            settings.metrics_host,
            settings.metrics_port,
            self.metrics,
            self._readiness,
            heartbeats=heartbeats,
        )
        self._reachable = False
        self.ready = asyncio.Event()
        """Set once Redis has been reached."""
        self.failed = asyncio.Event()
        """Never set: a notifier recovers from every failure of its parts."""

    @property
    def metrics_port(self) -> int:
        """Port of /metrics, /healthz and /readyz."""
        return self._status.port

    @property
    def address(self) -> str:
        """Nothing: it takes no calls."""
        return ""

    async def start(self) -> None:
        """Begin to deliver."""
        self._status.start()
        for task in self._tasks:
            task.start()
        log.info("started", sinks=sorted(self._names), metrics_port=self.metrics_port)

    async def stop(self) -> None:
        """Leave all sinks to other instances. What is not acknowledged is theirs to send."""
        for task in self._tasks:
            await task.stop()
        await asyncio.gather(*(owner.stop() for owner in self._owners))
        await self._redis.aclose()
        await asyncio.to_thread(self._status.stop)
        log.info("stopped")

    def _owner(self, config: OneSink) -> SinkOwner:
        lease = SinkLease(self._redis, config.name, self._settings.lease_s)
        feed = Feed(self._redis, config.name, self._settings.catch_up_s)
        patience = Patience(config.give_up_after_s)
        delivered = Delivered()

        async def begin() -> SinkTenure:
            remembered = Remembered(self._redis, config.name)
            await remembered.load()
            sink = make_sink(config, remembered, Numbers(self._redis))
            return SinkTenure(
                config.name, sink, feed, lease, patience, self.metrics, delivered, self._names
            )

        return SinkOwner(config.name, lease, begin)

    async def _look(self) -> None:
        self._reachable = False
        await self._redis.ping()
        self._reachable = True
        self.ready.set()

    def _readiness(self) -> tuple[bool, str]:
        return (True, "ok") if self._reachable else (False, "Redis cannot be reached")
