"""When pictures are brought back from the store."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from hermes.engine import Engine
from hermes.v1.camera_pb2 import Camera
from services.hermes_worker.picture_loader import RETRY_S, PictureLoader
from services.hermes_worker.picture_store import SUFFIX, PictureStore
from services.hermes_worker.snapshot_store import SnapshotStore
from services.hermes_worker.tenure import Tenure
from services.hermes_worker.tenures import Tenures
from tests.support.picture_shelves import CREATED_MS, StillMemory, lease_of, tenure_of, watched


class OneMemory:
    """An engine that opens the same memory again and again."""

    def __init__(self, memory: StillMemory) -> None:
        self.memory = memory

    def open(self, camera_id: str) -> StillMemory:
        return self.memory


class Worker:
    """A successor's tenures and loader, over a store with the pictures of a former owner."""

    def __init__(self, folder: Path) -> None:
        self.store, self.memory, self.now = SnapshotStore(str(folder)), StillMemory(), 0.0
        former, pictures = tenure_of(self.memory), PictureStore(self.store)
        pictures.load(former)
        watched(self.memory, former, {1000: b"one", 2000: b"two"})
        pictures.save(former, lease_of("lobby", 7), now_ms=1)
        self.former = former
        self.begun: list[Tenure] = []
        self.tenures = Tenures(
            cast(Engine, OneMemory(self.memory)), restore=self.begun.append, kept_pictures=1000
        )
        self.loader = PictureLoader(self.tenures, pictures, clock=lambda: self.now)
        self.camera = Camera(id="lobby", url="rtsp://host/1")
        self.camera.created.FromMilliseconds(CREATED_MS)

    @property
    def found(self) -> dict[int, bytes]:
        return self.begun[-1].pictures.all()


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def test_they_come_once_memory_is_restored_and_again_with_the_lease(worker: Worker) -> None:
    worker.tenures.prepare(worker.camera)
    worker.loader.step()
    assert worker.found == {}
    worker.begun[0].restored()
    worker.loader.step()
    assert worker.found == {1000: b"one", 2000: b"two"}
    watched(worker.memory, worker.former, {3000: b"three"})
    PictureStore(worker.store).save(worker.former, lease_of("lobby", 7), now_ms=2)
    worker.loader.step()
    assert 3000 not in worker.found
    worker.tenures.gained(worker.camera, lease_of("lobby", 8))
    worker.loader.step()
    assert worker.found[3000] == b"three"


def test_a_store_out_of_reach_is_tried_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.tenures.gained(worker.camera, lease_of("lobby", 8))
    worker.begun[0].restored()

    def away(folder: str, suffix: str) -> list[str]:
        assert suffix == SUFFIX
        raise OSError("the store is out of reach")

    with monkeypatch.context() as broken:
        broken.setattr(worker.store, "files", away)
        worker.loader.step()
    worker.loader.step()
    assert worker.found == {}
    worker.now += RETRY_S
    worker.loader.step()
    assert worker.found == {1000: b"one", 2000: b"two"}
