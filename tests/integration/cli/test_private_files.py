"""What a local run writes is for its user alone: frames, URLs with passwords, logs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.cli import redis_server
from services.cli.processes import Pipeline, wait_ready


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    previous = os.umask(0o022)
    yield
    os.umask(previous)


def open_to_others(folder: Path) -> list[str]:
    """Everything below a folder that another user could read, or enter."""
    return [
        f"{path.relative_to(folder)} {path.stat().st_mode & 0o777:o}"
        for path in folder.rglob("*")
        if path.stat().st_mode & 0o077
    ]


def test_logs_and_redis_s_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    old = tmp_path / "logs"  # of an earlier version
    old.mkdir(mode=0o755)
    (old / "gateway.log").write_text("earlier")
    (tmp_path / "redis").mkdir(mode=0o755)
    assert len(open_to_others(tmp_path)) == 3
    with Pipeline(tmp_path) as pipeline:
        local = pipeline.start_redis()
        gateway = pipeline.start("gateway", "services.query_gateway.main", listen="127.0.0.1:0")
        wait_ready(gateway)
        with redis.Redis.from_url(local.url) as client:
            client.set("frame", "what a camera saw")
        assert list((tmp_path / "redis").rglob("*.aof"))
        assert open_to_others(tmp_path) == []
    assert "earlier" not in gateway.log.read_text()


def test_a_state_folder_of_our_own(tmp_path: Path) -> None:
    running = redis_server.start(tmp_path / "state" / "redis")
    try:
        assert open_to_others(tmp_path / "state") == []
    finally:
        running.stop()
