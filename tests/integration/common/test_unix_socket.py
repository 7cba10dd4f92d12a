"""A Redis behind a Unix socket: clients of both kinds, and every service."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from hermes.client import AsyncHermesClient
from services.common.connection import RedisAccess, connect, connect_async
from services.common.files import UnusableFile
from services.common.parent import ending_with_parent
from services.common.settings import load
from services.query_gateway.settings import GatewaySettings
from tests.support.decoder_service import DecoderService
from tests.support.gateway import register, running_gateway
from tests.support.redises import binaries
from tests.support.video import write
from tests.support.waiting import eventually
from tests.support.workers import Feeder, checkpoint_id, until, working


@pytest.fixture(scope="module")
def socket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The socket of a Redis that listens nowhere else, and wants a password."""
    if not binaries():
        pytest.skip("no redis-server binary")
    folder = tmp_path_factory.mktemp("socket")
    path = folder / "redis.sock"
    process = subprocess.Popen(
        [
            *ending_with_parent(), next(iter(binaries().values())), "--port", "0",
            "--unixsocket", str(path), "--dir", str(folder), "--save", "",
            "--requirepass", "open sesame", "--logfile", str(folder / "log"),
        ]
    )  # fmt: skip
    try:
        eventually(path.exists, 20, "Redis")
        yield path
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def url(socket: Path) -> str:
    url = f"unix://:open%20sesame@{socket}?db=2"
    connect(url).flushall()
    return url


async def test_both_clients_find_the_same_database(socket: Path, url: str, tmp_path: Path) -> None:
    client, other = connect(url, block_s=1), connect_async(url)
    client.set("a", 1)
    assert await other.get("a") == b"1"
    assert not connect(url.replace("db=2", "db=3")).exists("a")
    file = tmp_path / "password"
    file.write_text("open sesame\n")
    plain = f"unix://{socket}?db=2"
    assert connect(plain, access=RedisAccess(password_file=file)).get("a") == b"1"
    named = connect_async(plain, access=RedisAccess("default", file))
    assert await named.get("a") == b"1"
    with pytest.raises(redis.AuthenticationError):
        connect(plain).get("a")
    for one in (other, named):
        await one.aclose()


def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(redis.ConnectionError):
        connect(f"unix://{tmp_path}/none.sock").ping()


def test_there_is_no_tls_on_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"unix://{tmp_path}/redis.sock"
    with pytest.raises(UnusableFile, match="has no TLS"):
        RedisAccess(ca_file=tmp_path / "ca").apply(url)
    with pytest.raises(SystemExit):
        load(GatewaySettings, "it", ["--redis-url", url, "--redis-tls-ca-file", "ca.crt"])
    assert "begins rediss://" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["unix://redis.sock", "unix://", "redis://h?nonsense=1"])
def test_urls_that_are_refused(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        load(GatewaySettings, "it", ["--redis-url", url])
    assert "--redis-url" in capsys.readouterr().err


async def test_the_gateway_is_ready(url: str) -> None:
    with connect(url) as client:
        register(client, "lobby")
    async with (
        running_gateway(url) as gateway,
        AsyncHermesClient(f"127.0.0.1:{gateway.port}") as client_of_it,
    ):
        assert [camera.id for camera in await client_of_it.list_cameras()] == ["lobby"]


async def test_a_worker_remembers(url: str, tmp_path: Path) -> None:
    with connect(url) as client:
        async with working(url, tmp_path / "kept"):
            last = Feeder(client, "lobby").push(2)
            await until(lambda: checkpoint_id(client) == last)


def test_a_decoder_reads(url: str, tmp_path: Path) -> None:
    with DecoderService(url, tmp_path) as service:
        write(service.media / "film.mp4", 20)
        service.add("lobby", "film.mp4")
        eventually(lambda: service.log.size("lobby"), 30, "its frames")
