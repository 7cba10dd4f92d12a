"""Ownership: claims free cameras, keeps their leases, and gives them up.

One loop for workers, which keep memories of cameras, and decoders, which read
them. It has a thread of its own, so that nothing else in a service can delay a
renewal. Each round reads what there is to know, plans (`ownership_plan`) and
carries the plan out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

import redis

from hermes.v1.camera_pb2 import Camera
from services.common import keys, logs
from services.common.eviction import EvictionCheck
from services.common.guarded_holder import GuardedHolder
from services.common.heartbeats import Heartbeats
from services.common.held_cameras import HeldCameras
from services.common.holder import Holder
from services.common.leases import RENEW_EVERY_S, TTL_S, Lease, Leases
from services.common.members import Members
from services.common.metrics import Metrics
from services.common.ownership_actions import (
    Abandon,
    Action,
    Claim,
    Drop,
    Give,
    Prepare,
    Renew,
    Report,
    Stay,
    fits,
)
from services.common.ownership_plan import (
    has_successor,
    look_every_s,
    must_read_leases,
    plan,
    plan_held,
)
from services.common.ownership_view import HeldView, View, free_since
from services.common.periodic import Periodic
from services.common.placement import Member
from services.common.redis_cluster import is_cluster
from services.common.registry import CameraRegistry
from services.common.sightings import Sightings
from services.common.successions import Successions

log = logs.get(__name__)

TICK_S = 0.5
URGENT_TICK_S = 0.1
"""While a camera is handed over: between two owners, no instance answers for it."""
NO_SUCCESSOR_S = 4.0
"""An instance that drains stops waiting when it has had no successor for this long."""


class Ownership:
    """Owns up to `capacity` cameras for a `Holder`, and finished ones besides."""

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
        """`member` makes our entry among the members from our load and the time in ms.

        `balance`: a camera may move to an instance that has less load, because
        nothing is lost by that. Otherwise it leaves only an instance that ends.
        """
        self._redis = client
        self._leases = leases
        self._metrics = metrics
        self._capacity = capacity
        self._clock = clock
        self._balance = balance
        guarded = GuardedHolder(holder)
        self._members = Members(client, leases, role, member)
        self._registry = CameraRegistry(client)
        self._registered: Mapping[str, Camera] = {}
        self._eviction = EvictionCheck(metrics, clock)
        self._successions = Successions(leases, guarded, clock)
        self._held = HeldCameras(leases, self._registry, guarded, self._successions, metrics, clock)
        self._sightings = Sightings(clock)
        self._free_since: dict[str, float] = {}
        self._renewed_at = float("-inf")
        self._looked_at = float("-inf")
        self._announced_load = -1
        self._reachable = True
        self._successor_seen_at = float("-inf")
        self._has_successor = False
        self._alone = False
        self._rounds = 0
        beats = heartbeats or Heartbeats()
        self._thread = Periodic(f"ownership-{role}", self._round, TICK_S, beats)

    def start(self) -> None:
        """Begin to claim cameras."""
        self._thread.start()

    def retire(self) -> None:
        """Claim nothing more, and let other instances take what is held. Any thread."""
        self._successor_seen_at = self._clock()
        self._members.retiring = True
        self._announced_load = -1

    def drain(self, timeout_s: float) -> None:
        """Retire, and return once every camera that has a successor is handed over."""
        self.retire()
        # The round under way may have read the members before a successor announced itself.
        until, current = self._clock() + timeout_s, self._rounds + 1
        while self._held and self._reachable and self._clock() < until:
            alone = self._alone and self._rounds > current
            if alone or self._clock() - self._successor_seen_at > NO_SUCCESSOR_S:
                return
            self._thread.wait(URGENT_TICK_S)

    def stop(self) -> None:
        """Claim nothing more and give back every lease. The holder is not called."""
        self._thread.stop(TTL_S)
        try:
            self._held.release_all()
            self._members.leave()
        except redis.RedisError as error:
            log.warning("leases_not_released", error=str(error))

    def epoch(self, camera_id: str) -> int | None:
        """The epoch under which we own the camera right now, or None. Any thread."""
        return self._held.epoch(camera_id)

    @property
    def registered(self) -> Mapping[str, Camera]:
        """The registered cameras as they were seen last, by id. Any thread."""
        return self._registered

    def leases(self) -> list[Lease]:
        """All leases that we hold. Any thread."""
        return self._held.leases()

    @property
    def retiring(self) -> bool:
        """Whether we claim no more cameras."""
        return self._members.retiring

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
        urgent = self._successions.urgent or self._held.leaving
        return URGENT_TICK_S if urgent else TICK_S

    def tick(self) -> None:
        """One round: renew or drop what is held, then hand over, claim and prepare."""
        incarnation = self._registry.incarnation
        registered = self._see_registered()
        self._registered = registered
        lost_data = self._registry.incarnation != incarnation
        self._carry_out(plan_held(self._held_view(registered, lost_data)))
        members, now_ms = self._members.alive(self._load)
        if self._must_look(len(registered)) and must_read_leases(
            registered=len(registered),
            held=len(self._held),
            preparing=len(self._successions),
            room=self._room,
            members=len(members),
        ):
            self._looked_at = self._clock()
            view = self._view(registered, members, now_ms)
            self._has_successor = has_successor(view)
            if self._has_successor:
                self._successor_seen_at = view.now
            self._carry_out(plan(view))
        if self._load != self._announced_load:
            self._announce()
        if self._eviction.due:
            self._eviction.look(self._redis)
        self._alone = not self._has_successor and not any(m.has_room for m in members[1:])
        self._rounds += 1

    def _must_look(self, registered: int) -> bool:
        """Whether it is time to read all leases. Hand-overs wait for nothing."""
        moving = self._members.retiring or self._held.leaving or bool(self._successions)
        return moving or self._clock() - self._looked_at >= look_every_s(registered)

    def _see_registered(self) -> Mapping[str, Camera]:
        """The registry as it is now.

        In a cluster its node may be away while those of our leases are not: they are
        renewed all the same. Raises `redis.RedisError`.
        """
        try:
            return self._registry.cameras(held.camera for held in self._held.all.values())
        except redis.RedisError:
            now = self._clock()
            if is_cluster(self._redis) and now - self._renewed_at >= RENEW_EVERY_S:
                self._held.renew(self._held.states)
                self._renewed_at = now
            raise

    @property
    def _load(self) -> int:
        return self._held.places + len(self._successions)

    @property
    def _room(self) -> int:
        return 0 if self._members.retiring else self._capacity - self._load

    def _held_view(self, registered: Mapping[str, Camera], lost_data: bool) -> HeldView:
        return HeldView(
            now=self._clock(),
            renewed_at=self._renewed_at,
            held=self._held.all,
            states=self._held.states,
            registered=registered,
            redis_lost_data=lost_data,
        )

    def _view(self, registered: Mapping[str, Camera], members: list[Member], now_ms: int) -> View:
        owners = self._leases.owners(registered)
        self._sightings.look(owners)
        stopped = {camera_id: self._sightings.unattended(camera_id) for camera_id in owners}
        unattended = {c: owner for c, owner in stopped.items() if owner is not None}
        now, held, own = self._clock(), self._held.all, members[0]
        self._free_since = free_since(self._free_since, now, own.instance, owners, unattended, held)
        return View(
            now=now,
            redis_now_ms=now_ms,
            own=own,
            members=tuple(members),
            capacity=self._capacity,
            balance=self._balance,
            registered=registered,
            owners=owners,
            held=held,
            preparing=self._successions.all,
            ready=self._successions.ready,
            unattended=unattended,
            free_since=self._free_since,
            resting=self._held.resting,
        )

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Claim | Prepare) and self._thread.stopping:
                return
            if fits(action, room=self._room, preparing=len(self._successions)):
                self._do(action)

    def _do(self, action: Action) -> None:
        match action:
            case Drop(camera_id, why, removed):
                self._held.give_up(camera_id, why, removed=removed)
            case Renew(states):
                self._renew(states)
            case Give(camera_id, successor):
                if self._held.give(camera_id, successor):
                    self._announce()  # before others compare our load with theirs
            case Stay(camera_id):
                self._held.stay(camera_id)
            case Report(camera_id, owner, ready):
                self._successions.report(camera_id, owner, ready=ready)
            case Abandon(camera_id, why, owner):
                self._successions.abandon(camera_id, why, owner)
            case Claim(camera, unattended):
                self._held.take(camera, unattended)
            case Prepare(camera, owner):
                self._successions.begin(camera, owner)

    def _renew(self, states: Mapping[str, str]) -> None:
        sent_at = self._clock()
        self._held.renew(states)
        self._announce()
        self._metrics.retain([*self._held.all, *self._successions.all])
        self._renewed_at = sent_at

    def _announce(self) -> None:
        self._announced_load = self._load
        self._members.announce(self._load)
