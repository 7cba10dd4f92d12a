"""The worker: how its parts are assembled, and in which order they start and stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import grpc
import redis

from hermes.engine import Engine
from hermes.v1.worker_pb2_grpc import add_WorkerServiceServicer_to_server
from services.common import logs
from services.common.announce import reachable
from services.common.connection import connect
from services.common.event_log import RedisEventLog, Retention
from services.common.frame_log import RedisFrameLog
from services.common.grpc_server import GrpcServer
from services.common.heartbeats import Heartbeats
from services.common.http import StatusServer
from services.common.leases import Leases
from services.common.metrics import Metrics
from services.common.ownership import Ownership
from services.common.periodic_task import event_loop_watch
from services.common.placement import Member
from services.common.status_writer import StatusWriter
from services.common.watch_room import WatchRooms
from services.hermes_worker.checkpointer import Cadence, Checkpointer
from services.hermes_worker.checkpoints import Checkpoints
from services.hermes_worker.device import load_model, warm_up
from services.hermes_worker.earlier import earlier_memory
from services.hermes_worker.ingest import BLOCK_S, Ingest
from services.hermes_worker.observer import EngineMetrics
from services.hermes_worker.picture_loader import PictureLoader
from services.hermes_worker.picture_store import PictureStore
from services.hermes_worker.reporter import Reporter
from services.hermes_worker.restorer import Restorer
from services.hermes_worker.servicer import WorkerServicer
from services.hermes_worker.settings import WorkerSettings
from services.hermes_worker.snapshot_removals import SnapshotRemovals
from services.hermes_worker.snapshot_store import SnapshotStore
from services.hermes_worker.tenures import Tenures
from services.hermes_worker.watches.evaluator import Evaluator

log = logs.get(__name__)

WORKER_SERVICE = "hermes.v1.WorkerService"
ASK = f"/{WORKER_SERVICE}/Ask"
MAX_MESSAGE_BYTES = 4 << 20
DEVICE_LIMIT_S = 120.0
"""The device's thread beats at least this often, even during a large pass."""


