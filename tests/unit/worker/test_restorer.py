"""Which of a camera's checkpoints its memory is restored from."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import cast

import pytest

from hermes.engine import Snapshot
from hermes.errors import HermesError, SnapshotCorrupt, SnapshotMismatch, SnapshotVersion
from hermes.memory import MemoryState
from hermes.v1.camera_pb2 import Camera
from services.common.metrics import Metrics
from services.hermes_worker.checkpoints import Checkpoint, Checkpoints
from services.hermes_worker.restorer import Restorer
from services.hermes_worker.tenure import Tenure
from tests.support.ingest_rig import FakeHandle, Rig
from tests.support.waiting import eventually

LATER = SnapshotVersion("a later version wrote it")
OTHER = SnapshotMismatch("of another model")
DAMAGED = SnapshotCorrupt("cut short")


class Kept:
    """Checkpoints, the newest first: each is what reading it raises, or None."""

    def __init__(self, faults: Sequence[HermesError | None]) -> None:
        self._faults = faults
        self.read: list[int] = []

    def of(self, camera: Camera) -> list[Checkpoint]:
        return [Checkpoint(str(n), f"{n}-0", 1, 0, 0) for n in range(len(self._faults))]

    def load(self, camera: Camera, checkpoint: Checkpoint, limit_bytes: int) -> Snapshot:
        number = int(checkpoint.path)
        self.read.append(number)
        if (fault := self._faults[number]) is not None:
            raise fault
        return Snapshot(MemoryState({}, {}), f"{number}-0@5:5")


def restored_at_once(handle: FakeHandle, snapshot: Snapshot) -> Future[None]:
    done: Future[None] = Future()
    done.set_result(None)
    return done


@pytest.mark.parametrize(
    ("faults", "outcome", "read"),
    [
        ([None, None], "newest", [0]),
        ([LATER, None], "older", [0, 1]),
        ([LATER, LATER, DAMAGED, None], "older", [0, 1, 2, 3]),
        ([LATER, LATER], "lost", [0, 1]),
        ([OTHER, None], "lost", [0]),
        ([], "log", []),
    ],
)
def test_the_newest_that_this_version_reads_counts(
    monkeypatch: pytest.MonkeyPatch,
    faults: Sequence[HermesError | None],
    outcome: str,
    read: list[int],
) -> None:
    """After an upgrade was taken back, the checkpoints from before it do."""
    monkeypatch.setattr(FakeHandle, "restore", restored_at_once, raising=False)
    kept, metrics, waiting = Kept(faults), Metrics(), list[Tenure]()
    tenure = Rig(restore=waiting.append).gain("lobby")
    restorer = Restorer(cast(Checkpoints, kept), metrics, 1 << 20)
    restorer.start()
    restorer.begin(tenure)
    eventually(lambda: tenure.position is not None)
    restorer.stop()
    assert kept.read == read
    found = metrics.registry.get_sample_value("hermes_restores_total", {"outcome": outcome})
    assert found == 1
