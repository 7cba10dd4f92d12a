"""Registry entries that did not come by the gateway: each is its own camera's fault alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermes.v1.camera_pb2 import (
    PACING_LIVE,
    SOURCE_ERROR_REFUSED,
    SOURCE_STATE_FAILED,
    SOURCE_STATE_ONLINE,
    Camera,
)
from services.common import keys
from tests.support import video
from tests.support.decoder_service import DecoderService

ODD_URLS = {
    "empty": "",
    "bracket": "http://[::1",
    "port": "rtsp://10.0.0.7:999999/live",
    "bracket-secret": "rtsp://${secret:lobby}@[::1/live",
    "scheme": "gopher://10.0.0.7/",
    "long": "rtsp://10.0.0.7/" + "x" * 5000,
    "longer-host": "rtsp://[" + "y" * 1500,
    "null": "clip\0.mp4",
}
ODD_SAMPLING: dict[str, dict[str, Any]] = {
    "negative": {"frames_per_second": -1.0},
    "nan": {"frames_per_second": float("nan")},
    "infinite": {"frames_per_second": float("inf")},
    "frames": {"chunk_max_frames": 2**32 - 1},
    "negative-age": {"chunk_max_duration": {"seconds": -(2**63)}},
    "age": {"chunk_max_duration": {"seconds": 2**63 - 1, "nanos": 2**31 - 1}},
}


@pytest.fixture
def decoder(redis_url: str, redis_client: object, tmp_path: Path) -> Iterator[DecoderService]:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "lobby").write_text("user:password\n*\n")
    with DecoderService(redis_url, tmp_path, HERMES_CREDENTIALS_FOLDER=str(secrets)) as service:
        yield service


def test_an_odd_camera_fails_and_the_others_never_pause(decoder: DecoderService) -> None:
    video.write(decoder.media / "clip.mp4", 100, rate=10)
    decoder.add("steady", "clip.mp4", pacing=PACING_LIVE, loop=True)
    decoder.wait_for_more("steady")
    refused = {id: Camera(id=id, url=url) for id, url in ODD_URLS.items()}
    for id, sampling in ODD_SAMPLING.items():
        refused[id] = Camera(id=id, url="clip.mp4", sampling=sampling)
    read = {
        "pacing": Camera(id="pacing", url="clip.mp4", pacing=99),  # type: ignore[arg-type]
        "tiny": Camera(id="tiny", url="clip.mp4", sampling={"frames_per_second": 5e-324}),
        "created": Camera(id="created", url="clip.mp4", created={"seconds": 2**63 - 1}),
    }
    for camera in read.values():
        camera.loop = True
    entries = {id: camera.SerializeToString() for id, camera in (refused | read).items()}
    # These cannot be cameras at all.
    entries |= {"y" * 100_000: b"\xff", "": b"", "other": entries["nan"], "garbage": b"\x0a\xff"}
    decoder.redis.hset(keys.CAMERAS, mapping=entries)  # type: ignore[arg-type]
    for id in refused:
        status = decoder.wait_for(id, SOURCE_STATE_FAILED, timeout_s=40)
        assert status.error == SOURCE_ERROR_REFUSED, (id, status)
        assert status.reconnects == 0, (id, status)
    for id in read:
        decoder.wait_for(id, SOURCE_STATE_ONLINE)
    assert decoder.events("camera_not_supervised") == []
    decoder.wait_for_more("steady")
    assert decoder.status("steady").reconnects == 0
    assert decoder.longest_pause_ms("steady") < 2000
    assert not decoder.events("camera_process_failed")
