"""A decoder reads so many cameras at a time; one that has ended leaves its place to the next."""

from __future__ import annotations

import time
from pathlib import Path

import redis

from hermes.v1.camera_pb2 import (
    PACING_LIVE,
    SOURCE_STATE_ENDED,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_ONLINE,
    SOURCE_STATE_PENDING,
)
from services.common import keys
from services.common.holder import FINISHED
from tests.support import video
from tests.support.decoder_service import DecoderService
from tests.support.waiting import eventually


def test_ended_and_failed_cameras_leave_their_places(
    redis_url: str, redis_client: redis.Redis, tmp_path: Path
) -> None:
    with DecoderService(redis_url, tmp_path, HERMES_CAPACITY="2") as decoder:
        video.write(decoder.media / "clip.mp4", 20, rate=10)
        (decoder.media / "text.mp4").write_text("no video\n" * 100)
        files = [f"file-{number}" for number in range(6)]
        for camera_id in files:
            decoder.add(camera_id, "clip.mp4")
        for camera_id in ("bad-1", "bad-2"):
            decoder.add(camera_id, "text.mp4")
        for camera_id in files:
            decoder.wait_for(camera_id, SOURCE_STATE_ENDED, timeout_s=30.0)
        for camera_id in ("bad-1", "bad-2"):
            decoder.wait_for(camera_id, SOURCE_STATE_FAILED)
        # What goes on keeps its place.
        for camera_id in ("one", "two", "three"):
            decoder.add(camera_id, "clip.mp4", pacing=PACING_LIVE, loop=True)
        going = ("one", "two", "three")

        def states() -> list[int]:
            return sorted(decoder.status(camera_id).state for camera_id in going)

        two_of_three = [SOURCE_STATE_PENDING, SOURCE_STATE_ONLINE, SOURCE_STATE_ONLINE]
        eventually(lambda: states() == two_of_three, name="both places taken")
        time.sleep(6.0)  # longer than a camera that failed at its owner would rest
        assert states() == two_of_three
        assert not decoder.events("camera_given_up")
        started = [str(event["camera"]) for event in decoder.events("camera_process_started")]
        assert sorted(set(started)) == sorted(started), "no camera is read a second time"
        for camera_id in ("file-0", "bad-1"):
            assert redis_client.hget(keys.lease(camera_id, "decoder"), "state") == FINISHED.encode()
        # Added anew, it is read anew.
        decoder.remove("one")
        decoder.remove("file-0")
        decoder.add("file-0", "clip.mp4")
        decoder.remove("two")
        decoder.wait_for("file-0", SOURCE_STATE_ENDED)
        assert len(decoder.frames("file-0")) == 10
