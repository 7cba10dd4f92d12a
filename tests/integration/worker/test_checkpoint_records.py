"""Which snapshots count: commits under the lease, records in Redis, files that are left over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from hermes.engine import Snapshot
from hermes.errors import SnapshotCorrupt, SnapshotMismatch
from hermes.v1.camera_pb2 import Camera
from hermes.vlm import VideoMemory
from services.common import keys
from services.common.frame_log import Fenced
from services.common.leases import Leases
from services.hermes_worker.checkpoints import Checkpoints, folder_of
from services.hermes_worker.snapshot_store import SnapshotStore
from tests.support import tiny


class Rig:
    """A memory's checkpoints, without a worker."""

    def __init__(self, client: redis.Redis, kept: Path) -> None:
        memory = VideoMemory(tiny.model(), budget=160, compress_every_frames=4)
        memory.feed(tiny.pictures(5))
        self.snapshot = Snapshot(memory.state(), "1000-0@5:5")
        self.store = SnapshotStore(str(kept))
        self.all = Checkpoints(client, self.store, keep=2)
        self.leases = {name: Leases(client, "worker", name, "") for name in ("one", "other")}
        self.camera = Camera(id="lobby")
        self.camera.created.FromMilliseconds(7)


@pytest.fixture
def rig(redis_client: redis.Redis, kept: Path) -> Rig:
    return Rig(redis_client, kept)


def test_only_the_owners_checkpoint_counts(rig: Rig) -> None:
    old = rig.leases["one"].acquire("lobby")
    assert old is not None
    first = rig.all.commit(rig.camera, old, rig.snapshot, 1)
    seen = rig.leases["other"].owners(["lobby"])["lobby"]
    new = rig.leases["other"].acquire("lobby", unattended=seen)
    assert new is not None
    with pytest.raises(Fenced):
        rig.all.commit(rig.camera, old, rig.snapshot, 2)
    assert rig.all.of(rig.camera) == [first]
    assert rig.store.files("lobby") == [first.path]
    second = rig.all.commit(rig.camera, new, rig.snapshot, 3)
    third = rig.all.commit(rig.camera, new, rig.snapshot, 4)
    assert rig.all.of(rig.camera) == [third, second]
    assert sorted(rig.store.files("lobby")) == sorted([second.path, third.path])
    loaded = rig.all.load(rig.camera, third, 1 << 30)
    assert loaded.cursor == rig.snapshot.cursor


def test_files_that_never_counted_are_deleted(rig: Rig) -> None:
    lease = rig.leases["one"].acquire("lobby")
    assert lease is not None
    made = rig.all.commit(rig.camera, lease, rig.snapshot, 1)
    folder = folder_of(rig.camera)
    later = f"{folder}/{lease.epoch + 1}-9-0-2.safetensors"  # its writer may be about to commit it
    for path in (f"{folder}/5-9-0-2.safetensors", "lobby/6/5-9-0-2.safetensors", later):
        rig.store.write(path, b"x")
    rig.store.write("lobby2/6/5-9-0-2.safetensors", b"x")
    rig.all.tidy(rig.camera, lease)
    assert sorted(rig.store.files("lobby")) == sorted([made.path, later])
    assert rig.store.files("lobby2")


def test_a_reused_camera_id_has_no_past(rig: Rig) -> None:
    lease = rig.leases["one"].acquire("lobby")
    assert lease is not None
    made = rig.all.commit(rig.camera, lease, rig.snapshot, 1)
    again = Camera(id="lobby")
    again.created.FromMilliseconds(8)
    assert rig.all.of(again) == []
    with pytest.raises(SnapshotCorrupt, match="another camera"):
        rig.all.load(again, made, 1 << 30)
    with pytest.raises(SnapshotMismatch, match="at most"):
        rig.all.load(rig.camera, made, 100)


def test_an_entry_of_a_later_version_is_read_and_one_without_sense_hides_no_other(
    rig: Rig, redis_client: redis.Redis
) -> None:
    lease = rig.leases["one"].acquire("lobby")
    assert lease is not None
    made = rig.all.commit(rig.camera, lease, rig.snapshot, 1)
    raw = redis_client.hget(keys.checkpoint("lobby"), "snapshots")
    (entry,) = json.loads(raw)  # type: ignore[arg-type]
    later = json.dumps(json.loads(entry) | {"new": 1})
    record = json.dumps([later, '{"path": 1}', "{}", "1", entry])
    redis_client.hset(keys.checkpoint("lobby"), "snapshots", record)
    assert rig.all.of(rig.camera) == [made, made]


@pytest.mark.parametrize("raw", ["", "no json", "[1]", '["{}"]', '["[]"]'])
def test_an_unreadable_record_counts_as_no_checkpoint(
    rig: Rig, redis_client: redis.Redis, raw: str
) -> None:
    redis_client.hset(keys.checkpoint("lobby"), "snapshots", raw)
    assert rig.all.of(rig.camera) == []
