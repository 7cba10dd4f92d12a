"""Credentials that Redis does not hold: sealed ones, and those in files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import redis
from cryptography.fernet import Fernet

from hermes.v1.camera_pb2 import (
    SOURCE_ERROR_AUTH,
    SOURCE_STATE_OFFLINE,
    SOURCE_STATE_ONLINE,
)
from services.common.camera_credentials import CameraCredentials
from tests.integration.decoder.conftest import RtspServer
from tests.support.decoder_service import DecoderService

PASSWORD = "r1ght:&/p@ss%20word"


def test_they_are_opened_and_a_camera_whose_are_not_hurts_no_other(
    redis_url: str,
    redis_client: redis.Redis,
    tmp_path: Path,
    rtsp: Callable[..., RtspServer],
) -> None:
    server = rtsp(f"viewer:{PASSWORD}")
    keys, others, folder = tmp_path / "keys", tmp_path / "others", tmp_path / "secrets"
    for file in (keys, others):
        file.write_bytes(Fernet.generate_key())
    folder.mkdir()
    (folder / "site").write_text(f"viewer:{PASSWORD}\n127.0.0.1\n")
    sealed = server.url("viewer:r1ght%3A&%2Fp%40ss%2520word")
    settings = {
        "HERMES_CREDENTIALS_KEY_FILE": str(keys),
        "HERMES_CREDENTIALS_FOLDER": str(folder),
    }
    with DecoderService(redis_url, tmp_path / "decoder", **settings) as decoder:
        decoder.add("sealed", CameraCredentials(keys).seal(sealed))
        decoder.add("referred", server.url("${secret:site}"))
        decoder.add("foreign", CameraCredentials(others).seal(sealed))
        decoder.add("late", server.url("${secret:late}"))
        for camera in ("sealed", "referred"):
            decoder.wait_for(camera, SOURCE_STATE_ONLINE, timeout_s=60.0)
        status = decoder.wait_for("foreign", SOURCE_STATE_OFFLINE, SOURCE_ERROR_AUTH)
        assert "no key here opens them" in status.error_message
        status = decoder.wait_for("late", SOURCE_STATE_OFFLINE, SOURCE_ERROR_AUTH)
        assert status.error_message == "there is no secret 'late' that could be read"
        (folder / "site").rename(folder / "late")
        decoder.wait_for("late", SOURCE_STATE_ONLINE)
        for camera in ("sealed", "referred"):
            decoder.wait_for_more(camera)
            assert decoder.status(camera).reconnects == 0
        shown = decoder.output() + decoder.get("/metrics")
        for process in decoder.family():
            shown += " ".join(process.cmdline()) + str(process.environ())
        for key in redis_client.scan_iter("hermes*"):
            if redis_client.type(key) == b"hash":
                shown += str(redis_client.hgetall(key))
    for secret in ("r1ght", "p@ss", "p%40ss"):
        assert secret not in shown
