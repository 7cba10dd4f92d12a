"""What a worker knew comes back in the next one: real workers, a real Redis, a real folder."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
import time
import urllib.request
from pathlib import Path
from typing import cast

import pytest
import redis

from hermes.errors import InvalidInput
from hermes.v1.camera_pb2 import GAP_REASON_MEMORY_LOST
from services.common import camera_status, keys
from services.hermes_worker.checkpoints import Checkpoints
from tests.support.holder import remove
from tests.support.workers import (
    Feeder,
    checkpoint_id,
    complete,
    contents,
    outcome,
    serving,
    until,
    without_owner,
    working,
)


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
        await until(serving(redis_client))  # a memory may be stored before it has caught up
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
        gap = robbed.gaps[0]
        assert (gap.start, gap.end) == (robbed.lost.start, robbed.lost.end)
        assert gap.reason == GAP_REASON_MEMORY_LOST
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
    monkeypatch.setattr("services.hermes_worker.checkpoint_record.RETRY_S", 0.2)
    async with working(redis_url, kept) as worker:

        def full(path: str, data: bytes) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        assert worker._store is not None
        with monkeypatch.context() as patch:
            patch.setattr(worker._store, "write", full)
            feeder = Feeder(redis_client, "lobby")
            last = feeder.push(6)
            await until(lambda: outcome(worker, "hermes_checkpoints_total", "failed") >= 2)
            await until(serving(redis_client))
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


async def test_a_folder_that_cannot_be_written_is_refused_at_the_start(
    redis_url: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match="checkpoint_url: cannot be written to"):
        async with working(redis_url, tmp_path / "file"):
            pass


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
