"""Asks the watches of all cameras of this worker: one thread."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping

import redis

from hermes.v1.camera_pb2 import Camera
from hermes.v1.watch_pb2 import Watch
from services.common import logs
from services.common.event_log import EventLog
from services.common.frame_log import Fenced
from services.common.heartbeats import Heartbeats
from services.common.leases import Lease
from services.common.metrics import Metrics
from services.common.periodic import Periodic
from services.common.watch_registry import WatchRegistry
from services.common.watch_room import WatchRooms
from services.common.watch_rules import covers
from services.common.watch_state import RedisWatchState
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.tenures import Tenures
from services.hermes_worker.watches.cooldown import RedisCooldowns
from services.hermes_worker.watches.series import Series
from services.hermes_worker.watches.watched_camera import WatchedCamera

log = logs.get(__name__)

ROUND_S = 0.05
"""Pause between two rounds. A new frame is noticed, and its watches asked, within about so long."""
REGISTRY_EVERY_S = 1.0
ROOM_EVERY_S = 3.0
IDLE_S = 0.5
"""Pause between two rounds while there are no watches."""


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
            self._next_look = now + REGISTRY_EVERY_S
        if now >= self._next_room:
            self._rooms.publish(*self._capacity())
            self._next_room = now + ROOM_EVERY_S
        self._take_answers()
        ours = self._ours()
        for camera_id in [*self._cameras]:
            self._leave_unless(camera_id, ours)
        for tenure, lease, camera in ours.values():
            self._round(tenure, lease, camera)
        return ROUND_S if self._registry.watches else IDLE_S

    def _ours(self) -> dict[str, tuple[Tenure, Lease, Camera]]:
        registered = self._registered()
        found = {}
        for tenure in self._tenures.all():
            lease = tenure.lease
            if lease is not None and tenure.serving:
                camera = registered.get(tenure.camera.id, tenure.camera)
                found[tenure.camera.id] = (tenure, lease, camera)
        return found

    def _leave_unless(
        self, camera_id: str, ours: Mapping[str, tuple[Tenure, Lease, Camera]]
    ) -> None:
        known, now = self._cameras[camera_id], ours.get(camera_id)
        if now is None or now[0] is not known.tenure or now[1].epoch != known.lease.epoch:
            known.stop()
            del self._cameras[camera_id]

    def _round(self, tenure: Tenure, lease: Lease, camera: Camera) -> None:
        watches = self._watches_of(camera)
        known = self._cameras.get(camera.id)
        if known is None:
            known = self._cameras[camera.id] = WatchedCamera(
                tenure,
                lease,
                RedisWatchState(self._redis, lease, self._events),
                self._cooldowns,
                self._series,
                self._work.put,
                model=self._model,
                sentence=self._sentence,
            )
        try:
            known.round(camera, watches)
        except Fenced:
            log.info("watches_left", camera=camera.id)
            known.stop()
        except redis.RedisError:
            raise
        except Exception:
            log.exception("watches_of_a_camera_failed", camera=camera.id)

    def _watches_of(self, camera: Camera) -> dict[str, Watch]:
        watches = self._registry.watches
        return {watch.id: watch for watch in watches.values() if covers(watch, camera)}

    def _take_answers(self) -> None:
        while True:
            try:
                work = self._work.get_nowait()
            except queue.Empty:
                return
            work()
