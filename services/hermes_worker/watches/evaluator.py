"""Asks the watches of all cameras of this worker: one thread."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import redis

from hermes.v1.camera_pb2 import Camera
from services.common import logs
from services.common.event_log import EventLog
from services.common.frame_log import Fenced
from services.common.heartbeats import Heartbeats
from services.common.leases import Lease
from services.common.metrics import Metrics
from services.common.periodic import Periodic
from services.common.watch_registry import WatchRegistry
from services.common.watch_room import WatchRooms
from services.common.watch_state import RedisWatchState
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.tenures import Tenures
from services.hermes_worker.watches.cooldown import RedisCooldowns
from services.hermes_worker.watches.meant import MeantWatches
from services.hermes_worker.watches.series import Series
from services.hermes_worker.watches.watched_camera import WatchedCamera

log = logs.get(__name__)

ROUND_S = 0.05
"""Pause between two rounds. A new frame is noticed, and its watches asked, within about so long."""
REGISTRY_EVERY_S = 1.0
ROOM_EVERY_S = 3.0
IDLE_S = 0.5
"""Pause between two rounds while there are no watches."""
FAILURE_PAUSE_S = 5.0
"""Pause of a camera whose round failed."""


class _Ours(NamedTuple):
    tenure: Tenure
    lease: Lease
    camera: Camera


class Evaluator:
    """Follows the registry of watches and this worker's cameras, and runs their rounds.

    The engine answers on its own thread; what comes back waits in a queue for ours.
    """

    def __init__(
        self,
        client: redis.Redis,
        tenures: Tenures,
        events: EventLog,
        rooms: WatchRooms,
        capacity: Callable[[], tuple[float, float]],
        cameras: Callable[[], Mapping[str, Camera]],
        metrics: Metrics,
        *,
        model: str,
        sentence: str,
        heartbeats: Heartbeats | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`capacity`: evaluations a second that the device can make, and makes. `cameras`: the
        registered ones. `sentence`: what is asked to say an event in words.
        """
        self._redis = client
        self._tenures = tenures
        self._events = events
        self._rooms = rooms
        self._capacity = capacity
        self._registered = cameras
        self._registry = WatchRegistry(client)
        self._cooldowns = RedisCooldowns(client)
        self._series = Series(metrics)
        self._model = model
        self._sentence = sentence
        self._clock = clock
        self._cameras: dict[str, WatchedCamera] = {}
        self._meant = MeantWatches()
        self._next_try: dict[str, float] = {}  # of cameras whose round failed
        self._first = ""  # the camera with which the next round begins
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._next_look = self._next_room = 0.0
        self._periodic = Periodic("watches", self.step, ROUND_S, heartbeats or Heartbeats())

    def start(self) -> None:
        """Begin to ask."""
        self._periodic.start()

    def stop(self) -> None:
        """Ask no more. Events stay open: the cameras' next owners go on."""
        self._periodic.stop()
        for camera in self._cameras.values():
            camera.stop()
        self._cameras.clear()

    def step(self) -> float:
        """One round over all cameras. Raises `redis.RedisError` if Redis is out of reach."""
        now = self._clock()
        if now >= self._next_look:
            self._registry.refresh()
            self._series.registered(self._registry.watches, now)
            self._next_look = now + REGISTRY_EVERY_S
        if now >= self._next_room:
            self._rooms.publish(*self._capacity())
            self._next_room = now + ROOM_EVERY_S
        self._take_answers()
        ours = self._ours()
        for camera_id in [*self._cameras]:
            self._leave_unless(camera_id, ours)
        self._rounds(list(ours.values()))
        return ROUND_S if self._registry.watches else IDLE_S

    def _rounds(self, ours: list[_Ours]) -> None:
        """Give each camera its round. Where the device has no room for more, the next one begins
        with the camera that got none.
        """
        self._meant.follow(self._registry.watches)
        at = next((n for n, one in enumerate(ours) if one.camera.id == self._first), 0)
        refused = ""
        for one in [*ours[at:], *ours[:at]]:
            if not self._round(one):
                refused = refused or one.camera.id
        self._first = refused or self._first

    def _ours(self) -> dict[str, _Ours]:
        registered = self._registered()
        found = {}
        for tenure in self._tenures.all():
            lease = tenure.lease
            if lease is not None and tenure.serving:
                camera = registered.get(tenure.camera.id, tenure.camera)
                found[tenure.camera.id] = _Ours(tenure, lease, camera)
        return found

    def _leave_unless(self, camera_id: str, ours: Mapping[str, _Ours]) -> None:
        known, now = self._cameras[camera_id], ours.get(camera_id)
        if now is None or now.tenure is not known.tenure or now.lease.epoch != known.lease.epoch:
            del self._cameras[camera_id]
            self._meant.forget(camera_id)
            try:
                known.leave()
            except Exception as error:
                self._went_wrong(known, error)
            self._next_try.pop(camera_id, None)

    def _round(self, ours: _Ours) -> bool:
        """One camera's round. Whether there was room for all of its watches."""
        camera = ours.camera
        known = self._cameras.get(camera.id)
        if known is None:
            known = self._cameras[camera.id] = WatchedCamera(
                ours.tenure,
                ours.lease,
                RedisWatchState(self._redis, ours.lease, self._events),
                self._cooldowns,
                self._series,
                self._work.put,
                model=self._model,
                sentence=self._sentence,
            )
        if self._next_try and self._clock() < self._next_try.get(camera.id, 0.0):
            return True
        try:
            return known.round(camera, self._meant.of(camera))
        except Exception as error:
            self._went_wrong(known, error)
            return True

    def _went_wrong(self, known: WatchedCamera, error: Exception) -> None:
        """What goes wrong with one camera concerns no other, unless Redis is out of reach: then it
        is raised. Called while it is handled, so that it can be logged.
        """
        camera_id = known.lease.camera_id
        if isinstance(error, Fenced):
            log.info("watches_left", camera=camera_id)
            known.stop()
        elif isinstance(error, redis.ConnectionError | redis.TimeoutError):
            raise error
        else:
            self._next_try[camera_id] = self._clock() + FAILURE_PAUSE_S
            if isinstance(error, redis.RedisError):
                log.warning("watches_not_written", camera=camera_id, error=str(error))
            else:
                log.exception("watches_of_a_camera_failed", camera=camera_id)

    def _take_answers(self) -> None:
        while True:
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                return
            work()
