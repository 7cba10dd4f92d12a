"""All services as processes, two of most: any of them is killed, stopped for a while, or full.

The processes are shared. A fixture restores what a test needs and an earlier one
has changed, so each test stands alone. In the order of this file nothing is restored.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import grpc
import pytest
import redis

from hermes.client import Camera
from hermes.errors import (
    CameraNotFound,
    CameraNotReady,
    DeadlineExceeded,
    HermesError,
    Overloaded,
    Retryable,
    Unavailable,
)
from services.cli import redis_server
from services.cli.processes import Pipeline
from services.common import keys
from tests.support.pair import Pair
from tests.support.pipeline import online
from tests.support.video import write
from tests.support.waiting import eventually

PASSWORD, TOKEN, REDIS_PASSWORD = "hunter2-sesame", "t0ken-of-a-camera", "r3dis:p@ss"
REDIS_PASSWORD_QUOTED = "r3dis%3Ap%40ss"
OWNERLESS_S = 15.0
STALE_S = 2.0
LONG = 1000
FILE_FRAMES = 320
SETTINGS = {
    "HERMES_LOG_LEVEL": "debug",
    "HERMES_FRAME_SIZE": "112x112",
    "HERMES_FRAMES_PER_SECOND": "5",
    "HERMES_CHUNK_MAX_DURATION_S": "0.4",
    "HERMES_UNREAD_MAX_BYTES": str(64 << 10),
    "HERMES_REPLAY_WINDOW_S": "20",
    "HERMES_STALENESS_S": str(STALE_S),
    "HERMES_DEVICE": "cpu",
    "HERMES_THREADS": "1",
    "HERMES_BUDGET_TOKENS": "320",
    "HERMES_MAX_CAMERAS": "3",
    "HERMES_HAND_OVER_WAIT_S": "0",
    "HERMES_MAX_QUESTIONS": "2",
    "HERMES_MAX_ANSWER_TOKENS": str(LONG),
}


CAMERAS = ["lobby", "dock", "street", "yard"]


def status(error: HermesError) -> grpc.StatusCode:
    cause = error.__cause__
    assert isinstance(cause, grpc.RpcError)
    code: grpc.StatusCode = cause.code()
    return code


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if redis_server.find_binary() is None:
        pytest.skip("no redis-server binary to start and stop")
    folder = tmp_path_factory.mktemp("survival")
    (folder / "media").mkdir()
    write(folder / "media" / "loop.mp4", 40, rate=10)
    write(folder / "media" / "long.mp4", FILE_FRAMES * 2, rate=10)
    with pytest.MonkeyPatch.context() as patch, Pipeline(folder, SETTINGS) as pipeline:
        patch.delenv("REDIS_URL", raising=False)
        local = pipeline.start_redis()
        redis.Redis.from_url(local.url).config_set("requirepass", REDIS_PASSWORD)
        local.url = local.url.replace("redis://", f"redis://:{REDIS_PASSWORD_QUOTED}@")
        made = Pair(pipeline, f"127.0.0.1:{redis_server.free_port()}")
        made.complete()
        yield made
        made.client.close()


@pytest.fixture
def cameras(pair: Pair) -> list[str]:
    """Live cameras, each with frames in memory, on two workers."""
    pair.complete()
    there = pair.keep_cameras(CAMERAS)
    for name in CAMERAS:
        if name not in there:
            pair.client.add_camera(name, "loop.mp4", pacing="live", loop=True)
    for name in CAMERAS:
        pair.until(name, online(3))
    owners = {pair.client.get_camera(name).memory.worker for name in CAMERAS}
    assert owners == set(pair.running("worker"))
    return CAMERAS


@pytest.fixture
def only_worker(pair: Pair) -> str:
    """The only worker, without cameras."""
    pair.keep_cameras([])
    worker, *others = pair.running("worker")
    for other in others:
        pair.kill(other)
    return worker


def frames_seen(pair: Pair, camera_id: str) -> int:
    return pair.client.get_camera(camera_id).memory.coverage.frames_seen


def test_a_lease_that_names_the_wrong_worker_is_read_again_once(
    pair: Pair, cameras: list[str]
) -> None:
    owned = {pair.client.get_camera(name).memory.worker: name for name in cameras}
    owner, other = pair.running("worker")
    lease, wrong_lease = (keys.lease(owned[worker], "worker") for worker in (owner, other))
    right, wrong = pair.redis.hget(lease, "address"), pair.redis.hget(wrong_lease, "address")
    refused = 'hermes_queries_total{code="FAILED_PRECONDITION"}'
    before = pair.metrics(other).get(refused, 0)
    pair.redis.hset(lease, "address", wrong)
    try:
        refusal = pair.refused(owned[owner])
    finally:
        pair.redis.hset(lease, "address", right)
    assert isinstance(refusal, CameraNotReady)
    assert status(refusal) is grpc.StatusCode.UNAVAILABLE
    assert refusal.retry_after_s > 0
    assert pair.metrics(other)[refused] == before + 2
    assert pair.answer(owned[owner])


def answered(pair: Pair, camera_id: str) -> bool:
    try:
        return bool(pair.answer(camera_id))
    except Overloaded:
        return False


def test_questions_that_are_too_many_too_long_or_of_no_camera(
    pair: Pair, cameras: list[str]
) -> None:
    unknown = pair.refused("nobody")
    assert isinstance(unknown, CameraNotFound)
    assert status(unknown) is grpc.StatusCode.NOT_FOUND

    owner = pair.client.get_camera(cameras[0]).memory.worker
    cancelled = 'hermes_queries_total{code="CANCELLED"}'
    before = {name: pair.metrics(name).get(cancelled, 0) for name in (owner, pair.gateway)}
    open_ = [pair.ask(cameras[0], max_tokens=LONG) for _ in range(2)]
    for stream in open_:
        next(stream)
    full = pair.refused(cameras[0])
    assert isinstance(full, Overloaded)
    assert status(full) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert full.retry_after_s > 0
    for stream in open_:
        stream.cancel()
    for name, count in before.items():
        eventually(lambda name=name, all=count + 2: pair.metrics(name).get(cancelled) == all)  # type: ignore[misc]

    # The device drops them at its next step.
    eventually(lambda: answered(pair, cameras[0]))
    with pytest.raises(DeadlineExceeded) as late:
        "".join(pair.ask(cameras[0], max_tokens=LONG, timeout=0.4))
    assert status(late.value) is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: answered(pair, cameras[0]))  # its place is free again


def has_gap_after(camera: Camera, moment: datetime) -> bool:
    """Whether there is a gap after a moment. A lost memory may have left an earlier one."""
    return any(gap.end > moment for gap in camera.memory.coverage.gaps)


def test_a_live_camera_with_a_stopped_worker_drops_the_oldest_frames_and_recovers(
    pair: Pair, cameras: list[str]
) -> None:
    """Its worker is stopped for twice the staleness budget; the other worker's cameras go on."""
    owner = pair.client.get_camera(cameras[0]).memory.worker
    others = [n for n in cameras if pair.client.get_camera(n).memory.worker != owner]
    before = frames_seen(pair, others[0])
    process = pair.child(owner).process
    stopped = datetime.now(UTC)
    os.kill(process.pid, signal.SIGSTOP)
    try:
        time.sleep(2 * STALE_S)
        assert frames_seen(pair, others[0]) > before + 10
    finally:
        os.kill(process.pid, signal.SIGCONT)
    late = pair.until(cameras[0], lambda camera: has_gap_after(camera, stopped), 10)
    gap = late.memory.coverage.gaps[-1]
    assert (gap.end - gap.start).total_seconds() > STALE_S / 2
    pair.until(cameras[0], lambda camera: (camera.memory.lag_s or 0.0) < STALE_S, 10)
    stale = f'hermes_frames_total{{camera="{cameras[0]}",outcome="dropped_stale"}}'
    assert pair.metrics(owner)[stale] > 0
    assert not has_gap_after(pair.client.get_camera(others[0]), stopped)
    assert pair.answer(cameras[0])


