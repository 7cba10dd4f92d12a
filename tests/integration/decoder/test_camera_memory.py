"""A camera that needs more memory than it may take, beside one that does not."""

from __future__ import annotations

from pathlib import Path

import av
import psutil
import pytest
import redis

from hermes.v1.camera_pb2 import (
    PACING_LIVE,
    SOURCE_ERROR_MEMORY,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
)
from tests.support import video
from tests.support.decoder_service import DecoderService
from tests.support.waiting import eventually

LIMIT = 48 << 20
SIDE = 1024


@pytest.fixture(scope="module")
def hungry(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small film of which a decoder has to keep sixteen frames of 3 MiB."""
    path = tmp_path_factory.mktemp("memory") / "hungry.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv444p"
        stream.options = {"preset": "ultrafast", "x264-params": "ref=16:bframes=0:threads=1"}
        for number in range(20):
            frame = av.VideoFrame(SIDE, SIDE, "yuv444p")
            for plane in frame.planes:
                plane.update(bytes([100 + number]) * plane.buffer_size)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_it_rests_with_a_reason_and_its_neighbour_never_pauses(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, hungry: bytes
) -> None:
    with DecoderService(redis_url, tmp_path, HERMES_CAMERA_MEMORY=str(LIMIT)) as decoder:
        video.write(decoder.media / "clip.mp4", 100, rate=10)
        (decoder.media / "hungry.mp4").write_bytes(hungry)
        assert len(hungry) < 300_000
        decoder.add("steady", "clip.mp4", pacing=PACING_LIVE, loop=True)
        decoder.wait_for("steady", SOURCE_STATE_ONLINE)
        shared = psutil.Process(decoder.camera_pid("steady")).memory_info().rss
        decoder.add("hungry", "hungry.mp4", pacing=PACING_LIVE, loop=True)
        status = decoder.wait_for("hungry", SOURCE_STATE_OFFLINE, SOURCE_ERROR_MEMORY)
        assert "more memory than one camera may take" in status.error_message
        assert "--camera-memory" in status.error_message
        assert psutil.Process(decoder.camera_pid("hungry")).memory_info().rss < shared + LIMIT
        decoder.wait_for_more("steady", 5)
        eventually(lambda: decoder.status("hungry").reconnects >= 2, name="it is tried again")
        assert decoder.status("steady").reconnects == 0
        assert decoder.longest_pause_ms("steady") < 900
        assert not decoder.events("camera_memory_not_limited")


def test_within_the_limit_it_is_read(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path, hungry: bytes
) -> None:
    with DecoderService(redis_url, tmp_path, HERMES_CAMERA_MEMORY=str(4 * LIMIT)) as decoder:
        (decoder.media / "hungry.mp4").write_bytes(hungry)
        decoder.add("hungry", "hungry.mp4")
        decoder.wait_for_more("hungry", 10)
        assert decoder.status("hungry").error != SOURCE_ERROR_MEMORY