class Worker:
    """A worker in this process. Belongs to the running loop.

    The HTTP port answers before the model is loaded: alive, not ready. Raises
    `UnusableFile` if a certificate or a password cannot be read.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        settings.redis_access.check()  # not after minutes of loading a model
        self._why_not_ready = "loading the model"
        self.metrics = Metrics()
        self._heartbeats = Heartbeats()
        self._loop_watch = event_loop_watch(self._heartbeats)
        self._status = StatusServer(
            settings.metrics_host,
            settings.metrics_port,
            self.metrics,
            self._readiness,
            heartbeats=self._heartbeats,
        )
        self._server = GrpcServer(
            max_message_bytes=MAX_MESSAGE_BYTES,
            reflection=settings.reflection,
            observe=self._observe,
            tls=settings.server_tls,
        )
        self._clients: list[redis.Redis] = []
        # Asked before it can own anything, a worker owns nothing.
        self._epoch_of: Callable[[str], int | None] = lambda camera_id: None
        self.port = 0
        self.ready = asyncio.Event()
        """Set once it serves."""
        self.failed = asyncio.Event()
        """Set if the device's thread ended: nothing can be answered any more."""

    @property
    def address(self) -> str:
        """host:port under which this machine reaches it, once started."""
        return reachable(self._settings.listen, self.port)

    @property
    def metrics_port(self) -> int:
        """Port of /metrics, /healthz and /readyz."""
        return self._status.port

    async def start(self) -> None:
        """Load the model, listen, take cameras. Raises `CannotListen` or `HermesError`."""
        settings = self._settings
        self._status.start()
        self._loop_watch.start()
        self._store = await asyncio.to_thread(_open_store, settings.checkpoint_url)
        model = await asyncio.to_thread(load_model, settings, self._not_ready_because)
        self._not_ready_because("warming up")
        engine = Engine(model, settings.engine_config(), EngineMetrics(self.metrics))
        await asyncio.to_thread(warm_up, engine)
        self._not_ready_because("starting")
        self._assemble(engine)
        self.port = self._server.bind(settings.listen)
        # The address is known only now, and goes into every lease.
        address = settings.advertised(self.port)
        leases = Leases(self._connect(), "worker", settings.instance, address)
        self._own(leases, address)
        await self._server.start()
        self._device = self._heartbeats.add("device", DEVICE_LIMIT_S)
        engine.start(self._device.beat)
        for part in (
            self._restorer,
            self._picture_loader,
            self._ingest,
            self._statuses,
            self._checkpointer,
            self._ownership,
            self._watches,
        ):
            if part is not None:
                part.start()
        await self._server.set_serving(True)
        self._why_not_ready = ""
        self.ready.set()
        self._watch_engine()
        log.info("serving", port=self.port, address=address, metrics_port=self.metrics_port)

    def _not_ready_because(self, text: str) -> None:
        self._why_not_ready = text

    def _connect(self, block_s: float = 0.0) -> redis.Redis:
        """A separate connection for each part, so that none waits for another's BLOCK."""
        settings = self._settings
        client = connect(settings.redis_url, block_s=block_s, access=settings.redis_access)
        self._clients.append(client)
        return client

    def _assemble(self, engine: Engine) -> None:
        settings = self._settings
        self._engine = engine
        self._tenures = self._make_tenures(engine)
        self._ingest = Ingest(
            RedisFrameLog(self._connect(block_s=BLOCK_S)),
            engine,
            self._tenures,
            self.metrics,
            settings.staleness_s,
            settings.new_gate,
            heartbeats=self._heartbeats,
        )
        servicer = WorkerServicer(
            engine,
            self._tenures,
            lambda camera_id: self._epoch_of(camera_id),
            RedisFrameLog(self._connect()),
            self.metrics,
        )
        self._server.add(add_WorkerServiceServicer_to_server, servicer, WORKER_SERVICE)

    def _make_tenures(self, engine: Engine) -> Tenures:
        """The tenures, and what restores their memories from checkpoints and takes new ones."""
        settings, metrics, beats = self._settings, self.metrics, self._heartbeats
        self._checkpointer: Checkpointer | None = None
        self._restorer: Restorer | None = None
        self._picture_loader: PictureLoader | None = None
        statuses = self._connect()
        earlier = partial(earlier_memory, statuses)
        if self._store is None:
            return Tenures(engine, earlier=earlier, kept_pictures=settings.kept_pictures)
        checkpoints = Checkpoints(self._connect(), self._store, settings.checkpoint_keep)
        removals = SnapshotRemovals(checkpoints)
        self._restorer = Restorer(checkpoints, metrics, engine.snapshot_limit, beats)
        tenures = Tenures(
            engine,
            earlier=earlier,
            restore=self._restorer.begin,
            removed=removals.add,
            kept_pictures=settings.kept_pictures,
        )
        pictures = PictureStore(self._store)
        self._picture_loader = PictureLoader(tenures, pictures, beats)
        cadence = Cadence(settings.checkpoint_every_s, settings.checkpoint_every_frames)
        self._checkpointer = Checkpointer(
            tenures, checkpoints, pictures, removals, metrics, cadence, heartbeats=beats
        )
        return tenures

    def _own(self, leases: Leases, address: str) -> None:
        settings = self._settings

        def member(load: int, now_ms: int) -> Member:
            return Member(
                instance=settings.instance,
                address=address,
                device=str(self._engine.model.shape.device),
                capacity=self._engine.capacity,
                load=load,
                heartbeat_ms=now_ms,
            )

        self.metrics.camera_capacity.set(self._engine.capacity)
        self._ownership = Ownership(
            self._connect(),
            leases,
            self._tenures,
            member,
            self.metrics,
            "worker",
            self._engine.capacity,
            balance=self._store is not None,
            heartbeats=self._heartbeats,
        )
        self._epoch_of = self._ownership.epoch
        self._watches = Evaluator(
            self._connect(),
            self._tenures,
            RedisEventLog(self._connect(), Retention(settings.events_keep_s, settings.events_max)),
            WatchRooms(self._connect(), settings.instance),
            self._engine.standing_figures,
            lambda: self._ownership.registered,
            self.metrics,
            model=self._engine.model.name,
            sentence=settings.watch_sentence,
            heartbeats=self._heartbeats,
        )
        status_leases = Leases(self._connect(), "worker", settings.instance, address)
        reporter = Reporter(self._engine, self._tenures, self.metrics)
        self._statuses = StatusWriter(reporter.read, status_leases, self.metrics, self._heartbeats)

    async def stop(self) -> None:
        """Hand cameras over, let answers end, and take checkpoints of cameras that stayed.

        A third of `drain_s` is reserved for the last two.
        """
        self._why_not_ready = "stopping"
        drain_s = self._settings.drain_s
        until = asyncio.get_running_loop().time() + drain_s
        log.info("draining", open_calls=self._server.open_calls)
        await asyncio.to_thread(self._ownership.drain, drain_s * 2 / 3)
        await asyncio.to_thread(self._watches.stop)
        await self._server.stop(min(drain_s / 3, _left(until)))
        if self._restorer is not None:
            await asyncio.to_thread(self._restorer.stop)
        if self._picture_loader is not None:
            self._picture_loader.stop()
        await asyncio.to_thread(self._ingest.stop)
        self._engine.wind_down()  # frames that wait are in the log, past the last checkpoints
        if self._checkpointer is not None:
            await asyncio.to_thread(self._checkpointer.stop, max(1.0, _left(until)))
        self._heartbeats.remove(self._device)
        for part in (self._statuses, self._ownership, self._engine):
            await asyncio.to_thread(part.stop)
        for client in self._clients:
            client.close()
        await self._loop_watch.stop()
        await asyncio.to_thread(self._status.stop)
        log.info("stopped")

    def _watch_engine(self) -> None:
        loop = asyncio.get_running_loop()

        def wait() -> None:
            self._engine.join()
            with suppress(RuntimeError):  # the loop is closed: the process ends anyway
                loop.call_soon_threadsafe(self._engine_ended)

        # Not the loop's pool: it would be waited for at exit.
        threading.Thread(target=wait, name="device-watch", daemon=True).start()

    def _engine_ended(self) -> None:
        if not self._why_not_ready:  # else we stopped it ourselves
            self._why_not_ready = "the device's thread ended"
            self.failed.set()

    def _readiness(self) -> tuple[bool, str]:
        return not self._why_not_ready, self._why_not_ready or "serving"

    def _observe(self, method: str, code: grpc.StatusCode) -> None:
        if method == ASK:
            self.metrics.queries.labels(code.name).inc()


def _left(until: float) -> float:
    return max(0.0, until - asyncio.get_running_loop().time())


def _open_store(url: str) -> SnapshotStore | None:
    if not url:
        return None
    store = SnapshotStore(url)
    store.check()
    return store
