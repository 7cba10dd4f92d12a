from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path

import psutil
import redis

from hermes.v1.camera_pb2 import GAP_REASON_DECODER_STOPPED, PACING_LIVE, SOURCE_STATE_ONLINE
from services.cli import redis_server
from services.common import keys
from tests.integration.decoder.conftest import RtspServer
from tests.support import video
from tests.support.decoder_service import DecoderService
from tests.support.waiting import eventually


def add_clip(service: DecoderService, camera_id: str) -> None:
    path = service.media / "clip.mp4"
    if not path.exists():
        video.write(path, 100, rate=10)
    service.add(camera_id, "clip.mp4", pacing=PACING_LIVE, loop=True)


def test_a_killed_process_is_replaced_and_the_others_never_pause(decoder: DecoderService) -> None:
    add_clip(decoder, "victim")
    add_clip(decoder, "steady")
    decoder.wait_for_more("victim")
    decoder.wait_for_more("steady")
    pid, last = decoder.camera_pid("victim"), decoder.log.last_id("victim")
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: decoder.camera_pid("victim") != pid, name="a new process")
    decoder.wait_for_more("victim")
    status = decoder.wait_for("victim", SOURCE_STATE_ONLINE)
    assert status.reconnects == 1
    chunks = decoder.chunks("victim")
    indices = [c.first_frame_index for c in chunks]
    assert indices == sorted(indices)
    assert len({c.epoch for c in chunks}) == 1
    assert [c.discontinuity for c in decoder.chunks("victim", last)].count(True) == 1
    assert decoder.longest_pause_ms("steady") < 900
    assert decoder.status("steady").reconnects == 0


def test_kill_9_of_the_service_leaves_no_process_and_another_takes_over(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    with DecoderService(redis_url, tmp_path) as first:
        add_clip(first, "lobby")
        first.wait_for_more("lobby")
        family = first.family()
        assert len(family) >= 2
        last = first.log.last_id("lobby")
        epoch = first.chunks("lobby")[-1].epoch
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        assert psutil.wait_procs(family, timeout=5)[1] == []
    # As if it had released its lease: other tests wait until one is seen to have run out.
    redis_client.hdel(keys.lease("lobby", "decoder"), "instance")
    redis_client.hset(keys.lease("lobby", "decoder"), "expires_ms", 0)
    redis_client.delete(keys.members("decoder"))
    with DecoderService(redis_url, tmp_path) as second:
        second.wait_for_more("lobby")
        chunks = second.chunks("lobby", last)
        taken = [c for c in chunks if c.epoch > epoch]
        assert taken[0].discontinuity
        assert taken[0].gap_reason == GAP_REASON_DECODER_STOPPED
        assert taken[0].first_frame_index == 0


def test_a_graceful_stop_publishes_what_is_open_and_frees_the_leases(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    with DecoderService(redis_url, tmp_path) as service:
        video.write(service.media / "clip.mp4", 600, rate=10)
        service.add("open", "clip.mp4", pacing=PACING_LIVE, fps=2, chunk_frames=64, chunk_s=60)
        eventually(lambda: service.status("open").last_frame.seconds, name="a first frame")
        eventually(lambda: service.status("open").frames_per_second > 0, name="a second frame")
        assert service.chunks("open") == []
        family = service.family()
        started = time.monotonic()
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == 0
        assert time.monotonic() - started < 5
        assert psutil.wait_procs(family, timeout=5)[1] == []
        assert len(service.frames("open")) >= 2
        assert redis_client.hget(keys.lease("open", "decoder"), "instance") is None
        assert redis_client.hlen(keys.members("decoder")) == 0


def test_a_removed_camera_is_let_go_at_once(decoder: DecoderService) -> None:
    add_clip(decoder, "lobby")
    decoder.wait_for_more("lobby")
    process = psutil.Process(decoder.camera_pid("lobby"))
    assert 'hermes_camera_state{camera="lobby"}' in decoder.get("/metrics")
    decoder.remove("lobby")
    psutil.wait_procs([process], timeout=5)
    assert not process.is_running()
    eventually(lambda: 'camera="lobby"' not in decoder.get("/metrics"), name="series removed")


def test_a_stolen_lease_fences_the_writer(decoder: DecoderService) -> None:
    add_clip(decoder, "lobby")
    decoder.wait_for_more("lobby")
    key = keys.lease("lobby", "decoder")
    epoch = int(decoder.redis.hget(key, "epoch") or 0)
    thief = {
        "instance": "thief",
        "epoch": epoch + 1,
        "expires_ms": (time.time_ns() // 10**6) + 60_000,
    }
    decoder.redis.hset(key, mapping=thief)  # type: ignore[arg-type]
    last = decoder.log.last_id("lobby")
    # Whichever comes first, its next write or its next renewal, reveals it.
    eventually(lambda: decoder.events("camera_given_up"), name="the camera given up")
    refused = decoder.metric("hermes_fenced_writes_total") + decoder.metric(
        "hermes_lease_lost_total"
    )
    assert refused >= 1
    assert decoder.chunks("lobby", last) == []


def test_redis_restarts_under_a_live_camera(
    own_redis: redis_server.LocalRedis, tmp_path: Path, rtsp: Callable[..., RtspServer]
) -> None:
    server = rtsp()
    port = int(own_redis.url.rsplit(":", 1)[1].split("/")[0])
    with DecoderService(own_redis.url, tmp_path, HERMES_STALENESS_S="1") as service:
        service.add("lobby", server.url())
        service.wait_for("lobby", SOURCE_STATE_ONLINE)
        service.wait_for_more("lobby")
        pid = service.camera_pid("lobby")
        assert own_redis.process is not None
        own_redis.process.kill()
        own_redis.process.wait()
        eventually(lambda: json.loads(read_error(service))["ready"] is False, name="not ready")
        metric = 'hermes_frames_total{camera="lobby",outcome="dropped_stale"}'
        eventually(lambda: service.metric(metric) > 0, name="stale frames dropped")
        # With its data: the same lease, the same process, and no id written twice.
        again = redis_server.start(tmp_path / "redis", port=port)
        own_redis.process = again.process
        service.wait_for_more("lobby")
        service.wait_for("lobby", SOURCE_STATE_ONLINE)
        assert service.camera_pid("lobby") == pid
        chunks = service.chunks("lobby")
        ends = [c.first_frame_index + len(c.frames) for c in chunks]
        gaps = [b.first_frame_index - a for a, b in zip(ends, chunks[1:], strict=False)]
        assert all(gap >= 0 for gap in gaps)
        assert sum(gaps) >= 1, "dropped frames show as a gap"
        eventually(
            lambda: service.status("lobby").dropped_frames >= sum(gaps), name="drops reported"
        )


def test_redis_loses_its_data_under_a_live_camera(
    own_redis: redis_server.LocalRedis, tmp_path: Path
) -> None:
    with DecoderService(own_redis.url, tmp_path) as service:
        add_clip(service, "lobby")
        service.wait_for_more("lobby")
        epoch = service.chunks("lobby")[-1].epoch
        service.redis.flushdb()
        service.wait_for_more("lobby", timeout_s=20)
        service.wait_for("lobby", SOURCE_STATE_ONLINE)
        assert all(chunk.epoch > epoch for chunk in service.chunks("lobby"))


def read_error(service: DecoderService) -> str:
    """The body of /readyz, whatever its status."""
    try:
        return service.get("/readyz")
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()
