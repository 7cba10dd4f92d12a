"""Several instances that plan round after round, against a lease table that is a dict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from services.common.leases import SUCCESSOR_TTL_S, Fence, Lease, Owner
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
from services.common.ownership_plan import PATIENCE_S, plan
from services.common.ownership_view import HeldCamera, Succession, View, free_since
from services.common.placement import Member, lighter
from tests.support.examples import at_most
from tests.support.ownership_views import camera

NAMES = ["one", "other", "third"]
CAPACITY = 8


class Table:
    """The leases, the time, and who holds what."""

    def __init__(self, camera_ids: Sequence[str]) -> None:
        self.now = 1000.0
        self.cameras = {id: camera(id) for id in camera_ids}
        self.owners: dict[str, Owner | None] = dict.fromkeys(camera_ids)
        self.instances: dict[str, Instance] = {}

    @property
    def ms(self) -> int:
        return int(self.now * 1000)

    def take(self, id: str, instance: str) -> int:
        before = self.owners[id]
        epoch = 1 if before is None else before.epoch + 1
        self.owners[id] = Owner(instance, "", epoch, 0, "serving")
        return epoch

    def rounds(self, count: int, *names: str) -> list[Action]:
        """What was done in so many rounds of these instances. No camera ever has two holders."""
        done = []
        for _ in range(count):
            for name in names:
                done += self.instances[name].round()
                held = [id for one in self.instances.values() for id in one.held]
                assert len(held) == len(set(held))
            self.now += 0.5
        return done

    def members(self) -> list[Member]:
        return [one.member() for one in self.instances.values()]


class Instance:
    def __init__(self, table: Table, name: str) -> None:
        self.table = table
        self.name = name
        self.retiring = False
        self.held: dict[str, HeldCamera] = {}
        self.preparing: dict[str, Succession] = {}
        self.free_since: dict[str, float] = {}
        table.instances[name] = self

    @property
    def load(self) -> int:
        return len(self.held) + len(self.preparing)

    def member(self) -> Member:
        return Member(self.name, "", "", CAPACITY, self.load, 0, self.retiring)

    def view(self) -> View:
        table, own = self.table, self.member()
        self.free_since = free_since(
            self.free_since, table.now, self.name, table.owners, {}, self.held
        )
        return View(
            now=table.now,
            redis_now_ms=table.ms,
            own=own,
            members=(own, *(one for one in table.members() if one.instance != self.name)),
            capacity=CAPACITY,
            balance=True,
            registered=table.cameras,
            owners=dict(table.owners),
            held=dict(self.held),
            preparing=dict(self.preparing),
            ready=frozenset(self.preparing),
            free_since=self.free_since,
        )

    def round(self) -> list[Action]:
        done = []
        for action in plan(self.view()):
            room = 0 if self.retiring else CAPACITY - self.load
            if fits(action, room=room, preparing=len(self.preparing)):
                self.do(action)
                done.append(action)
        assert self.load <= CAPACITY
        return done

    def do(self, action: Action) -> None:
        match action:
            case Give(id, successor):
                self.table.take(id, successor)
                del self.held[id]
            case Stay(id):
                self.held[id] = replace(self.held[id], successor="")
            case Report(id, _, ready):
                self.report(id, ready=ready)
            case Abandon(id, _, owner):
                del self.preparing[id]
                if owner is not None:
                    self.table.owners[id] = replace(owner, successor="", successor_until_ms=0)
            case Claim(claimed):
                epoch = self.table.take(claimed.id, self.name)
                lease = Lease(claimed.id, "worker", Fence(self.name, epoch))
                self.preparing.pop(claimed.id, None)
                self.held[claimed.id] = HeldCamera(claimed, lease, float("inf"))
            case Prepare(wanted, owner):
                self.preparing[wanted.id] = Succession(
                    wanted, owner, self.table.now, self.table.now
                )
                self.report(wanted.id, ready=False)

    def report(self, id: str, *, ready: bool) -> None:
        owner = self.table.owners[id]
        assert owner is not None
        assert owner.successor in ("", self.name) or owner.successor_until_ms <= self.table.ms
        self.table.owners[id] = replace(
            owner,
            successor=self.name,
            successor_state="ready" if ready else "preparing",
            successor_until_ms=self.table.ms + int(SUCCESSOR_TTL_S * 1000),
        )
        self.preparing[id] = replace(
            self.preparing[id], owner=owner, reported_at=self.table.now, reported_ready=ready
        )


orders = st.permutations(NAMES)


@settings(max_examples=at_most(30), deadline=None)
@given(st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=7), orders)
def test_instances_that_come_get_their_share_and_then_nothing_moves(
    ids: set[str], order: list[str]
) -> None:
    table = Table(sorted(ids))
    for count, name in enumerate(order, start=1):
        Instance(table, name)
        table.rounds(40, *order[:count])
        assert sorted(id for one in table.instances.values() for id in one.held) == sorted(ids)
        members = table.members()
        assert not any(lighter(a, b) for a in members for b in members if a is not b)
        # Two owners may each have been asked for a camera when one was enough.
        table.now += PATIENCE_S
        table.rounds(20, *order[:count])
        assert table.rounds(10, *order[:count]) == []


def test_a_successor_asks_for_no_more_than_its_share() -> None:
    table = Table(["a", "b", "c"])
    for count, name in enumerate(NAMES[:2], start=1):
        Instance(table, name)
        table.rounds(10, *NAMES[:count])
    assert [one.load for one in table.instances.values()] == [2, 1]
    assert table.rounds(10, *NAMES[:2]) == []


@settings(max_examples=at_most(30), deadline=None)
@given(st.sets(st.text(min_size=1, max_size=4), min_size=1, max_size=7), orders)
def test_an_instance_that_retires_is_left_by_all_its_cameras(
    ids: set[str], order: list[str]
) -> None:
    table = Table(sorted(ids))
    for name in order:
        Instance(table, name)
    table.rounds(40, *order)
    retired = table.instances[order[0]]
    retired.retiring = True
    table.rounds(40, *order)
    assert retired.held == {}
    assert sorted(id for one in table.instances.values() for id in one.held) == sorted(ids)
