"""Decides what an instance does in a round of ownership: a list of actions.

A round has two halves. `plan_held` decides on the cameras that we hold, and
comes first: a renewal must not wait until the leases of all other cameras have
been read. `plan` decides on everything else.

Both are pure: the same view gives the same plan. Redis may refuse an action when
it is carried out, so a plan lists more claims than there is room for, in order
of preference, and each is carried out only if it still `fits`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace

from services.common import tombstones
from services.common.holder import FAILED, FINISHED
from services.common.leases import RENEW_EVERY_S, Owner
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
)
from services.common.ownership_view import HeldView, Succession, View
from services.common.placement import Member, lighter, moves, rank

FEW = 500
"""The leases of so many cameras are read in every round."""
LEASES_A_SECOND = 1000
"""Every instance reads the leases of all cameras: with many cameras, each reads them less often."""
LOOK_MOST_S = 1.5
"""But not so seldom that it would have to begin to watch them anew: see `sightings.AWAY_S`."""
TURN_S = 1.5
"""The n-th choice for a free camera waits n turns, so that the first choice comes first."""
MAX_TURNS = 2
"""No instance waits longer, so that a TTL and all turns together stay below 15 s."""
MOVES_AT_ONCE = 2
"""How many cameras an instance prepares at a time to balance the load."""
RESCUES_AT_ONCE = 8
"""How many cameras an instance prepares at a time whose owner is about to end."""
PATIENCE_S = 120.0
"""A camera that was not handed over within this long is not waited for any longer."""
REPORT_EVERY_S = 1.0
"""How often a successor reports to the owner while nothing changes."""


def plan_held(view: HeldView) -> list[Action]:
    """Drop cameras that are not registered any more or failed here; renew the other leases if due.

    A renewal is also due when a state has changed: a camera that has caught up
    should be found at once.
    """
    drops = [drop for camera_id in view.held if (drop := _dropped(camera_id, view))]
    gone = {drop.camera_id for drop in drops}
    kept = {camera_id: held for camera_id, held in view.held.items() if camera_id not in gone}
    due = (
        view.redis_lost_data
        or view.now - view.renewed_at >= RENEW_EVERY_S
        or any(view.now >= held.valid_until for held in kept.values())
        or any(view.states[camera_id] != held.reported_state for camera_id, held in kept.items())
    )
    if not due:
        return [*drops]
    return [*drops, Renew({camera_id: view.states[camera_id] for camera_id in kept})]


def _dropped(camera_id: str, view: HeldView) -> Drop | None:
    held, current = view.held[camera_id].camera, view.registered.get(camera_id)
    if current is None or tombstones.replaces(current, held):
        return Drop(camera_id, "removed", removed=True)
    if current.created != held.created:
        # Redis is an older copy of itself. The camera that we hold may come back.
        return Drop(camera_id, "the registry has an older one")
    if view.states.get(camera_id) == FAILED:
        return Drop(camera_id, "fault")
    return None


def must_read_leases(
    *, registered: int, held: int, preparing: int, room: int, members: int
) -> bool:
    """Whether the second half of a round could decide on anything. Arguments are counts."""
    return (room > 0 and held < registered) or preparing > 0 or members > 1


def look_every_s(registered: int) -> float:
    """How often the leases of all cameras are read while nothing is handed over."""
    return 0.0 if registered <= FEW else min(LOOK_MOST_S, registered / LEASES_A_SECOND)


def plan(view: View) -> list[Action]:
    """Hand over what we hold, follow up what we prepare, claim what is free, prepare more."""
    hand_overs = list(_hand_overs(view))
    follow_ups = list(_follow_ups(view))
    abandoned = {action.camera_id for action in follow_ups if isinstance(action, Abandon)}
    preparing = {c: s for c, s in view.preparing.items() if c not in abandoned}
    load = view.own.load - len(abandoned)
    claims = list(_claims(view, preparing, load))
    claimed = {claim.camera.id for claim in claims}
    # Room is kept for every claim, so that a free camera comes before one that has an owner.
    load = min(view.capacity, load + len(claimed - preparing.keys()))
    preparations = _preparations(view, preparing.keys() | claimed, load)
    return [*hand_overs, *follow_ups, *claims, *preparations]


def has_successor(view: View) -> bool:
    """Whether another instance prepares to take over a camera that we hold."""
    return any(_successor(camera_id, view) for camera_id in view.held)


def _successor(camera_id: str, view: View) -> Member | None:
    owner = view.owners.get(camera_id)
    if owner is None or owner.epoch != view.held[camera_id].lease.epoch:
        return None  # the lease is not ours any more: the next renewal finds out
    return view.successor_of(camera_id)


def _hand_overs(view: View) -> Iterator[Give | Stay]:
    load = view.own.load
    for camera_id, held in view.held.items():
        owner, successor = view.owners.get(camera_id), _successor(camera_id, view)
        if owner is None or owner.epoch != held.lease.epoch:
            continue
        ready = successor is not None and owner.successor_state == "ready"
        if successor is not None and ready and _consents(view, successor, load):
            yield Give(camera_id, successor.instance)
            load -= 1
        elif held.successor:
            yield Stay(camera_id)


def _consents(view: View, successor: Member, load: int) -> bool:
    if view.own.draining:
        return True
    # The successor counts this camera in its load already.
    before = replace(successor, load=successor.load - 1)
    return view.balance and lighter(before, replace(view.own, load=load))


def _follow_ups(view: View) -> Iterator[Report | Abandon]:
    for camera_id, succession in view.preparing.items():
        current, owner = view.registered.get(camera_id), view.owners.get(camera_id)
        retiring = view.own.draining
        if current is None or current.created != succession.camera.created:
            yield Abandon(camera_id, "removed")
        elif owner is None:
            if retiring:
                yield Abandon(camera_id, "about to end")
        elif owner.instance == view.own.instance:
            pass  # it was handed to us, and is claimed below
        elif owner.instance != succession.owner.instance:
            yield Abandon(camera_id, "another instance took it")
        elif retiring:
            yield Abandon(camera_id, "about to end", owner)
        elif view.now - succession.since > PATIENCE_S:
            yield Abandon(camera_id, "not handed over in time", owner)
        elif _report_is_due(camera_id, succession, owner, view):
            yield Report(camera_id, owner, camera_id in view.ready)


def _report_is_due(camera_id: str, succession: Succession, owner: Owner, view: View) -> bool:
    return (
        (camera_id in view.ready) != succession.reported_ready
        or owner.epoch != succession.owner.epoch
        or view.now - succession.reported_at >= REPORT_EVERY_S
    )


def _claims(view: View, preparing: Mapping[str, Succession], load: int) -> Iterator[Claim]:
    room = 0 if view.own.draining else view.capacity - load
    for camera_id in sorted(view.free_since, key=lambda id: id not in preparing):
        ours = view.owned_by_us(camera_id) or camera_id in preparing
        if camera_id in view.resting or (room <= 0 and not ours):
            continue
        turns = min(rank(camera_id, view.own.instance, view.members), MAX_TURNS)
        # No other instance is as far as one that prepared the camera: it need not wait.
        if ours or view.now - view.free_since[camera_id] >= turns * TURN_S:
            unattended = view.unattended.get(camera_id)
            yield Claim(view.registered[camera_id], unattended, takes_room=not ours)


def _preparations(view: View, taken: Set[str], load: int) -> Iterator[Prepare]:
    """`taken`: cameras that we prepare already, or are about to claim."""
    own = replace(view.own, load=load)
    candidates = {
        camera_id: owner
        for camera_id, owner in view.owners.items()
        if owner is not None
        and camera_id not in view.held
        and camera_id not in taken
        and camera_id not in view.resting
        and (owner.successor_until_ms <= view.redis_now_ms or owner.successor == own.instance)
    }
    draining = {member.instance for member in view.members if member.draining}
    owners = {
        camera_id: owner.instance
        for camera_id, owner in candidates.items()
        # To move a finished camera takes no load off its owner.
        if owner.state != FINISHED or owner.instance in draining
    }
    leaving = Counter(
        owner.instance
        for camera_id, owner in view.owners.items()
        if owner is not None and view.successor_of(camera_id) is not None
    )
    for camera_id in moves(own, owners, view.members, balance=view.balance, leaving=leaving):
        at_once = RESCUES_AT_ONCE if owners[camera_id] in draining else MOVES_AT_ONCE
        yield Prepare(view.registered[camera_id], candidates[camera_id], at_once)