def test_redis_is_killed_and_comes_back_with_its_data(pair: Pair, cameras: list[str]) -> None:
    local = pair.pipeline.redis
    assert local is not None
    assert local.process is not None
    before = {name: pair.client.get_camera(name).memory for name in cameras}
    local.process.kill()
    local.process.wait()
    port = int(local.url.rsplit(":", 1)[1].partition("/")[0])
    again = redis_server.start(pair.pipeline.folder / "redis", port=port)
    local.process = again.process
    redis.Redis.from_url(again.url).config_set("requirepass", REDIS_PASSWORD)
    for name, memory in before.items():
        pair.until(name, lambda c, m=memory: c.memory.coverage.frames_seen > m.frames + 3)  # type: ignore[misc]
        assert pair.client.get_camera(name).memory.epoch == memory.epoch  # the same owner
        assert pair.answer(name)


def test_killed_processes_are_replaced_and_a_camera_without_room_waits(
    pair: Pair, cameras: list[str]
) -> None:
    """Any one of each kind is killed. Four cameras then have one worker, with room for three."""
    owners = {name: pair.client.get_camera(name).memory.worker for name in cameras}
    ((killed_worker, _),) = Counter(owners.values()).most_common(1)
    moved = next(name for name in cameras if owners[name] == killed_worker)
    kept = [name for name in cameras if owners[name] != killed_worker]
    killed_decoder = pair.client.get_camera(moved).source.decoder

    pair.kill(pair.gateway)
    pair.start("gateway")
    eventually(lambda: _answers(pair, kept[0]))

    running = pair.ask(moved, max_tokens=LONG)
    next(running)
    died = time.monotonic()
    pair.kill(killed_worker)
    with pytest.raises(Unavailable):
        list(running)  # half an answer is never silently started again
    refusal = pair.refused(moved)
    assert isinstance(refusal, Retryable)
    assert status(refusal) is grpc.StatusCode.UNAVAILABLE
    assert pair.answer(kept[0])
    pair.kill(killed_decoder)
    eventually(lambda: len(pair.owned("worker", but=killed_worker)) == 3, OWNERLESS_S)
    eventually(lambda: len(pair.owned("decoder", but=killed_decoder)) == 4, OWNERLESS_S)
    assert time.monotonic() - died < OWNERLESS_S
    found = pair.owned("worker", but=killed_worker)
    assert set(kept) < found
    for name in found:
        pair.until(name, online(), 15)
        seen = pair.answer(name)
        pair.until(name, lambda c, seen=seen: c.memory.coverage.frames_seen > seen, 10)  # type: ignore[misc]

    pending = [n for n in cameras if pair.client.get_camera(n).memory.state == "pending"]
    assert len(pending) == 1
    full = pair.refused(pending[0])
    assert isinstance(full, Overloaded)
    assert status(full) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert full.retry_after_s > 0
    pair.client.remove_camera(next(n for n in cameras if n not in pending))  # makes room
    # Its last lease must stand still for a TTL (10 s) before it is claimed.
    eventually(lambda: _answers(pair, pending[0]), 2 * OWNERLESS_S)


