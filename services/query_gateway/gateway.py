"""The gateway: assembles its parts, and starts and stops them in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import grpc

from hermes.v1.camera_pb2_grpc import add_CameraServiceServicer_to_server
from hermes.v1.event_pb2_grpc import add_EventServiceServicer_to_server
from hermes.v1.memory_pb2_grpc import add_MemoryServiceServicer_to_server
from hermes.v1.query_pb2_grpc import add_QueryServiceServicer_to_server
from hermes.v1.watch_pb2_grpc import add_WatchServiceServicer_to_server
from services.common import logs
from services.common.announce import reachable
from services.common.camera_credentials import CameraCredentials
from services.common.connection import connect_async
from services.common.event_log import AsyncRedisEventLog, Retention
from services.common.grpc_server import GrpcServer
from services.common.heartbeats import Heartbeats
from services.common.http import StatusServer
from services.common.metrics import ALERTED_CODES, Metrics
from services.common.periodic_task import PeriodicTask, event_loop_watch
from services.query_gateway import redis_link, worker_tls
from services.query_gateway.access.allowed import Allowed
from services.query_gateway.access.audit import Audit
from services.query_gateway.access.authenticator import Authenticator
from services.query_gateway.access.current import Rights, current_mark
from services.query_gateway.access.guard import Guard
from services.query_gateway.access.jwks import KeySet, fetch_of
from services.query_gateway.access.jwts import JwtVerifier
from services.query_gateway.access.limits import CallerLimits
from services.query_gateway.access.token_file import TokenFile
from services.query_gateway.access.viewer import Viewers
from services.query_gateway.asked_cameras import AskedCameras
from services.query_gateway.asked_past import AskedPast
from services.query_gateway.asked_together import WorkersTogether
from services.query_gateway.catalogue import CameraCatalogue
from services.query_gateway.channels import ChannelPool, connect
from services.query_gateway.directory import Directory
from services.query_gateway.epochs import Epochs
from services.query_gateway.events import endings
from services.query_gateway.events.endings import Endings
from services.query_gateway.events.feed import EventFeed
from services.query_gateway.events.servicer import HEARTBEAT_S, EventServicer
from services.query_gateway.events.store import EventStore
from services.query_gateway.fan_out import FanOut
from services.query_gateway.frames import Frames
from services.query_gateway.known_cameras import KnownCameras
from services.query_gateway.many import ManyCameras
from services.query_gateway.merging import Merging, RedisMembers
from services.query_gateway.open_questions import OpenQuestions
from services.query_gateway.probes import Probes
from services.query_gateway.questions import QuestionRules
from services.query_gateway.redis_link import RedisWatch
from services.query_gateway.resolver import Resolver
from services.query_gateway.router import Router
from services.query_gateway.servicers import CameraServicer, MemoryServicer, QueryServicer
from services.query_gateway.settings import GatewaySettings
from services.query_gateway.turns import LookUps, SharedLookUps, Turns
from services.query_gateway.watches.catalogue import WatchCatalogue
from services.query_gateway.watches.servicer import WatchServicer
from services.query_gateway.watches.trials import Trials
from services.query_gateway.worker_tls import WorkerTls
from services.query_gateway.workers import Workers

log = logs.get(__name__)

CAMERA_SERVICE = "hermes.v1.CameraService"
EVENT_SERVICE = "hermes.v1.EventService"
MEMORY_SERVICE = "hermes.v1.MemoryService"
QUERY_SERVICE = "hermes.v1.QueryService"
WATCH_SERVICE = "hermes.v1.WatchService"
ASK = f"/{QUERY_SERVICE}/Ask"


class Gateway:
    """A gateway in this process. Belongs to the running event loop."""

    def __init__(
        self,
        settings: GatewaySettings,
        metrics: Metrics | None = None,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        """Raises `UnusableFile` if a certificate, a password or a key cannot be read, and
        `InvalidInput` or OSError if the file of tokens cannot be used.
        """
        self._settings = settings
        self._heartbeats = Heartbeats() if heartbeats is None else heartbeats
        self._authenticator = _authenticator(settings)
        self._allowed = Allowed(
            settings.token_limits, authenticated=self._authenticator is not None
        )
        self._past = AskedPast(lambda: self._allowed.limits().span_s or 0.0)
        self.metrics = Metrics() if metrics is None else metrics
        for code in ALERTED_CODES:
            self.metrics.queries.labels(code)
        self._credentials = CameraCredentials(settings.credentials_key_file)
        self._credentials.check()
        self._redis = connect_async(settings.redis_url, access=settings.redis_access)
        self._epochs = Epochs()
        tls = self._worker_tls = WorkerTls(settings.worker_tls) if settings.worker_tls else None
        self._channels = ChannelPool(settings.worker_idle_s, tls.connect if tls else connect)
        self._open_questions = OpenQuestions(settings.max_open_questions, current_mark)
        self._known = KnownCameras(self._redis)
        self._resolver = Resolver(self._redis, self._epochs, self._known)
        self._events = EventStore(self._redis)
        self._feed = EventFeed(self._events)
        self._event_log = AsyncRedisEventLog(
            self._redis, Retention(settings.events_keep_s, settings.events_max)
        )
        self._router = Router(
            self._resolver,
            Workers(self._channels),
            self._epochs,
            settings.hand_over_wait_s,
            most_waiting=max(1, settings.max_open_questions // 2),
        )
        self._server = GrpcServer(
            max_message_bytes=settings.max_message_bytes,
            reflection=settings.reflection,
            observe=self._observe,
            interceptors=[] if self._authenticator is None else [self._guard(self._authenticator)],
            tls=settings.server_tls,
        )
        self._add_services()
        self._status = StatusServer(
            settings.metrics_host,
            settings.metrics_port,
            self.metrics,
            self._readiness,
            heartbeats=self._heartbeats,
        )
        self._tasks = self._background()
        self._stopping = False
        self.port = 0
        self.ready = asyncio.Event()
        """Set once Redis has been reached: the gateway now takes questions."""
        self.failed = asyncio.Event()
        """Never set: a gateway recovers from every failure of its parts."""

    def _many(self, rules: QuestionRules, catalogue: CameraCatalogue) -> ManyCameras:
        settings = self._settings
        rights = Rights(authenticated=self._authenticator is not None)
        turns = Turns(
            self._open_questions,
            min(settings.many_at_once, settings.max_open_questions),
            settings.many_at_once_of_one_worker,
            current_mark,
        )
        router = Router(
            LookUps(SharedLookUps(self._resolver)),
            WorkersTogether(self._channels),
            self._epochs,
            settings.hand_over_wait_s,
            most_waiting=settings.max_cameras_asked,
            turn=turns.turn,
        )
        return ManyCameras(
            rules,
            AskedCameras(
                catalogue,
                rights,
                settings.max_cameras_asked,
                lambda: self._allowed.limits().cameras_asked or 0,
            ),
            FanOut(router, rights, self.metrics),
            Merging(RedisMembers(self._redis), self._channels, self._open_questions),
            self.metrics,
            self._past,
        )

    def _add_services(self) -> None:
        settings = self._settings
        policy, seal = settings.source_policy(), self._credentials.seal
        catalogue = CameraCatalogue(self._redis, policy, self._known, seal)
        rules = QuestionRules(
            max_chars=settings.max_question_chars,
            max_tokens=settings.max_answer_tokens,
            max_turn_chars=settings.max_turn_chars,
            max_form_chars=settings.max_form_chars,
            max_evidence=settings.max_evidence_frames,
        )
        queries = QueryServicer(
            self._router,
            rules,
            self._open_questions,
            self._many(rules, catalogue),
            self.metrics,
            settings.default_deadline_s,
            self._past,
        )
        frames = Frames(self._router, self._open_questions)
        memories = MemoryServicer(
            self._router, self._open_questions, frames, settings.default_deadline_s
        )
        cameras = CameraServicer(
            catalogue,
            Probes(self._redis, policy, seal),
            frames,
            settings.default_deadline_s,
            self._allowed,
        )
        self._server.add(add_CameraServiceServicer_to_server, cameras, CAMERA_SERVICE)
        self._server.add(add_QueryServiceServicer_to_server, queries, QUERY_SERVICE)
        self._server.add(add_MemoryServiceServicer_to_server, memories, MEMORY_SERVICE)
        self._add_watches()

    def _add_watches(self) -> None:
        settings, directory = self._settings, Directory(self._redis)
        catalogue = WatchCatalogue(
            self._redis,
            directory,
            self._events,
            settings.max_question_chars,
            settings.max_answer_tokens,
        )
        trials = Trials(self._router, directory, self._open_questions)
        viewers = Viewers(authenticated=self._authenticator is not None)
        watches = WatchServicer(
            catalogue, trials, viewers, settings.default_deadline_s, self._allowed
        )
        events = EventServicer(
            self._events, self._event_log, self._feed, directory, viewers, heartbeat_s=HEARTBEAT_S
        )
        self._server.add(add_WatchServiceServicer_to_server, watches, WATCH_SERVICE)
        self._server.add(add_EventServiceServicer_to_server, events, EVENT_SERVICE)

    def _background(self) -> list[PeriodicTask]:
        """Tasks that run beside the calls, each with a heartbeat."""
        redis_watch = RedisWatch(self._redis, self._known, self._redis_is, self.metrics)
        event_endings = Endings(self._events, self._event_log, self._known)
        sweep_every_s = self._settings.worker_idle_s / 2
        tasks = [
            event_loop_watch(self._heartbeats),
            self._periodic("redis-watch", redis_watch.step, redis_link.WATCH_EVERY_S),
            self._periodic("channels", self._channels.sweep, sweep_every_s),
            self._periodic("event-feed", self._feed.step, 0.0),
            self._periodic("event-endings", event_endings.step, endings.EVERY_S),
        ]
        if self._authenticator is not None:
            tasks += [
                self._periodic(refresh.name, refresh.step, refresh.every_s)
                for refresh in self._authenticator.refreshes
            ]
        if self._worker_tls is not None:
            reread = partial(self._worker_tls.reread, self._channels.renew)
            tasks.append(self._periodic("worker-tls", reread, worker_tls.LOOK_EVERY_S))
        return tasks

    def _periodic(
        self, name: str, step: Callable[[], Awaitable[None]], every_s: float
    ) -> PeriodicTask:
        return PeriodicTask(name, step, every_s, self._heartbeats)

    @property
    def metrics_port(self) -> int:
        """Port of /metrics, /healthz and /readyz."""
        return self._status.port

    @property
    def address(self) -> str:
        """host:port at which this machine reaches the gateway, once it is bound."""
        return reachable(self._settings.listen, self.port)

    def bind(self) -> int:
        """Bind the gRPC port and return it. Raises `CannotListen`."""
        self.port = self._server.bind(self._settings.listen)
        return self.port

    async def start(self) -> None:
        """Serve, after binding the port if `bind` was not called. Raises `CannotListen`."""
        if not self.port:
            self.bind()
        await self._server.start()
        self._status.start()
        for task in self._tasks:
            task.start()
        if self._authenticator is None:
            log.info("authentication_off", open_to="anyone who reaches the port")
        log.info("listening", port=self.port, metrics_port=self.metrics_port)

    @property
    def open_calls(self) -> int:
        """Calls that are open now."""
        return self._server.open_calls

    async def stop(self, grace_s: float | None = None) -> None:
        """Refuse new calls, give open calls the grace period to end, and close everything."""
        self._stopping = True
        self._feed.close()
        log.info("draining", open_questions=self._open_questions.count)
        await self._server.stop(self._settings.drain_grace_s if grace_s is None else grace_s)
        for task in self._tasks:
            await task.stop()
        await self._channels.close()
        await self._redis.aclose()
        await asyncio.to_thread(self._status.stop)
        log.info("stopped")

    @property
    def services(self) -> tuple[str, ...]:
        """Full names of the gRPC services."""
        return self._server.services

    def _guard(self, authenticator: Authenticator) -> Guard:
        settings = self._settings
        limits = CallerLimits(
            settings.caller_calls_per_second, settings.caller_burst, settings.caller_open_calls
        )
        audit = Audit(with_questions=settings.audit_questions)
        return Guard(authenticator, limits, audit, self.metrics, settings.token_limits)

    async def _redis_is(self, up: bool) -> None:
        if self._stopping:
            return
        await self._server.set_serving(up)
        if up:
            self.ready.set()

    def _readiness(self) -> tuple[bool, str]:
        if self._stopping:
            return False, "stopping"
        return (True, "serving") if self._server.serving else (False, "Redis cannot be reached")

    def _observe(self, method: str, code: grpc.StatusCode) -> None:
        if method == ASK:
            self.metrics.queries.labels(code.name).inc()


def _authenticator(settings: GatewaySettings) -> Authenticator | None:
    """None if no authentication is configured; every caller may then make every call."""
    if not settings.authenticated:
        return None
    tokens = None if settings.tokens_file is None else TokenFile(settings.tokens_file)
    if settings.jwt_jwks is None:
        return Authenticator(tokens, None)
    jwts = JwtVerifier(
        KeySet(fetch_of(settings.jwt_jwks), settings.jwt_refetch_s),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        scope_claim=settings.jwt_scope_claim,
        limits_claim=settings.jwt_limits_claim,
    )
    return Authenticator(tokens, jwts)
