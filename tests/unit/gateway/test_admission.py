"""What a watch takes, and which one the workers cannot carry."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hermes.errors import Overloaded
from hermes.v1.camera_pb2 import Camera, Sampling
from hermes.v1.watch_pb2 import Watch
from services.common.placement import Member
from services.common.watch_room import WatchRoom, parse_rooms
from services.query_gateway.watches.admission import admit, estimate
from tests.support.watches import diary, duration, yes_no

NOW_NS = 1_000_000_000_000
CAMERAS = {
    f"bed-{n}": Camera(
        id=f"bed-{n}", labels={"area": "ward"}, sampling=Sampling(frames_per_second=fps)
    )
    for n, fps in enumerate((0.0, 2.0, 0.5))
}
WARD = yes_no("ward", labels="area=ward")


def room(name: str, capacity: float, load: float = 0.0) -> WatchRoom:
    return WatchRoom(name, capacity, load, 0)


def ask_to_admit(
    watch: Watch,
    *rooms: WatchRoom,
    before: Watch | None = None,
    others: Sequence[Watch] = (),
    silent: int = 0,
    draining: str = "",
) -> None:
    names = [one.instance for one in rooms] + [f"silent-{n}" for n in range(silent)]
    workers = [Member(name, "", "", 8, 0, 0, draining=name == draining) for name in names]
    said = {one.instance: one for one in rooms}
    admit(watch, before, others, CAMERAS, workers, said, NOW_NS)


@pytest.mark.parametrize(
    ("watch", "cameras", "per_second"),
    [
        (WARD, 3, 1 + 2 + 0.5),
        (yes_no("w", "bed-1"), 1, 2),
        (yes_no("w", "bed-9"), 0, 0),
        (yes_no("w", labels="area=ward", every=duration(1)), 3, 1 + 1 + 0.5),
        (yes_no("w", labels="area=ward", paused=True), 3, 0),
        (yes_no("w", labels="area=ward", within=["bed-0"]), 1, 1),
        (diary(10), 0, 0),
    ],
)
def test_an_estimate_counts_cameras_and_frames(
    watch: Watch, cameras: int, per_second: float
) -> None:
    found = estimate(watch, CAMERAS.values())
    assert found.cameras == cameras
    assert found.per_second == pytest.approx(per_second)


def test_a_watch_is_admitted_up_to_the_capacity() -> None:
    ask_to_admit(WARD, room("a", 2, 1), room("b", 3, 0.5))
    with pytest.raises(Overloaded) as refused:
        ask_to_admit(WARD, room("a", 2, 1), room("b", 3, 0.6))
    assert str(refused.value) == (
        "the workers can evaluate watches 5 times a second, and do 1.6 times; watch 'ward' would"
        " add 3.5 (3 cameras): ask more seldom (every), ask fewer cameras, or add workers"
    )
    assert refused.value.retry_after_s == 60


def test_workers_that_do_not_say_what_they_can_carry_refuse_nothing() -> None:
    ask_to_admit(WARD)
    ask_to_admit(WARD, silent=2)
    ask_to_admit(WARD, room("a", 1), silent=1)


def test_workers_that_have_evaluated_nothing_yet_refuse_nothing() -> None:
    ask_to_admit(WARD, room("a", 0))
    ask_to_admit(WARD, room("a", 0), room("b", 1))


def test_a_worker_that_drains_counts_for_nothing() -> None:
    with pytest.raises(Overloaded):
        ask_to_admit(WARD, room("a", 3), room("b", 9), draining="b")


def test_what_was_created_just_now_counts_before_workers_say_so() -> None:
    new = yes_no("new", "bed-1")
    new.created.FromNanoseconds(NOW_NS - 10**9)
    old = yes_no("old", "bed-1")
    old.created.FromNanoseconds(1)
    ask_to_admit(WARD, room("a", 4), others=[old])
    with pytest.raises(Overloaded):
        ask_to_admit(WARD, room("a", 4), others=[old, new])


def test_a_change_counts_by_what_it_adds() -> None:
    before = yes_no("ward", "bed-1", "bed-2")
    ask_to_admit(WARD, room("a", 10, 9), before=before)
    with pytest.raises(Overloaded):
        ask_to_admit(WARD, room("a", 10, 9.1), before=before)
    ask_to_admit(before, room("a", 1, 9), before=WARD)  # less than now is always fine


def test_rooms_are_read_as_far_as_they_make_sense() -> None:
    good = WatchRoom("a", 2.5, 1.0, 10_000)
    raw = {
        b"a": good.to_json().encode(),
        b"old": WatchRoom("old", 1, 1, 1_000).to_json().encode(),
        b"new": b'{"instance": "new", "capacity": 1, "load": 0, "heartbeat_ms": 10000, "more": 1}',
        b"x": b"{}",
        b"y": b"\xff",
        b"z": b'{"instance": "z", "capacity": NaN, "load": 0, "heartbeat_ms": 10000}',
        b"-": b'{"instance": "-", "capacity": -1, "load": 0, "heartbeat_ms": 10000}',
    }
    assert parse_rooms(raw, 11_000) == {"a": good, "new": WatchRoom("new", 1, 0, 10_000)}
