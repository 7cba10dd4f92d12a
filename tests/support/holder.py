"""A holder of cameras that records how it is called."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from hermes.v1.camera_pb2 import Camera
from services.common import keys, tombstones
from services.common.holder import FAILED, FINISHED
from services.common.leases import Lease, Leases
from services.common.metrics import Metrics
from services.common.ownership import Ownership
from services.common.placement import Member


class FakeHolder:
    """Records its calls, and which cameras it has.

    It fails with the cameras in `fault`, is not ready for those in `unready`, and
    is still busy with those in `busy`.
    """

    def __init__(self) -> None:
        self.has: dict[str, Lease] = {}
        self.calls: list[str] = []
        self.fault: set[str] = set()
        self.failed: set[str] = set()
        self.finished: set[str] = set()
        self.unready: set[str] = set()
        self.busy: set[str] = set()

    def gained(self, camera: Camera, lease: Lease) -> None:
        self.calls.append(f"gained {camera.id}")
        if camera.id in self.fault:
            raise RuntimeError("no room")
        before = self.has.get(camera.id)
        assert before is None or before.epoch < lease.epoch
        self.has[camera.id] = lease

    def lost(self, camera_id: str) -> None:
        self.calls.append(f"lost {camera_id}")
        self.has.pop(camera_id, None)
        if camera_id in self.fault:
            raise RuntimeError("cannot let go")

    def removed(self, camera: Camera) -> None:
        self.calls.append(f"removed {camera.id}")

    def prepare(self, camera: Camera) -> None:
        self.calls.append(f"prepare {camera.id}")
        if camera.id in self.fault:
            raise RuntimeError("no room")

    def prepared(self, camera_id: str) -> bool:
        return camera_id not in self.unready

    def leave(self, camera_id: str) -> bool:
        self.calls.append(f"leave {camera_id}")
        return camera_id not in self.busy

    def stay(self, camera_id: str) -> None:
        self.calls.append(f"stay {camera_id}")

    def state(self, camera_id: str) -> str:
        if camera_id in self.failed:
            return FAILED
        if camera_id in self.finished:
            return FINISHED
        if camera_id in self.fault:
            raise RuntimeError("cannot say")
        return "serving"


class Instance:
    """The ownership of one instance. A test calls `tick`, or starts it."""

    def __init__(
        self,
        client: redis.Redis,
        name: str,
        *,
        capacity: int = 8,
        clock: Callable[[], float] = time.monotonic,
        balance: bool = True,
        role: keys.Role = "worker",
    ) -> None:
        self.name = name
        self.role = role
        self.holder = FakeHolder()
        self.metrics = Metrics()
        self.leases = Leases(client, role, name, f"{name}:50051")

        def member(load: int, now_ms: int) -> Member:
            return Member(name, f"{name}:50051", "cpu", capacity, load, now_ms)

        self.ownership = Ownership(
            client,
            self.leases,
            self.holder,
            member,
            self.metrics,
            role,
            capacity,
            clock,
            balance=balance,
        )

    @property
    def has(self) -> set[str]:
        return set(self.holder.has)

    def drained_after(self, timeout_s: float) -> float:
        """How many seconds it took to drain."""
        began = time.monotonic()
        self.ownership.drain(timeout_s)
        return time.monotonic() - began


def add(client: redis.Redis, *camera_ids: str, created_s: int = 1) -> None:
    """Add cameras as the gateway does."""
    for camera_id in camera_ids:
        camera = Camera(id=camera_id, url="rtsp://host/s")
        camera.created.FromSeconds(created_s)
        client.hset(keys.CAMERAS, camera_id, camera.SerializeToString())


def remove(client: redis.Redis, camera_id: str) -> None:
    """Remove a camera as the gateway does."""
    raw = client.hget(keys.CAMERAS, camera_id)
    camera = Camera.FromString(raw) if isinstance(raw, bytes) else Camera()
    with client.pipeline(transaction=True) as pipeline:
        pipeline.hdel(keys.CAMERAS, camera_id)
        pipeline.delete(*keys.all_of(camera_id))
        pipeline.set(
            keys.removed(camera_id),
            tombstones.created_ns(camera),
            px=int(tombstones.KEEP_S * 1000),
        )
        pipeline.execute()


def traces(client: redis.Redis, camera_id: str) -> list[bytes]:
    """All keys whose name contains the id, except for tombstones."""
    found = client.scan_iter(f"*{camera_id}*")
    return [key for key in found if not key.endswith(b":removed")]
