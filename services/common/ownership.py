"""Ownership: claims free cameras, keeps their leases, gives them up.

One loop, the same for workers (who remember cameras) and decoders (who read
them), on a thread of its own so that nothing else a service does can hold up a
renewal.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import redis

from hermes.v1.camera_pb2 import Camera
from services.common import keys, logs, tombstones
from services.common.eviction import EvictionCheck
from services.common.heartbeats import Heartbeats
from services.common.heirs import Heirs
from services.common.holder import Holder
from services.common.leases import RENEW_EVERY_S, SAFETY_S, TTL_S, Lease, Leases, Owner
from services.common.members import Members
from services.common.metrics import Metrics
from services.common.periodic import Periodic
from services.common.placement import Member, lighter, moves, rank
from services.common.registry import CameraRegistry, Standing
from services.common.sightings import Sightings

log = logs.get(__name__)

TICK_S = 0.5
URGENT_TICK_S = 0.1
"""While a camera is handed over: nobody answers for it between the two."""
TURN_S = 1.5
"""The n-th choice for a camera waits n of these before it claims: the first is usually quicker."""
MAX_TURNS = 2
"""Whoever is further down waits no longer, so that TTL and turns stay below 15 s together."""
REST_S = 5.0
"""How long a camera that this instance could not begin with is left to the others."""
MOVES_AT_ONCE = 2
"""Cameras that an instance makes ready to be handed at a time, to have its share."""
RESCUES_AT_ONCE = 8
"""The same of cameras whose owner is about to end."""
HEIRLESS_S = 4.0
"""An instance that drains waits so long for anybody to make ready for what it has."""


@dataclass(slots=True)
class _Held:
    camera: Camera
    lease: Lease
    valid_until: float  # by our own monotonic clock
    told: str = ""  # the state that the lease tells
    heir: str = ""  # whom it is being handed to


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
        *,
        balance: bool = True,
        heartbeats: Heartbeats | None = None,
    ) -> None:
        """`balance`: a camera may be moved to an instance that has less, as nothing of it is lost
        by that; without, it leaves only an instance that ends.
        """
        self._leases = leases
        self._holder = holder
        self._members = Members(client, leases, role, member)
        self._metrics = metrics
        self._capacity = capacity
        self._clock = clock
        self._balance = balance
        self._redis = client
        self._registry = CameraRegistry(client)
        self._eviction = EvictionCheck(metrics, clock)
        self._heirs = Heirs(leases.instance, leases, holder, clock)
        self._sightings = Sightings(clock)
        self._held: dict[str, _Held] = {}
        self._free_since: dict[str, float] = {}
        self._resting_until: dict[str, float] = {}
        self._renewed_at = float("-inf")
        self._announced_load = -1
        self._reachable = True
        self._wanted_at = float("-inf")
        self._rounds = 0
        self._alone = False
        self._stood_for = False
        beats = heartbeats or Heartbeats()
        self._thread = Periodic(f"ownership-{role}", self._round, TICK_S, beats)

    def start(self) -> None:
        """Begin to claim cameras."""
        self._thread.start()

    def retire(self) -> None:
        """Claim nothing more, and let others take what is held. Any thread."""
        self._wanted_at = self._clock()
        self._members.retiring = True
        self._announced_load = -1

    def drain(self, timeout_s: float) -> None:
        """Hand over what is held, as far as others make ready for it. Returns when that is done."""
        self.retire()
        # The round that is under way has looked around already, perhaps before somebody came.
        until, current = self._clock() + timeout_s, self._rounds + 1
        while self._held and self._reachable and self._clock() < until:
            alone = self._alone and self._rounds > current
            if alone or self._clock() - self._wanted_at > HEIRLESS_S:
                return
            self._thread.wait(URGENT_TICK_S)

    def stop(self) -> None:
        """Claim nothing more and give back every lease. The holder is not called."""
        self._thread.stop(TTL_S)
        held = list(self._held.values())
        self._held.clear()  # before the leases go: nobody may act under one that is released
        try:
            for one in held:
                self._leases.release(one.lease)
            self._members.leave()
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

    def _round(self) -> float:
        try:
            self.tick()
        except redis.RedisError:
            self._reachable = False
            raise  # logged once, and tried again
        self._reachable = True
        return URGENT_TICK_S if self._urgent() else TICK_S

    def _urgent(self) -> bool:
        return self._heirs.urgent or any(held.heir for held in list(self._held.values()))

    def tick(self) -> None:
        """One round: drop what was removed, renew what is held, hand over, claim what is free."""
        incarnation = self._registry.incarnation
        cameras = self._registry.cameras(held.camera for held in list(self._held.values()))
        lost_data = self._registry.incarnation != incarnation
        for camera_id, held in list(self._held.items()):
            current = cameras.get(camera_id)
            if current is None or tombstones.replaces(current, held.camera):
                self._drop(camera_id, "removed")
                self._tell_removed(held.camera)
                self._leases.release(held.lease, forget=True)
            elif current.created != held.camera.created:
                self._drop(camera_id, "the registry has an older one")
                self._leases.release(held.lease)
        due = self._clock() - self._renewed_at >= RENEW_EVERY_S
        states = {camera_id: self._state(camera_id) for camera_id in self._held}
        # A camera that has caught up should not wait for the next renewal to be found.
        news = any(states[camera_id] != held.told for camera_id, held in self._held.items())
        if due or lost_data or news or any(self.epoch(c) is None for c in self._held):
            self._renew(states)
        members, now_ms = self._members.alive(self._load)
        if self._wants_to_look(cameras, members):
            owners = self._leases.owners(cameras)
            self._sightings.look(owners)
            self._hand_over(owners, members, now_ms)
            self._heirs.tick(cameras, owners, retiring=self._members.retiring)
            self._claim(cameras, owners, members)
            self._make_ready(cameras, owners, members, now_ms)
        if self._load != self._announced_load:
            self._announce()
        if self._eviction.due:
            self._eviction.look(self._redis)
        self._alone = not self._stood_for and not any(m.has_room for m in members[1:])
        self._rounds += 1

    @property
    def _load(self) -> int:
        return len(self._held) + len(self._heirs)

    def _wants_to_look(self, cameras: Mapping[str, Camera], members: list[Member]) -> bool:
        """Whether leases have to be read: to take some, or because somebody may take ours."""
        takes = self._has_room() and len(self._held) < len(cameras)
        return takes or len(self._heirs) > 0 or len(members) > 1

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
        self._metrics.retain([*self._held, *self._heirs])
        self._renewed_at = sent_at

    def _announce(self) -> None:
        self._announced_load = self._load
        self._members.announce(self._load)

    def _hand_over(
        self, owners: Mapping[str, Owner | None], members: list[Member], now_ms: int
    ) -> None:
        """Hand cameras of ours to those that are ready for them."""
        by_name = {member.instance: member for member in members}
        self._stood_for = False
        for camera_id, held in list(self._held.items()):
            owner = owners.get(camera_id)
            if owner is None or owner.epoch != held.lease.epoch:
                continue  # the next renewal finds out
            heir = by_name.get(owner.successor) if owner.successor_until_ms > now_ms else None
            if heir is not None and heir.draining:
                heir = None
            if heir is not None:
                self._stood_for, self._wanted_at = True, self._clock()
            if heir is None or owner.successor_state != "ready" or not self._consents(heir):
                if held.heir:
                    held.heir = ""
                    self._holder.stay(camera_id)
                continue
            held.heir = heir.instance
            if self._holder.leave(camera_id):
                self._give(camera_id, held)

    def _consents(self, heir: Member) -> bool:
        if self._members.retiring:
            return True
        # The heir counts this camera already.
        before = replace(heir, load=heir.load - 1)
        return self._balance and lighter(before, self._members.own(self._load))

    def _give(self, camera_id: str, held: _Held) -> None:
        held.valid_until = float("-inf")  # nobody acts under it from here on, whatever is heard
        outcome = self._leases.hand_over(held.lease, held.heir)
        if outcome == "GIVEN":
            log.info("camera_handed_over", camera=camera_id, to=held.heir)
            self._drop(camera_id, "handed over")
            self._announce()  # before we look again who has how much
        elif outcome == "KEPT":
            held.heir = ""
            self._holder.stay(camera_id)  # the next renewal makes it valid again

    def _make_ready(
        self,
        cameras: Mapping[str, Camera],
        owners: Mapping[str, Owner | None],
        members: list[Member],
        now_ms: int,
    ) -> None:
        """Stand as heir to cameras that others have too many of, or are about to give up."""
        if not self._has_room():
            return
        own = self._members.own(self._load)
        others = {
            camera_id: owner
            for camera_id, owner in owners.items()
            if owner is not None
            and camera_id not in self._held
            and camera_id not in self._heirs
            and camera_id not in self._resting_until
            and (owner.successor_until_ms <= now_ms or owner.successor == own.instance)
        }
        by_name = {member.instance: member for member in members}
        names = {camera_id: owner.instance for camera_id, owner in others.items()}
        for camera_id in moves(own, names, members, balance=self._balance):
            owner = others[camera_id]
            at_once = RESCUES_AT_ONCE if by_name[owner.instance].draining else MOVES_AT_ONCE
            if len(self._heirs) < at_once and self._has_room():
                self._heirs.begin(cameras[camera_id], owner)

    def _claim(
        self,
        cameras: Mapping[str, Camera],
        owners: Mapping[str, Owner | None],
        members: list[Member],
    ) -> None:
        wanted = {camera_id for camera_id in cameras if camera_id not in self._held}
        self._free_since = {c: t for c, t in self._free_since.items() if c in wanted}
        own = members[0].instance
        self._resting_until = {c: t for c, t in self._resting_until.items() if t > self._clock()}
        for camera_id in sorted(wanted, key=lambda id: id not in self._heirs):
            owner, unattended = owners[camera_id], self._sightings.unattended(camera_id)
            if owner is not None and owner.instance != own and unattended is None:
                self._free_since.pop(camera_id, None)
                continue
            since = self._free_since.setdefault(camera_id, self._clock())
            turn = min(rank(camera_id, own, members), MAX_TURNS) * TURN_S
            handed = owner is not None and owner.instance == own
            if handed or camera_id in self._heirs:
                turn = 0.0  # nobody is further with it
            if self._thread.stopping:
                return
            may = handed or camera_id in self._heirs or self._has_room()
            if camera_id in self._resting_until or not may:
                continue
            if self._clock() - since >= turn:
                self._take(cameras[camera_id], unattended)

    def _has_room(self) -> bool:
        return not self._members.retiring and self._load < self._capacity

    def _take(self, camera: Camera, unattended: Owner | None = None) -> None:
        before = self._held.get(camera.id)
        asked_at = self._clock()
        lease = self._leases.acquire(
            camera.id,
            above=before.lease.epoch if before else 0,
            resume=before is not None and asked_at < before.valid_until,
            unattended=unattended,
        )
        if lease is None:
            self._heirs.leave_to(camera.id)
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
            if standing == "removed":
                self._tell_removed(camera)
            self._heirs.abandon(camera.id, "removed")
            self._leases.release(lease, forget=True)
            return
        self._held[camera.id] = _Held(camera, lease, asked_at + TTL_S - SAFETY_S)
        self._free_since.pop(camera.id, None)
        self._heirs.came(camera.id)
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

    def _tell_removed(self, camera: Camera) -> None:
        try:
            self._holder.removed(camera)
        except Exception:
            log.exception("camera_not_removed", camera=camera.id)

    def _state(self, camera_id: str) -> str:
        try:
            return self._holder.state(camera_id)
        except Exception:
            log.exception("camera_state_unknown", camera=camera_id)
            return "unknown"
