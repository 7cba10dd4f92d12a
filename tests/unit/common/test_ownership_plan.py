"""Which cameras an instance keeps, drops and claims: no Redis, no clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.common.holder import FAILED
from services.common.leases import RENEW_EVERY_S, Owner
from services.common.ownership import TICK_S
from services.common.ownership_actions import (
    Abandon,
    Claim,
    Drop,
    Renew,
    fits,
)
from services.common.ownership_plan import (
    MAX_TURNS,
    PATIENCE_S,
    TURN_S,
    look_every_s,
    must_read_leases,
    plan,
    plan_held,
)
from services.common.ownership_view import View, free_since
from services.common.sightings import AWAY_S
from tests.support.ownership_views import (
    EPOCH,
    NOW,
    camera,
    held,
    held_view,
    member,
    owner,
    ranked,
    succession,
    view,
)

RETIRING = member(draining=True)


# What we hold.


def test_a_camera_that_failed_here_is_given_up() -> None:
    seen = replace(held_view(held()), states={"lobby": FAILED})
    assert plan_held(seen) == [Drop("lobby", "fault")]


def test_nothing_is_done_in_a_quiet_round() -> None:
    assert plan_held(held_view(held())) == []


@pytest.mark.parametrize(
    "change",
    [
        {"renewed_at": NOW - RENEW_EVERY_S},
        {"states": {"lobby": "replaying"}},
        {"redis_lost_data": True},
        {"held": {"lobby": held(valid_until=NOW)}},
    ],
    ids=["it is time", "a new state", "Redis lost its data", "not valid by our own clock"],
)
def test_all_leases_are_renewed_together(change: dict[str, Any]) -> None:
    due = replace(held_view(held()), **change)
    assert plan_held(due) == [Renew({"lobby": due.states["lobby"]})]


def test_an_instance_that_holds_nothing_still_announces_itself() -> None:
    idle = replace(held_view(), renewed_at=NOW - RENEW_EVERY_S)
    assert plan_held(idle) == [Renew({})]


@pytest.mark.parametrize(
    ("registered", "drop"),
    [
        ([], Drop("lobby", "removed", removed=True)),
        ([camera(created_s=3)], Drop("lobby", "removed", removed=True)),
        ([camera(created_s=1)], Drop("lobby", "the registry has an older one", removed=False)),
    ],
    ids=["removed", "removed and added again", "the registry is an older copy"],
)
def test_a_camera_that_is_not_registered_is_dropped(registered: list[Any], drop: Drop) -> None:
    lobby, dock = held(camera(created_s=2)), held(camera("dock"), reported_state="replaying")
    seen = held_view(lobby, dock, registered=[dock.camera, *registered])
    assert plan_held(seen) == [drop, Renew({"dock": "serving"})]


@pytest.mark.parametrize(
    ("counts", "must"),
    [
        ({}, False),
        ({"registered": 3}, True),
        ({"registered": 3, "room": 0}, False),
        ({"held": 2, "members": 2, "room": 0}, True),
        ({"preparing": 1, "room": 0}, True),
    ],
    ids=["all is ours", "one to claim", "no room", "another may take ours", "one comes to us"],
)
def test_leases_are_read_only_if_something_may_follow(counts: dict[str, int], must: bool) -> None:
    defaults = {"registered": 2, "held": 2, "preparing": 0, "room": 4, "members": 1}
    assert must_read_leases(**(defaults | counts)) is must


# Claims.


@pytest.mark.parametrize("place", range(5))
def test_instances_claim_in_turn(place: int) -> None:
    others = [member(f"other-{n}") for n in range(4)]
    id = ranked(place, *others)
    wait = min(place, MAX_TURNS) * TURN_S
    claim = [Claim(camera(id))]
    assert plan(view({id: None}, *others, free_since={id: NOW - wait})) == claim
    if wait:
        assert plan(view({id: None}, *others, free_since={id: NOW - wait + 0.01})) == []
    full = [replace(other, load=8) for other in others]
    assert plan(view({id: None}, *full, free_since={id: NOW})) == claim


def free(**fields: Any) -> View:
    return view({"lobby": None}, free_since={"lobby": NOW - 60}, **fields)


def test_a_camera_that_failed_here_is_left_to_the_others() -> None:
    assert plan(free()) == [Claim(camera())]
    assert plan(free(resting=frozenset({"lobby"}))) == []


def test_an_instance_without_room_claims_nothing() -> None:
    assert plan(free(own=RETIRING)) == []
    assert plan(free(capacity=0)) == []


def test_more_claims_than_room_are_planned_because_some_may_fail() -> None:
    """Otherwise one camera that is never ours to take would keep all others waiting."""
    owners: dict[str, Owner | None] = dict.fromkeys("abc")
    actions = plan(view(owners, capacity=1, free_since=dict.fromkeys(owners, NOW)))
    assert actions == [Claim(camera(id)) for id in "abc"]
    assert [fits(action, room=1, preparing=0) for action in actions] == [True] * 3
    assert [fits(action, room=0, preparing=0) for action in actions] == [False] * 3


def test_a_camera_whose_owner_stopped_is_claimed_from_that_owner() -> None:
    stopped = owner()
    seen = view({"lobby": stopped}, unattended={"lobby": stopped}, free_since={"lobby": NOW - 60})
    assert plan(seen) == [Claim(camera(), stopped)]


def test_a_camera_that_was_handed_to_us_is_taken_whatever_else_holds() -> None:
    others = [member(f"other-{n}") for n in range(4)]
    id = ranked(4, *others)
    seen = view(
        {id: owner("one")}, *others, own=RETIRING, capacity=0, free_since={id: NOW}
    )  # not our turn, no room, and about to end
    assert plan(seen) == [Claim(camera(id), takes_room=False)]
    assert fits(plan(seen)[0], room=0, preparing=0)


def test_a_camera_that_we_prepared_is_claimed_first_and_at_once() -> None:
    others = [member(f"other-{n}") for n in range(4)]
    id = ranked(4, *others)
    seen = view(
        {"lobby": None, id: None},
        *others,
        prepares=[succession(camera(id))],
        capacity=2,
        free_since={"lobby": NOW - 60, id: NOW},
    )
    assert plan(seen) == [Claim(camera(id), takes_room=False), Claim(camera())]


def test_a_camera_counts_as_free_from_when_it_was_first_seen_so() -> None:
    stopped, mine = owner("stopped"), owner("one")
    owners = {
        "free": None,
        "new": None,
        "stopped": stopped,
        "handed": mine,
        "owned": owner(),
        "held": mine,
    }
    before = {"free": NOW - 9, "owned": NOW - 9, "gone": NOW - 9}
    holds = {"held": held(camera("held"))}
    assert free_since(before, NOW, "one", owners, {"stopped": stopped}, holds) == {
        "free": NOW - 9,
        "new": NOW,
        "stopped": NOW,
        "handed": NOW,
    }


def test_a_camera_that_is_abandoned_makes_room_for_a_claim() -> None:
    late = succession(camera("late"), since=NOW - PATIENCE_S - 1)
    owners: dict[str, Owner | None] = {"late": owner(), "lobby": None}
    seen = view(
        owners,
        member("other", 1),
        prepares=[late],
        capacity=1,
        free_since={"lobby": NOW - 60},
    )
    assert plan(seen) == [
        Abandon("late", "not handed over in time", owner()),
        Claim(camera()),
    ]


def test_a_camera_that_is_claimed_is_not_prepared_as_well() -> None:
    """Its owner ends, and has not renewed for a full TTL although it still announces itself."""
    stopped = owner()
    seen = view(
        {"lobby": stopped},
        member("other", 1, draining=True),
        unattended={"lobby": stopped},
        free_since={"lobby": NOW - 60},
    )
    assert plan(seen) == [Claim(camera(), stopped)]


def test_a_camera_whose_lease_was_just_lost_is_not_prepared_yet() -> None:
    taken = replace(owner(), epoch=EPOCH + 1)
    assert plan(view({"lobby": taken}, member("other", 1, draining=True), holds=[held()])) == []


def test_many_cameras_are_looked_at_less_often_but_never_as_if_watched_anew() -> None:
    assert look_every_s(500) == 0.0
    assert look_every_s(1_000) == 1.0
    assert look_every_s(100_000) + TICK_S < AWAY_S