def _answers(pair: Pair, camera_id: str) -> bool:
    try:
        return pair.answer(camera_id) > 0
    except Retryable:
        return False


@pytest.mark.slow
def test_a_file_waits_for_its_worker_and_loses_nothing(pair: Pair, only_worker: str) -> None:
    """The worker is stopped, continues, is killed, and another one starts."""
    process = pair.child(only_worker).process
    os.kill(process.pid, signal.SIGSTOP)
    try:
        pair.client.add_camera("film", "long.mp4")
        log = keys.frames("film")
        eventually(lambda: pair.redis.xlen(log) > 3)
        time.sleep(1.0)
        waiting = pair.redis.xlen(log)
        time.sleep(0.5)
        assert pair.redis.xlen(log) == waiting
        assert pair.client.get_camera("film").source.state == "online"
    finally:
        os.kill(process.pid, signal.SIGCONT)
    read = pair.until("film", _read_whole, 20).memory.coverage
    assert (read.frames_seen, read.gaps) == (FILE_FRAMES, ())

    pair.kill(only_worker)
    refusal = pair.refused("film")
    assert isinstance(refusal, Retryable)
    assert status(refusal) is grpc.StatusCode.UNAVAILABLE
    (successor,) = pair.start("worker")
    again = pair.until(
        "film", lambda c: c.memory.worker == successor and _read_whole(c)
    ).memory.coverage
    assert (again.frames_seen, again.gaps) == (FILE_FRAMES, ())
    assert pair.answer("film") == FILE_FRAMES


def _read_whole(camera: Camera) -> bool:
    return (
        camera.source.state == "ended"
        and camera.memory.state == "serving"
        and camera.memory.coverage.frames_seen >= FILE_FRAMES
    )


def test_no_secret_is_written(pair: Pair) -> None:
    """Neither now nor by any test before."""
    pair.keep_cameras([])
    pair.client.add_camera("rtsp", f"rtsp://admin:{PASSWORD}@127.0.0.1:9/live")
    pair.client.add_camera("http", f"http://admin:{PASSWORD}@127.0.0.1:9/live?token={TOKEN}")
    for name in ("rtsp", "http"):
        shown = pair.until(name, lambda camera: camera.source.state == "offline", 10)
        assert PASSWORD not in repr(shown)
        assert TOKEN not in repr(shown)
    logs = pair.logs()
    assert '"level": "debug"' in logs
    assert "camera_gained" in logs
    for secret in (PASSWORD, TOKEN, REDIS_PASSWORD, REDIS_PASSWORD_QUOTED):
        assert secret not in logs
        for child in pair.pipeline.children:
            assert secret not in " ".join(pair.metrics(child.name))
