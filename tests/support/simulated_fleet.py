"""Workers and decoders without models and pictures, as threads: their leases, logs and statuses."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Self

import redis

from hermes.v1.camera_pb2 import Camera
from services.common import keys
from services.common.connection import connect
from services.common.frame_log import BEGINNING, Fenced, LogId, OutOfOrder, RedisFrameLog
from services.common.leases import Lease, Leases
from services.common.metrics import Metrics
from services.common.ownership import Ownership
from services.common.placement import Member
from tests.support.log_entries import chunk


class SimulatedHolder:
    """Has cameras at once, and notes each epoch under which it had one."""

    def __init__(self) -> None:
        self.has: dict[str, Lease] = {}
        self.gains: list[tuple[str, int]] = []

    def gained(self, camera: Camera, lease: Lease) -> None:
        self.has[camera.id] = lease
        self.gains.append((camera.id, lease.epoch))

    def lost(self, camera_id: str) -> None:
        self.has.pop(camera_id, None)

    def removed(self, camera: Camera) -> None:
        """Nothing is kept."""

    def prepare(self, camera: Camera) -> None:
        """Nothing to prepare."""

    def prepared(self, camera_id: str) -> bool:
        return True

    def leave(self, camera_id: str) -> bool:
        return True

    def stay(self, camera_id: str) -> None:
        """It never left."""

    def state(self, camera_id: str) -> str:
        return "serving"


class SimulatedWorker:
    """The ownership thread of a worker, as it is in a worker. A context manager."""

    def __init__(self, url: str, instance: str, capacity: int) -> None:
        self.instance = instance
        self.holder = SimulatedHolder()
        self._client = connect(url)
        leases = Leases(self._client, "worker", instance, f"{instance}:1")

        def member(load: int, now_ms: int) -> Member:
            return Member(instance, f"{instance}:1", "cpu", capacity, load, now_ms)

        self.ownership = Ownership(
            self._client, leases, self.holder, member, Metrics(), "worker", capacity, balance=False
        )

    def __enter__(self) -> Self:
        self.ownership.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ownership.stop()
        self._client.close()


class SimulatedDecoder:
    """Appends a chunk to each of its cameras' logs again and again. A context manager."""

    def __init__(self, url: str, camera_ids: Sequence[str], every_s: float = 0.1) -> None:
        self._client = connect(url)
        self._leases = Leases(self._client, "decoder", "decoder-1", "")
        self._log = RedisFrameLog(self._client)
        self._camera_ids = camera_ids
        self._every_s = every_s
        self._held: dict[str, Lease] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.appended: Counter[str] = Counter()
        self.outages: Counter[str] = Counter()
        self.faults: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        while not self._done.wait(self._every_s):
            for camera_id in self._camera_ids:
                try:
                    self._append(camera_id)
                except (redis.ConnectionError, redis.TimeoutError) as error:
                    self.outages[type(error).__name__] += 1
                except Exception as error:
                    self.faults.append(f"{camera_id}: {error!r}")

    def _append(self, camera_id: str) -> None:
        lease = self._held.get(camera_id)
        if lease is None:
            owner = self._leases.owners([camera_id])[camera_id]
            lease = self._leases.acquire(camera_id, unattended=owner)
            if lease is None:
                return
            self._held[camera_id] = lease
        try:
            self._log.append(chunk(camera_id, int(time.time() * 1000)), lease.fence)
        except Fenced:
            del self._held[camera_id]
            return
        except OutOfOrder:
            return
        self.appended[camera_id] += 1


class Watcher:
    """Reads leases and logs as a gateway and a worker do, and books what must never be.

    That is an epoch lower than one that was seen before, and an error that is no outage.
    A context manager.
    """

    def __init__(self, url: str, camera_ids: Sequence[str]) -> None:
        self._client = connect(url, block_s=1)
        self._leases = Leases(self._client, "worker", "watcher", "")
        self._log = RedisFrameLog(self._client)
        self._camera_ids = list(camera_ids)
        self._newest: dict[str, int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.read: dict[str, LogId] = dict.fromkeys(camera_ids, BEGINNING)
        self.went_back: list[str] = []
        self.faults: list[str] = []
        self.outages = 0
        self.longest_outage_s = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._client.close()

    def _run(self) -> None:
        reached_at = time.monotonic()
        while not self._done.wait(0.05):
            try:
                self._look()
            except (redis.ConnectionError, redis.TimeoutError):
                self.outages += 1
                continue
            except Exception as error:
                self.faults.append(repr(error))
                continue
            finally:
                self.longest_outage_s = max(self.longest_outage_s, time.monotonic() - reached_at)
            reached_at = time.monotonic()

    def _look(self) -> None:
        for camera_id, owner in self._leases.owners(self._camera_ids).items():
            epoch = 0 if owner is None else owner.epoch
            newest = self._newest.get(camera_id, 0)
            if owner is not None and epoch < newest:
                self.went_back.append(f"{camera_id}: {epoch} after {newest}")
            self._newest[camera_id] = max(newest, epoch)
        for entry in self._log.read(self.read, count=64, block_s=0.1):
            self.read[entry.camera_id] = entry.id


def register(client: redis.Redis, camera_ids: Sequence[str]) -> None:
    """Add cameras to the registry, as a gateway does."""
    now = time.time_ns()
    with client.pipeline(transaction=False) as pipeline:
        for camera_id in camera_ids:
            camera = Camera(id=camera_id, url="rtsp://camera/1")
            camera.created.FromNanoseconds(now)
            pipeline.hset(keys.CAMERAS, camera_id, camera.SerializeToString())
        pipeline.execute()


@contextmanager
def simulated_workers(url: str, count: int, capacity: int) -> Iterator[list[SimulatedWorker]]:
    """So many workers at once."""
    with ExitStack() as ends:
        yield [
            ends.enter_context(SimulatedWorker(url, f"worker-{number}", capacity))
            for number in range(1, count + 1)
        ]


def owners_of(workers: Sequence[SimulatedWorker]) -> dict[str, str]:
    """Which worker has each camera now, by what the workers themselves believe."""
    return {
        camera_id: worker.instance
        for worker in workers
        for camera_id in list(worker.holder.has)
        if worker.ownership.epoch(camera_id) is not None
    }
