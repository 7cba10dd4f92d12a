"""What holds for every plan, whatever Redis then refuses."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common import tombstones
from services.common.leases import Owner
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
from services.common.ownership_plan import plan, plan_held
from services.common.ownership_view import HeldView, View, free_since
from tests.support.ownership_views import (
    EPOCH,
    NOW,
    NOW_MS,
    camera,
    held,
    held_view,
    member,
    owner,
    succession,
    view,
)

IDS = [f"camera-{n}" for n in range(6)]
NAMES = ["one", "other", "third"]
OURS = owner("one")

owners = st.none() | st.builds(
    Owner,
    instance=st.sampled_from(NAMES),
    address=st.just(""),
    epoch=st.sampled_from([EPOCH, EPOCH + 1]),
    expires_ms=st.just(NOW_MS),
    state=st.just("serving"),
    successor=st.sampled_from(["", *NAMES]),
    successor_state=st.sampled_from(["preparing", "ready"]),
    successor_until_ms=st.sampled_from([0, NOW_MS + 1]),
)
ids = st.sets(st.sampled_from(IDS))


@st.composite
def views(draw: st.DrawFn) -> View:
    """Any view, also one that occurs only if Redis lost data."""
    leases = {id: draw(owners) for id in draw(ids)}
    holds, prepares = draw(ids), draw(ids)
    stopped = draw(ids) & {id for id, one in leases.items() if one is not None}
    capacity = draw(st.integers(0, 6))
    own = member(draining=draw(st.booleans()), capacity=capacity)
    others = [
        member(name, draw(st.integers(0, 8)), draining=draw(st.booleans()))
        for name in NAMES[1:]
        if draw(st.booleans())
    ]
    held_cameras = {id: held(camera(id)) for id in holds}
    unattended = {id: one for id in stopped if (one := leases[id]) is not None}
    before = {id: NOW - draw(st.integers(0, 4)) for id in draw(ids)}
    return view(
        leases,
        *others,
        own=own,
        holds=[replace(one, successor=draw(st.sampled_from(["", "other"])))
               for one in held_cameras.values()],
        prepares=[
            succession(camera(id), since=NOW - draw(st.sampled_from([1, 1000])))
            for id in prepares - holds
        ],
        ready=frozenset(draw(ids)),
        unattended=unattended,
        free_since=free_since(before, NOW, "one", leases, unattended, held_cameras),
        resting=frozenset(draw(ids)),
        balance=draw(st.booleans()),
    )  # fmt: skip


class After:
    """Our cameras after a plan was carried out. `succeeds` is what Redis and the holder say."""

    def __init__(self, seen: View, succeeds: Callable[[], bool]) -> None:
        self.seen = seen
        self.held = set(seen.held)
        self.preparing = set(seen.preparing)
        self.succeeds = succeeds

    @property
    def load(self) -> int:
        return len(self.held) + len(self.preparing)

    def carry_out(self, action: Action) -> None:
        room = 0 if self.seen.own.draining else self.seen.capacity - self.load
        if not fits(action, room=room, preparing=len(self.preparing)):
            return
        match action:
            case Give(id):
                assert id in self.held
                if self.succeeds():
                    self.held.remove(id)
            case Stay(id):
                assert id in self.held
            case Report(id):
                assert id in self.preparing
                if not self.succeeds():
                    self.preparing.remove(id)
            case Abandon(id):
                self.preparing.remove(id)
            case Claim(claimed):
                assert claimed.id not in self.held
                if self.succeeds():
                    self.preparing.discard(claimed.id)
                    self.held.add(claimed.id)
            case Prepare(wanted):
                assert wanted.id not in self.held | self.preparing
                if self.succeeds():
                    self.preparing.add(wanted.id)
            case _:
                raise AssertionError(f"the second half of a round does not {action}")


@settings(deadline=None)
@given(views(), st.data())
def test_a_camera_is_held_or_prepared_but_never_both(seen: View, data: st.DataObject) -> None:
    after = After(seen, lambda: data.draw(st.booleans()))
    for action in plan(seen):
        after.carry_out(action)
        assert not after.held & after.preparing


@settings(deadline=None)
@given(views(), st.data())
def test_no_plan_goes_over_the_capacity(seen: View, data: st.DataObject) -> None:
    """Only what another instance handed to us comes on top: refused, it would have no owner."""
    after = After(seen, lambda: data.draw(st.booleans()))
    handed = {id for id in seen.free_since if seen.owned_by_us(id)}
    most = max(seen.capacity, after.load) + len(handed - seen.preparing.keys())
    for action in plan(seen):
        after.carry_out(action)
    assert after.load <= most


@settings(deadline=None)
@given(views())
def test_a_retiring_instance_takes_only_what_was_handed_to_it(seen: View) -> None:
    seen = replace(seen, own=replace(seen.own, draining=True))
    for action in plan(seen):
        assert not isinstance(action, Prepare)
        assert not isinstance(action, Claim) or seen.owned_by_us(action.camera.id)


@settings(deadline=None)
@given(views())
def test_a_camera_with_an_owner_that_renews_is_claimed_by_no_other(seen: View) -> None:
    for action in plan(seen):
        if isinstance(action, Claim):
            found = seen.owners[action.camera.id]
            assert found is None or found.instance == "one" or found == action.unattended


@settings(deadline=None)
@given(views())
def test_a_camera_is_given_only_to_a_living_successor_that_is_ready(seen: View) -> None:
    members = {one.instance: one for one in seen.members}
    for action in plan(seen):
        if isinstance(action, Give):
            found = seen.owners[action.camera_id]
            assert found is not None
            assert (found.successor, found.successor_state) == (action.successor, "ready")
            assert not members[action.successor].draining
            assert seen.own.draining or seen.balance


@settings(deadline=None)
@given(views())
def test_a_plan_depends_on_the_view_alone_and_leaves_it_as_it_is(seen: View) -> None:
    before = deepcopy(seen)
    assert plan(seen) == plan(before)
    assert seen == before


@st.composite
def held_views(draw: st.DrawFn) -> HeldView:
    made = {id: camera(id, draw(st.integers(1, 3))) for id in draw(ids)}
    return replace(
        held_view(
            *(held(one, valid_until=NOW + draw(st.sampled_from([-1, 5]))) for one in made.values()),
            registered=[camera(id, draw(st.integers(1, 3))) for id in draw(ids)],
        ),
        renewed_at=NOW - draw(st.sampled_from([0, 10])),
    )


@settings(deadline=None)
@given(held_views())
def test_a_held_camera_is_either_dropped_or_renewed(seen: HeldView) -> None:
    actions = plan_held(seen)
    drops = {action.camera_id: action for action in actions if isinstance(action, Drop)}
    for action in actions:
        if isinstance(action, Renew):
            assert action.states.keys() == seen.held.keys() - drops.keys()
    for id, one in seen.held.items():
        current = seen.registered.get(id)
        assert (id not in drops) == (current == one.camera)
        removed = current is None or tombstones.replaces(current, one.camera)
        assert id not in drops or drops[id].removed == removed
