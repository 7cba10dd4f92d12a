"""The rounds of a worker's watches over all its cameras."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import redis

from hermes.engine import CameraHandle
from hermes.v1.camera_pb2 import Camera
from hermes.v1.event_pb2 import EVENT_TYPE_OPENED
from hermes.v1.watch_pb2 import Watch
from services.common import keys
from services.common.event_log import RedisEventLog
from services.common.event_record import message_of
from services.common.frame_log import LogId
from services.common.leases import Fence, Lease, Leases
from services.common.metrics import Metrics
from services.common.watch_room import WatchRooms
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.tenures import Tenures
from services.hermes_worker.watches.evaluator import Evaluator
from tests.support.watched import ScriptedHandle
from tests.support.watches import yes_no


def yes(text: str, at_ms: int) -> Mapping[str, float]:
    return {"yes": 0.97, "no": 0.03}


class Fleet:
    """An evaluator, its clock, and cameras that were given to this worker."""

    def __init__(self, client: redis.Redis, handles: Mapping[str, ScriptedHandle]) -> None:
        self.client = client
        self.now = 100.0
        self.tenures = [self._tenure(camera_id, handle) for camera_id, handle in handles.items()]
        cameras = {tenure.camera.id: tenure.camera for tenure in self.tenures}
        self.evaluator = Evaluator(
            client,
            cast("Tenures", SimpleNamespace(all=lambda: self.tenures)),
            RedisEventLog(client),
            WatchRooms(client, "worker-1"),
            lambda: (1.0, 1.0),
            lambda: cameras,
            Metrics(),
            model="demo",
            sentence="",
            clock=lambda: self.now,
        )

    def _tenure(self, camera_id: str, handle: ScriptedHandle) -> Tenure:
        leases = Leases(self.client, "worker", "worker-1", "")
        lease = leases.acquire(camera_id) or Lease(camera_id, "worker", Fence("worker-1", 1))
        tenure = Tenure(Camera(id=camera_id), cast("CameraHandle", handle), lease)
        tenure.aim(LogId(0, 0), lease)
        tenure.progress()
        assert tenure.serving
        return tenure

    def register(self, watches: Sequence[Watch]) -> None:
        self.client.hset(
            keys.WATCHES, mapping={watch.id: watch.SerializeToString() for watch in watches}
        )
        self.client.incr(keys.WATCHES_VERSION)

    def step(self) -> None:
        self.now += 0.05
        self.evaluator.step()

    def opened(self) -> list[str]:
        """The cameras of the events that were opened."""
        entries: Any = self.client.xrange(keys.EVENTS)
        told = [message_of(fields) for _, fields in entries]
        return [one.camera_id for one in told if one is not None and one.type == EVENT_TYPE_OPENED]


def shown(says: Any = yes, seconds: int = 1) -> ScriptedHandle:
    handle = ScriptedHandle(says)
    handle.show(seconds * 1000)
    return handle


def test_what_is_wrong_with_one_camera_concerns_no_other(redis_client: redis.Redis) -> None:
    fleet = Fleet(redis_client, {"broken": shown(), "lobby": shown(), "street": shown()})
    fleet.register([yes_no("fall", "broken", "lobby", "street")])
    redis_client.set(keys.watch_state("broken"), "no hash")
    for _ in range(3):
        fleet.step()
    assert sorted(fleet.opened()) == ["lobby", "street"]
    redis_client.delete(keys.watch_state("broken"))
    fleet.now += 10
    for _ in range(3):
        fleet.step()
    assert sorted(fleet.opened()) == ["broken", "lobby", "street"]


def test_an_answer_that_makes_no_sense_concerns_no_other_camera(redis_client: redis.Redis) -> None:
    def nonsense(text: str, at_ms: int) -> Mapping[str, float]:
        return {"yes": cast("float", "much"), "no": 0.0}

    fleet = Fleet(redis_client, {"broken": shown(nonsense), "lobby": shown()})
    fleet.register([yes_no("fall", "broken", "lobby")])
    for _ in range(3):
        fleet.step()
    assert fleet.opened() == ["lobby"]


def test_where_there_is_no_room_for_all_cameras_take_turns(redis_client: redis.Redis) -> None:
    names = ["dock", "lobby", "street"]
    shared = shown()
    fleet = Fleet(redis_client, dict.fromkeys(names, shared))
    fleet.register([yes_no(name, name, text=name) for name in names])
    for second in range(2, 8):
        shared.show(second * 1000)
        shared.room = 1  # for one of three
        fleet.step()
    assert sorted(shared.asked) == sorted([*names, *names])


def test_a_round_in_which_nothing_changed_is_cheap(redis_client: redis.Redis) -> None:
    """A thousand cameras with ten watches each: a small part of the pause between two rounds."""
    handles = {f"camera-{number}": shown() for number in range(1000)}
    for handle in handles.values():
        handle.slow = True
    fleet = Fleet(redis_client, handles)
    fleet.register([yes_no(f"watch-{n}", labels="!none") for n in range(10)])
    fleet.step()
    assert sum(len(handle.asked) for handle in handles.values()) == 10_000
    took = []
    for _ in range(5):
        began = time.thread_time()
        fleet.step()
        took.append(time.thread_time() - began)
    print(f"\na round takes {min(took) * 1000:.1f} ms")
    assert min(took) < 0.02
