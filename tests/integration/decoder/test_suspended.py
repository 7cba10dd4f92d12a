"""A decoder that is stopped for a while and goes on: what came meanwhile is missing, not late."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest

from hermes.v1.camera_pb2 import GAP_REASON_DECODER_STOPPED, PACING_LIVE, SOURCE_STATE_ONLINE
from tests.integration.decoder.conftest import RtspServer
from tests.support import video
from tests.support.decoder_service import DecoderService
from tests.support.waiting import eventually

FPS = 5  # of `DecoderService`
MISSED = 'hermes_frames_total{camera="lobby",outcome="missed"}'


def stop(pids: list[int], for_s: float) -> tuple[int, int]:
    """Stop processes for a while. Returns when, in ms since the epoch."""
    began_ms = time.time_ns() // 10**6
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(for_s)
    ended_ms = time.time_ns() // 10**6
    for pid in pids:
        with suppress(ProcessLookupError):  # the watchdog ended it
            os.kill(pid, signal.SIGCONT)
    return began_ms, ended_ms


def assert_gap(decoder: DecoderService, began_ms: int, ended_ms: int) -> None:
    """Nothing is shown of that time, nothing old after it, and then frames come as ever."""
    times = [frame.capture_time_ms for frame in decoder.frames("lobby")]
    assert all(a < b for a, b in pairwise(times))
    assert not [t for t in times if began_ms + 200 < t < ended_ms]
    first = next(c for c in decoder.chunks("lobby") if c.frames[0].capture_time_ms >= ended_ms)
    assert first.discontinuity
    assert first.gap_reason == GAP_REASON_DECODER_STOPPED
    after = [t for t in times if t >= ended_ms]
    assert after[0] - ended_ms < 4000
    at_once = [t for t, u in pairwise(after) if u - t < 1000 // FPS // 3]
    assert len(at_once) <= FPS // 2 + 1, "no more than came while the source was opened"


def test_a_camera_process_is_stopped(
    decoder: DecoderService, rtsp: Callable[..., RtspServer]
) -> None:
    decoder.add("lobby", rtsp().url())
    decoder.wait_for_more("lobby")
    pid = decoder.camera_pid("lobby")
    began_ms, ended_ms = stop([pid], 2.8)
    decoder.wait_for_more("lobby", 2 * FPS)
    assert decoder.camera_pid("lobby") == pid, "it need not be killed"
    assert_gap(decoder, began_ms, ended_ms)
    eventually(lambda: 12 <= decoder.metric(MISSED) <= 16, name="the frames of 2.8 s counted")
    status = decoder.wait_for("lobby", SOURCE_STATE_ONLINE)
    assert status.reconnects == 0
    assert status.dropped_frames == decoder.metric(MISSED)


def test_a_file_goes_on_where_it_was(decoder: DecoderService) -> None:
    """It was not missed, and takes no part of it twice."""
    video.write(decoder.media / "clip.mp4", 200, rate=10)
    decoder.add("lobby", "clip.mp4", pacing=PACING_LIVE)
    decoder.wait_for_more("lobby")
    stop([decoder.camera_pid("lobby")], 2.5)
    decoder.wait_for_more("lobby", 5)
    times = [frame.media_time_ms for frame in decoder.frames("lobby")]
    assert times == [200 * n for n in range(len(times))]
    assert decoder.metric(MISSED) == 0


@pytest.mark.slow
@pytest.mark.parametrize("who", ["camera", "supervisor", "both"])
def test_a_minute(
    redis_url: str,
    redis_client: object,
    tmp_path: Path,
    rtsp: Callable[..., RtspServer],
    who: str,
) -> None:
    """As it is set by default: the watchdog ends a process that is stopped for so long."""
    usual = {"HERMES_WATCHDOG_S": "10", "HERMES_READ_TIMEOUT_S": "5", "HERMES_OPEN_TIMEOUT_S": "10"}
    with DecoderService(redis_url, tmp_path, **usual) as decoder:
        decoder.add("lobby", rtsp().url())
        decoder.wait_for_more("lobby")
        camera, supervisor = decoder.camera_pid("lobby"), decoder.process.pid
        pids = {"camera": [camera], "supervisor": [supervisor], "both": [camera, supervisor]}
        began_ms, ended_ms = stop(pids[who], 60)
        decoder.wait_for_more("lobby", 2 * FPS)
        decoder.wait_for("lobby", SOURCE_STATE_ONLINE)
        newest_ms = decoder.frames("lobby")[-1].capture_time_ms
        assert time.time_ns() // 10**6 - newest_ms < 2000
        missed = decoder.metric(MISSED)
        times = [frame.capture_time_ms for frame in decoder.frames("lobby")]
        assert all(a < b for a, b in pairwise(times))
        if who == "supervisor":
            assert missed == 0
        elif who == "camera":
            assert missed > 9 * FPS
        else:
            assert_gap(decoder, began_ms, ended_ms)
            assert missed > 55 * FPS
