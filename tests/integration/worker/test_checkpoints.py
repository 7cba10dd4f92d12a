"""What a worker knew comes back in the next one: real workers, a real Redis, a real folder."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import grpc.aio
import pytest
import redis

from hermes.contents import MemoryContents
from hermes.contents_message import contents_of
from hermes.engine import Snapshot
from hermes.errors import CameraNotReady, InvalidInput, SnapshotCorrupt, SnapshotMismatch
from hermes.v1 import worker_pb2
from hermes.v1.camera_pb2 import Camera
from hermes.v1.query_pb2 import Complete
from hermes.v1.worker_pb2_grpc import WorkerServiceStub
from hermes.vlm import VideoMemory
from services.common import camera_status, keys
from services.common.frame_log import Fenced
from services.common.leases import Leases
from services.hermes_worker.checkpoints import Checkpoints, folder_of
from services.hermes_worker.settings import WorkerSettings
from services.hermes_worker.snapshot_store import SnapshotStore
from services.hermes_worker.worker import Worker
from tests.integration.worker.test_worker import Feeder, answer, asked, memory_state, refused, until
from tests.support import tiny
from tests.support.holder import remove


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "kept"


@asynccontextmanager
async def working(redis_url: str, kept: Path | None, **more: Any) -> AsyncIterator[Worker]:
    settings: dict[str, Any] = {
        "redis_url": redis_url,
        "listen": "127.0.0.1:0",
        "advertise": "127.0.0.1",
        "metrics_host": "127.0.0.1",
        "model": str(tiny.folder()),
        "device": "cpu",
        "threads": 1,
        "budget_tokens": 160,
        "compress_every_frames": 4,
        "max_cameras": 4,
        "max_answer_tokens": 4000,
        "checkpoint_url": "" if kept is None else str(kept),
        "checkpoint_every_s": 0.5,
        "drain_s": 6.0,
    }
    worker = Worker(WorkerSettings(**(settings | more)))
    await worker.start()
    try:
        yield worker
    finally:
        if worker._why_not_ready != "stopping":
            await worker.stop()


@asynccontextmanager
async def calling(worker: Worker) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{worker.port}") as channel:
        yield WorkerServiceStub(channel)  # type: ignore[no-untyped-call]


async def complete(worker: Worker, camera_id: str = "lobby") -> Complete:
    async with calling(worker) as stub:
        return (await answer(stub, asked(camera_id, max_tokens=4)))[1]


async def contents(worker: Worker, camera_id: str = "lobby") -> MemoryContents:
    async with calling(worker) as stub:
        request = worker_pb2.WorkerServiceInspectRequest(camera_id=camera_id)
        response = await stub.Inspect(request, timeout=20)
    return contents_of(response.contents)


def without_owner(seen: MemoryContents) -> MemoryContents:
    return replace(seen, epoch=0)


def checkpoint_id(client: redis.Redis, camera_id: str = "lobby") -> str:
    raw = client.hget(keys.checkpoint(camera_id), "id")
    assert raw is None or isinstance(raw, bytes)
    return (raw or b"").decode()


def outcome(worker: Worker, name: str, label: str) -> float:
    return worker.metrics.registry.get_sample_value(name, {"outcome": label}) or 0.0


def serving(client: redis.Redis, camera_id: str = "lobby") -> Callable[[], bool]:
    return lambda: memory_state(client, camera_id) == "serving"


async def test_a_worker_that_ends_leaves_its_whole_memory(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    async with working(redis_url, kept) as one:
        feeder = Feeder(redis_client, "lobby")
        for _ in range(11):
            last = feeder.push()
        await until(serving(redis_client))
        before = await complete(one)
        seen = await contents(one)
        assert before.coverage.frames_seen == 11
    assert checkpoint_id(redis_client) == last
    redis_client.xtrim(keys.frames("lobby"), maxlen=0, approximate=False)  # nothing to replay
    async with working(redis_url, kept) as other:
        await until(serving(redis_client))
        after = await complete(other)
        assert after.epoch > before.epoch
        assert after.coverage == before.coverage
        assert without_owner(await contents(other)) == without_owner(seen)
        assert outcome(other, "hermes_restores_total", "newest") == 1
        feeder.push()
        assert (await complete(other)).coverage.frames_seen == 12
        assert not (await complete(other)).coverage.gaps


def no_commit(*_: object) -> None:
    """Stands in for the `Checkpoints.commit` of a worker that is killed before it can commit."""
    raise OSError(errno.ENOSPC, "no space left on device")


async def test_frames_since_the_checkpoint_are_replayed_and_trimmed_ones_reported(
    redis_url: str, redis_client: redis.Redis, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Checkpoints.commit
    async with working(redis_url, kept) as one:
        feeder = Feeder(redis_client, "lobby")
        last = feeder.push(6)
        await until(lambda: checkpoint_id(redis_client) == last)
        assert (await complete(one)).coverage.frames_seen == 6
        monkeypatch.setattr(Checkpoints, "commit", no_commit)
        for _ in range(5):
            feeder.push()
    monkeypatch.setattr(Checkpoints, "commit", commit)
    async with working(redis_url, kept) as other:
        await until(serving(redis_client))
        found = await complete(other)
        assert (found.coverage.frames_seen, list(found.coverage.gaps)) == (11, [])
        replayed = other.metrics.registry.get_sample_value("hermes_replayed_frames_total")
        assert replayed == 5
        monkeypatch.setattr(Checkpoints, "commit", no_commit)
        feeder.push(3)
        redis_client.xtrim(keys.frames("lobby"), maxlen=0, approximate=False)
        feeder.push()
    monkeypatch.setattr(Checkpoints, "commit", commit)
    async with working(redis_url, kept) as third:
        await until(serving(redis_client))
        found = await complete(third)
        assert len(found.coverage.gaps) == 1
        assert found.coverage.span.end == found.coverage.gaps[0].end


async def test_a_damaged_snapshot_gives_way_to_the_one_before(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    async with working(redis_url, kept, checkpoint_every_s=600, checkpoint_every_frames=3):
        feeder = Feeder(redis_client, "lobby")
        for _ in range(4):
            last = feeder.push(3)
            await until(lambda id=last: checkpoint_id(redis_client) == id)  # type: ignore[misc]
    files = sorted(kept.rglob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)
    assert len(files) == 3  # of four: so many are kept
    newest = files[-1].read_bytes()
    files[-1].write_bytes(newest[: len(newest) // 2])
    files[-2].write_bytes(newest)  # whole, and says itself what it holds
    files[-2].unlink()
    async with working(redis_url, kept) as other:
        await until(serving(redis_client))
        assert outcome(other, "hermes_restores_total", "older") == 1
        found = await complete(other)
        assert (found.coverage.frames_seen, list(found.coverage.gaps)) == (12, [])
    for path in kept.rglob("*.safetensors"):
        path.write_bytes(b"")
    async with working(redis_url, kept) as third:
        await until(serving(redis_client))
        assert outcome(third, "hermes_restores_total", "lost") == 1
        assert (await complete(third)).coverage.frames_seen == 12  # from the log alone
        assert not (await complete(third)).coverage.HasField("lost")  # which holds all of it


async def test_a_memory_that_was_lost_is_reported(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    """A camera that lost its past can be reply from a new one, also later."""
    async with working(redis_url, kept) as one:
        feeder = Feeder(redis_client, "lobby")
        first = int(feeder.push(6).partition("-")[0]) - 5
        await until(serving(redis_client))
        young = (await complete(one)).coverage
        assert young.frames_seen == 6
        assert young.watching_since.ToMilliseconds() == first
        assert not young.HasField("lost")
        await until(lambda: status_frames(redis_client) == 6)
    for path in kept.rglob("*.safetensors"):
        path.write_bytes(b"")
    redis_client.xtrim(keys.frames("lobby"), maxlen=0, approximate=False)
    async with working(redis_url, kept) as other:
        begun = int(feeder.push(2).partition("-")[0]) - 1
        await until(serving(redis_client))
        robbed = (await complete(other)).coverage
        assert robbed.frames_seen == 2
        assert robbed.watching_since.ToMilliseconds() == begun
        assert robbed.lost.start.ToMilliseconds() == first + 5
        assert robbed.lost.end.ToMilliseconds() == begun
        assert robbed.gaps[0] == robbed.lost
    async with working(redis_url, kept) as third:  # from a checkpoint of the second
        await until(serving(redis_client))
        assert outcome(third, "hermes_restores_total", "newest") == 1
        assert (await complete(third)).coverage == robbed


def status_frames(client: redis.Redis) -> int:
    fields = cast(dict[bytes, bytes], client.hgetall(keys.status("lobby")))
    return camera_status.parse(fields)[1].coverage.frames_seen


async def test_a_snapshot_of_another_budget_is_left_alone(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    async with working(redis_url, kept):
        feeder = Feeder(redis_client, "lobby")
        last = feeder.push(6)
        await until(lambda: checkpoint_id(redis_client) == last)
    async with working(redis_url, kept, budget_tokens=320) as other:
        await until(serving(redis_client))
        assert outcome(other, "hermes_restores_total", "lost") == 1
        assert (await complete(other)).coverage.frames_seen == 6


async def test_a_full_disk_only_stops_checkpoints(
    redis_url: str, redis_client: redis.Redis, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.hermes_worker.checkpointer.RETRY_S", 0.2)
    async with working(redis_url, kept) as worker:

        def full(path: str, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        assert worker._store is not None
        with monkeypatch.context() as patch:
            patch.setattr(worker._store, "write", full)
            feeder = Feeder(redis_client, "lobby")
            last = feeder.push(6)
            await until(lambda: outcome(worker, "hermes_checkpoints_total", "failed") >= 2)
            assert (await complete(worker)).coverage.frames_seen == 6
            assert checkpoint_id(redis_client) == ""
        await until(lambda: checkpoint_id(redis_client) == last)


async def test_the_age_of_a_checkpoint_grows_while_the_store_hangs(
    redis_url: str, redis_client: redis.Redis, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(redis_url, kept) as worker:
        assert worker._store is not None
        assert outcome(worker, "hermes_checkpoints_total", "failed") == 0.0
        hangs, goes_on, write = threading.Event(), threading.Event(), worker._store.write

        def hang(path: str, data: bytes) -> None:
            hangs.set()
            goes_on.wait(30)
            write(path, data)

        def age() -> float:
            name, labels = "hermes_checkpoint_age_seconds", {"camera": "lobby"}
            return worker.metrics.registry.get_sample_value(name, labels) or 0.0

        monkeypatch.setattr(worker._store, "write", hang)
        last = Feeder(redis_client, "lobby").push(6)
        await until(hangs.is_set)
        before, began = age(), time.monotonic()
        await asyncio.sleep(0.5)
        assert age() - before == pytest.approx(time.monotonic() - began, abs=0.1)
        goes_on.set()
        await until(lambda: checkpoint_id(redis_client) == last)
        await until(lambda: age() < before + (time.monotonic() - began) - 0.3)


async def test_a_camera_that_is_removed_leaves_no_file(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    async with working(redis_url, kept):
        feeder = Feeder(redis_client, "lobby")
        last = feeder.push(6)
        await until(lambda: checkpoint_id(redis_client) == last)
        assert (kept / "lobby").is_dir()
        remove(redis_client, "lobby")
        await until(lambda: not list(kept.iterdir()))  # not even an empty folder


async def test_questions_are_answered_throughout_a_hand_over(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    async with working(redis_url, kept) as one:
        feeder = Feeder(redis_client, "lobby")
        for _ in range(9):
            feeder.push()
        await until(serving(redis_client))
        before = await complete(one)
        async with working(redis_url, kept, checkpoint_every_s=600) as other:
            ending = asyncio.create_task(one.stop())
            owners: set[int] = set()
            served: list[int] = []
            while not ending.done() or len(owners) < 2:
                feeder.push()
                for worker in (one, other):
                    if "lobby" in {lease.camera_id for lease in worker._ownership.leases()}:
                        try:
                            reply = await complete(worker)
                        except grpc.aio.AioRpcError:
                            continue  # between the two
                        owners.add(reply.epoch)
                        served.append(reply.coverage.frames_seen)
                        assert reply.epoch >= before.epoch
                await asyncio.sleep(0.02)
            await ending
            assert served == sorted(served)  # nothing was forgotten on the way
            final = await complete(other)
            assert (final.coverage.frames_seen, list(final.coverage.gaps)) == (feeder.index, [])
            assert len(owners) == 2
            lost = other.metrics.registry.get_sample_value("hermes_lease_lost_total")
            assert lost == 0


async def test_without_a_store_cameras_go_only_when_their_worker_does(
    redis_url: str, redis_client: redis.Redis
) -> None:
    async with working(redis_url, None):
        for name in ("a", "b", "c"):
            Feeder(redis_client, name).push(3)
            await until(serving(redis_client, name))
        async with working(redis_url, None) as other:
            await asyncio.sleep(2.5)
            assert other._ownership.leases() == []


async def test_a_leaving_camera_takes_no_new_question(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    async with working(redis_url, kept) as worker, calling(worker) as stub:
        Feeder(redis_client, "lobby").push(3)
        await until(serving(redis_client))
        assert worker._tenures.leave("lobby")
        reply = await refused(stub, asked("lobby"))
        assert isinstance(reply, CameraNotReady)
        assert reply.retry_after_s > 0
        worker._tenures.stay("lobby")
        assert (await complete(worker)).coverage.frames_seen == 3


async def test_a_folder_that_cannot_be_written_is_refused_at_the_start(
    redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match="checkpoint_url: cannot be written to"):
        async with working(redis_url, tmp_path / "file"):
            pass


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


@pytest.mark.parametrize("raw", ["", "no json", "[1]", '["{}"]', '["[]"]'])
def test_an_unreadable_record_counts_as_no_checkpoint(
    rig: Rig, redis_client: redis.Redis, raw: str
) -> None:
    redis_client.hset(keys.checkpoint("lobby"), "snapshots", raw)
    assert rig.all.of(rig.camera) == []


@pytest.mark.parametrize("obstacle", ["folder", "pipe", "link to nowhere", "link to itself"])
async def test_a_path_that_can_never_be_read_gives_way_at_once(
    redis_url: str, redis_client: redis.Redis, kept: Path, obstacle: str
) -> None:
    """Only a store that is out of reach is waited for."""
    async with working(redis_url, kept, checkpoint_every_s=600, checkpoint_every_frames=3):
        feeder = Feeder(redis_client, "lobby")
        for _ in range(2):
            last = feeder.push(3)
            await until(lambda id=last: checkpoint_id(redis_client) == id)  # type: ignore[misc]
    newest = max(kept.rglob("*.safetensors"), key=lambda path: path.stat().st_mtime_ns)
    newest.unlink()
    if obstacle == "folder":
        newest.mkdir()
    elif obstacle == "pipe":
        os.mkfifo(newest)
    else:
        newest.symlink_to(newest if obstacle == "link to itself" else kept / "nowhere")
    async with working(redis_url, kept) as other:
        await until(serving(redis_client), timeout_s=15)
        assert outcome(other, "hermes_restores_total", "older") == 1
        assert (await complete(other)).coverage.frames_seen == 6


async def test_keys_of_another_type_affect_only_their_camera(
    redis_url: str, redis_client: redis.Redis, kept: Path
) -> None:
    """Whatever one camera's keys hold, the others are ingested, checkpointed and answered."""
    async with working(redis_url, kept) as worker:
        feeders = {camera: Feeder(redis_client, camera) for camera in ("lobby", "dock")}
        for feeder in feeders.values():
            feeder.push()
        for camera in feeders:
            await until(serving(redis_client, camera))
        for key in (keys.frames("dock"), keys.status("dock"), keys.checkpoint("dock")):
            redis_client.delete(key)
            redis_client.set(key, "not what it should be")
        for _ in range(3):
            last = feeders["lobby"].push()
            await until(lambda id=last: checkpoint_id(redis_client) == id)  # type: ignore[misc]
        assert (await complete(worker)).coverage.frames_seen == 4
        redis_client.delete(keys.lease("dock", "worker"))
        redis_client.set(keys.lease("dock", "worker"), "no lease")
        last = feeders["lobby"].push()
        await until(lambda: checkpoint_id(redis_client) == last)
        assert (await complete(worker)).coverage.frames_seen == 5
        url = f"http://127.0.0.1:{worker.metrics_port}/healthz"
        with await asyncio.to_thread(urllib.request.urlopen, url) as response:
            assert response.status == 200
