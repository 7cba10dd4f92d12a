"""Finding and starting a Redis, and connections to one that goes away."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest
import redis

from services.cli import redis_server
from services.cli.redis_server import NoRedis
from services.common import connection
from tests.support.redises import binaries

BINARIES = binaries()


@pytest.mark.parametrize("name", BINARIES or [pytest.param("", marks=pytest.mark.skip("none"))])
def test_it_starts_answers_keeps_its_data_and_stops(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "new" / "folder"
    for expected in (None, b"1"):
        began = time.monotonic()
        server = redis_server.start(folder, binary=BINARIES[name])
        assert time.monotonic() - began < 2
        with redis.Redis.from_url(server.url) as client:
            assert client.get("a") == expected
            client.set("a", 1)
        server.stop()
        server.stop()
        assert server.process is not None
        assert server.process.poll() is not None


def test_an_installed_valkey_is_found_where_there_is_no_installed_redis(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("valkey-server", "redis-server"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
        assert redis_server.find_binary() == (str(tmp_path / name), f"installed {name}")


@pytest.fixture
def installed() -> None:
    if redis_server.find_binary() is None:
        pytest.skip("no redis-server binary")


@pytest.mark.usefixtures("installed")
def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """And the Redis that answers there is not taken for ours."""
    first = redis_server.start(tmp_path / "first")
    port = int(first.url.rsplit(":", 1)[1].partition("/")[0])
    try:
        with pytest.raises(NoRedis, match=f"127.0.0.1:{port}/0.*does not answer: "):
            redis_server.start(tmp_path / "second", port=port)
    finally:
        first.stop()


@pytest.mark.usefixtures("installed")
def test_a_port_that_was_taken_in_between_is_tried_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = redis_server.free_port
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answers = iter([taken.getsockname()[1], free()])
        monkeypatch.setattr(redis_server, "free_port", lambda: next(answers))
        redis_server.start(tmp_path / "redis").stop()


def test_a_binary_that_is_none(tmp_path: Path) -> None:
    for binary in ("/bin/false", str(tmp_path / "gone")):
        with pytest.raises(NoRedis):
            redis_server.start(tmp_path / "redis", binary=binary)


@pytest.mark.parametrize(
    "url", ["redis://u:hunter2@127.0.0.1:1/0", "http://u:hunter2@host", "redis://u:hunter2@h:x"]
)
def test_a_given_redis_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setattr(redis_server, "START_TIMEOUT_S", 0.1)
    with pytest.raises(NoRedis, match="REDIS_URL") as said:
        redis_server.find_or_start(tmp_path)
    assert "hunter2" not in str(said.value)


@pytest.mark.usefixtures("installed")
async def test_clients_survive_a_restart(tmp_path: Path) -> None:
    server = redis_server.start(tmp_path / "redis")
    port = int(server.url.rsplit(":", 1)[1].partition("/")[0])
    client, other = connection.connect(server.url), connection.connect_async(server.url)
    client.set("a", 1)
    assert await other.get("a") == b"1"
    await asyncio.sleep(1.1)  # written to disk every second
    server.stop()
    began = time.monotonic()
    with pytest.raises(redis.ConnectionError):
        client.get("a")
    with pytest.raises(redis.ConnectionError):
        await other.get("a")
    assert time.monotonic() - began < 3
    server = redis_server.start(tmp_path / "redis", port=port)
    assert client.get("a") == b"1"
    assert await other.get("a") == b"1"
    client.close()
    await other.aclose()
    server.stop()


def test_a_redis_that_hangs_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "CALL_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = connection.connect(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        with pytest.raises(redis.TimeoutError):
            client.ping()
        assert time.monotonic() - began < 2
        client.close()
