"""Ownership: claims free cameras, keeps their leases, gives them up.

One loop, the same for workers (who remember cameras) and decoders (who read
them), on a thread of its own so that nothing else a service does can hold up a
renewal.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import redis

from hermes.v1.camera_pb2 import Camera
from services.common import keys, logs
from services.common.leases import RENEW_EVERY_S, SAFETY_S, TTL_S, Lease, Leases
from services.common.metrics import Metrics
from services.common.placement import ALIVE_S, Member, gone, parse_members, rank
from services.common.registry import CameraRegistry, Standing

log = logs.get(__name__)

TICK_S = 0.5
TURN_S = 1.5
"""The n-th choice for a camera waits n of these before it claims: the first is usually quicker."""
MAX_TURNS = 2
"""Whoever is further down waits no longer, so that TTL and turns stay below 15 s together."""
GONE_S = 3600.0
"""Members silent for this long are removed from the list."""
REST_S = 5.0
"""How long a camera that this instance could not begin with is left to the others."""


class Holder(Protocol):
    """What is done with owned cameras. Called on the ownership thread; must not block.

    An exception concerns that camera alone: it is logged, the camera is given
    up (`lost` is called) and its lease released.
    """

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
    told: str = ""  # the state that the lease tells


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
        self._resting_until: dict[str, float] = {}
        self._renewed_at = float("-inf")
        self._announced_load = -1
        self._reachable = True
        self._retiring = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"ownership-{role}", daemon=True)

    def start(self) -> None:
        """Begin to claim cameras."""
        self._thread.start()

    def retire(self) -> None:
        """Claim nothing more, and say so; what is held is kept until `stop`. Any thread."""
        self._retiring = True
        self._announced_load = -1

    def stop(self) -> None:
        """Claim nothing more and give back every lease. The holder is not called."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=TTL_S)
        held = list(self._held.values())
        self._held.clear()  # before the leases go: nobody may act under one that is released
        try:
            for one in held:
                self._leases.release(one.lease)
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
        incarnation = self._registry.incarnation
        cameras = self._registry.cameras(held.camera for held in list(self._held.values()))
        lost_data = self._registry.incarnation != incarnation
        for camera_id, held in list(self._held.items()):
            current = cameras.get(camera_id)
            if current is None or current.created != held.camera.created:
                self._drop(camera_id, "removed")
                self._leases.release(held.lease, forget=True)
        due = self._clock() - self._renewed_at >= RENEW_EVERY_S
        states = {camera_id: self._state(camera_id) for camera_id in self._held}
        # A camera that has caught up should not wait for the next renewal to be found.
        news = any(states[camera_id] != held.told for camera_id, held in self._held.items())
        if due or lost_data or news or any(self.epoch(c) is None for c in self._held):
            self._renew(states)
        self._claim(cameras)
        if len(self._held) != self._announced_load:
            self._announce()

    def _renew(self, states: Mapping[str, str]) -> None:
        sent_at = self._clock()
        outcomes = self._leases.renew([held.lease for held in self._held.values()], states)
        for camera_id, outcome in outcomes.items():
            held = self._held[camera_id]
            if outcome == "KEPT":
                held.valid_until = sent_at + TTL_S - SAFETY_S
                held.told = states[camera_id]
            elif outcome == "LOST":
                self._metrics.lease_lost.inc()
                self._drop(camera_id, "lost")
            else:
                # No lease at all: Redis lost its data, or the camera was just removed.
                self._take(held.camera)
        self._announce()
        self._metrics.retain(self._held)
        self._renewed_at = sent_at

    def _announce(self) -> None:
        now_ms = self._leases.now_ms()
        member = self._member(len(self._held), now_ms)
        key = keys.members(self._role)
        if self._retiring:
            self._redis.hdel(key, member.instance)
        else:
            self._redis.hset(key, member.instance, member.to_json())
        self._announced_load = len(self._held)
        if silent := gone(self._redis.hgetall(key), now_ms, int(GONE_S * 1000)):  # type: ignore[arg-type]
            self._redis.hdel(key, *silent)

    def _claim(self, cameras: dict[str, Camera]) -> None:
        wanted = {camera_id for camera_id in cameras if camera_id not in self._held}
        self._free_since = {c: t for c, t in self._free_since.items() if c in wanted}
        now = self._clock()
        self._resting_until = {c: t for c, t in self._resting_until.items() if t > now}
        wanted -= self._resting_until.keys()
        if not wanted or not self._has_room():
            return
        owners = self._leases.owners(wanted)
        now_ms = self._leases.now_ms()
        raw = self._redis.hgetall(keys.members(self._role))
        members = parse_members(raw, now_ms, int(ALIVE_S * 1000))  # type: ignore[arg-type]
        own = self._member(len(self._held), now_ms).instance
        for camera_id, owner in owners.items():
            if owner is not None and owner.instance != own and owner.expires_ms > now_ms:
                self._free_since.pop(camera_id, None)
                continue
            since = self._free_since.setdefault(camera_id, self._clock())
            turn = min(rank(camera_id, own, members), MAX_TURNS) * TURN_S
            if self._stop.is_set() or not self._has_room():
                return
            if self._clock() - since >= turn:
                self._take(cameras[camera_id])

    def _has_room(self) -> bool:
        return not self._retiring and len(self._held) < self._capacity

    def _take(self, camera: Camera) -> None:
        before = self._held.get(camera.id)
        asked_at = self._clock()
        lease = self._leases.acquire(
            camera.id,
            above=before.lease.epoch if before else 0,
            resume=before is not None and asked_at < before.valid_until,
        )
        if lease is None:
            # Without an owner it is set aside: nobody has it, and it may be ours again.
            if before is not None and self._leases.owners([camera.id])[camera.id] is not None:
                self._metrics.lease_lost.inc()
                self._drop(camera.id, "lost")
            return
        standing = self._look_up(camera)
        if standing == "removed" or (standing == "unknown" and before is None):
            # Removed since this round began: its keys are gone, and the lease
            # that was just made must not be the one that stays. Or Redis lost
            # its data since: someone may hold the lease that it forgot.
            if before is not None:
                self._drop(camera.id, "removed")
            self._leases.release(lease, forget=True)
            return
        self._held[camera.id] = _Held(camera, lease, asked_at + TTL_S - SAFETY_S)
        self._free_since.pop(camera.id, None)
        self._metrics.camera_owner_epoch.labels(camera.id).set(lease.epoch)
        log.info("camera_gained", camera=camera.id, epoch=lease.epoch)
        try:
            self._holder.gained(camera, lease)
        except Exception:
            log.exception("camera_not_begun", camera=camera.id)
            self._resting_until[camera.id] = self._clock() + REST_S
            self._drop(camera.id, "fault")
            self._leases.release(lease)

    def _look_up(self, camera: Camera) -> Standing:
        try:
            return self._registry.look_up(camera)
        except redis.RedisError:
            return "unknown"

    def _drop(self, camera_id: str, why: str) -> None:
        self._held.pop(camera_id, None)
        log.info("camera_given_up", camera=camera_id, why=why)
        try:
            self._holder.lost(camera_id)
        except Exception:
            log.exception("camera_not_ended", camera=camera_id)
        self._metrics.forget(camera_id)

    def _state(self, camera_id: str) -> str:
        try:
            return self._holder.state(camera_id)
        except Exception:
            log.exception("camera_state_unknown", camera=camera_id)
            return "unknown"
