"""Cameras that send single pictures, as the service publishes them."""

from __future__ import annotations

import io
import time
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_ERROR_NOT_FOUND,
    SOURCE_ERROR_REFUSED,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
)
from services.common import keys
from tests.support.decoder_service import DecoderService
from tests.support.hls import playlist
from tests.support.stills import BLUE, GREEN, parts, still
from tests.support.waiting import eventually
from tests.support.web_origin import Asked, WebOrigin, page

SECRET = "s3cr%C3%A9t%40w0rd"
TOKEN = "t0kenValueInQuery"


@pytest.mark.slow
def test_mjpeg_and_snapshots_are_cameras_like_any_other(
    redis_url: str, redis_client: object, tmp_path: Path
) -> None:
    green, broken = still(GREEN, (128, 96)), still(noise=True)[:2000]

    def mjpeg(asked: Asked) -> None:
        asked.begin("multipart/x-mixed-replace; boundary=frame")
        while True:
            asked.send(parts([green] * 3 + [broken] * 6, length=False))
            time.sleep(0.05)

    def unchanged(asked: Asked) -> None:
        if asked.header("If-None-Match") == '"1"':
            asked.answer(status=304)
        else:
            asked.answer(green, "image/jpeg", headers=[("ETag", '"1"')])

    def locked(asked: Asked) -> None:
        asked.answer(status=401, headers=[("WWW-Authenticate", 'Basic realm="cam"')])

    def flaky(asked: Asked) -> None:
        if asked.count == 4:
            asked.answer(status=500)
        else:
            asked.answer(still(BLUE), "image/jpeg")

    routes = {
        "/mjpeg": mjpeg,
        "/unchanged": unchanged,
        "/locked": locked,
        "/flaky": flaky,
        "/dash": page(b"<MPD></MPD>"),
        "/hls": page(playlist(f"gone.ts?token={TOKEN}", f"gone2.ts?token={TOKEN}")),
        "/nokey": page(
            playlist(f'#EXT-X-KEY:METHOD=AES-128,URI="gone?token={TOKEN}"', f"x.ts?token={TOKEN}")
        ),
        "/x.ts": page(bytes(188 * 10)),
    }
    verbose = {"HERMES_LOG_LEVEL": "debug"}
    with WebOrigin(routes) as origin, DecoderService(redis_url, tmp_path, **verbose) as decoder:
        origin_port = origin.port
        names = [path for path in routes if path != "/x.ts"]
        for path in names:
            decoder.add(path[1:], origin.url(f"{path}?token={TOKEN}", f"viewer:{SECRET}"))
        decoder.wait_for("mjpeg", SOURCE_STATE_ONLINE)
        decoder.wait_for("unchanged", SOURCE_STATE_ONLINE)
        decoder.wait_for("locked", SOURCE_STATE_OFFLINE, SOURCE_ERROR_AUTH)
        status = decoder.wait_for("dash", SOURCE_STATE_OFFLINE, SOURCE_ERROR_REFUSED)
        assert "MPEG-DASH" in status.error_message
        decoder.wait_for("hls", SOURCE_STATE_OFFLINE, SOURCE_ERROR_NOT_FOUND)
        decoder.wait_for("nokey", SOURCE_STATE_OFFLINE)
        decoder.wait_for_more("mjpeg", 10)
        frames = decoder.frames("mjpeg")
        picture = Image.open(io.BytesIO(frames[-1].jpeg)).convert("RGB")
        shade = picture.getpixel((picture.width - 3, picture.height - 3))
        assert isinstance(shade, tuple)
        assert all(abs(a - b) <= 4 for a, b in zip(shade, GREEN, strict=True))
        times = [frame.capture_time_ms for frame in frames]
        assert all(a < b for a, b in pairwise(times))
        assert 120 <= (times[-1] - times[0]) / (len(times) - 1) <= 400, "about five a second"
        assert decoder.status("mjpeg").reconnects == 0
        eventually(lambda: decoder.status("flaky").reconnects == 1, name="one fault")
        decoder.wait_for("flaky", SOURCE_STATE_ONLINE)
        decoder.wait_for_more("flaky", 3)
        # Nothing new is no fault, and no frame.
        asked = sum(path.startswith("/unchanged") for path in origin.asked)
        eventually(
            lambda: sum(path.startswith("/unchanged") for path in origin.asked) > asked + 5,
            name="more requests",
        )
        assert len(decoder.frames("unchanged")) == 1
        assert decoder.status("unchanged").state == SOURCE_STATE_ONLINE
        assert decoder.status("unchanged").reconnects == 0
        origin.kill()
        decoder.wait_for("mjpeg", SOURCE_STATE_OFFLINE)
        decoder.wait_for("unchanged", SOURCE_STATE_OFFLINE)
        origin.start(origin_port)
        decoder.wait_for("mjpeg", SOURCE_STATE_ONLINE)
        decoder.wait_for_more("mjpeg", 3)
        assert any(chunk.discontinuity for chunk in decoder.chunks("mjpeg"))
        shown = decoder.output() + decoder.get("/metrics")
        for path in names:
            shown += str(decoder.redis.hgetall(keys.status(path[1:])))
        for process in decoder.family():
            shown += " ".join(process.cmdline())
    for secret in (SECRET, "s3crét@w0rd", "s3cr", "w0rd", TOKEN):
        assert secret not in shown
