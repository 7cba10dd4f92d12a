"""How cameras move between live instances: no Redis, no clock."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.common.holder import FINISHED
from services.common.leases import Owner
from services.common.ownership_actions import (
    Abandon,
    Action,
    Claim,
    Give,
    Prepare,
    Report,
    Stay,
    fits,
)
from services.common.ownership_plan import (
    MOVES_AT_ONCE,
    PATIENCE_S,
    REPORT_EVERY_S,
    RESCUES_AT_ONCE,
    has_successor,
    plan,
)
from services.common.ownership_view import View
from services.common.placement import Member
from tests.support.ownership_views import (
    EPOCH,
    NOW,
    camera,
    held,
    member,
    owner,
    ranked,
    succession,
    view,
    with_successor,
)

RETIRING = member(draining=True)


# Giving: we own the lobby, and `other` prepares it.


def giving(owned: Owner, *others: Member, **fields: Any) -> View:
    fields = {"own": RETIRING, "holds": [held()], **fields}
    return view({"lobby": owned}, *others, **fields)


OURS = owner("one")
GIVE = [Give("lobby", "other")]


def test_a_retiring_owner_gives_its_camera_to_a_successor_that_is_ready() -> None:
    seen = giving(with_successor(OURS, "other"), member("other", 1))
    assert plan(seen) == GIVE
    assert has_successor(seen)


@pytest.mark.parametrize(
    ("owned", "others", "seen"),
    [
        (with_successor(OURS, "other", state="preparing"), [member("other", 1)], True),
        (with_successor(OURS, "other", ms=0), [member("other", 1)], False),
        (with_successor(OURS, "other"), [], False),
        (with_successor(OURS, "other"), [member("other", draining=True)], False),
        (replace(with_successor(OURS, "other"), epoch=EPOCH + 1), [member("other", 1)], False),
        (OURS, [member("other", 1)], False),
    ],
    ids=["not ready", "silent", "dead", "about to end itself", "lease lost", "none"],
)
def test_a_camera_is_kept_without_a_successor_that_is_ready(
    owned: Owner, others: list[Member], seen: bool
) -> None:
    kept = giving(owned, *others)
    assert plan(kept) == []
    assert has_successor(kept) is seen


def test_an_owner_goes_on_with_a_camera_whose_successor_is_gone() -> None:
    leaving = [held(successor="other")]
    assert plan(giving(OURS, holds=leaving)) == [Stay("lobby")]
    lost = replace(OURS, epoch=EPOCH + 1)
    assert plan(giving(lost, holds=leaving)) == []  # the next renewal finds out


def spread(ours: int, theirs: int, *, balance: bool = True) -> list[Action]:
    """`theirs` counts the lobby, which `other` is ready to take over."""
    ids = ["lobby", *(f"camera-{n}" for n in range(1, ours))]
    owners: dict[str, Owner | None] = dict.fromkeys(ids, OURS)
    owners["lobby"] = with_successor(OURS, "other")
    holds = [held(camera(id)) for id in ids]
    return plan(view(owners, member("other", theirs), holds=holds, balance=balance))


@pytest.mark.parametrize(
    ("ours", "theirs", "given"),
    [(3, 1, True), (2, 1, True), (2, 2, False), (1, 1, False), (3, 3, False), (4, 3, True)],
)
def test_an_owner_that_stays_gives_only_what_balances_the_load(
    ours: int, theirs: int, given: bool
) -> None:
    assert spread(ours, theirs) == (GIVE if given else [])
    assert spread(ours, theirs, balance=False) == []


def test_a_camera_never_moves_back() -> None:
    """Right after a move for balance, the former owner neither asks for it nor would get it."""
    for ours in range(1, 9):
        for theirs in range(1, 9):
            if not spread(ours, theirs):
                continue
            owners: dict[str, Owner | None] = {"lobby": owner()}
            holds = [held(camera(f"camera-{n}")) for n in range(1, ours)]
            assert plan(view(owners, member("other", theirs), holds=holds)) == []


def test_a_camera_that_is_given_counts_as_gone_for_the_next_one() -> None:
    ids = ["a", "b", "c", "d"]
    owners: dict[str, Owner | None] = {id: with_successor(OURS, "other") for id in ids}
    holds = [held(camera(id)) for id in ids]
    # We have 4. The load of `other` counts one move in preparation, so without it that is 2, or 1.
    assert plan(view(owners, member("other", 3), holds=holds)) == [Give("a", "other")]
    assert len(plan(view(owners, member("other", 2), holds=holds))) == 2


# Following up what we prepare.


@pytest.mark.parametrize(
    ("fields", "ready", "reported"),
    [
        ({}, False, False),
        ({}, True, True),
        ({"reported_ready": True}, False, True),
        ({"reported_ready": True}, True, False),
        ({"reported_at": NOW - REPORT_EVERY_S}, False, True),
        ({"owner": replace(owner(), epoch=EPOCH - 1)}, False, True),
    ],
    ids=["nothing new", "ready", "no longer ready", "still ready", "a second later", "new epoch"],
)
def test_a_successor_reports_changes_at_once(
    fields: dict[str, Any], ready: bool, reported: bool
) -> None:
    seen = view(
        {"lobby": owner()},
        member("other", 1),
        prepares=[succession(**fields)],
        ready=frozenset({"lobby"} if ready else ()),
    )
    assert plan(seen) == ([Report("lobby", owner(), ready)] if reported else [])


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({"registered": {}}, Abandon("lobby", "removed")),
        ({"registered": {"lobby": camera(created_s=2)}}, Abandon("lobby", "removed")),
        ({"owners": {"lobby": owner("third")}}, Abandon("lobby", "another instance took it")),
        ({"own": RETIRING}, Abandon("lobby", "about to end", owner())),
        (
            {"own": RETIRING, "owners": {"lobby": None}, "free_since": {"lobby": NOW}},
            Abandon("lobby", "about to end"),
        ),
        (
            {"preparing": {"lobby": succession(since=NOW - PATIENCE_S - 1)}},
            Abandon("lobby", "not handed over in time", owner()),
        ),
    ],
    ids=["removed", "added again", "taken", "retiring", "retiring, without owner", "too late"],
)
def test_a_successor_abandons_what_will_not_come(change: dict[str, Any], action: Action) -> None:
    seen = view({"lobby": owner()}, member("other", 1), prepares=[succession()])
    change = {"members": (change.get("own", seen.own), *seen.members[1:]), **change}
    assert plan(replace(seen, **change)) == [action]


def test_what_is_handed_to_a_retiring_successor_is_not_abandoned() -> None:
    seen = view(
        {"lobby": owner("one")},
        own=RETIRING,
        prepares=[succession()],
        free_since={"lobby": NOW},
    )
    assert plan(seen) == [Claim(camera(), takes_room=False)]


# Preparing.


def prepared(*actions: Action) -> list[str]:
    return [action.camera.id for action in actions if isinstance(action, Prepare)]


def owned_by_other(count: int, **fields: Any) -> dict[str, Owner | None]:
    return {f"camera-{n}": owner(**fields) for n in range(count)}


def test_an_instance_prepares_its_share_of_anothers_load() -> None:
    actions = plan(view(owned_by_other(4), member("other", 4)))
    assert len(prepared(*actions)) == 2
    assert plan(view(owned_by_other(4), member("other", 4), balance=False)) == []
    assert plan(view(owned_by_other(4), member("other", 4), own=RETIRING)) == []
    assert (
        plan(view(owned_by_other(4), member("other", 4), capacity=8, own=member(capacity=0))) == []
    )


def test_cameras_that_leave_an_instance_already_are_not_counted_against_it() -> None:
    """With 3 against 0, the successor of one camera must not ask for a second one."""
    owners = owned_by_other(3)
    first = succession(camera("camera-0"))
    owners["camera-0"] = with_successor(owner(), "one", state="preparing")
    assert prepared(*plan(view(owners, member("other", 3), prepares=[first]))) == []
    owners["camera-0"] = with_successor(owner(), "third", state="preparing")
    asked = prepared(*plan(view(owners, member("other", 3), member("third", 1))))
    assert len(asked) == 1


def test_only_so_many_are_prepared_at_a_time() -> None:
    staying = plan(view(owned_by_other(6), member("other", 6)))
    ending = plan(view(owned_by_other(6), member("other", 6, draining=True)))
    for actions, at_once in ((staying, MOVES_AT_ONCE), (ending, RESCUES_AT_ONCE)):
        assert actions
        for action in actions:
            assert fits(action, room=1, preparing=at_once - 1)
            assert not fits(action, room=1, preparing=at_once)
            assert not fits(action, room=0, preparing=0)
    assert len(ending) == 6


def test_the_first_choice_prepares_what_an_ending_instance_holds() -> None:
    ending, third = member("other", 1, draining=True), member("third")
    for place, expected in ((0, 1), (1, 0)):
        id = ranked(place, third)
        assert len(plan(view({id: owner()}, ending, third))) == expected


@pytest.mark.parametrize(
    ("owners", "fields"),
    [
        ({"lobby": with_successor(owner(), "third")}, {}),
        ({"lobby": owner()}, {"resting": frozenset({"lobby"})}),
        ({"lobby": owner()}, {"prepares": [succession()]}),
        ({"lobby": owner("unknown")}, {}),
    ],
    ids=["another prepares it", "failed here", "prepared already", "its owner is not alive"],
)
def test_some_cameras_are_not_prepared(owners: dict[str, Any], fields: dict[str, Any]) -> None:
    assert plan(view(owners, member("other", 1, draining=True), **fields)) == []


@pytest.mark.parametrize(
    "owned",
    [with_successor(owner(), "third", ms=0), with_successor(owner(), "one")],
    ids=["the last successor is silent", "we were the successor before a restart"],
)
def test_a_camera_may_get_a_new_successor(owned: Owner) -> None:
    seen = view({"lobby": owned}, member("other", 1, draining=True))
    assert plan(seen) == [Prepare(camera(), owned, RESCUES_AT_ONCE)]


def test_free_cameras_come_before_those_of_an_instance_that_ends() -> None:
    owners = {**owned_by_other(2), "lobby": None}
    seen = view(
        owners, member("other", 2, draining=True), capacity=1, free_since={"lobby": NOW - 60}
    )
    seen = replace(seen, own=replace(seen.own, capacity=1))
    assert plan(seen) == [Claim(camera())]


def test_a_finished_camera_is_moved_only_from_an_instance_that_ends() -> None:
    finished = replace(owner(), state=FINISHED)
    owners: dict[str, Owner | None] = {"camera-0": finished, "camera-1": owner()}
    assert prepared(*plan(view(owners, member("other", 2)))) == ["camera-1"]
    ending = plan(view(owners, member("other", 2, draining=True)))
    assert {*prepared(*ending)} == {"camera-0", "camera-1"}
