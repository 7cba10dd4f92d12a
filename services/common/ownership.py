"""Ownership: claims free cameras, keeps their leases, gives them up.

One loop, the same for workers (who remember cameras) and decoders (who read
them), on a thread of its own so that nothing else a service does can hold up a
renewal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import redis

from hermes.v1.camera_pb2 import Camera
from services.common import keys, logs
from services.common.leases import RENEW_EVERY_S, SAFETY_S, TTL_S, Lease, Leases
from services.common.metrics import Metrics
from services.common.placement import Member, parse_members, rank
from services.common.registry import CameraRegistry

log = logs.get(__name__)

TICK_S = 0.5
TURN_S = 1.5
"""The n-th choice for a camera waits n of these before it claims: the first is usually quicker."""
ALIVE_S = 15.0


class Holder(Protocol):
    """What is done with owned cameras. Called on the ownership thread; must not block."""

    def gained(self, camera: Camera, lease: Lease) -> None:
        """The camera is ours. Called again with a higher epoch if the lease had to be retaken."""
        ...

    def lost(self, camera_id: str) -> None:
        """The camera is not ours any more: forget it."""
        ...

    def state(self, camera_id: str) -> str:
        """What to write into the lease: `replaying`, `serving`, ..."""
        ...


@dataclass(slots=True)
class _Held:
    camera: Camera
    lease: Lease
    valid_until: float  # by our own monotonic clock


class Ownership:
    """Owns up to `capacity` cameras for a `Holder`."""

    def __init__(
        self,
        client: redis.Redis,
        leases: Leases,
        holder: Holder,
        member: Callable[[int, int], Member],
        metrics: Metrics,
        role: keys.Role,
        capacity: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis = client
        self._leases = leases
        self._holder = holder
        self._member = member
        self._metrics = metrics
        self._role: keys.Role = role
        self._capacity = capacity
        self._clock = clock
        self._registry = CameraRegistry(client)
        self._held: dict[str, _Held] = {}
        self._free_since: dict[str, float] = {}
        self._renewed_at = float("-inf")
        self._reachable = True
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ownership-{role}", daemon=True)

    def start(self) -> None:
        """Begin to claim cameras."""
        self._thread.start()

    def stop(self) -> None:
        """Claim nothing more and give back every lease."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=TTL_S)
        try:
            for held in list(self._held.values()):
                self._leases.release(held.lease)
            self._redis.hdel(keys.members(self._role), self._member(0, 0).instance)
        except redis.RedisError as error:
            log.warning("leases_not_released", error=str(error))

    def epoch(self, camera_id: str) -> int | None:
        """The epoch under which the camera is ours right now, or None. Any thread."""
        held = self._held.get(camera_id)
        if held is None or self._clock() >= held.valid_until:
            return None
        return held.lease.epoch

    def leases(self) -> list[Lease]:
        """All leases held."""
        return [held.lease for held in list(self._held.values())]

    @property
    def reachable(self) -> bool:
        """Whether Redis answered at the last try."""
        return self._reachable

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.tick()
                if not self._reachable:
                    log.info("redis_reachable_again")
                self._reachable = True
            except redis.RedisError as error:
                if self._reachable:
                    log.warning("redis_unreachable", error=str(error))
                self._reachable = False
            except Exception:
                log.exception("ownership_tick_failed")
            self._stop.wait(TICK_S)

    def tick(self) -> None:
        """One round: drop what was removed, renew what is held, claim what is free."""
        cameras = self._registry.cameras(held.camera for held in list(self._held.values()))
        for camera_id, held in list(self._held.items()):
            current = cameras.get(camera_id)
            if current is None or current.created != held.camera.created:
                self._drop(camera_id, "removed")
                self._leases.release(held.lease)
        if self._clock() - self._renewed_at >= RENEW_EVERY_S:
            self._renew()
        self._claim(cameras)

    def _renew(self) -> None:
        sent_at = self._clock()
        states = {camera_id: self._holder.state(camera_id) for camera_id in self._held}
        outcomes = self._leases.renew([held.lease for held in self._held.values()], states)
        for camera_id, outcome in outcomes.items():
            held = self._held[camera_id]
            if outcome == "KEPT":
                held.valid_until = sent_at + TTL_S - SAFETY_S
            elif outcome == "LOST":
                self._metrics.lease_lost.inc()
                self._drop(camera_id, "lost")
            else:
                # No lease at all, and the camera is registered: Redis lost its
                # data. Nobody can have held it in between and still hold it.
                self._take(held.camera)
        now_ms = self._leases.now_ms()
        member = self._member(len(self._held), now_ms)
        self._redis.hset(keys.members(self._role), member.instance, member.to_json())
        self._renewed_at = sent_at

    def _claim(self, cameras: dict[str, Camera]) -> None:
        wanted = [camera_id for camera_id in cameras if camera_id not in self._held]
        self._free_since = {c: t for c, t in self._free_since.items() if c in wanted}
        if not wanted or len(self._held) >= self._capacity:
            return
        owners = self._leases.owners(wanted)
        now_ms = self._leases.now_ms()
        raw = self._redis.hgetall(keys.members(self._role))
        members = parse_members(raw, now_ms, int(ALIVE_S * 1000))  # type: ignore[arg-type]
        own = self._member(len(self._held), now_ms).instance
        for camera_id in wanted:
            owner = owners[camera_id]
            if owner is not None and owner.instance != own and owner.expires_ms > now_ms:
                self._free_since.pop(camera_id, None)
                continue
            since = self._free_since.setdefault(camera_id, self._clock())
            turn = rank(camera_id, own, members) * TURN_S
            if self._clock() - since >= turn and len(self._held) < self._capacity:
                self._take(cameras[camera_id])

    def _take(self, camera: Camera) -> None:
        asked_at = self._clock()
        lease = self._leases.acquire(camera.id)
        if lease is None:
            if camera.id in self._held:
                self._metrics.lease_lost.inc()
                self._drop(camera.id, "lost")
            return
        self._held[camera.id] = _Held(camera, lease, asked_at + TTL_S - SAFETY_S)
        self._free_since.pop(camera.id, None)
        self._metrics.camera_owner_epoch.labels(camera.id).set(lease.epoch)
        log.info("camera_gained", camera=camera.id, epoch=lease.epoch)
        self._holder.gained(camera, lease)

    def _drop(self, camera_id: str, why: str) -> None:
        self._held.pop(camera_id, None)
        self._metrics.forget(camera_id)
        log.info("camera_given_up", camera=camera_id, why=why)
        self._holder.lost(camera_id)
