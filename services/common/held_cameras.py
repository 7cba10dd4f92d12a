"""The cameras that this instance owns, and the leases under which it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import redis

from hermes.v1.camera_pb2 import Camera
from services.common import logs
from services.common.guarded_holder import GuardedHolder
from services.common.holder import FINISHED
from services.common.leases import SAFETY_S, TTL_S, Lease, Leases, Owner
from services.common.metrics import Metrics
from services.common.ownership_actions import WhyDropped
from services.common.ownership_view import HeldCamera
from services.common.registry import CameraRegistry, Standing
from services.common.successions import Successions

log = logs.get(__name__)

REST_S = 5.0
"""A camera that failed here is left to other instances for this long."""


class HeldCameras:
    """Takes, renews, hands over and drops cameras: the lease in Redis, and the holder with it.

    `epoch` and `leases` may be called on any thread, everything else on the
    ownership thread.
    """

    def __init__(
        self,
        leases: Leases,
        registry: CameraRegistry,
        holder: GuardedHolder,
        successions: Successions,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._registry = registry
        self._holder = holder
        self._successions = successions
        self._metrics = metrics
        self._clock = clock
        self._held: dict[str, HeldCamera] = {}
        self._resting_until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def all(self) -> dict[str, HeldCamera]:
        """Every held camera by its id, as it is now."""
        return dict(self._held)

    @property
    def places(self) -> int:
        """How many places are taken: one for each camera that is not finished."""
        return sum(held.reported_state != FINISHED for held in list(self._held.values()))

    @property
    def states(self) -> dict[str, str]:
        """The state of every held camera, as the holder says it now."""
        return {camera_id: self._holder.state(camera_id) for camera_id in self._held}

    @property
    def resting(self) -> frozenset[str]:
        """The cameras that failed here within the last `REST_S`."""
        now = self._clock()
        self._resting_until = {c: until for c, until in self._resting_until.items() if until > now}
        return frozenset(self._resting_until)

    @property
    def leaving(self) -> bool:
        """Whether a camera is being handed over."""
        return any(held.successor for held in list(self._held.values()))

    def epoch(self, camera_id: str) -> int | None:
        """The epoch under which we own the camera right now, or None."""
        held = self._held.get(camera_id)
        if held is None or self._clock() >= held.valid_until:
            return None
        return held.lease.epoch

    def leases(self) -> list[Lease]:
        """All leases that we hold."""
        return [held.lease for held in list(self._held.values())]

    def renew(self, states: Mapping[str, str]) -> None:
        """Renew the leases of these cameras, and report these states in them."""
        sent_at = self._clock()
        outcomes = self._leases.renew([self._held[c].lease for c in states], states)
        for camera_id, outcome in outcomes.items():
            if outcome == "KEPT":
                self._held[camera_id] = replace(
                    self._held[camera_id],
                    valid_until=sent_at + TTL_S - SAFETY_S,
                    reported_state=states[camera_id],
                )
            elif outcome == "LOST":
                self._metrics.lease_lost.inc()
                self.drop(camera_id, "lost")
            else:
                # Redis lost its data, or the camera was removed a moment ago.
                self.take(self._held[camera_id].camera)

    def take(self, camera: Camera, unattended: Owner | None = None) -> None:
        """Take a camera, or take it again if Redis forgot that it is ours."""
        before = self._held.get(camera.id)
        asked_at = self._clock()
        lease = self._leases.acquire(
            camera.id,
            above=before.lease.epoch if before else 0,
            resume=before is not None and asked_at < before.valid_until,
            unattended=unattended,
        )
        if lease is None:
            self._refused(camera.id)
            return
        standing = self._look_up(camera)
        if standing == "removed" or (standing == "unknown" and before is None):
            self._take_back(camera, lease, standing)
            return
        self._held[camera.id] = HeldCamera(camera, lease, asked_at + TTL_S - SAFETY_S)
        self._successions.taken_over(camera.id)
        self._metrics.camera_owner_epoch.labels(camera.id).set(lease.epoch)
        log.info("camera_gained", camera=camera.id, epoch=lease.epoch)
        if not self._holder.gained(camera, lease):
            self.drop(camera.id, "fault")
            self._leases.release(lease)

    def _refused(self, camera_id: str) -> None:
        self._successions.abandon(camera_id, "another instance took it")
        # Without an owner, the lease is set aside: we may get the camera back.
        if camera_id in self._held and self._leases.owners([camera_id])[camera_id] is not None:
            self._metrics.lease_lost.inc()
            self.drop(camera_id, "lost")

    def _take_back(self, camera: Camera, lease: Lease, standing: Standing) -> None:
        """Undo a claim of a camera that was removed, or that Redis forgot, since the round began.

        A removal has deleted the keys of the camera, so the new lease must not
        stay. If Redis lost its data, another instance may hold the lease that
        was lost.
        """
        if camera.id in self._held:
            self.drop(camera.id, "removed")
        if standing == "removed":
            self._holder.removed(camera)
        self._successions.abandon(camera.id, "removed")
        self._leases.release(lease, forget=True)

    def _look_up(self, camera: Camera) -> Standing:
        try:
            return self._registry.look_up(camera)
        except redis.RedisError:
            return "unknown"

    def give_up(self, camera_id: str, why: WhyDropped, *, removed: bool) -> None:
        """Drop a camera and release its lease. `removed`: keep no trace of either."""
        held = self._held[camera_id]
        self.drop(camera_id, why)
        if removed:
            self._holder.removed(held.camera)
        self._leases.release(held.lease, forget=removed)

    def drop(self, camera_id: str, why: WhyDropped) -> None:
        """Own a camera no longer. Its lease is left as it is."""
        if why == "fault":
            self._resting_until[camera_id] = self._clock() + REST_S
        self._held.pop(camera_id, None)
        log.info("camera_given_up", camera=camera_id, why=why)
        self._holder.lost(camera_id)
        self._metrics.forget(camera_id)

    def give(self, camera_id: str, successor: str) -> bool:
        """Let a camera's work end, and then hand it to its successor. Whether that is done."""
        held = self._held[camera_id] = replace(self._held[camera_id], successor=successor)
        if not self._holder.leave(camera_id):
            return False
        # The reply may be lost, so from here on we must not act under the lease.
        self._held[camera_id] = replace(held, valid_until=float("-inf"))
        outcome = self._leases.hand_over(held.lease, successor)
        if outcome == "GIVEN":
            log.info("camera_handed_over", camera=camera_id, to=successor)
            self.drop(camera_id, "handed over")
        elif outcome == "KEPT":
            self.stay(camera_id)  # the next renewal makes the lease valid again
        return outcome == "GIVEN"

    def stay(self, camera_id: str) -> None:
        """Go on with a camera that was being handed over."""
        self._held[camera_id] = replace(self._held[camera_id], successor="")
        self._holder.stay(camera_id)

    def release_all(self) -> None:
        """Give back every lease. The holder is not called."""
        leases = self.leases()
        self._held.clear()  # first: nothing may act under a lease that is released
        for lease in leases:
            self._leases.release(lease)
