"""A full disk: it is named, and Redis goes on without its file until there is room."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from services.cli import redis_server
from services.cli.disk import why_unwritable
from services.cli.state_folder import StateUnusable, open_state
from services.cli.storage import LOOK_EVERY_S, Storage
from tests.support.small_disk import fill, small_disk_at
from tests.support.waiting import eventually


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk_at(tmp_path / "disk", 8) as disk:
        yield disk


def test_redis_takes_writes_on_a_full_disk(small_disk: Path) -> None:
    time_s = 0.0
    server = redis_server.start(small_disk / "redis")
    try:
        with (
            redis.Redis.from_url(server.url) as client,
            closing(Storage(small_disk, server, clock=lambda: time_s)) as storage,
        ):
            assert storage.look() == ""
            fill(small_disk / "rest")
            time_s += LOOK_EVERY_S
            told = storage.look()
            assert f"{small_disk}: the disk is full (0 KiB of 8 MiB free)" in told
            assert "questions answered" in told
            client.set("lease", "x" * 100_000)
            assert storage.look() == told

            (small_disk / "rest").unlink()
            time_s += LOOK_EVERY_S
            assert storage.look() == ""
            client.set("later", "1")

            def kept() -> bool:
                files = (small_disk / "redis").rglob("*.aof")
                return any(b"later" in file.read_bytes() for file in files)

            eventually(kept, 10, "Redis writes its file again")
    finally:
        server.stop()


def test_a_state_folder_on_a_full_disk_is_refused(small_disk: Path) -> None:
    (small_disk / "state").mkdir()
    fill(small_disk / "rest")
    with pytest.raises(StateUnusable, match="cannot be written to: the disk is full"):
        open_state(small_disk / "state").__enter__()


def test_a_folder_that_can_be_written_is_left_as_it_was(tmp_path: Path) -> None:
    assert why_unwritable(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []
    assert why_unwritable(tmp_path / "gone") == "the folder is gone"
